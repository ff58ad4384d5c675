// Requests and joins that cost much for few bytes: each address may have so much of them, and an
// answer that stays the same for a moment is made once. Clients come by a trusted proxy, which tells
// their addresses; private ones may have ten times as much.

import assert from 'node:assert/strict';
import { eventually, slowness } from './support/deadline.mjs';
import { request } from './support/http.mjs';
import { patience } from './support/server.mjs';
import { describeAtOnce } from './support/suite.mjs';
import { it } from './support/testing.mjs';

const range = (count) => Array.from({ length: count }, (_, index) => index);
/** Some clients answer no pings. */
const trusting = { options: ['--trust-proxy', '127.0.0.1', ...patience] };
const from = (client) => ({ headers: { 'X-Forwarded-For': client } });
const attacker = from('203.0.113.7');
const guest = from('203.0.113.8');

/** The statuses of so many requests, all on connections that stay. */
async function ask(server, targets, { method = 'GET', ...options }) {
  const statuses = [];
  const lanes = range(8).map(async (lane) => {
    let connection = await server.raw();
    for (let index = lane; index < targets.length; index += 8) {
      connection.write(request(targets[index], { method, ...options }));
      const { status, headers } = await connection.readResponse({ method });
      statuses.push(status);
      if (headers.connection === 'close') connection = await server.raw();
    }
  });
  await Promise.all(lanes);
  return statuses;
}

const countOf = (items, wanted) => items.filter((item) => item === wanted).length;

describeAtOnce('Pictures', (withServer) => {
  /** Rooms with links that all differ, so that no picture is that of another. */
  async function rooms(server, count) {
    const open = async (number) => {
      const host = await server.member(guest);
      return host.create('host', { url: `https://game.example/${number}/{room}` });
    };
    const codes = await Promise.all(range(count).map(open));
    return codes.map((code) => `/room/${code}/qr.svg`);
  }

  it('are drawn for an address until it has had its share, then it gets 429 for a while', () =>
    withServer(trusting, async (server) => {
      const targets = await rooms(server, 200);
      const begin = Date.now();
      const statuses = await ask(server, range(2_000).map((n) => targets[n % 200]), attacker);
      const seconds = (Date.now() - begin) / 1_000;
      // 2,048 units each, of 2.5 million at once and 250,000 a second.
      const most = (2_500_000 + 250_000 * seconds) / 2_048 + 9;
      const drawn = countOf(statuses, 200);
      assert.ok(drawn <= most, `${drawn} in ${seconds} s`);
      assert.equal(countOf(statuses, 429), 2_000 - drawn);
      assert.ok(drawn >= 1_200, `${drawn}`);
      // Other addresses have theirs, and the attacker has what costs nothing.
      assert.deepEqual(await ask(server, targets.slice(0, 3), guest), [200, 200, 200]);
      const cheap = ['/health', targets[0].replace('/qr.svg', '')];
      assert.deepEqual(await ask(server, cheap, attacker), [200, 200]);
    }));

  it('cost nothing again within a second, nor where only the head is wanted', () =>
    withServer(trusting, async (server) => {
      const [target, other] = await rooms(server, 2);
      assert.equal(countOf(await ask(server, Array(3_000).fill(target), attacker), 200), 3_000);
      const heads = await ask(server, Array(3_000).fill(other), { ...attacker, method: 'HEAD' });
      assert.equal(countOf(heads, 200), 3_000);
    }));

  it('are the same from the same link, and those of others where links differ', () =>
    withServer(trusting, async (server) => {
      const targets = await rooms(server, 6);
      for (const _ of range(2)) {
        const bodies = await Promise.all(targets.map((target) => server.get(target)));
        const titles = bodies.map(({ body }) => /<title>(.*)<\/title>/.exec(body)[1]);
        for (const [number, title] of titles.entries())
          assert.equal(title, `https://game.example/${number}/${targets[number].split('/')[2]}`);
      }
    }));
});

describeAtOnce('Joins', (withServer) => {
  it('that are told much are read no faster than their address may have it', () =>
    withServer(trusting, async (server) => {
      const pictures = range(40).map(async (number) => {
        const url = `https://game.example/${number}/{room}`;
        return `/room/${await (await server.member(guest)).create('host', { url })}/qr.svg`;
      });
      const targets = await Promise.all(pictures);
      const enter = async (clientId, options) => {
        const client = await server.rawWebSocket(options);
        client.socket.removeAllListeners('data');
        client.socket.on('data', () => {}); // read, and not looked at
        client.send({ type: 'join', clientId, room: code });
      };
      const host = await server.rawWebSocket(guest);
      const code = await host.create('host', 5_000);
      const clients = async () =>
        JSON.parse((await server.get(`/room/${code}`, guest)).body).clients;
      const until = (wanted) =>
        eventually(async () => (await clients()) === wanted, `${wanted} members`);

      // 400 ids of 256 bytes: each join is told 100 KiB, which costs 1,600 units.
      const start = Date.now();
      for (const number of range(400)) await enter(`${number} `.padEnd(256, 'x'), guest);
      await until(401);
      const unhindered = Date.now() - start;
      const spend = range(1_600).map((n) => targets[n % 40]);
      assert.ok((await ask(server, spend, attacker)).includes(429));
      const begin = Date.now();
      for (const number of range(400)) await enter(`attacker ${number}`, attacker);
      await until(801);
      const elapsed = Date.now() - begin;
      // They cost 640,000 units, 2.6 s; some was paid off while the last pictures were refused, on a slow machine more.
      assert.ok(elapsed >= 1_000, `${elapsed} ms`);
      // Each of them is told to three times as many as each of the first, too.
      const most = 3 * unhindered + 5_000 * slowness;
      assert.ok(elapsed < most, `${elapsed} ms, after ${unhindered} ms for the first`);
    }));

  it('of 1,000 phones of one venue are all let in at once, for they are told little', () =>
    withServer(trusting, async (server) => {
      const { code } = await server.party(['host'], { maxClients: 5_000 });
      const begin = Date.now();
      for (let left = 1_000; left > 0; left -= 100) {
        const phones = await Promise.all(range(100).map(() => server.member(attacker)));
        await Promise.all(phones.map((phone, number) => phone.join(`${left} ${number}`, code)));
      }
      assert.ok(Date.now() - begin < 10_000 * slowness);
    }));
});

describeAtOnce('The page of numbers', (withServer, loops) => {
  it('is made once a second when it is long, and anew when it is short', () =>
    withServer({}, async (server) => {
      const body = async () => (await server.get('/stats')).body;
      assert.notEqual(await body(), await body());
      const origin = (number) => `https://${number}.${'x'.repeat(230)}.example`;
      for (const number of range(300)) await server.client({ origin: origin(number) });
      // Each loop keeps its own.
      const bodies = [];
      const begin = Date.now();
      for (const _ of range(40)) bodies.push(await body());
      const most = loops * (Math.ceil((Date.now() - begin) / 1_000) + 1);
      assert.ok(bodies[0].length > 65_536, `${bodies[0].length}`);
      assert.ok(new Set(bodies).size <= most, `${new Set(bodies).size} of 40 differ, not ${most}`);
      await new Promise((resolve) => setTimeout(resolve, 1_100));
      assert.ok(!bodies.includes(await body()));
    }));
});
