// A process of its own that makes a server look at ten messages of 16 MiB at once: `node
// long_messages.mjs PORT KIND`. Each is one `number`, or white `space`, or `binary` text of two bytes a
// character. They are sent but for their end: then it prints `ready`, completes them together when it
// reads a line, prints `done` when all have been answered, and begins anew when it reads another.

import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { frame } from '../support/frames.mjs';
import { RawConnection } from '../support/raw.mjs';

const port = Number(process.argv[2]);
const kind = process.argv[3];
const count = 10;
const length = 16 * 1024 * 1024;
const endLength = 100;

const payloads = {
  number: () => Buffer.alloc(length, '7'),
  space: () => Buffer.alloc(length, ' '),
  binary: () => Buffer.alloc(length, 'é'),
};
const opcode = kind === 'binary' ? 2 : 1;
const message = frame(opcode, payloads[kind]());

const senders = await Promise.all(Array.from({ length: count }, () => RawConnection.open(port)));
await Promise.all(senders.map((sender) => sender.upgrade()));

/** Written and taken by the kernel. */
const write = ({ socket }, bytes) => new Promise((resolve) => socket.write(bytes, resolve));

const wishes = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

for (;;) {
  for (const sender of senders) await write(sender, message.subarray(0, -endLength));
  await pause(100); // the server has read them
  console.log('ready');
  if ((await wishes.next()).done) break;
  for (const sender of senders) sender.write(message.subarray(-endLength));
  await Promise.all(senders.map((sender) => sender.readEvent())); // an error each
  console.log('done');
  if ((await wishes.next()).done) break;
}
process.exit();
