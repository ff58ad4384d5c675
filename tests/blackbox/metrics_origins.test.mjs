// Origins in /metrics are hostile input: any text is one label value, at most 100 series and 500
// origins are there whatever comes, and the sums over all series are exact all the time.

import assert from 'node:assert/strict';
import { eventually, slowness } from './support/deadline.mjs';
import { upgradeRequest } from './support/http.mjs';
import { Metrics, readMetrics } from './support/metrics.mjs';
import { Random, seed } from './support/random.mjs';
import { patience } from './support/server.mjs';
import { describeAtOnce } from './support/suite.mjs';
import { it } from './support/testing.mjs';

const range = (count) => Array.from({ length: count }, (_, index) => index);
const seriesMost = 100; // of a metric by origin, `__other__` among them
const trackedMost = 500;
const other = '__other__';
const metricsByOrigin = {
  clients: 'party_sockets_clients_by_origin',
  rooms: 'party_sockets_rooms_by_origin',
  connectionsTotal: 'party_sockets_connections_total',
  roomsTotal: 'party_sockets_rooms_created_total',
};
const numbered = (number) => `https://game-${number}.example`;

/** A player whose Origin header has these bytes; null: it sends none. */
async function enter(server, origin, { createsRoom = false } = {}) {
  const connection = await server.raw();
  const head = upgradeRequest('/', { headers: { 'Sec-WebSocket-Protocol': 'party-sockets.v2' } });
  const lines = head.slice(0, -'\r\n'.length);
  if (origin === null) connection.write(head);
  else connection.write(lines, 'Origin: ', Buffer.from(origin), '\r\n\r\n');
  assert.equal((await connection.readResponse()).status, 101);
  if (createsRoom) await connection.create('host');
  return connection;
}

async function leave(connections) {
  for (const connection of connections) connection.terminate();
}

/** What is told of origins: `{ clients, rooms, connectionsTotal, roomsTotal }`, each by origin. */
function countsOf(metrics) {
  const counts = {};
  for (const [key, metric] of Object.entries(metricsByOrigin))
    counts[key] = metrics.by('origin', metric);
  const names = Object.keys(counts.clients);
  assert.ok(names.length <= seriesMost, `${names.length} series`);
  for (const table of Object.values(counts)) assert.deepEqual(Object.keys(table), names);
  const tracked = metrics.value('party_sockets_origins_tracked');
  assert.ok(tracked <= trackedMost, `${tracked} origins`);
  return counts;
}

const sumOf = (table) => Object.values(table).reduce((sum, value) => sum + value, 0);
const sumsOf = (counts) =>
  Object.fromEntries(Object.entries(counts).map(([key, table]) => [key, sumOf(table)]));

const pageMilliseconds = 1000; // a page that was much work may be given again for so long

/**
 * Waits until the sums are these, and returns all counts. Totals have to be right in the first page that
 * was made after the call, and may not be above that before. Who has a WebSocket is in a room, unless
 * `websockets` says how many there are.
 */
async function expectSums(server, expected) {
  let counts;
  let sums;
  const began = Date.now();
  const isReached = async () => {
    const metrics = await readMetrics(server);
    counts = countsOf(metrics);
    sums = sumsOf(counts);
    const { clients, rooms, ...totals } = sums;
    const { clients: _, rooms: __, websockets = expected.clients, ...expectedTotals } = expected;
    for (const [key, total] of Object.entries(totals)) assert.ok(total <= expectedTotals[key], `${total} ${key}`);
    const isOld = Object.keys(totals).some((key) => totals[key] < expectedTotals[key]);
    if (isOld && Date.now() - began < pageMilliseconds + 500 * slowness) return false;
    assert.deepEqual(totals, expectedTotals);
    assert.equal(metrics.value('party_sockets_clients'), clients);
    const isThere = metrics.value('party_sockets_websockets') === websockets;
    return isThere && clients === expected.clients && rooms === expected.rooms;
  };
  await eventually(isReached, 'The sums').catch((error) => {
    assert.deepEqual(sums, expected, error.message);
    throw error;
  });
  return counts;
}

const latin1 = (text) => Buffer.from(text, 'latin1');

/** What is sent, and what a reader of the metrics is to have; bytes that are no UTF-8 are Latin-1. */
const hostileOrigins = [
  ['null'],
  ['"'],
  ['\\'],
  ['\\"'],
  ['\\n'],
  ['\\\\n'],
  ['https://a.example\\'],
  ['https://a"} 1'],
  ['a",origin="b'],
  ['a"} 99 party_sockets_clients{instance="local"} 7'],
  ['# HELP party_sockets_rooms Nonsense.'],
  ['{}[](),;=~!*?$'],
  ['__proto__'],
  ['constructor'],
  ['+Inf'],
  ['https://a\tb'],
  ['https://caf\u00e9.example'],
  ['https://\u{1f600}.example/\u202e\u0301'],
  ['%00%0a'],
  [`https://${'a'.repeat(230)}.example`],
  ['b'.repeat(256)],
  [Buffer.from([0xff, 0xfe]), '\u00ff\u00fe'],
  [Buffer.concat([latin1('https://'), Buffer.from([0xed, 0xa0, 0x80])]), 'https://\u00ed\u00a0\u0080'],
  [latin1('https://\u00e4"\\'), 'https://\u00e4"\\'],
  [Buffer.from([0xe2, 0x82]), '\u00e2\u0082'],
];

/** Else an origin is listed when a room of it is played in; and who is here answers no ping. */
const listedAtOnce = { options: ['--origin-proof', '0ms', ...patience] };

describeAtOnce('Hostile origins in /metrics', (withServer) => {
  it('Any text is one label value, which a reader has as it was', () =>
    withServer(listedAtOnce, async (server) => {
      for (const [sent] of hostileOrigins) await enter(server, sent, { createsRoom: true });
      const count = hostileOrigins.length;
      const ones = { clients: count, rooms: count, connectionsTotal: count, roomsTotal: count };
      const counts = await expectSums(server, ones);
      const expected = Object.fromEntries(hostileOrigins.map(([sent, read = sent]) => [read, 1]));
      for (const table of Object.values(counts)) assert.deepEqual(table, expected);
      const { body } = await server.get('/metrics');
      assert.equal(Buffer.from(body).toString(), body);
      assert.ok(!body.includes('\ufffd'), 'UTF-8');
    }));

  it('Line ends and other control characters do not get that far', () =>
    withServer(listedAtOnce, async (server) => {
      for (const origin of ['a\nb', 'a\rb', 'a\0b', 'a\x7fb', 'a\x01b']) {
        const connection = await server.raw();
        const head = upgradeRequest().slice(0, -2);
        connection.write(head, 'Origin: ', origin, '\r\n\r\n');
        assert.equal((await connection.readResponse()).status, 400, JSON.stringify(origin));
      }
      const metrics = await readMetrics(server);
      assert.deepEqual(countsOf(metrics).clients, {});
    }));

  it('`unknown` is told of those who send none, or an empty one, or that', () =>
    withServer(listedAtOnce, async (server) => {
      for (const origin of [null, '', 'unknown', null])
        await enter(server, origin, { createsRoom: true });
      const all = { clients: 4, rooms: 4, connectionsTotal: 4, roomsTotal: 4 };
      const counts = await expectSums(server, all);
      for (const table of Object.values(counts)) assert.deepEqual(table, { unknown: 4 });
    }));

  it('Who is called `__other__` is one of the others, and no series is there twice', () =>
    withServer(listedAtOnce, async (server) => {
      const tooLong = 'c'.repeat(257); // is remembered by no name
      for (const origin of [other, tooLong, other, 'd'.repeat(2_000)])
        await enter(server, origin, { createsRoom: true });
      const all = { clients: 4, rooms: 4, connectionsTotal: 4, roomsTotal: 4 };
      const counts = await expectSums(server, all);
      for (const table of Object.values(counts)) assert.deepEqual(table, { [other]: 4 });
    }));

  it('The same text in Latin-1 and in UTF-8 is one origin', () =>
    withServer(listedAtOnce, async (server) => {
      const text = 'https://caf\u00e9.example';
      await enter(server, text, { createsRoom: true });
      await enter(server, latin1(text), { createsRoom: true });
      const all = { clients: 2, rooms: 2, connectionsTotal: 2, roomsTotal: 2 };
      const counts = await expectSums(server, all);
      for (const table of Object.values(counts)) assert.deepEqual(table, { [text]: 2 });
    }));
});

describeAtOnce('Many origins in /metrics', (withServer) => {
  /** Connections are cut here, and rooms are counted. */
  const withoutEmptyRooms = { options: [...listedAtOnce.options, '--empty-room-grace', '0ms'] };

  async function enterNumbered(server, numbers, options) {
    const connections = [];
    for (const number of numbers)
      connections.push(await enter(server, numbered(number), options));
    return connections;
  }

  it('A hundred series: with 150 origins, 51 of them are told together', () =>
    withServer(listedAtOnce, async (server) => {
      await enterNumbered(server, range(99), { createsRoom: true });
      const few = { clients: 99, rooms: 99, connectionsTotal: 99, roomsTotal: 99 };
      const before = await expectSums(server, few);
      for (const table of Object.values(before)) {
        assert.deepEqual(Object.keys(table).sort(), range(99).map(numbered).sort());
        assert.deepEqual(new Set(Object.values(table)), new Set([1]));
      }
      await enterNumbered(server, range(150).slice(99), { createsRoom: true });
      const many = { clients: 150, rooms: 150, connectionsTotal: 150, roomsTotal: 150 };
      const after = await expectSums(server, many);
      for (const [key, table] of Object.entries(after))
        assert.deepEqual(table, { ...before[key], [other]: 51 });
      const metrics = await readMetrics(server);
      assert.equal(metrics.value('party_sockets_origins_tracked'), 150);
    }));

  it('With 600 at once 500 are remembered, and every sum is exact; also when they have left', () =>
    withServer(withoutEmptyRooms, async (server) => {
      const first = await enterNumbered(server, range(600));
      const all = { clients: 0, rooms: 0, connectionsTotal: 600, roomsTotal: 0, websockets: 600 };
      const counts = await expectSums(server, all);
      assert.equal(Object.keys(counts.clients).length, seriesMost);
      assert.equal(counts.connectionsTotal[other], 501);
      const metrics = await readMetrics(server);
      assert.equal(metrics.value('party_sockets_origins_tracked'), trackedMost);

      await leave(first.slice(0, 300));
      await expectSums(server, { ...all, websockets: 300 });
      await leave(first.slice(300));
      await expectSums(server, { ...all, websockets: 0 });

      const again = await enterNumbered(server, range(1_200).slice(600), { createsRoom: true });
      const sums = { clients: 600, rooms: 600, connectionsTotal: 1_200, roomsTotal: 600 };
      await expectSums(server, sums);
      await leave(again);
      await expectSums(server, { ...sums, clients: 0, rooms: 0 });
    }));

  it('Those who are here keep their series, however many come and go', () =>
    withServer(listedAtOnce, async (server) => {
      const stay = range(60);
      await enterNumbered(server, stay, { createsRoom: true });
      for (const round of range(3)) {
        const passing = range(300).map((number) => 1_000 * (round + 1) + number);
        await leave(await enterNumbered(server, passing));
        const total = 60 + 300 * (round + 1);
        const sums = { clients: 60, rooms: 60, connectionsTotal: total, roomsTotal: 60 };
        const counts = await expectSums(server, sums);
        for (const number of stay)
          for (const table of Object.values(counts)) assert.equal(table[numbered(number)], 1);
      }
    }));

  it('Of those who have left, the one that came least lately loses its series', () =>
    withServer(listedAtOnce, async (server) => {
      const gone = async (numbers) => {
        await leave(await enterNumbered(server, numbers));
        const isEmpty = async () =>
          (await readMetrics(server)).value('party_sockets_websockets') === 0;
        await eventually(isEmpty, 'An empty server');
      };
      await gone(range(99));
      await gone([0, 1]); // used again
      await gone([500, 501, 502]);
      const sums = { clients: 0, rooms: 0, connectionsTotal: 104, roomsTotal: 0 };
      const { connectionsTotal } = await expectSums(server, sums);
      const listed = [0, 1, 500, 501, 502, ...range(99).slice(5)];
      const expected = Object.fromEntries(listed.map((number) => [numbered(number), 1]));
      Object.assign(expected, { [numbered(0)]: 2, [numbered(1)]: 2, [other]: 3 });
      assert.deepEqual(connectionsTotal, expected);
    }));

  it('A room keeps the series of its origin while nobody of that origin is there', () =>
    withServer(listedAtOnce, async (server) => {
      const host = await server.member({ origin: 'https://host.example' });
      const code = await host.create('host');
      const guest = await server.member({ origin: 'https://guest.example' });
      await guest.join('guest', code);
      await host.close();
      await leave(await enterNumbered(server, range(200)));
      const sums = { clients: 1, rooms: 1, connectionsTotal: 202, roomsTotal: 1 };
      const { rooms, roomsTotal } = await expectSums(server, sums);
      assert.deepEqual([rooms['https://host.example'], roomsTotal['https://host.example']], [1, 1]);
    }));

  it(`No sum is ever less than it was, and each is exact, under churn of seed ${seed}`, () =>
    withServer(withoutEmptyRooms, async (server) => {
      const random = new Random(7);
      const present = [];
      const sums = { clients: 0, rooms: 0, connectionsTotal: 0, roomsTotal: 0, websockets: 0 };
      for (const _ of range(30)) {
        for (const __ of range(random.below(40))) {
          const createsRoom = random.below(3) === 0;
          const origin = random.pick([numbered(random.below(700)), numbered(random.below(20)), null]);
          present.push({ createsRoom, connection: await enter(server, origin, { createsRoom }) });
          sums.websockets++;
          sums.connectionsTotal++;
          if (createsRoom) sums.clients++;
          if (createsRoom) sums.rooms++;
          if (createsRoom) sums.roomsTotal++;
        }
        while (present.length > 0 && random.below(25) > 0) {
          const at = random.below(present.length);
          const [{ connection, createsRoom }] = present.splice(at, 1);
          connection.terminate();
          sums.websockets--;
          if (createsRoom) sums.clients--;
          if (createsRoom) sums.rooms--;
        }
        await expectSums(server, sums);
      }
    }));

  it('The text stays small, whatever is sent', () =>
    withServer(listedAtOnce, async (server) => {
      // Each byte of these is two in the text.
      await Promise.all(range(120).map((n) => enter(server, `${'"'.repeat(250)}${n}`)));
      const { body } = await server.get('/metrics');
      assert.equal(sumOf(countsOf(new Metrics(body)).connectionsTotal), 120);
      assert.ok(Buffer.byteLength(body) < 300_000, `${Buffer.byteLength(body)}`);
    }));
});

describeAtOnce('An origin has a series of its own', (withServer) => {
  const proof = 300 * slowness;
  const proven = { options: ['--origin-proof', `${proof}ms`] };
  const roomsOf = async (server) => countsOf(await readMetrics(server)).rooms;

  it('when a room of it has had two members for a while', () =>
    withServer(proven, async (server) => {
      const game = 'https://game.example';
      const [host, guest] = [await server.member({ origin: game }), await server.member()];
      const code = await host.create('host');
      assert.deepEqual(await roomsOf(server), { [other]: 1 });
      const begin = Date.now();
      await guest.join('guest', code);
      await eventually(async () => (await roomsOf(server))[game] === 1, 'The series');
      assert.ok(Date.now() - begin >= proof - 20);
      const counts = countsOf(await readMetrics(server));
      assert.deepEqual([counts.rooms, counts.clients], [{ [game]: 1, [other]: 0 }, { [game]: 2, [other]: 0 }]);
      // What comes from then on is counted there; sums are of all.
      await (await server.member({ origin: game })).create('again');
      const { connectionsTotal, roomsTotal } = countsOf(await readMetrics(server));
      assert.deepEqual(connectionsTotal, { [game]: 1, [other]: 2 });
      assert.deepEqual(roomsTotal, { [game]: 1, [other]: 1 });
    }));

  it('and never for a name that somebody says, with rooms in which nobody else is', () =>
    withServer(proven, async (server) => {
      for (const number of range(50)) {
        const host = await server.member({ origin: numbered(number) });
        await host.create('host');
      }
      const [host, guest] = await server.members(2);
      await guest.join('guest', await host.create('host')); // `unknown` is proven after them
      await eventually(async () => (await roomsOf(server)).unknown === 1, 'Another series');
      assert.deepEqual(await roomsOf(server), { unknown: 1, [other]: 50 });
    }));
});
