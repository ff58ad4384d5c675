// A process of its own for many quiet rooms: `node crowd.mjs PORT ROOMS`. Each has two members, a
// retained state and a URL, of one of 120 origins. As many again come in between and leave, so that
// the server's heap has holes. Prints `ready` when that is done; they stay until it is killed.

import { setTimeout as pause } from 'node:timers/promises';
import { RawConnection } from '../support/raw.mjs';

const [port, roomCount] = process.argv.slice(2).map(Number);
const atOnce = 50; // rooms being set up side by side
const passingAtOnce = 500; // and on their way before they leave
const originCount = 120;

async function enter(number) {
  const connection = await RawConnection.open(port);
  const headers = {
    Origin: `https://game-${number % originCount}.example`,
    'Sec-WebSocket-Protocol': 'party-sockets.v2',
  };
  await connection.upgrade({ headers });
  return connection;
}

async function open(number) {
  const [host, guest] = [await enter(number), await enter(number)];
  const url = `https://game.example/${'u'.repeat(number % 200)}/{room}`;
  host.send({ type: 'create', clientId: `host ${number}`, maxClients: 4, url });
  const { room } = await host.readEvent();
  guest.send({ type: 'join', clientId: `guest ${number}`, room });
  await guest.readEvent();
  await host.readEvent();
  host.send({ type: 'set_state', data: 's'.repeat((number * 37) % 2_000) });
  await guest.readEvent();
  return [host, guest];
}

const kept = [];
let passing = [];
let next = 0;

async function work() {
  while (next < 2 * roomCount) {
    const number = next++;
    const room = await open(number >> 1);
    if (number % 2) kept.push(room);
    else passing.push(room);
    if (passing.length < passingAtOnce) continue;
    for (const member of passing.splice(0).flat()) member.terminate();
  }
}

await Promise.all(Array.from({ length: atOnce }, work));
for (const member of passing.flat()) member.terminate();
passing = [];
await pause(500); // for the server to see them off
console.log('ready');
