// A process of its own for flooders: `node flooders.mjs PORT COUNT KIND`. Each has a room with a
// second member who reads, and pushes broadcasts as fast as TCP takes them, until it is killed:
// `small` ones, or `long` ones that are much work to parse. Prints `ready` when all of them do.

import { json } from '../support/frames.mjs';
import { RawConnection } from '../support/raw.mjs';

const [port, count] = process.argv.slice(2).map(Number);
const pushesOfKind = {
  small: () => Array(1_000).fill(json({ type: 'send', data: 'flood '.repeat(10) })),
  long: () => [json({ type: 'send', data: Array.from({ length: 2e6 }, (_, index) => index % 1e3) })],
};
const pushes = Buffer.concat(pushesOfKind[process.argv[4]]());

async function flood() {
  const [sender, reader] = await Promise.all([RawConnection.open(port), RawConnection.open(port)]);
  await sender.upgrade();
  await reader.upgrade();
  const code = await sender.create('flooder');
  await reader.join('reader', code);
  let isOver = false;
  for (const { socket } of [sender, reader]) {
    socket.removeAllListeners('data'); // what comes back is only read
    socket.on('data', () => {});
    socket.on('error', () => {});
    // On a busy machine the reader may be too slow, and closed; then the next one floods.
    socket.on('close', () => {
      if (isOver) return;
      isOver = true;
      for (const connection of [sender, reader]) connection.terminate();
      flood();
    });
  }
  const push = () => {
    while (!isOver && sender.socket.write(pushes));
  };
  sender.socket.on('drain', push);
  push();
}

await Promise.all(Array.from({ length: count }, flood));
console.log('ready');
