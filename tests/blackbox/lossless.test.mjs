// The client of docs/protocol.md that loses nothing, extracted and run as it stands, over
// connections that break all the time.

import assert from 'node:assert/strict';
import { randomUUID, webcrypto } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, before } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import vm from 'node:vm';
import WebSocket from 'ws';
import { eventually } from './support/deadline.mjs';
import { Server } from './support/server.mjs';
import { describe, it } from './support/testing.mjs';

const page = readFileSync(new URL('../../docs/protocol.md', import.meta.url), 'utf8');
const [, client] = /^```js\n(\/\/ `who` has.*?)```/ms.exec(page);

const ROUNDS = 40;
const MESSAGES = 5; // of each member, in a round

describe('The client that loses nothing', () => {
  let server;
  const sockets = [];
  before(async () => (server = await Server.start({ loops: 2, options: ['--max-message-bytes', '10000'] })));
  after(() => server.stop());

  class FragileWebSocket extends WebSocket {
    constructor(...args) {
      super(...args);
      this.on('error', () => {});
      sockets.push(this);
    }
  }
  const world = { ...{ WebSocket: FragileWebSocket, setTimeout, setInterval, clearInterval, Math, JSON }, crypto: webcrypto };
  const member = vm.runInNewContext(`${client}; member`, world);

  /** A member that notes what it hears of each other one. */
  function enter(where) {
    const one = { begun: [], heard: {}, given: 0, ends: [] };
    const app = {
      begin: (event) => {
        one.begun.push(event);
        one.say?.({ type: 'send', data: ['begin', one.begun.length] }); // once, though nothing is kept before it
      },
      event: ({ type, data }) => type === 'message' && (one.heard[data[0]] ??= []).push(data[1]),
      gaveUp: () => one.given++,
      over: (why) => one.ends.push(why),
    };
    const who = { clientId: randomUUID(), session: randomUUID(), ...where };
    return Object.assign(one, member(`ws://127.0.0.1:${server.port}/`, who, app));
  }

  /** What each one says in `begin`: the host before anybody is here, so only the guests are heard by it. */
  const saysInBegin = (one) => (one.heard.begin ?? []).length;

  it('hears each message once and in order, while connections break', async () => {
    const host = enter({ maxClients: 4 });
    await eventually(() => host.begun.length > 0, 'The code');
    const { room } = host.begun[0];
    const members = { host, ada: enter({ room }), bob: enter({ room }) };
    await eventually(() => members.ada.begun.length + members.bob.begun.length === 2, 'The seats');

    for (let round = 0; round < ROUNDS; round++) {
      for (const [name, one] of Object.entries(members))
        for (let i = 1; i <= MESSAGES; i++) one.say({ type: 'send', data: [name, round * MESSAGES + i] });
      const open = sockets.filter((socket) => socket.readyState === WebSocket.OPEN);
      if (round % 2 === 0) open[(round / 2) % open.length]?.terminate();
      if (round === ROUNDS / 2) members.ada.say({ type: 'send', data: 'x'.repeat(10_000) });
      await pause(20);
    }

    const all = Array.from({ length: ROUNDS * MESSAGES }, (_, i) => i + 1);
    const heardAll = (one) => Object.values(one.heard).filter((list) => list.length >= all.length).length === 2;
    await eventually(() => Object.values(members).every(heardAll), 'All messages', 3);
    for (const [name, one] of Object.entries(members)) {
      for (const other of Object.keys(members).filter((key) => key !== name)) assert.deepEqual(one.heard[other], all);
      assert.equal(one.begun.length, 1, 'each came back to what it knew');
      assert.deepEqual(one.ends, []);
    }
    assert.equal(saysInBegin(host), 2, 'ada and bob, each once');
    assert.equal(members.ada.given, 1, 'a message that is too long is given up, not sent for ever');
    for (const one of Object.values(members)) one.leave();
  });
});
