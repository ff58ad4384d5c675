// Too many connections: how many memory has room for, how many one address may have, and who goes
// first when all places are taken. Clients come by a trusted proxy, which tells their addresses.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import tls from 'node:tls';
import { selfSigned } from './support/certificates.mjs';
import { eventually, withDeadline } from './support/deadline.mjs';
import { freshLoopback, knock } from './support/entrance.mjs';
import { request } from './support/http.mjs';
import { proxyLine } from './support/proxy.mjs';
import { patience } from './support/server.mjs';
import { describeAtOnce } from './support/suite.mjs';
import { it } from './support/testing.mjs';

const range = (count) => Array.from({ length: count }, (_, index) => index);
const introducer = '127.0.0.2'; // speaks the PROXY protocol
const trust = ['--trust-proxy', `127.0.0.1,proxy:${introducer}`];
const trusting = [...trust, ...patience, '--request-timeout', '5m'];
const counting = [...trusting, '--admin-listen', '127.0.0.1:0'];
const certificate = await selfSigned('crowding');
const secure = { secure: certificate.secure };

const attacker = '203.0.113.7';
const guest = '203.0.113.8';
const second = { protocols: ['party-sockets.v2'] };
const evicted = 'closed to make room for others';

/** A connection of a client that has said nothing yet. */
async function arrive(server, client) {
  const connection = await server.tcp({ localAddress: introducer });
  connection.socket.on('error', () => {});
  connection.write(proxyLine(client));
  return connection;
}

/** Whether the server lets a WebSocket of this client in, and the connection. */
const enter = (server, client) =>
  knock(server, { prefix: proxyLine(client), localAddress: introducer });

/** What is told of a path where nobody takes a client's place, nor needs one. */
async function ask(server, path) {
  const [, url] = /metrics and status: (http:\S+)/.exec(server.stdout);
  return (await fetch(url + path, { headers: { Connection: 'close' } })).text();
}

const countOf = async (server, event) => JSON.parse(await ask(server, '/stats')).counts[event] ?? 0;

/** How many connections there are, this question's own left out. */
async function connectionCount(server) {
  const [, count] = /party_sockets_connections\{[^}]*\} (\d+)/.exec(await ask(server, '/metrics'));
  return Number(count) - 1;
}

const untilConnections = (server, count) =>
  eventually(async () => (await connectionCount(server)) === count, `${count} connections`);

describeAtOnce('Connections of one address', (withServer, loops) => {
  if (loops > 1)
    it('are 4,096 of a public one unless it is set, and any number of a private one', () =>
      withServer({ options: counting }, async (server) => {
        const come = async (client, count) => {
          for (let left = count; left > 0; left -= 256)
            await Promise.all(range(Math.min(left, 256)).map(() => arrive(server, client)));
        };
        await come(attacker, 4_096);
        await untilConnections(server, 4_096);
        assert.equal((await enter(server, attacker)).status, 429);
        assert.equal((await enter(server, guest)).status, 101);
        await come('10.0.0.1', 5_000);
        assert.equal((await enter(server, '10.0.0.1')).status, 101);
      }));

  it('are what is set, whatever the address is', () =>
    withServer(
      { options: [...trusting, '--max-connections-per-address', 2] },
      async (server) => {
        for (const client of [attacker, '10.0.0.1', '2001:db8::1']) {
          assert.equal((await enter(server, client)).status, 101);
          assert.equal((await enter(server, client)).status, 101);
          assert.equal((await enter(server, client)).status, 429);
        }
        const localAddress = freshLoopback();
        for (const status of [101, 101, 429])
          assert.equal((await knock(server, { localAddress })).status, status);
      },
    ));

  it('are any number when 0 is set', () =>
    withServer(
      { options: [...trusting, '--max-connections-per-address', 0] },
      async (server) => {
        const statuses = range(60).map(async () => (await enter(server, attacker)).status);
        assert.deepEqual(await Promise.all(statuses), Array(60).fill(101));
      },
    ));

  it('are at most 128 in unfinished TLS handshakes, of a public address', () =>
    withServer({ ...secure, options: [...trusting, ...certificate.options] }, async (server) => {
      const waiting = await Promise.all(range(128).map(() => arrive(server, attacker)));
      const metrics = async () => (await server.get('/metrics')).body;
      await eventually(
        async () => /party_sockets_connections\{[^}]*\} 129\n/.test(await metrics()),
        'All of them in the hands of the server',
      );
      await (await arrive(server, attacker)).whenGone();
      for (const { socket } of waiting) assert.ok(!socket.destroyed);
      // Another address, and private ones, are not concerned.
      await Promise.all(range(140).map(() => arrive(server, '10.0.0.1')));
      for (const client of [guest, '10.0.0.1']) {
        const { socket } = await arrive(server, client);
        const session = tls.connect({ socket, ...certificate.secure });
        await withDeadline(once(session, 'secureConnect'), 'A handshake');
        session.destroy();
      }
      // Whoever has finished is no longer one of them.
      waiting[0].terminate();
      await eventually(async () => {
        const { socket } = await arrive(server, attacker);
        const session = tls.connect({ socket, ...certificate.secure });
        session.on('error', () => {});
        const end = once(socket, 'close').then(() => false);
        return Promise.race([once(session, 'secureConnect').then(() => true), end]);
      }, 'A handshake in the place of another');
    }));
});

describeAtOnce('All places taken', (withServer) => {
  const full = (count, ...options) => ({
    options: [...counting, '--max-connections', count, ...options],
  });

  it('unfinished handshakes of the address that has most go first, then others in no room', () =>
    withServer(full(24), async (server) => {
      const host = await server.member({ headers: { 'X-Forwarded-For': attacker }, ...second });
      await host.create('host');
      const outside = [];
      for (const _ of range(12)) outside.push((await enter(server, attacker)).connection);
      const unfinished = await Promise.all(range(11).map(() => arrive(server, attacker)));
      await untilConnections(server, 24);
      const evictions = () => countOf(server, evicted);

      const gone = new Set();
      for (const connection of [...outside, ...unfinished])
        connection.whenGone().then(() => gone.add(connection), () => {});
      const goneOf = (connections) => connections.filter((one) => gone.has(one)).length;
      for (let number = 1; goneOf(outside) === 0; number++) {
        assert.equal((await enter(server, `198.51.100.${number}`)).status, 101);
        const isSettled = async () => goneOf([...outside, ...unfinished]) === (await evictions());
        await eventually(isSettled, 'The ends that were counted');
        if (goneOf(outside) > 0) assert.equal(goneOf(unfinished), 11, 'Handshakes go first');
        assert.ok(number < 40);
      }
      await host.expectSilence();
    }));

  it('its own newcomers are refused, and members of rooms are never closed', () =>
    withServer(full(6), async (server) => {
      const headers = { 'X-Forwarded-For': attacker };
      const host = await server.member({ headers });
      const code = await host.create('host');
      for (const number of range(5)) await (await server.member({ headers })).join(`${number}`, code);
      await host.take(5);
      for (const client of [attacker, guest, guest])
        assert.equal((await enter(server, client)).status, 503);
      assert.equal(await countOf(server, evicted), 0);
      await host.expectSilence();
    }));

  it('who only waits gives way to whoever comes from elsewhere, and it is said once', () =>
    withServer(full(10), async (server) => {
      for (const _ of range(10)) assert.equal((await enter(server, attacker)).status, 101);
      assert.equal((await enter(server, attacker)).status, 503);
      const guests = [];
      for (const _ of range(4)) {
        const { status, connection } = await enter(server, guest);
        assert.equal(status, 101);
        guests.push(connection);
      }
      await eventually(async () => (await countOf(server, evicted)) > 0, 'An eviction');
      for (const connection of guests) {
        connection.send({ type: 'create', clientId: 'guest', maxClients: 2 });
        assert.equal((await connection.readEvent()).type, 'created');
      }
      await eventually(() => server.stderr !== '', 'The sentence');
      assert.equal(server.stderr.match(/all connections/g).length, 1);
      assert.match(server.stderr, /those of 203\.0\.113\.7 that are in no room are closed first/);
    }));
});

describeAtOnce('What TLS takes', (withServer) => {
  const settings = (...options) => ({
    ...secure,
    options: [...certificate.options, ...trusting, ...options],
  });
  const buffered = async (server) => (await server.events())['bytes buffered now'];

  it('is charged: 14 KiB a session, 43 KiB while its handshake is unfinished', () =>
    withServer(settings(), async (server) => {
      const before = await buffered(server);
      const clients = await server.clients(10);
      await eventually(async () => (await buffered(server)) - before >= 10 * 14 * 1024, 'Sessions');
      const hello = Buffer.from([0x16, 3, 1, 2, 0, 1]);
      const unfinished = await Promise.all(range(5).map(() => server.tcp()));
      for (const connection of unfinished) connection.write(hello);
      const both = 10 * 14 * 1024 + 5 * 43 * 1024;
      await eventually(async () => (await buffered(server)) - before >= both, 'Handshakes');
      assert.ok((await buffered(server)) - before < both + 60_000);
      for (const connection of [...clients, ...unfinished]) connection.terminate();
      await eventually(async () => (await buffered(server)) === before, 'Nothing left');
    }));

  it('bounds the connections: idle sessions may be three quarters of the budget', () =>
    withServer(settings('--max-buffered-bytes', 2 ** 23), async (server) => {
      // Loops lease some more of the budget than they use, so it is not a small one.
      const most = Math.floor((Math.floor(2 ** 23 / 100) * 75) / (14 * 1024));
      const headers = { 'X-Forwarded-For': attacker };
      for (const _ of range(most)) await server.member({ headers });
      const { status } = await knock(server, { headers });
      assert.equal(status, 503);
    }));

  it('is freed first where handshakes are unfinished for long, when the budget is spent', () =>
    withServer(settings('--max-buffered-bytes', 2 ** 20, '--max-connections', 500), async (server) => {
      const { members } = await server.party(['host', 'guest']);
      const hello = Buffer.from([0x16, 3, 1, 2, 0, 1]);
      const unfinished = await Promise.all(range(60).map(() => server.tcp()));
      for (const connection of unfinished) {
        connection.socket.on('error', () => {});
        connection.write(hello);
      }
      // Who asks has a handshake as well, and may be closed like any other.
      const shed = async () => (await server.events())['closed to free memory'] ?? 0;
      await eventually(() => shed().then((count) => count > 30, () => false), 'Closed handshakes');
      members[0].relay('still here');
      await members[1].expectMessage(0, 'still here');
    }));
});
