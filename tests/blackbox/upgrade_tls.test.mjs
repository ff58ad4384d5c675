// An upgrade of a process that speaks TLS: its connections are closed with 1012, and their players come back to their
// seats, with the session of before.

import assert from 'node:assert/strict';
import { afterEach, beforeEach } from 'node:test';
import { selfSigned } from './support/certificates.mjs';
import { slowness, withDeadline } from './support/deadline.mjs';
import { patience, runToEnd, Server } from './support/server.mjs';
import { describe, it } from './support/testing.mjs';

const loops = Number(process.env.LOOPS_UNDER_TEST ?? 1);
const players = 12;
const bystanders = 40 * loops; // one is closed every 20 ms by each loop: 800 ms in which to look
const certificate = await selfSigned('upgrade');

describe('An upgrade over TLS', () => {
  let server;
  beforeEach(async () => {
    server = await Server.start({
      loops,
      options: [...patience, ...certificate.options, '--admin-listen', '127.0.0.1:0'],
      secure: certificate.secure,
    });
  });
  afterEach(async () => {
    server.kill();
    await server.outcome();
  });

  const admin = () => Number(/metrics and status: http:\/\/127\.0\.0\.1:(\d+)/.exec(server.stdout)[1]);

  async function metric(name) {
    const response = await withDeadline(fetch(`http://127.0.0.1:${admin()}/metrics`), 'The metrics');
    const text = await response.text();
    const [, value] = new RegExp(`^party_sockets_${name}(?:\\{.*\\})? (.*)$`, 'm').exec(text) ?? assert.fail(text);
    return Number(value);
  }

  const done = (count = 1) =>
    eventually(() => server.stderr.match(/connections of before/g)?.length === count, 'The end of the upgrade');

  /** A player with a seat of protocol 3, who can come back to it, and counts what comes for the seat. */
  async function seat(name, fields) {
    const player = { attempt: 0, seen: 0, messages: [] };
    player.enter = async (more) => {
      const client = await server.member({ protocols: 'party-sockets.v3', session: player.ticket });
      const { _socket: socket } = client.socket;
      player.wasReused = socket.isSessionReused();
      const who = { clientId: `the secret of ${name}`, session: `session of ${name}`, attempt: ++player.attempt };
      client.send({ ...who, epoch: player.epoch, seen: player.seen, ...more });
      player.client = client;
      const answer = await client.next();
      player.epoch = answer.epoch;
      player.ticket = socket.getSession(); // what came with the answer
      return answer;
    };
    player.read = async () => {
      const event = await player.client.next();
      player.seen++;
      if (event.type === 'message') player.messages.push(event.data);
    };
    player.answer = await player.enter(fields);
    return player;
  }

  it('brings everybody back to the same seat, with a resumed session, and nothing is lost', async () => {
    const host = await seat('host', { type: 'create', maxClients: players });
    const { room } = host.answer;
    const all = [host];
    for (let index = 1; index < players; index++) {
      all.push(await seat(`player ${index}`, { type: 'join', room }));
      assert.equal(all[index].answer.index, index);
      for (const other of all.slice(0, index)) await other.read();
    }
    const others = [];
    for (let count = 0; count < bystanders; count++) others.push(await server.member({ protocols: 'party-sockets.v3' }));
    assert.equal(await metric('closes_total\\{.*reason="restarting".*\\}'), 0);
    const asked = runToEnd(['--upgrade', server.pid]);
    const sent = [];
    const timer = setInterval(() => {
      const sender = all.findLast((player) => player.client.isOpen);
      if (sender === host || !sender) return;
      const message = { type: 'send', data: sent.length, to: 0 };
      sent.push({ sender, message });
      sender.client.send(message);
    }, 10).unref();
    const closings = [...all.map(({ client }) => client), ...others].map(async (client) => {
      const { code } = await client.whenClosed();
      assert.equal(code, 1012);
      return performance.now();
    });
    await Promise.race(closings);

    // The admin listener goes on while the others are being closed, and who knocks waits until all are.
    assert.ok((await metric('closes_total\\{.*reason="restarting".*\\}')) > 0);
    assert.doesNotMatch(server.stderr, /connections? of before/);
    const knockedAt = performance.now();
    const { status } = await server.get('/health');
    const waited = performance.now() - knockedAt;
    assert.equal(status, 200);
    const times = (await Promise.all(closings)).sort((a, b) => a - b);
    clearInterval(timer);
    assert.deepEqual((await asked).stderr, '');
    assert.match(server.stderr, /connections? of before/);
    assert.ok(times.at(-1) - times[0] > 100, `spread over ${times.at(-1) - times[0]} ms`);
    assert.ok(waited < 1_000 + 2_500 * slowness, `who knocked waited ${waited} ms`);

    for (const player of all) {
      const back = await player.enter({ type: 'join', room });
      assert.deepEqual([back.index, back.recovered], [all.indexOf(player), true], JSON.stringify(back));
      assert.equal(player.wasReused, true, 'a whole handshake');
      const kept = sent.filter(({ sender }) => sender === player);
      for (const { message } of kept.slice(back.heard)) player.client.send(message);
    }
    assert.ok(sent.length > 5);
    while (host.messages.length < sent.length) await host.read();
    assert.deepEqual(host.messages.sort((a, b) => a - b), [...sent.keys()]);
    assert.equal(await metric('tls_resumed_total'), players);
  });
});
