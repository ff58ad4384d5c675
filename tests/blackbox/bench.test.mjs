// The load generator: each scenario for a moment against the real server, what it says when
// messages are lost or late (against a stand-in that loses and delays them), and how it fails.

import assert from 'node:assert/strict';
import { bench, skip } from './support/bench.mjs';
import { Cable } from './support/cable.mjs';
import { slowness } from './support/deadline.mjs';
import { Server, binary as serverBinary } from './support/server.mjs';
import { StandIn } from './support/stand_in.mjs';
import { loopCounts } from './support/suite.mjs';
import { describe, it } from './support/testing.mjs';

const moment = ['--warm-up', 0.1, '--duration', 0.4];

/** Runs a scenario that must succeed and lose nothing; the report. */
async function measure({ port, pid }, scenario, ...options) {
  const url = ['--url', `ws://127.0.0.1:${port}`];
  const server = pid === undefined ? [] : ['--pid', pid];
  const { status, stderr, report } = await bench(scenario, ...url, ...server, ...moment, ...options);
  assert.equal(status, 0, stderr);
  assert.ok(report.sent > 0 || report.lost > 0 || scenario === 'idle', JSON.stringify(report));
  return report;
}

function assertNothingIsLost({ lost, misordered }) {
  assert.deepEqual({ lost, misordered }, { lost: 0, misordered: 0 });
}

function assertIsOrdered({ p50, p90, p99, p999, max }) {
  const values = [0, p50, p90, p99, p999, max];
  assert.deepEqual([...values].sort((a, b) => a - b), values);
}

for (const loops of loopCounts) {
  describe(`The load generator, with --loops ${loops}`, { skip }, () => {
    const server = new Server({ loops, options: ['--max-message-rate', 0, '--max-byte-rate', 0] });
    it('finds a server', () => server.start());

    const broadcasts = {
      'one in flight': [],
      'many in flight': ['--in-flight', 16],
      'several threads': ['--threads', 3],
      'an offered rate': ['--rate', 500],
      'messages of 64 KiB': ['--payload', 65536, '--rooms', 2],
      'messages of 1 KiB': ['--payload', 1024],
      'io_uring, where it works': ['--poller', 'auto'],
    };
    for (const [name, options] of Object.entries(broadcasts)) {
      it(`plays lockstep with ${name}`, async () => {
        const size = ['--rooms', 5, '--clients', 4];
        const report = await measure(server, 'lockstep', ...size, ...options);
        assertNothingIsLost(report);
        assertIsOrdered(report.latency_us);
        assert.equal(report.deliveries, report.sent * 3);
        assert.equal(report.latency_us.count, report.deliveries);
        assert.ok(report.server.cpu_us_per_delivery > 0);
        assert.ok(report.server.cpu_share > 0 && report.server.cpu_share <= loops + 0.1);
        assert.ok(report.generator.cpu_share > 0 && report.generator.cpu_share <= 1.1);
        if (name === 'an offered rate') assert.ok(Math.abs(report.sent - 200) <= 1);
      });
    }

    it('plays lockstep, party and churn in protocols 2 and 3', async () => {
      for (const scenario of ['lockstep', 'party', 'churn']) {
        for (const protocol of [2, 3]) {
          const report = await measure(server, scenario, '--protocol', protocol, '--rooms', 5);
          if (scenario !== 'churn') assertNothingIsLost(report);
          assert.ok(report.deliveries > 0, `${scenario}, protocol ${protocol}`);
        }
      }
    });

    it('plays party, states to one guest', async () => {
      const report = await measure(server, 'party', '--rooms', 20, '--threads', 2);
      assertNothingIsLost(report);
      assertIsOrdered(report.latency_us);
      assert.equal(report.deliveries, report.sent);
      assert.equal(report.latency_us.count * 2 + report.state_us.count, report.sent);
    });

    it('plays party, states to all, and faster', async () => {
      const options = ['--rooms', 10, '--state', 'all', '--speed', 3];
      const report = await measure(server, 'party', ...options);
      assertNothingIsLost(report);
      const states = report.state_us.count / 4;
      assert.equal(report.latency_us.count * 2 + states, report.sent);
      assert.equal(report.deliveries - report.sent, states * 3);
      const expected = 10 * 3 * (8 * 4 + 1 / 0.6) * 0.4;
      assert.ok(Math.abs(report.sent - expected) < expected / 10, `${report.sent}, not ${expected}`);
    });

    it('finds how many rooms keep a bound', async () => {
      const options = ['--find-rooms', '--rooms', 2];
      const none = await measure(server, 'party', ...options, '--p99', '1us');
      assert.equal(none.rooms_found, 0);
      assert.equal(typeof none.limited_by, 'string');
    });

    it('plays audience', async () => {
      const report = await measure(server, 'audience', '--clients', 100, '--rate', 50);
      assertNothingIsLost(report);
      assert.equal(report.sent, 20);
      assert.equal(report.deliveries, report.sent * 99);
      assert.equal(report.last_us.count, report.sent);
      assert.ok(report.last_us.p50 >= report.latency_us.p50);
    });

    it('plays audience without seats', async () => {
      const options = ['--protocol', 3, '--watch', '--clients', 100, '--rate', 50];
      const report = await measure(server, 'audience', ...options);
      assertNothingIsLost(report);
      assert.equal(report.deliveries, report.sent * 99);
    });

    for (const poller of ['epoll', 'auto']) {
      it(`plays churn, with --poller ${poller}`, async () => {
        const report = await measure(server, 'churn', '--rooms', 5, '--poller', poller);
        assertNothingIsLost(report);
        assert.ok(report.cycles_per_second > 0);
        assert.equal(report.sent, report.latency_us.count * 2);
      });
    }

    it('counts what an idle client costs', async () => {
      const report = await measure(server, 'idle', '--clients', 203);
      assert.equal(report.sent, 0);
      assert.ok(report.server.resident_kib_before > 0);
      assert.equal(typeof report.server.bytes_per_client, 'number');
    });

    it('lets some of them be active', async () => {
      const options = ['--clients', 100, '--active', 25, '--rate', 100];
      const report = await measure(server, 'idle', ...options);
      assertNothingIsLost(report);
      assert.equal(report.deliveries, report.sent * 4);
    });

    it('leaves no room behind: the server stops', () => server.stop());
  });
}

describe('The load generator', { skip, concurrency: true }, () => {
  async function withServer(settings, work) {
    const server = settings instanceof StandIn ? settings : await Server.start(settings);
    try {
      await work(server);
    } finally {
      if (server instanceof StandIn) server.stop();
      else server.kill();
    }
  }
  const toPort = (port) => ['--url', `ws://127.0.0.1:${port}`];
  const withStandIn = async (settings, work) => withServer(await StandIn.start(settings), work);

  it('answers pings', () =>
    withServer({ options: ['--ping-interval', '50ms', '--idle-timeout', `${250 * slowness}ms`] }, (server) =>
      measure(server, 'idle', '--clients', 10, '--duration', 1),
    ));

  for (const protocol of [1, 2]) {
    const spoken = ['--protocol', protocol];
    it(`speaks protocol ${protocol} with a server whose JSON looks otherwise`, () =>
      withStandIn({ protocol }, async (server) => {
        const report = await measure(server, 'party', '--rooms', 3, ...spoken);
        assertNothingIsLost(report);
        assert.equal(report.deliveries, report.sent);
        const all = await measure(server, 'lockstep', '--rooms', 2, '--clients', 3, ...spoken);
        assertNothingIsLost(all);
        assert.equal(all.deliveries, all.sent * 2);
      }));
  }

  it('confirms in protocol 3 what its clients have seen, each second while they send', () =>
    withStandIn({ protocol: 3 }, async (server) => {
      const options = ['--protocol', 3, '--rooms', 2, '--duration', 4];
      assertNothingIsLost(await measure(server, 'party', ...options));
      const { confirmations } = server;
      assert.ok(confirmations.length >= 2 * 10, `${confirmations.length} confirmations of 10 clients`);
      assert.ok(confirmations.length <= 5 * 10, `${confirmations.length} confirmations of 10 clients`);
      for (const { seen, told, toldBefore } of confirmations)
        assert.ok(seen > 0 && seen <= told && seen >= toldBefore, `${seen} of ${toldBefore} to ${told}`);
    }));

  it('notices what is lost', () => {
    const fault = (count, deliver) => count % 100 !== 0 && deliver();
    return withStandIn({ fault }, async (server) => {
      const report = await measure(server, 'party', '--rooms', 10);
      assert.ok(report.lost >= 1, `${report.lost} lost`);
      assert.equal(report.misordered, 0);
      const rest = await measure(server, 'lockstep', '--rooms', 2, '--in-flight', 8);
      assert.ok(rest.lost >= 1, `${rest.lost} lost`);
    });
  });

  it('notices what is doubled', () => {
    const fault = (count, deliver) => {
      deliver();
      if (count % 100 === 0) deliver();
    };
    return withStandIn({ fault }, async (server) => {
      const report = await measure(server, 'party', '--rooms', 10);
      assert.ok(report.misordered >= 1, `${report.misordered} misordered`);
      assert.equal(report.lost, 0);
    });
  });

  it('times round trips from when a ping was due, so that a stall shows in all of them', () => {
    // 20 pings are due in the 250 ms in which the server stands still.
    const fault = (count, deliver) => {
      const end = Date.now() + (count === 50 ? 250 : 0);
      while (Date.now() < end);
      deliver();
    };
    return withStandIn({ fault }, async (server) => {
      const options = ['--rooms', 5, '--duration', 1];
      const { latency_us: latency, lost } = await measure(server, 'party', ...options);
      assert.equal(lost, 0);
      assert.ok(latency.max >= 200_000, `max ${latency.max}`);
      assert.ok(latency.p90 >= 100_000, `p90 ${latency.p90}`);
    });
  });

  it('spreads the members of each room over all addresses that it is given', () =>
    withServer({ options: ['--max-message-rate', 0, '--max-byte-rate', 0] }, async (server) => {
      const cables = [];
      for (let count = 0; count < 3; count++) cables.push(await Cable.open(server.port));
      const [first, ...others] = cables;
      const urls = others.flatMap(({ port }) => toPort(port));
      const report = await measure({ port: first.port }, 'lockstep', '--rooms', 3, '--clients', 5, ...urls);
      assertNothingIsLost(report);
      assert.deepEqual(cables.map(({ connections }) => connections), [5, 5, 5]);
    }));

  it('times the start of a program', async () => {
    const command = `${serverBinary} --port {port} --host 127.0.0.1`;
    const { status, stderr, report } = await bench('startup', '--command', command, '--rounds', 3);
    assert.equal(status, 0, stderr);
    const { min, median, max } = report.startup_ms;
    assert.ok(min > 0 && min <= median && median <= max);
  });

  it('prints the lengths of the frames that lockstep exchanges', async () => {
    const { stdout } = await bench('lockstep', '--print-lengths', '--payload', 80);
    const send = JSON.stringify({ type: 'send', data: 'x'.repeat(78) });
    const message = JSON.stringify({ type: 'message', from: 'p0000000', data: 'x'.repeat(78) });
    assert.equal(stdout, `${send.length + 2 + 4} ${message.length + 2}\n`);
  });

  /** It must end with that status and one line that says why. */
  async function assertFails(status, sentence, ...parameters) {
    const outcome = await bench(...parameters);
    assert.equal(outcome.status, status, outcome.stderr);
    assert.match(outcome.stderr, /^party-bench: .*\n$/);
    assert.match(outcome.stderr, sentence);
    assert.equal(outcome.report, undefined);
  }
  it('says what is wrong with its options', async () => {
    await assertFails(2, /no scenario 'limbo'/, 'limbo');
    await assertFails(2, /unknown option '--room'/, 'lockstep', '--room', 3);
    await assertFails(2, /--rooms wants a whole number/, 'lockstep', '--rooms', 0);
    await assertFails(2, /--speed means nothing to churn/, 'churn', '--speed', 2);
    await assertFails(2, /--rate needs a value/, 'lockstep', '--rate');
    await assertFails(2, /one of 1, 2, 3, floor/, 'lockstep', '--protocol', 4);
    await assertFails(2, /startup needs --command/, 'startup');
    await assertFails(2, /need --url wss/, 'lockstep', '--insecure');
    await assertFails(2, /--cut needs --protocol 2 or 3/, 'storm', '--cut');
    await assertFails(2, /--rooms means nothing to handshakes/, 'handshakes', '--rooms', 2);
    await assertFails(2, /the same of ws/, 'lockstep', ...toPort(1), '--url', 'wss://127.0.0.1:1');
    await assertFails(2, /at most 32 --url/, 'lockstep', ...Array(33).fill(toPort(1)).flat());
    await assertFails(2, /the floor has no storm/, 'storm', '--protocol', 'floor');
  });

  it('says why it gives up', async () => {
    await assertFails(1, /Connection refused/, 'lockstep', ...toPort(1));
    await assertFails(1, /ws:\/\/HOST:PORT/, 'lockstep', '--url', 'http://localhost');
    await assertFails(1, /without taking a connection/, 'startup', '--command', 'true {port}');
    await assertFails(1, /no process/, 'idle', ...toPort(1), '--pid', 1 << 29);
  });

  it('gives up when the server refuses a room', () =>
    withServer({ options: ['--max-rooms', 3] }, (server) =>
      assertFails(1, /Too many rooms/, 'lockstep', ...toPort(server.port), '--rooms', 5),
    ));

  it('gives up when the server ends its connections', async () => {
    const standIn = await StandIn.start({ fault: (count) => count === 50 && standIn.stop() });
    await assertFails(1, /the server ended a client/, 'party', ...toPort(standIn.port));
  });
});

describe('A server that has more to do than time', { skip }, () => {
  it('takes nobody for silent whose pong it has not read', async () => {
    const options = ['--ping-interval', '400ms', '--idle-timeout', '2s'];
    const server = await Server.start({ options: [...options, '--max-message-rate', 0, '--max-byte-rate', 0] });
    try {
      // Three thousand join one room: 4.5 million events, in which pongs wait to be read.
      const report = await measure(server, 'audience', '--clients', 3000, '--rate', 5);
      assertNothingIsLost(report);
      await server.stop();
    } finally {
      server.kill();
    }
  });
});
