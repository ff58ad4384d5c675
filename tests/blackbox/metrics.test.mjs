// GET /metrics: its form, and that everything is counted as it happened.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { deadlineMilliseconds, eventually, slowness } from './support/deadline.mjs';
import { freshLoopback, knock, privateBudgets } from './support/entrance.mjs';
import { frame, json, opcodes } from './support/frames.mjs';
import { request } from './support/http.mjs';
import { Metrics, readMetrics } from './support/metrics.mjs';
import { patience } from './support/server.mjs';
import { describeAtOnce, describeWithOptions } from './support/suite.mjs';
import { it } from './support/testing.mjs';

const range = (count) => Array.from({ length: count }, (_, index) => index);
const manyEnoughForAnyLoop = 16;
const contentType = 'text/plain; version=0.0.4; charset=utf-8';

/** What the document on protocol 2 names. */
const documented = {
  party_sockets_clients: 'gauge',
  party_sockets_rooms: 'gauge',
  party_sockets_origins_tracked: 'gauge',
  party_sockets_clients_by_origin: 'gauge',
  party_sockets_rooms_by_origin: 'gauge',
  party_sockets_connections_total: 'counter',
  party_sockets_rooms_created_total: 'counter',
  process_resident_memory_bytes: 'gauge',
  process_heap_used_bytes: 'gauge',
  process_uptime_seconds: 'counter',
};
const byOrigin = [
  'party_sockets_clients_by_origin',
  'party_sockets_rooms_by_origin',
  'party_sockets_connections_total',
  'party_sockets_rooms_created_total',
];

/** Waits until a reading satisfies `check`, which throws where it does not. */
async function expectMetrics(server, check) {
  let metrics;
  let complaint;
  const attempt = async () => {
    metrics = await readMetrics(server);
    try {
      check(metrics);
      return true;
    } catch (error) {
      complaint = error;
      return false;
    }
  };
  try {
    await eventually(attempt, 'The metrics');
  } catch {
    throw complaint;
  }
  return metrics;
}

const expectCounted = (server, metric, key, expected) =>
  expectMetrics(server, (metrics) => assert.deepEqual(metrics.counted(key, metric), expected));

const expectCloses = (server, expected) =>
  expectCounted(server, 'party_sockets_closes_total', 'reason', expected);

const expectRefusals = (server, expected) =>
  expectCounted(server, 'party_sockets_refusals_total', 'reason', expected);

/** Each test's connections are cut at its end, and the next one counts its own rooms. */
const describeWithoutEmptyRooms = describeWithOptions('--empty-room-grace', '0ms');

describeWithoutEmptyRooms('The form of /metrics', (server) => {
  it('It is Prometheus text 0.0.4, not to be kept, and takes no credentials', async () => {
    const { status, headers, body } = await server.get('/metrics');
    assert.equal(status, 200);
    assert.equal(headers['content-type'], contentType);
    assert.equal(Number(headers['content-length']), Buffer.byteLength(body));
    assert.ok(new Metrics(body).series.length > 50);
    assert.equal((await server.get('/metrics?name=x')).headers['content-type'], contentType);
  });

  it('HEAD answers as GET does, without the body, which is not made to tell its length', async () => {
    const get = await server.get('/metrics');
    const head = await server.get('/metrics', { method: 'HEAD' });
    assert.ok(Number(get.headers['content-length']) > 1_000);
    assert.equal(head.headers['content-length'], undefined);
    const rest = ({ headers: { date, 'content-length': _, ...headers } }) => {
      assert.equal(typeof date, typeof get.headers.date);
      return headers;
    };
    assert.deepEqual([head.status, head.body], [200, '']);
    assert.deepEqual(rest(head), rest(get));
  });

  it('Other methods get 405', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS'])
      assert.equal((await server.get('/metrics', { method })).status, 405);
  });

  it('Every metric of the document is there with its type', async () => {
    await server.party(['host']);
    const { types } = await readMetrics(server);
    for (const [name, type] of Object.entries(documented)) assert.equal(types[name], type, name);
    const { process_uptime_seconds: _, ...others } = types; // named as elsewhere
    for (const [name, type] of Object.entries(others))
      assert.equal(type === 'counter', name.endsWith('_total'), `${name} is a ${type}`);
  });

  it('Every metric has a HELP of its own', async () => {
    const { families } = await readMetrics(server);
    for (const { name, help } of families) assert.match(help, /^[A-Z0-9].*\.$/, name);
    assert.equal(new Set(families.map(({ name }) => name)).size, families.length);
  });

  it('Every series says where it is from, `local` as nothing was said of that', async () => {
    const { series } = await readMetrics(server);
    const { version } = series[0].labels;
    assert.match(version, /^\d+\.\d+\.\d+$/);
    assert.equal((await server.stats()).version, version, 'What the page shows is the same');
    for (const { name, labels } of series) {
      const { instance, region, version: told } = labels;
      assert.deepEqual([instance, region, told], ['local', 'LOCAL', version], name);
    }
  });

  it('By origin exist only the four that are to', async () => {
    await server.party(['host']);
    const { series } = await readMetrics(server);
    const names = series.filter(({ labels }) => 'origin' in labels).map(({ name }) => name);
    assert.deepEqual(new Set(names), new Set(byOrigin));
    for (const { name, labels } of series)
      assert.equal('origin' in labels, byOrigin.includes(name), name);
  });

  it('Whichever loop answers, it tells of all', async () => {
    await Promise.all(range(8).map((number) => server.party([`host ${number}`, 'zoe'])));
    await expectMetrics(server, (metrics) => {
      assert.equal(metrics.value('party_sockets_clients'), 16);
      assert.equal(metrics.value('party_sockets_rooms'), 8);
    });
    const all = await Promise.all(range(manyEnoughForAnyLoop).map(() => readMetrics(server)));
    for (const metrics of all) {
      assert.equal(metrics.value('party_sockets_clients'), 16);
      assert.equal(metrics.value('party_sockets_rooms'), 8);
      assert.equal(metrics.sum('party_sockets_clients_by_origin'), 16);
    }
  });

  it('Requests on one connection are answered in order, and an upgrade may follow', async () => {
    const connection = await server.raw();
    connection.write(...range(20).map((n) => request(n % 2 ? '/metrics' : '/health')));
    for (const number of range(20)) {
      const { status, body } = await connection.readResponse();
      assert.equal(status, 200);
      if (number % 2) new Metrics(body);
      else assert.equal(body, '{"status":"ok"}');
    }
    await connection.upgrade();
    connection.send({ type: 'send' });
    await connection.expect({ type: 'error', message: 'Not in a room' });
  });

  it('Asking and leaving before the answer disturbs nobody', async () => {
    const { members } = await server.party(['host']);
    for (const count of range(50)) {
      const connection = await server.raw();
      connection.write(request('/metrics'), request('/metrics'));
      if (count % 2) connection.reset();
      else connection.terminate();
    }
    await expectMetrics(server, (metrics) =>
      assert.equal(metrics.value('party_sockets_connections'), 2),
    );
    await members[0].expectSilence();
  });

  it('No clientId, no room code, no URL and no payload is told', async () => {
    const secrets = range(6).map(() => randomUUID());
    const [host, zoe, one, two, payload, link] = secrets;
    const url = `https://game.example/${link}`;
    const party = await server.party([host, zoe], { maxClients: 4, url });
    const room = await server.room([one, two]);
    party.members[0].setState(payload);
    room.members[0].relay(payload);
    party.members[1].send({ type: 'join', clientId: zoe, room: party.code });
    await party.members[1].take(2);
    const { text } = await readMetrics(server);
    for (const secret of secrets) assert.ok(!text.includes(secret));
    assert.ok(!new RegExp(`\\b(${party.code}|${room.code})\\b`).test(text));
  });
});

describeAtOnce('The labels of /metrics', (withServer) => {
  const expectLabels = (settings, expected) =>
    withServer(settings, async (server) => {
      const { series } = await readMetrics(server);
      for (const { name, labels } of series)
        assert.deepEqual([labels.instance, labels.region], expected, name);
    });

  it('The region is told in upper case, the instance as it is', () =>
    expectLabels({ environment: { INSTANCE_ID: 'm-1_a.B', REGION: 'fra' } }, ['m-1_a.B', 'FRA']));

  it('One may be there without the other', async () => {
    await expectLabels({ environment: { INSTANCE_ID: 'a' } }, ['a', 'LOCAL']);
    await expectLabels({ environment: { REGION: 'Moon' } }, ['local', 'MOON']);
  });

  it('FLY_MACHINE_ID and FLY_REGION serve as well', () =>
    expectLabels({ environment: { FLY_MACHINE_ID: 'm', FLY_REGION: 'ams' } }, ['m', 'AMS']));

  it('It is answered here, whatever `instance` says', () =>
    withServer({ environment: { INSTANCE_ID: 'here', REGION: 'fra' } }, async (server) => {
      const { status, body } = await server.get('/metrics?instance=there');
      assert.equal(status, 200);
      assert.equal(new Metrics(body).series[0].labels.instance, 'here');
    }));
});

/** Else an origin is listed when a room of it is played in. */
const listedAtOnce = { options: ['--origin-proof', '0ms'] };

describeAtOnce('What /metrics counts', (withServer, loops) => {
  it('Clients, rooms and origins, as they come and go', () =>
    withServer(listedAtOnce, async (server) => {
      const empty = await readMetrics(server);
      for (const metric of ['clients', 'rooms', 'origins_tracked'])
        assert.equal(empty.value(`party_sockets_${metric}`), 0, metric);
      for (const metric of byOrigin) assert.equal(empty.sum(metric), 0, metric);

      const red = 'https://red.example';
      const blue = 'https://blue.example';
      const host = await server.member({ origin: red });
      const code = await host.create('host');
      const guests = [];
      for (const number of range(3)) {
        guests.push(await server.member({ origin: blue }));
        await guests[number].join(`guest ${number}`, code);
      }
      const looking = await server.member({ origin: blue }); // in no room
      await looking.expectSilence();
      const unknown = await server.client();
      await unknown.create('one');
      await unknown.expectSilence();
      await expectMetrics(server, (metrics) => {
        const by = (metric) => metrics.counted('origin', metric);
        assert.equal(metrics.value('party_sockets_clients'), 5);
        assert.equal(metrics.value('party_sockets_websockets'), 6);
        assert.equal(metrics.value('party_sockets_rooms'), 2);
        assert.equal(metrics.value('party_sockets_origins_tracked'), 3);
        assert.deepEqual(by(byOrigin[0]), { [red]: 4, unknown: 1 }); // the room's, whoever is in it
        assert.deepEqual(by(byOrigin[1]), { [red]: 1, unknown: 1 });
        assert.deepEqual(by(byOrigin[2]), { [red]: 1, [blue]: 4, unknown: 1 });
        assert.deepEqual(by(byOrigin[3]), { [red]: 1, unknown: 1 });
      });

      await guests[0].close();
      await host.close(); // its room lives on, and is still its origin's
      await unknown.close();
      await expectMetrics(server, (metrics) => {
        const by = (metric) => metrics.counted('origin', metric);
        assert.equal(metrics.value('party_sockets_clients'), 2);
        assert.equal(metrics.value('party_sockets_websockets'), 3);
        assert.equal(metrics.value('party_sockets_rooms'), 1);
        assert.equal(metrics.value('party_sockets_origins_tracked'), 3);
        assert.deepEqual(by(byOrigin[0]), { [red]: 2 });
        assert.deepEqual(by(byOrigin[1]), { [red]: 1 });
        assert.deepEqual(by(byOrigin[2]), { [red]: 1, [blue]: 4, unknown: 1 });
        assert.deepEqual(by(byOrigin[3]), { [red]: 1, unknown: 1 });
      });
    }));

  it('Messages, events and bytes are exactly those that were sent and received', () =>
    withServer({ options: [...patience, '--request-timeout', '5m'] }, async (server) => {
      const watch = await server.raw();
      const connections = [watch];
      for (const _ of range(6)) connections.push(await server.raw());
      const members = connections.slice(1);
      for (const member of members)
        await member.upgrade({ headers: { 'Sec-WebSocket-Protocol': 'party-sockets.v2' } });
      let sent = 0;
      let told = 0;
      const say = (member, ...messages) => {
        member.send(...messages);
        sent += messages.length;
      };
      const hear = async (member, count = 1) => {
        told += count;
        let event;
        for (const _ of range(count)) event = await member.readEvent();
        return event;
      };

      say(members[0], { type: 'create', clientId: 'host', maxClients: 9 });
      const { room } = await hear(members[0]);
      for (const number of range(5)) {
        say(members[number + 1], { type: 'join', clientId: `guest ${number}`, room });
        await hear(members[number + 1]);
        for (const earlier of members.slice(0, number + 1)) await hear(earlier);
      }
      for (const number of range(20)) {
        const data = 'x'.repeat(500 * number); // shared and copied ones
        say(members[number % 6], { type: 'send', data }, { type: 'send', data: 1, to: 3 });
        for (const [index, member] of members.entries())
          await hear(member, (index === number % 6 ? 0 : 1) + (index === 3 ? 1 : 0));
      }
      say(members[0], { type: 'set_state', data: { kept: 'y'.repeat(2_000) } });
      for (const member of members.slice(1)) await hear(member);
      say(members[2], { type: 'nonsense' }, { type: 'send', data: 2, to: 99 }, null, {});
      await hear(members[2], 4);
      members[4].write(frame(opcodes.binary, '{"type":"send"}')); // text as well
      sent++;
      for (const index of [0, 1, 2, 3, 5]) await hear(members[index]);
      members[5].write(frame(opcodes.ping, 'are you there?'));
      assert.equal((await members[5].readFrame()).opcode, opcodes.pong);

      const total = (key) => connections.reduce((sum, { socket }) => sum + socket[key], 0);
      let counts;
      const isExact = async () => {
        // What is read so far was told before; the answer to this is not told yet.
        const received = total('bytesRead');
        watch.write(request('/metrics'));
        const written = total('bytesWritten');
        const metrics = new Metrics((await watch.readResponse()).body);
        const told = (name) => metrics.value(`party_sockets_${name}_total`);
        counts = [told('received_bytes'), told('sent_bytes'), written, received, metrics];
        return counts[0] === written && counts[1] === received;
      };
      await eventually(isExact, 'Exact bytes').catch((error) => {
        assert.deepEqual(counts.slice(0, 2), counts.slice(2, 4), error.message);
      });
      const metrics = counts[4];
      assert.equal(metrics.value('party_sockets_messages_received_total'), sent);
      assert.equal(metrics.value('party_sockets_messages_sent_total'), told);
      assert.equal(metrics.value('party_sockets_accepted_total'), connections.length);
      assert.equal(metrics.value('party_sockets_connections'), connections.length);
      assert.equal(metrics.value('party_sockets_clients'), members.length);
    }));

  it('What is kept for rooms, and what waits', () =>
    withServer({ options: ['--max-message-rate', 0, '--max-byte-rate', 0] }, async (server) => {
      const { code, members } = await server.party(['host', 'zoe']);
      const before = (await readMetrics(server)).value('party_sockets_kept_bytes');
      members[0].setState('s'.repeat(10_000));
      await members[1].next();
      const kept = (await readMetrics(server)).value('party_sockets_kept_bytes') - before;
      assert.ok(kept >= 10_000 && kept < 11_000, `${kept}`);

      const deaf = await server.rawWebSocket({
        headers: { 'Sec-WebSocket-Protocol': 'party-sockets.v2' },
      });
      deaf.send({ type: 'join', clientId: 'deaf', room: code });
      await members[0].next();
      deaf.socket.pause();
      members[0].relay('z'.repeat(4_000_000), 2);
      await members[0].expectSilence();
      await expectMetrics(server, (metrics) => {
        const waiting = metrics.value('party_sockets_queue_bytes');
        assert.ok(waiting > 1_000_000 && waiting < 6_000_000, `${waiting}`);
      });
      deaf.reset();
      members[0].closeRoom();
      await members[0].whenClosed();
      await expectMetrics(server, (metrics) => {
        assert.equal(metrics.value('party_sockets_kept_bytes'), 0);
        assert.ok(metrics.value('party_sockets_queue_bytes') < 200_000);
      });
    }));

  it('Time, memory, loops and the poller that is in use', () =>
    withServer({}, async (server) => {
      const metrics = await readMetrics(server);
      const uptime = metrics.value('process_uptime_seconds');
      assert.ok(uptime < deadlineMilliseconds / 1_000, `${uptime}`);
      const resident = metrics.value('process_resident_memory_bytes');
      assert.ok(resident > 1_000_000 && resident < 1_000_000_000, `${resident}`);
      assert.ok(metrics.value('process_heap_used_bytes') <= resident);
      assert.equal(metrics.value('party_sockets_loops'), loops);
      assert.equal(metrics.value('party_sockets_draining'), 0);
      const asked = process.env.POLLER_UNDER_TEST ?? 'auto';
      const used = asked === 'auto' ? await server.poller() : asked;
      const pollers = { epoll: 0, io_uring: 0, [used]: 1 };
      assert.deepEqual(metrics.by('poller', 'party_sockets_poller'), pollers);
      await eventually(async () => {
        const later = await readMetrics(server);
        return later.value('process_uptime_seconds') > uptime;
      }, 'The next second');
    }));

  it('The times of turns, with what goes on from one turn to the next', () =>
    withServer({ options: ['--max-byte-rate', 0] }, async (server) => {
      const client = await server.client();
      const cpu = () => {
        const fields = readFileSync(`/proc/${server.pid}/stat`, 'utf8').split(') ')[1].split(' ');
        return (Number(fields[11]) + Number(fields[12])) / 100; // ticks of the kernel's
      };
      const sum = async () =>
        (await readMetrics(server)).value('party_sockets_turn_seconds_sum');
      const [cpuBefore, before] = [cpu(), await sum()];
      for (const _ of range(4)) {
        client.sendText(' '.repeat(16 * 1024 * 1024)); // which is parsed in 128 goes
        await client.expect({ type: 'error', message: 'Invalid JSON' });
      }
      const [counted, used] = [(await sum()) - before, cpu() - cpuBefore];
      // Some of it is the kernel's, while the loop waits.
      assert.ok(counted > 0.5 * used, `${counted} of ${used} s`);
    }));

  it('The times of turns, as a histogram', () =>
    withServer({}, async (server) => {
      const { members } = await server.party(['host', 'zoe']);
      let before = 0;
      for (const _ of range(3)) {
        for (const count of range(50)) {
          members[0].relay(count);
          await members[1].next();
        }
        const metrics = await readMetrics(server);
        const buckets = metrics.all('party_sockets_turn_seconds_bucket');
        const bounds = buckets.map(({ labels }) => Number(labels.le.replace('+Inf', 'Infinity')));
        const ordered = [...bounds].sort((a, b) => a - b);
        assert.deepEqual(bounds, ordered);
        assert.equal(bounds.at(-1), Infinity);
        const counts = buckets.map(({ value }) => value);
        for (const number of range(counts.length - 1))
          assert.ok(counts[number] <= counts[number + 1], 'Cumulative');
        const count = metrics.value('party_sockets_turn_seconds_count');
        const sum = metrics.value('party_sockets_turn_seconds_sum');
        assert.equal(counts.at(-1), count);
        assert.ok(count >= before + 50, `${count} turns after ${before}`);
        // The sum is between what the classes allow for.
        const least = counts.map((value, number) => value - (counts[number - 1] ?? 0));
        const lower = least.map((value, number) => value * (bounds[number - 1] ?? 0));
        assert.ok(sum > 0 && sum >= lower.reduce((a, b) => a + b), `${sum}`);
        if (least.at(-1) === 0) {
          const upper = least.slice(0, -1).map((value, number) => value * bounds[number]);
          assert.ok(sum <= upper.reduce((a, b) => a + b), `${sum}`);
        }
        before = count;
      }
    }));

  it('Connections that move between loops', () =>
    withServer(listedAtOnce, async (server) => {
      const { code } = await server.party(['host']);
      const guests = await server.members(40);
      for (const [number, guest] of guests.entries()) await guest.join(`guest ${number}`, code);
      const metrics = await expectMetrics(server, (metrics) =>
        assert.equal(metrics.value('party_sockets_clients'), 41),
      );
      const moved = metrics.value('party_sockets_moved_total');
      if (loops === 1) assert.equal(moved, 0);
      else assert.ok(moved > 0 && moved <= 40, `${moved}`);
      assert.equal(metrics.sum('party_sockets_connections_total'), 41);
      assert.deepEqual(metrics.counted('origin', byOrigin[0]), { unknown: 41 });
    }));

  it('Pings, pauses for the rates', () =>
    withServer(
      { options: ['--ping-interval', '100ms', '--max-message-rate', 20] },
      async (server) => {
        const quiet = await server.rawWebSocket();
        assert.equal((await quiet.readFrame()).opcode, opcodes.ping);
        const hasty = await server.rawWebSocket();
        hasty.write(...range(60).map(() => json({ type: 'send' })));
        await expectMetrics(server, (metrics) => {
          assert.ok(metrics.value('party_sockets_pings_total') >= 1);
          assert.ok(metrics.value('party_sockets_throttled_total') >= 1);
          assert.equal(metrics.by('message', 'party_sockets_errors_total')['Not in a room'], 60);
        });
      },
    ));

  it('Everything while it drains', () =>
    withServer({}, async (server) => {
      const { code, members } = await server.party(['host']);
      server.signal('SIGTERM');
      await expectMetrics(server, (metrics) =>
        assert.equal(metrics.value('party_sockets_draining'), 1),
      );
      for (const _ of range(4 * loops)) {
        await eventually(async () => (await server.get('/ready')).status === 503, 'Draining');
      }
      await (await server.member()).join('late', code);
      const refused = await server.member();
      refused.send({ type: 'create', clientId: 'a', maxClients: 2 });
      await refused.expectError('Server draining');
      for (const _ of range(manyEnoughForAnyLoop)) {
        const metrics = await readMetrics(server);
        assert.equal(metrics.value('party_sockets_draining'), 1);
        assert.equal(metrics.value('party_sockets_rooms'), 1);
        assert.equal(metrics.value('party_sockets_clients'), 2);
        assert.equal(metrics.value('party_sockets_websockets'), 3);
        const errors = metrics.counted('message', 'party_sockets_errors_total');
        assert.deepEqual(errors, { 'Server draining': 1 });
      }
      await members[0].expect({ type: 'peer_joined', index: 1 });
    }));
});

describeAtOnce('Closes by their reasons', (withServer) => {
  it('All that may be are there from the start', () =>
    withServer({}, async (server) => {
      const closes = (await readMetrics(server)).by('reason', 'party_sockets_closes_total');
      assert.ok(Object.keys(closes).length >= 15);
      assert.deepEqual([...new Set(Object.values(closes))], [0]);
    }));

  it('client, ended, lost', () =>
    withServer({}, async (server) => {
      for (const client of await server.clients(3)) await client.close(1000, 'bye');
      await expectCloses(server, { client: 3 });
      for (const _ of range(2)) (await server.rawWebSocket()).halfClose();
      await expectCloses(server, { client: 3, ended: 2 });
      for (const _ of range(4)) (await server.rawWebSocket()).reset();
      await expectCloses(server, { client: 3, ended: 2, lost: 4 });
      // Who was no client is none of them.
      for (const _ of range(4)) (await server.raw()).reset();
      for (const _ of range(4)) (await server.raw()).halfClose();
      await server.get('/health');
      await expectCloses(server, { client: 3, ended: 2, lost: 4 });
    }));

  it('replaced, room_closed', () =>
    withServer({}, async (server) => {
      const { code, members } = await server.party(['host', 'zoe', 'adam']);
      await (await server.member()).join('zoe', code);
      await members[1].whenClosed();
      await expectCloses(server, { replaced: 1 });
      members[0].closeRoom();
      await members[0].whenClosed();
      await expectCloses(server, { replaced: 1, room_closed: 3 });
    }));

  it('room_closed, when the host does not come back', () =>
    withServer({ environment: { HOST_GRACE_MS: '100' } }, async (server) => {
      const { members } = await server.party(['host', 'zoe', 'adam']);
      await members[0].close();
      await members[1].whenClosed();
      await expectCloses(server, { client: 1, room_closed: 2 });
    }));

  it('protocol_error, too_large', () =>
    withServer({ options: ['--max-message-bytes', 1_000] }, async (server) => {
      const faulty = await server.rawWebSocket();
      faulty.write(frame(opcodes.text, '{}', { masked: false }));
      await faulty.expectClose(1002);
      const latin = await server.rawWebSocket();
      latin.write(frame(opcodes.text, [0xff]));
      await latin.expectClose(1007);
      await expectCloses(server, { protocol_error: 2 });
      const large = await server.rawWebSocket();
      large.write(frame(opcodes.text, ' '.repeat(1_001)));
      await large.expectClose(1009);
      await expectCloses(server, { protocol_error: 2, too_large: 1 });
    }));

  it('silent', () =>
    withServer(
      { options: ['--ping-interval', '100ms', '--idle-timeout', `${300 * slowness}ms`] },
      async (server) => {
        const silent = await server.rawWebSocket();
        await silent.whenGone();
        const metrics = await expectCloses(server, { silent: 1 });
        assert.equal(metrics.value('party_sockets_pings_total'), 1);
      },
    ));

  /** A host, and a guest that does not read while it gets some MB. */
  async function overwhelm(server, data, count) {
    const { code, members } = await server.room(['host']);
    const deaf = await server.rawWebSocket();
    await deaf.join('deaf', code);
    await members[0].next();
    deaf.socket.pause();
    for (const _ of range(count)) members[0].relay(data);
    await members[0].expect({ type: 'peer_left', clientId: 'deaf' });
  }

  it('queue_full', () =>
    withServer(
      { options: ['--max-queue-bytes', 100_000, '--max-message-rate', 0, '--max-byte-rate', 0] },
      async (server) => {
        await overwhelm(server, 'x'.repeat(10_000), 2_000);
        await expectCloses(server, { queue_full: 1 });
      },
    ));

  it('stalled', () =>
    withServer(
      { options: ['--stall-timeout', `${200 * slowness}ms`, '--idle-timeout', '1m'] },
      async (server) => {
        await overwhelm(server, 'x'.repeat(8_000_000), 1);
        await expectCloses(server, { stalled: 1 });
      },
    ));

  it('shed', () =>
    withServer({ options: ['--max-buffered-bytes', 1024 * 1024] }, async (server) => {
      for (const _ of range(3)) {
        const upload = await server.rawWebSocket();
        upload.socket.on('error', () => {});
        upload.write(frame(opcodes.text, ' '.repeat(600_000), { length: 2_000_000 }));
      }
      await expectMetrics(server, (metrics) => {
        const { shed } = metrics.by('reason', 'party_sockets_closes_total');
        assert.ok(shed >= 1 && shed <= 3, `${shed}`);
      });
    }));

  it('failed_joins, by joins and by look-ups', () =>
    withServer(
      { options: ['--max-failed-joins', 2, '--max-failed-joins-per-address', 3] },
      async (server) => {
        const guesser = await server.member({ localAddress: freshLoopback() });
        for (const _ of range(3)) guesser.send({ type: 'join', clientId: 'a', room: 'OOOOOO' });
        await guesser.whenClosed();
        await expectCloses(server, { failed_joins: 1 });
        const localAddress = freshLoopback();
        // Who asks slowly has more: a miss is forgotten after two seconds.
        const ask = async () => (await server.get('/room/OOOOOO', { localAddress })).status;
        await eventually(async () => (await ask()) === 429, 'One too many');
        await expectCloses(server, { failed_joins: 2 });
      },
    ));

  it('request_timeout', () =>
    withServer({ options: ['--request-timeout', `${slowness}s`] }, async (server) => {
      await (await server.raw()).whenGone();
      await expectMetrics(server, (metrics) => {
        const closes = metrics.by('reason', 'party_sockets_closes_total');
        assert.equal(closes.request_timeout, 1);
      });
    }));
});

describeAtOnce('Refusals by their reasons', (withServer) => {
  const refusal = async (server, options) => {
    const { status, connection } = await knock(server, options);
    connection.terminate();
    return status;
  };

  it('origin', () =>
    withServer({ options: ['--allow-origin', 'https://a.example'] }, async (server) => {
      for (const _ of range(2))
        assert.equal(await refusal(server, { headers: { Origin: 'https://b.example' } }), 403);
      const metrics = await expectRefusals(server, { origin: 2 });
      assert.equal(metrics.value('party_sockets_origins_tracked'), 0, 'Only who is let in counts');
    }));

  it('connections', () =>
    withServer({ options: ['--max-connections', 3] }, async (server) => {
      const watch = await server.raw();
      await server.clients(2);
      for (const _ of range(2)) assert.equal(await refusal(server), 503);
      // Above the limit the metrics are told as well; who asks there is one more that is refused.
      await readMetrics(server);
      watch.write(request('/metrics'));
      const metrics = new Metrics((await watch.readResponse()).body);
      const refusals = metrics.counted('reason', 'party_sockets_refusals_total');
      assert.deepEqual(refusals, { connections: 3 });
    }));

  it('address', () =>
    withServer({ options: ['--max-connections-per-address', 2] }, async (server) => {
      const localAddress = freshLoopback();
      for (const _ of range(2)) await knock(server, { localAddress });
      assert.equal(await refusal(server, { localAddress }), 429);
      await expectRefusals(server, { address: 1 });
    }));

  it('proxy_header', () =>
    withServer({ options: ['--trust-proxy', 'proxy:127.0.0.9'] }, async (server) => {
      const connection = await server.raw(undefined, { localAddress: '127.0.0.9' });
      connection.write('PROXY nonsense\r\n');
      await connection.whenGone();
      await expectRefusals(server, { proxy_header: 1 });
    }));

  it('transport', () =>
    withServer({}, async (server) => {
      const connection = await server.raw();
      connection.write([0x16, 0x03, 0x01, 0x00, 0x40, 0x01], Buffer.alloc(60));
      await connection.whenGone();
      await expectRefusals(server, { transport: 1 });
    }));
});

describeAtOnce('Errors by their texts', (withServer) => {
  const create = { type: 'create', clientId: 'a', maxClients: 2 };
  const withUrl = (url) => ({ ...create, url });

  /** What a client in no room is told; the texts are the label values, so details are left out. */
  const outside = [
    ['Invalid JSON', '{'],
    ['Unknown message type', { type: 'x' }],
    ['clientId is required', { ...create, clientId: '' }],
    ['clientId is too long', { ...create, clientId: 'i'.repeat(257) }],
    ['maxClients must be a positive number', { ...create, maxClients: 0 }],
    ['url must be a string', withUrl(1)],
    ['url too large', withUrl(`https://a.example/${'x'.repeat(512)}`)],
    ['url must not contain spaces or control characters', withUrl('https://a.example/ ')],
    ['Unknown url placeholder', withUrl('https://a.example/{"what"}')],
    ['url has an unmatched placeholder brace', withUrl('https://a.example/{room')],
    ['url is not a valid URL', withUrl('https://')],
    ['url must be an https URL', withUrl('http://a.example')],
    ['room is required', { type: 'join', clientId: 'a' }],
    ['Room not found', { type: 'join', clientId: 'a', room: 'OOOOOO' }],
    ['Too many rooms', create],
    ['Not in a room', { type: 'send', data: 1 }],
  ];

  it('Each is counted under its own', () =>
    withServer({ options: ['--max-rooms', 2] }, async (server) => {
      const expected = {};
      const provoke = async (client, message, text) => {
        if (typeof text === 'string') client.sendText(text);
        else client.send(text);
        const event = await client.next();
        assert.equal(event.type, 'error', JSON.stringify(event));
        assert.ok(event.message.startsWith(message), `${event.message}: ${message}`);
        expected[message] = (expected[message] ?? 0) + 1;
      };
      const two = await server.party(['host', 'zoe'], { maxClients: 2 });
      const one = await server.room(['host']);
      for (const [index, [message, text]] of outside.entries()) {
        const client = await server.member();
        for (const _ of range(1 + (index % 3))) await provoke(client, message, text);
      }
      const join = (room) => ({ type: 'join', clientId: 'b', room });
      await provoke(await server.client(), 'Room uses protocol 2', join(two.code));
      await provoke(await server.member(), 'Room uses protocol 1', join(one.code));
      await provoke(await server.member(), 'Room is full', join(two.code));
      await provoke(two.members[0], 'Already in a room', create);
      await provoke(one.members[0], 'Target client not found', { type: 'send', data: 1, to: 'x' });
      await provoke(two.members[0], 'Target peer not found', { type: 'send', data: 1, to: 7 });
      await provoke(two.members[0], 'State data is required', { type: 'set_state' });
      const state = { type: 'set_state', data: 's'.repeat(16_400) };
      await provoke(two.members[0], 'State too large', state);
      await provoke(two.members[1], 'Only the host can set state', { type: 'set_state', data: 1 });
      await provoke(two.members[1], 'Only the host can close the room', { type: 'close_room' });
      const metrics = await expectCounted(
        server, 'party_sockets_errors_total', 'message', expected,
      );
      const others = ['Server draining', 'No room code free', 'No memory for state'];
      const texts = Object.keys(metrics.by('message', 'party_sockets_errors_total'));
      assert.deepEqual(texts.sort(), [...Object.keys(expected), ...others, ...third, ...tokens].sort());
    }));

  /** Those that only protocol 3 has, and of them those that need a server with --token-key. */
  const tokens = [
    'token is required',
    'token is not valid',
    'token is not valid now',
    'token is for another origin',
    'No memory to check the token',
  ];
  const third = [
    'Invalid binary message',
    'clientId is too short',
    'session must be a string of 8 to 64 bytes',
    'attempt must be a positive integer',
    'hold must be a number from 0 to 600',
    'onHostLeft must be close or migrate',
    'maxAudience must be a number, 0 or more',
    'password must be a string of 1 to 64 bytes',
    'role must be audience',
    'Room uses protocol 3',
    'Kicked from the room',
    'Banned from the room',
    'Room needs a password',
    'Wrong password',
    'Too many wrong passwords',
    'Room is locked',
    'Audience is full',
    'The audience sends too much',
    'The audience is muted',
    'Only the host can do that',
    'to must name 1 to 64 peers',
    'volatile must be true or false',
    'private must be true or false',
    'locked must be true or false',
    'set_room needs a field to set',
    "The host can't kick itself",
    'reason must be a string of at most 123 bytes',
    'ban must be true or false',
    'muted must be true or false',
  ];

  it('Those of protocol 3, too', () =>
    withServer({}, async (server) => {
      const told = {};
      const id = (name) => `the secret of ${name}`;
      const open = () => server.member({ protocols: 'party-sockets.v3' });
      const who = (name) => ({ clientId: id(name), session: 'a session', attempt: 1, maxClients: 8 });
      const note = async (client) => {
        let event;
        while ((event = await client.next()).type !== 'error');
        told[event.message] = (told[event.message] ?? 0) + 1;
      };
      const provoke = async (client, ...messages) => {
        for (const message of messages) {
          client.send(message);
          await note(client);
        }
      };
      const enter = async (name, message) => {
        const client = await open();
        client.send({ ...who(name), ...message });
        return { client, answer: await client.next() };
      };
      const create = (fields) => ({ type: 'create', ...who('other'), ...fields });
      const { client: host, answer } = await enter('host', { type: 'create', maxAudience: 1 });
      const { room } = answer;
      const join = (name, fields) => ({ type: 'join', ...who(name), room, ...fields });
      const { client: guest, answer: seat } = await enter('guest', join('guest'));
      const { client: watcher } = await enter('watcher', join('watcher', { role: 'audience' }));

      await provoke(
        await open(),
        create({ clientId: 'short' }),
        create({ session: 1 }),
        join('other', { attempt: 0 }),
        create({ hold: -1 }),
        create({ onHostLeft: 1 }),
        create({ maxAudience: -1 }),
        create({ password: 1 }),
        join('other', { role: 1 }),
        join('other', { role: 'audience' }),
      );
      await provoke(await server.member(), join('other'));
      await provoke(guest, { type: 'set_room' });
      await provoke(
        host,
        { type: 'send', to: [] },
        { type: 'send', volatile: 1 },
        { type: 'set_state', data: 1, private: 1 },
        { type: 'set_room', locked: 1 },
        { type: 'set_room' },
        { type: 'kick', index: 0 },
        { type: 'kick', index: 1, reason: 1 },
        { type: 'kick', index: 1, ban: 1 },
        { type: 'mute_audience' },
      );
      host.sendBinary(Buffer.from([7]));
      await note(host);
      for (let count = 0; count <= 200; count++) watcher.send({ type: 'send' });
      await note(watcher);
      host.send({ type: 'mute_audience', muted: true });
      host.send({ type: 'kick', index: 1, ban: true });
      host.send({ type: 'set_room', locked: true });
      await guest.whenClosed();
      const late = await open();
      await provoke(late, join('guest', { attempt: 2, epoch: seat.epoch }), join('guest', { attempt: 3 }), join('xavier'));
      await provoke(watcher, { type: 'send' });
      host.send({ type: 'set_room', password: 'right' });
      for (let event; event?.password !== true; event = await host.next());
      const guesses = Array.from({ length: 11 }, () => join('yasmin', { password: 'wrong' }));
      await provoke(await open(), join('yasmin'), ...guesses);
      assert.deepEqual(Object.keys(told).sort(), third.slice().sort());
      await expectCounted(server, 'party_sockets_errors_total', 'message', told);
    }));
});
