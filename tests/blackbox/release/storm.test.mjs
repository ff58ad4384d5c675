// All come back at once: thousands of seats are taken again as soon as the next process listens, and nobody is
// refused. A client says all it has to say in one packet, so that the test costs little beside the server. Over TLS
// all resume their sessions. STORM_ROOMS=2500 has ten thousand clients.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import tls from 'node:tls';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { selfSigned } from '../support/certificates.mjs';
import { slowness, withDeadline } from '../support/deadline.mjs';
import { frame, opcodes } from '../support/frames.mjs';
import { upgradeRequest } from '../support/http.mjs';
import { Server } from '../support/server.mjs';

const seats = 4; // of each room
const atOnce = 400; // who come for the first time
const storms = [
  { how: 'SIGTERM', signal: 'SIGTERM', isRecovered: true, rooms: 1_000, millisecondsEach: 0.8 }, // four times 2 s for 10,000
  { how: 'SIGKILL', signal: 'SIGKILL', isRecovered: false, rooms: 1_000, millisecondsEach: 0.8 },
  { how: 'SIGTERM, over TLS', signal: 'SIGTERM', isRecovered: true, rooms: 250, millisecondsEach: 12, isSecure: true }, // clients share the cores
];
const certificate = await selfSigned('storm');
const head = upgradeRequest('/', { headers: { 'Sec-WebSocket-Protocol': 'party-sockets.v3' } });

/**
 * A client that has said this when it has connected: its socket, with the answer as `answer`. With `secure`, options of
 * tls.connect(), it speaks TLS, and the last ticket that it got is its `ticket`.
 */
async function open(port, message, secure) {
  const target = { port, host: '127.0.0.1', noDelay: true };
  const socket = secure ? tls.connect({ ...target, ...secure }) : net.connect(target);
  socket.on('error', () => {});
  socket.on('session', (ticket) => (socket.ticket = ticket));
  await once(socket, secure ? 'secureConnect' : 'connect');
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

  async function start(port, secure) {
    const options = ['--state-dir', directory, '--max-connections-per-address', 0, ...(secure ? certificate.options : [])];
    const server = await Server.start({ port, loops: null, options });
    servers.push(server);
    return server;
  }

  /** The rooms' players: `{ join, socket }`, where `join` is what each says to be back. */
  async function play(port, rooms, secure) {
    let count = 0;
    const session = { session: 'a page of its own' };
    const hosts = await inGroups(Array.from({ length: rooms }), async () => {
      const who = { clientId: `the secret of host ${count++}`, ...session };
      const socket = await open(port, { type: 'create', maxClients: seats, ...who }, secure);
      const { room, epoch } = socket.answer;
      return { socket, join: { type: 'join', room, epoch, seen: 0, attempt: 2, ...who } };
    });
    const guests = await inGroups(Array.from({ length: rooms * (seats - 1) }, (_, index) => index), async (index) => {
      const { room } = hosts[index % rooms].join;
      const who = { clientId: `the secret of guest ${index}`, ...session };
      const socket = await open(port, { type: 'join', room, attempt: 1, ...who }, secure);
      return { socket, join: { type: 'join', room, epoch: socket.answer.epoch, seen: 0, attempt: 2, ...who } };
    });
    return [...hosts, ...guests];
  }

  for (const { how, signal, isRecovered, millisecondsEach, isSecure, ...storm } of storms)
    it(`are all back in their seats after ${how}, and nobody is refused`, async () => {
      const rooms = Number(process.env.STORM_ROOMS ?? storm.rooms);
      const secure = isSecure && certificate.secure;
      const server = await start(0, secure);
      const players = await withDeadline(play(server.port, rooms, secure), 'The players');
      await new Promise((resolve) => setTimeout(resolve, 1_000)); // after which all is stored
      for (const { socket } of players) socket.on('end', () => socket.end());
      server.signal(signal);
      await server.outcome();
      for (const { socket } of players) socket.destroy();
      const next = await start(server.port, secure);
      const begin = performance.now();
      const back = await Promise.all(
        players.map(({ join, socket }) => open(next.port, join, secure && { ...secure, session: socket.ticket })),
      );
      const took = performance.now() - begin;
      assert.deepEqual([...new Set(back.map(({ answer }) => answer.type))], ['joined']);
      assert.deepEqual([...new Set(back.map(({ answer }) => answer.recovered))], [isRecovered]);
      assert.equal(new Set(back.map(({ answer }) => `${answer.room} ${answer.index}`)).size, rooms * seats);
      if (secure) assert.ok(back.every((socket) => socket.isSessionReused()));
      for (const socket of back) socket.destroy();
      const most = rooms * seats * millisecondsEach * slowness;
      assert.ok(took < most, `${took} ms for ${players.length}`);
      if (process.env.STORM_ROOMS) console.log(`# ${players.length} were back after ${Math.round(took)} ms`);
    });
});
