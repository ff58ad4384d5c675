// All come back at once: thousands of seats are taken again as soon as the next process listens, and nobody is
// refused. A client says all it has to say in one packet, so that the test costs little beside the server.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { slowness, withDeadline } from '../support/deadline.mjs';
import { frame, opcodes } from '../support/frames.mjs';
import { upgradeRequest } from '../support/http.mjs';
import { Server } from '../support/server.mjs';

const rooms = 1_000;
const seats = 4; // of each room
const atOnce = 400; // who come for the first time
const millisecondsEach = 0.8; // four times what 10,000 clients in 2 s have
const head = upgradeRequest('/', { headers: { 'Sec-WebSocket-Protocol': 'party-sockets.v3' } });

/** A client that has said this when it has connected: its socket, with the answer as `answer`. */
async function open(port, message) {
  const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.write(Buffer.concat([Buffer.from(head), frame(opcodes.text, JSON.stringify(message))]));
  let received = '';
  for await (const [bytes] of chunks(socket)) {
    received += bytes.toString('latin1');
    const [text] = /\{"type":"(created|joined|error)".*?\}/.exec(received) ?? [];
    if (text) return Object.assign(socket, { answer: JSON.parse(text) });
  }
  throw new Error(`The connection ended with ${received}`);
}

/** What arrives, until the end, without destroying the socket when the reader has enough. */
async function* chunks(socket) {
  const arrived = [];
  let wake = () => {};
  socket.on('data', (bytes) => (arrived.push(bytes), wake()));
  socket.on('close', () => (arrived.push(null), wake()));
  for (;;) {
    while (arrived.length === 0) await new Promise((resolve) => (wake = resolve));
    const bytes = arrived.shift();
    if (bytes === null) return;
    yield [bytes];
  }
}

async function inGroups(things, work) {
  const results = [];
  for (let at = 0; at < things.length; at += atOnce)
    results.push(...(await Promise.all(things.slice(at, at + atOnce).map(work))));
  return results;
}

describe('A storm of clients that come back', () => {
  let directory;
  const servers = [];
  beforeEach(() => (directory = mkdtempSync(path.join(os.tmpdir(), 'party-storm-'))));
  afterEach(() => {
    for (const server of servers.splice(0)) server.kill();
    rmSync(directory, { recursive: true });
  });

  async function start(port = 0) {
    const options = ['--state-dir', directory, '--max-connections-per-address', 0];
    const server = await Server.start({ port, loops: null, options });
    servers.push(server);
    return server;
  }

  /** The rooms' players: `{ join, socket }`, where `join` is what each says to be back. */
  async function play(port) {
    let count = 0;
    const session = { session: 'a page of its own' };
    const hosts = await inGroups(Array.from({ length: rooms }), async () => {
      const who = { clientId: `the secret of host ${count++}`, ...session };
      const socket = await open(port, { type: 'create', maxClients: seats, ...who });
      const { room, epoch } = socket.answer;
      return { socket, join: { type: 'join', room, epoch, seen: 0, attempt: 2, ...who } };
    });
    const guests = await inGroups(Array.from({ length: rooms * (seats - 1) }, (_, index) => index), async (index) => {
      const { room } = hosts[index % rooms].join;
      const who = { clientId: `the secret of guest ${index}`, ...session };
      const socket = await open(port, { type: 'join', room, attempt: 1, ...who });
      return { socket, join: { type: 'join', room, epoch: socket.answer.epoch, seen: 0, attempt: 2, ...who } };
    });
    return [...hosts, ...guests];
  }
  for (const [signal, isRecovered] of [
    ['SIGTERM', true],
    ['SIGKILL', false],
  ])
    it(`are all back in their seats after ${signal}, and nobody is refused`, async () => {
      const server = await start();
      const players = await withDeadline(play(server.port), 'The players');
      await new Promise((resolve) => setTimeout(resolve, 1_000)); // after which all is stored
      for (const { socket } of players) socket.on('end', () => socket.end());
      server.signal(signal);
      await server.outcome();
      for (const { socket } of players) socket.destroy();
      const next = await start(server.port);
      const begin = performance.now();
      const back = await Promise.all(players.map(({ join }) => open(next.port, join)));
      const took = performance.now() - begin;
      assert.deepEqual([...new Set(back.map(({ answer }) => answer.type))], ['joined']);
      assert.deepEqual([...new Set(back.map(({ answer }) => answer.recovered))], [isRecovered]);
      assert.equal(new Set(back.map(({ answer }) => `${answer.room} ${answer.index}`)).size, rooms * seats);
      for (const socket of back) socket.destroy();
      const most = rooms * seats * millisecondsEach * slowness;
      assert.ok(took < most, `${took} ms for ${players.length}`);
    });
});
