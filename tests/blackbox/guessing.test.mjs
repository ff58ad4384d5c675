// Guessing codes is bounded: whoever tries, by whatever pattern of connections, paths and hang-ups,
// is told of no more codes than the budget of its address has.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { deadlineMilliseconds, eventually } from './support/deadline.mjs';
import { knock, privateBudgets } from './support/entrance.mjs';
import { json, opcodes } from './support/frames.mjs';
import { request } from './support/http.mjs';
import { proxyLine } from './support/proxy.mjs';
import { RawConnection } from './support/raw.mjs';
import { describeAtOnce } from './support/suite.mjs';
import { it } from './support/testing.mjs';

const range = (count) => Array.from({ length: count }, (_, index) => index);
const proxy = '127.0.0.1';
const introducer = '127.0.0.2'; // speaks the PROXY protocol
const settings = (budget, ...options) => ({
  options: [
    ...['--max-failed-joins-per-address', budget],
    ...['--trust-proxy', `${proxy},proxy:${introducer}`],
    ...['--request-timeout', '5m'], // an attacker on a busy machine is slow to ask
    ...options,
  ],
});

const letters = 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789';
const base58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';
const drawn = (alphabet, length) =>
  range(length)
    .map(() => alphabet[Math.floor(Math.random() * alphabet.length)])
    .join('');

/** A code of either protocol that is nobody's, but for a chance that no test will see. */
const wrongCode = () => (Math.random() < 0.5 ? drawn(letters, 4) : drawn(base58, 6));

/** All ways to guess, each a function that tries once and counts what it is told. */
class Attacker {
  misses = 0;
  hits = 0;
  refusals = 0;

  constructor(server, client, realCodes) {
    this.server = server;
    this.client = client;
    this.realCodes = realCodes;
  }

  /** One in twenty is the code of a room. */
  code() {
    const { realCodes } = this;
    const isReal = Math.random() < 0.05;
    return isReal ? realCodes[Math.floor(Math.random() * realCodes.length)] : wrongCode();
  }

  /** A connection from the attacker's address; the proxy tells it in one of two ways. */
  async open() {
    const byHeader = Math.random() < 0.5;
    const localAddress = byHeader ? proxy : introducer;
    const connection = await RawConnection.open(this.server.port, undefined, { localAddress });
    connection.socket.on('error', () => {});
    const headers = byHeader ? { 'X-Forwarded-For': this.client } : {};
    if (!byHeader) connection.write(proxyLine(this.client));
    return { connection, headers };
  }

  count(status) {
    if (status === 404) this.misses++;
    else if (status === 200) this.hits++;
    else if (status === 429) this.refusals++;
    else assert.fail(`${status}`);
  }

  async ask({ suffix = '', method = 'GET', times = 1, patience = 15 }) {
    const { connection, headers } = await this.open();
    const reading = (async () => {
      for (const _ of range(times)) this.count((await connection.readResponse({ method })).status);
    })().catch(() => {});
    for (const _ of range(times))
      connection.write(request(`/room/${this.code()}${suffix}`, { method, headers }));
    await Promise.race([reading, pause(patience, undefined, { ref: false })]);
    connection.reset();
    await reading;
  }

  async join({ subprotocol, times = 1, patience = 15 }) {
    const { connection, headers } = await this.open();
    const reading = (async () => {
      await connection.upgrade({ headers: { ...headers, 'Sec-WebSocket-Protocol': subprotocol } });
      connection.write(
        ...range(times).map(() =>
          json({ type: 'join', clientId: `guesser ${Math.random()}`, room: this.code() }),
        ),
      );
      for (const _ of range(times)) {
        const { opcode, payload } = await connection.readFrame();
        if (opcode === opcodes.close) return void this.refusals++;
        const { type, message } = JSON.parse(payload);
        if (message === 'Room not found') this.misses++;
        else if (type === 'joined' || /^Room is full|protocol/.test(message)) this.hits++;
      }
    })().catch(() => {});
    await Promise.race([reading, pause(patience, undefined, { ref: false })]);
    connection.reset();
    await reading;
  }

  ways = [
    () => this.ask({}),
    () => this.ask({ patience: 2 }),
    () => this.ask({ method: 'HEAD' }),
    () => this.ask({ suffix: '/qr.svg' }),
    () => this.ask({ suffix: '/qr.svg', method: 'HEAD' }),
    () => this.ask({ suffix: '?instance=other' }),
    () => this.ask({ times: 30, patience: 100 }),
    () => this.ask({ patience: deadlineMilliseconds }), // a refusal comes after 3 seconds
    () => this.join({ subprotocol: 'party-sockets.v1' }),
    () => this.join({ subprotocol: 'party-sockets.v2' }),
    () => this.join({ subprotocol: 'party-sockets.v2', times: 20, patience: 100 }),
    () => this.join({ subprotocol: 'party-sockets.v1', patience: deadlineMilliseconds }),
  ];

  /** Tries in all ways at once until `end`, each over several connections. */
  async tryAll(end) {
    const goOn = async (way) => {
      while (Date.now() < end) await way();
    };
    await Promise.all(this.ways.flatMap((way) => [goOn(way), goOn(way), goOn(way)]));
  }
}

async function openRooms(server) {
  const one = await Promise.all(range(6).map(() => server.room(['host'], 10_000)));
  const two = await Promise.all(range(6).map(() => server.party(['host'], { maxClients: 9_999 })));
  return [...one, ...two].map(({ code }) => code);
}

describeAtOnce('Guessing codes in every way at once', (withServer) => {
  const budget = 60;
  const few = 2; // of which one comes back in 30 s: no test takes so long

  it('An attacker is told of as many misses as its budget has, and of hits only beside them', () =>
    withServer(settings(budget), async (server) => {
      const attacker = new Attacker(server, '203.0.113.7', await openRooms(server));
      const begin = Date.now();
      await attacker.tryAll(begin + 5_000);
      const most = budget + (budget * (Date.now() - begin)) / 60_000 + 1;
      const { misses, hits, refusals } = attacker;
      assert.ok(misses <= most, `${misses} misses were told, of ${most}`);
      assert.ok(misses > 0); // most hang up before they hear of theirs
      assert.ok(hits <= most / 2, `${hits} hits were told beside ${misses} misses`);
      assert.ok(refusals > 0);
      // Nobody else is concerned, and in a second there is budget again.
      const other = new Attacker(server, '203.0.113.8', []);
      await other.ask({ times: 10, patience: deadlineMilliseconds });
      assert.ok(other.misses >= 9, `${other.misses}`);
    }));

  it('Of many that come in the same moment no more are told than the budget has', () =>
    withServer(settings(few), async (server) => {
      const ask = async (number) => {
        const { connection } = await knock(server, {
          localAddress: introducer,
          prefix: proxyLine('203.0.113.7'),
          headers: { 'Sec-WebSocket-Protocol': 'party-sockets.v2' },
        });
        return { connection, number };
      };
      const sockets = await Promise.all(range(150).map(ask));
      for (const { connection } of sockets)
        connection.send({ type: 'join', clientId: 'guesser', room: wrongCode() });
      const frames = await Promise.all(sockets.map(({ connection }) => connection.readFrame()));
      const told = frames.filter(({ opcode }) => opcode === opcodes.text).length;
      assert.ok(told === few || told === few + 1, `${told}`);
    }));

  it('Guesses that were not waited for are not given back', () =>
    withServer(settings(few), async (server) => {
      const prefix = proxyLine('203.0.113.7');
      const askAndReset = async () => {
        const connection = await server.raw(undefined, { localAddress: introducer });
        connection.write(prefix, request('/room/ZZZZ'));
        await connection.readResponse();
        connection.reset();
      };
      for (const _ of range(few)) await askAndReset();
      for (const _ of range(20)) {
        const connection = await server.raw(undefined, { localAddress: introducer });
        connection.write(prefix, request('/room/ZZZZ'));
        await pause(20);
        connection.reset();
      }
      const connection = await server.raw(undefined, { localAddress: introducer });
      const begin = Date.now();
      connection.write(prefix, request('/room/ZZZZ'));
      assert.equal((await connection.readResponse()).status, 429);
      assert.ok(Date.now() - begin > 2_800);
    }));

  for (const { what, open } of [
    {
      what: 'PROXY',
      open: (client) => ({ from: introducer, prefix: proxyLine(client), headers: {} }),
    },
    {
      what: 'X-Forwarded-For',
      open: (client) => ({ from: proxy, headers: { 'X-Forwarded-For': client } }),
    },
  ])
    it(`Behind a trusted proxy a guesser shuts out nobody but itself, by ${what}`, () =>
      withServer(settings(few), async (server) => {
        const statusFor = async (client) => {
          const { from, prefix = '', headers } = open(client);
          const connection = await server.raw(undefined, { localAddress: from });
          connection.write(prefix, request('/room/ZZZZ', { headers }));
          return (await connection.readResponse()).status;
        };
        for (const _ of range(few)) assert.equal(await statusFor('203.0.113.7'), 404);
        assert.equal(await statusFor('203.0.113.7'), 429);
        assert.equal(await statusFor('203.0.113.8'), 404);
        for (const _ of range(few)) assert.equal(await statusFor('2001:db8:1:101::1'), 404);
        assert.equal(await statusFor('2001:db8:1:101:ffff::2'), 429);
        assert.equal(await statusFor('2001:db8:1:102::1'), 404);
      }));

  it('300 phones of one venue that look up and join spend nothing', () =>
    withServer(settings(10), async (server) => {
      const { code } = await server.party(['host'], { maxClients: 9_999 });
      const headers = { 'X-Forwarded-For': '203.0.113.7' };
      const come = async (number) => {
        assert.equal((await server.get(`/room/${code}`, { headers })).status, 200);
        await (await server.member({ headers })).join(`phone ${number}`, code);
      };
      await Promise.all(range(300).map(come));
      assert.equal((await server.get('/room/OOOOOO', { headers })).status, 404);
    }));
});

describeAtOnce('A trusted proxy that tells nobody', (withServer) => {
  const budget = 2;

  it('is one client, by look-ups and joins, whatever else it says; and that is told on stderr', () =>
    withServer(settings(budget), async (server) => {
      const named = { 'X-Forwarded-For': '203.0.113.7' };
      const unnamed = [{}, { 'X-Forwarded-For': 'unknown' }, { 'X-Forwarded-Proto': 'https' }];
      const numbers = range(privateBudgets * budget);
      // At once, as one of them is forgotten every three seconds: so their connections are there before.
      const connect = (number) => (number % 2 ? server.member({ headers: unnamed[number % 3] }) : server.raw());
      const connections = await Promise.all(numbers.map(connect));
      const miss = async (number) => {
        const connection = connections[number];
        if (number % 2) {
          connection.send({ type: 'join', clientId: 'a', room: 'OOOOOO' });
          await connection.expect({ type: 'error', message: 'Room not found' });
        } else {
          connection.write(request('/room/OOOOOO', { headers: unnamed[number % 3] }));
          assert.equal((await connection.readResponse()).status, 404);
        }
      };
      await Promise.all(numbers.map(miss));
      const ask = async (headers) => (await server.get('/room/OOOOOO', { headers })).status;
      assert.deepEqual(await Promise.all([...unnamed, named].map(ask)), [429, 429, 429, 404]);
      assert.match(server.stderr, /^party-sockets: the trusted proxy 127\.0\.0\.1 does not tell .*\n$/);
    }));
});

describeAtOnce('X-Forwarded-For of a peer in our own network that is not trusted', (withServer) => {
  const headers = { 'X-Forwarded-For': '203.0.113.7' };
  const sentences = (server) => server.stderr.match(/X-Forwarded-For/g) ?? [];

  it('is said once on stderr, with its address and the option', () =>
    withServer({}, async (server) => {
      await server.get('/health');
      assert.equal(server.stderr, '');
      for (const _ of range(3)) await server.get('/health', { headers, localAddress: '127.3.2.1' });
      await server.get('/health', { headers, localAddress: '127.3.2.2' });
      await eventually(() => sentences(server).length > 0, 'The sentence');
      assert.match(server.stderr, /127\.3\.2\.1 sends X-Forwarded-For.*--trust-proxy 127\.3\.2\.1/);
      assert.equal(sentences(server).length, 1);
    }));

  it('and so is a PROXY header that is not read, of a trusted proxy, too', () =>
    withServer({ options: ['--trust-proxy', '127.3.2.1'] }, async (server) => {
      for (const localAddress of ['127.3.2.1', '127.3.2.2']) {
        const connection = await server.raw(undefined, { localAddress });
        connection.write(proxyLine('203.0.113.9'), request('/health'));
        assert.equal((await connection.readResponse()).status, 400);
      }
      await eventually(() => server.stderr.includes('\n'), 'The sentence');
      assert.match(server.stderr, /^party-sockets: 127\.3\.2\.1 begins with a PROXY .*--trust-proxy proxy:127\.3\.2\.1\n$/);
    }));

  it('is nothing to be said when the peer is a trusted proxy', () =>
    withServer(settings(1), async (server) => {
      await server.get('/health', { headers });
      const connection = await server.raw(undefined, { localAddress: introducer });
      connection.write(proxyLine('203.0.113.9'), request('/health', { headers }));
      assert.equal((await connection.readResponse()).status, 200);
      assert.equal(server.stderr, '');
    }));
});
