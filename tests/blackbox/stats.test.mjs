// GET /stats: the status page's numbers as JSON, of all loops whichever answers.

import assert from 'node:assert/strict';
import { deadlineMilliseconds, eventually } from './support/deadline.mjs';
import { upgradeRequest } from './support/http.mjs';
import { describeAtOnce, describeWithServer, loopCounts } from './support/suite.mjs';
import { it } from './support/testing.mjs';

const intervalSeconds = 5;

describeWithServer('GET /stats', (server) => {
  it('It is JSON for pages of its own, and nobody keeps it', async () => {
    const { status, headers, body } = await server.get('/stats');
    assert.equal(status, 200);
    assert.equal(headers['content-type'], 'application/json');
    assert.equal(headers['access-control-allow-origin'], undefined);
    assert.equal(headers['cache-control'], 'no-store');
    assert.equal(headers['x-content-type-options'], 'nosniff');
    JSON.parse(body);
  });

  it('HEAD answers as GET does, without the body, which is not made to tell its length', async () => {
    const { status, headers, body } = await server.get('/stats', { method: 'HEAD' });
    assert.deepEqual([status, body], [200, '']);
    assert.equal(headers['content-type'], 'application/json');
    assert.equal(headers['content-length'], undefined);
  });

  it('It tells what the server is', async () => {
    const stats = await server.stats();
    assert.match(stats.version, /^\d+\.\d+\.\d+$/);
    assert.ok(loopCounts.includes(stats.loops));
    assert.ok(['epoll', 'io_uring'].includes(stats.poller));
    assert.equal(stats.protocol, 1);
    assert.equal(stats.draining, false);
    const { uptimeSeconds } = stats;
    assert.ok(Number.isInteger(uptimeSeconds) && uptimeSeconds < deadlineMilliseconds / 100);
    assert.ok((await server.get('/stats?x=1')).body.startsWith('{'), 'A query changes nothing');
  });

  it('It counts rooms, clients, messages and deliveries', async () => {
    const nobody = async () => (await server.stats()).clients === 0;
    await eventually(nobody, 'The end of the clients before');
    const before = await server.stats();
    const { members } = await server.room(['a', 'b', 'c'], 3); // three messages, six events
    members[0].send({ type: 'send', data: 1 });
    for (const member of members.slice(1))
      await member.expect({ type: 'message', from: 'a', data: 1 });
    const after = await server.stats();
    assert.deepEqual([before.rooms, before.clients], [0, 0]);
    assert.deepEqual([after.rooms, after.clients], [1, 3]);
    assert.equal(after.messages - before.messages, 4);
    assert.equal(after.deliveries - before.deliveries, 8);
    assert.equal(after.counts['messages received'], after.messages);
    assert.equal(after.counts['messages delivered'], after.deliveries);
  });

  it('It tells of errors by their text, and of nothing that was not', async () => {
    const client = await server.client();
    const { counts: before } = await server.stats();
    client.send({ type: 'nonsense' });
    await client.expectError('Unknown message type');
    const { counts } = await server.stats();
    const text = 'Unknown message type';
    assert.equal(counts[text], (before[text] ?? 0) + 1);
    for (const [name, count] of Object.entries(counts))
      assert.ok(count > 0 || name === 'bytes buffered now', name);
    assert.equal(counts['State too large'], undefined);
  });

  it('It tells of those origins that are here', async () => {
    const [one, other] = ['https://one.example', 'https://other.example'];
    const host = await server.client({ origin: one });
    const room = await host.create('host');
    await (await server.client({ origin: other })).join('guest', room);
    await server.client({ origin: other });
    const isTold = async () => {
      const { origins } = await server.stats();
      const found = origins.filter(({ origin }) => origin.endsWith('.example'));
      return JSON.stringify(found) === JSON.stringify([
        { origin: one, rooms: 1, clients: 1 },
        { origin: other, rooms: 0, clients: 2 },
      ]);
    };
    await eventually(isTold, 'Both origins');
    await server.disconnectAll();
    const nobody = async () => (await server.stats()).origins.length === 0;
    await eventually(nobody, 'No origin');
  });

  it('Hostile origins are texts in it', async () => {
    const hostile = [
      '</script><script>alert(1)</script>', '"', '\\', '"}],"rooms":99,"x":[{"y":"', 'a\tb',
      '\\u0041', '{{rooms}}', 'null', '\u00e9',
    ];
    for (const origin of hostile) {
      const connection = await server.raw();
      const bytes = upgradeRequest('/', { headers: { Origin: origin } });
      connection.write(Buffer.from(bytes, 'utf8'));
      assert.equal((await connection.readResponse()).status, 101, origin);
    }
    const { origins } = await server.stats();
    const told = origins.map(({ origin }) => origin);
    assert.deepEqual(told.sort(), hostile.sort());
  });

  it('An upgrade at /stats is an upgrade', async () => {
    await (await server.client({ target: '/stats' })).create('host');
  });
});

describeAtOnce('The history', (withServer) => {
  const sumOf = (samples, name) => samples.reduce((sum, sample) => sum + sample[name], 0);

  it('It begins empty, and holds what was when an interval ends', () =>
    withServer({}, async (server) => {
      const { history: empty } = await server.stats();
      assert.equal(empty.intervalSeconds, intervalSeconds);
      assert.ok(empty.ageSeconds >= 0 && empty.samples.length <= 1);

      const { members } = await server.room(['a', 'b', 'c'], 3);
      members[0].send({ type: 'send', data: 1 });
      for (const member of members.slice(1))
        await member.expect({ type: 'message', from: 'a', data: 1 });
      for (const letter of 'ABCDEFGH') { // whose codes are of all loops in turn: they move there
        const client = await server.client();
        client.send({ type: 'join', clientId: 'd', room: `ZZZ${letter}` });
        await client.expectError('Room not found');
      }
      const { messages, deliveries, history: before } = await server.stats();
      assert.deepEqual([messages, deliveries], [12, 16]);

      const isThere = async () => {
        const { samples } = (await server.stats()).history;
        return samples.length > before.samples.length && samples;
      };
      const samples = await eventually(isThere, 'The end of an interval');
      const { rooms, clients } = samples.at(-1);
      assert.deepEqual([rooms, clients], [1, 11]);
      const total = (name) => Math.round(sumOf(samples, name) * intervalSeconds);
      assert.equal(total('messagesPerSecond'), messages);
      assert.equal(total('deliveriesPerSecond'), deliveries);

      const { history } = await server.stats();
      assert.ok(history.ageSeconds < intervalSeconds);
    }));
});

describeAtOnce('GET /stats, on a server with options', (withServer) => {
  it('It names the default protocol', () =>
    withServer({ options: ['--protocol', 2] }, async (server) => {
      assert.equal((await server.stats()).protocol, 2);
    }));

  it('--dashboard-url sends nobody away from it', () =>
    withServer({ options: ['--dashboard-url', 'https://dashboard.example/'] }, async (server) => {
      assert.equal((await server.get('/stats')).status, 200);
    }));

  it('It is not taken for a code, and is told by whichever instance is asked', () =>
    withServer({ options: ['--instance-id', 'here', '--region', 'ams'] }, async (server) => {
      assert.equal((await server.get('/stats?instance=other')).status, 200);
    }));

  it('It is told above --max-connections', () =>
    withServer({ options: ['--max-connections', 1] }, async (server) => {
      await (await server.client()).create('host');
      const { clients, counts } = await server.stats();
      assert.equal(clients, 1);
      assert.equal(counts['refused: too many connections'], 1);
    }));
});
