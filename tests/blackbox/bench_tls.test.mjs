// The load generator over TLS: it plays, it resumes sessions or does not, it checks certificates, and it counts who is
// back after a restart.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { once } from 'node:events';
import { after, afterEach, before } from 'node:test';
import { bench, floorBinary, skip } from './support/bench.mjs';
import { selfSigned } from './support/certificates.mjs';
import { eventually, slowness, withDeadline } from './support/deadline.mjs';
import { Server } from './support/server.mjs';
import { loopCounts } from './support/suite.mjs';
import { describe, it } from './support/testing.mjs';

const [certificate, other] = await Promise.all([selfSigned('bench'), selfSigned('other')]);
const unlimited = ['--max-message-rate', 0, '--max-byte-rate', 0];
const secure = { secure: certificate.secure, options: [...certificate.options, ...unlimited] };
const moment = ['--warm-up', 0.1, '--duration', 0.4];

const run = ({ port }, scenario, ...options) => bench(scenario, '--url', `wss://127.0.0.1:${port}`, ...options);

/** The report of a run that must succeed. */
async function measure(...parameters) {
  const { status, stderr, report } = await run(...parameters);
  assert.equal(status, 0, stderr);
  return report;
}

const countOf = async (server, event) => (await server.events())[event] ?? 0;
const resumedEvent = 'TLS handshakes that resumed a session';

for (const loops of loopCounts) {
  describe(`The load generator over TLS, with --loops ${loops}`, { skip }, () => {
    const server = new Server({ loops, ...secure });
    before(() => server.start());
    after(() => server.kill());

    const plays = {
      lockstep: [['--rooms', 5, '--clients', 4], ['--in-flight', 16], ['--poller', 'auto'], ['--payload', 65536, '--rooms', 2]],
      party: [['--rooms', 10]],
      audience: [['--clients', 50, '--rate', 50]],
      churn: [['--rooms', 5]],
    };
    for (const [scenario, shapes] of Object.entries(plays))
      for (const shape of shapes)
        it(`plays ${scenario} ${shape.join(' ')}`, async () => {
          const report = await measure(server, scenario, ...moment, ...shape);
          assert.deepEqual({ lost: report.lost, misordered: report.misordered }, { lost: 0, misordered: 0 });
          assert.ok(report.deliveries > 0);
        });

    it('a client resumes its session from its second handshake on', async () => {
      const size = ['--at-once', 4, '--count', 20, '--warm-up', 0, '--duration', 60];
      const before = await countOf(server, resumedEvent);
      const report = await measure(server, 'handshakes', ...size, '--pid', server.pid);
      assert.equal((await countOf(server, resumedEvent)) - before, 16);
      assert.deepEqual([report.handshakes, report.resumed, report.lost], [20, 16, 0]);
      assert.equal(report.latency_us.count, 20);
      assert.ok(report.handshakes_per_second > 0 && report.server.cpu_us_per_handshake > 0);
      assert.ok(report.seconds < 60);
    });

    it('with --no-tickets it never does', async () => {
      const options = ['--at-once', 4, '--no-tickets', '--threads', 2];
      const report = await measure(server, 'handshakes', ...moment, ...options);
      assert.ok(report.handshakes > 4);
      assert.equal(report.resumed, 0);
    });

    for (const protocol of [2, 3])
      it(`all come back at once, in protocol ${protocol}`, async () => {
        const report = await measure(server, 'storm', '--cut', '--rooms', 10, '--protocol', protocol);
        const { clients, returned, resumed, lost } = report;
        assert.deepEqual({ clients, returned, resumed, lost }, { clients: 40, returned: 40, resumed: 40, lost: 0 });
        assert.equal(report.back_us.count, 40);
      });

    it('leaves no room behind: the server stops', () => server.stop());
  });
}

describe('The load generator and certificates', { skip }, () => {
  const server = new Server(secure);
  before(() => server.start());
  after(() => server.kill());
  const glance = ['--count', 1, '--warm-up', 0];

  async function assertFails(sentence, ...parameters) {
    const { status, stderr } = await bench('handshakes', ...glance, ...parameters);
    assert.equal(status, 1, stderr);
    assert.match(stderr, sentence);
  }
  const url = () => ['--url', `wss://127.0.0.1:${server.port}`];

  it('trusts those of --ca, which it checks on loopback, too', async () => {
    await measure(server, 'handshakes', ...glance, '--ca', certificate.certificate);
    await assertFails(/TLS failed: self-signed certificate/, ...url(), '--ca', other.certificate);
    await assertFails(/can't read certificates/, ...url(), '--ca', '/nonexistent');
  });

  it('checks the name of the host', async () => {
    const elsewhere = await Server.start({ ...secure, host: '127.0.0.2' });
    try {
      const options = ['--url', `wss://127.0.0.2:${elsewhere.port}`, '--ca', certificate.certificate];
      await assertFails(/TLS failed: IP address mismatch/, ...options);
    } finally {
      elsewhere.kill();
    }
  });

  it('with --insecure it checks nothing', () =>
    measure(server, 'handshakes', ...glance, '--ca', other.certificate, '--insecure'));

  it('says that a server speaks no TLS, or TLS only', async () => {
    const plain = await Server.start({});
    try {
      await assertFails(/TLS failed: .*alert handshake failure/, '--url', `wss://127.0.0.1:${plain.port}`);
      await assertFails(/refused the WebSocket: HTTP\/1.1 400/, '--url', `ws://127.0.0.1:${server.port}`);
    } finally {
      plain.kill();
    }
  });

  it('counts handshakes without TLS, too', async () => {
    const plain = await Server.start({});
    try {
      const { report } = await bench('handshakes', '--url', `ws://127.0.0.1:${plain.port}`, '--count', 30, '--warm-up', 0);
      assert.deepEqual([report.handshakes, report.resumed], [30, 0]);
    } finally {
      plain.kill();
    }
  });
});

describe('The floor over TLS', { skip }, () => {
  it('broadcasts, and resumes sessions', async (test) => {
    const { stdout: lengths } = await bench('lockstep', '--protocol', 'floor', '--print-lengths');
    const [bytesIn, bytesOut] = lengths.split(/\s/);
    const poller = process.env.POLLER_UNDER_TEST ?? 'epoll';
    const options = ['--clients', 4, '--in', bytesIn, '--out', bytesOut, '--poller', poller, ...certificate.options];
    const floor = spawn(floorBinary, ['--port', '0', '--host', '127.0.0.1', ...options].map(String));
    test.after(() => floor.kill('SIGKILL'));
    const [line] = await withDeadline(once(floor.stdout, 'data'), 'The floor');
    const port = Number(/:(\d+)\n/.exec(line)[1]);
    for (const shape of [[], ['--in-flight', 16]]) {
      const size = ['--protocol', 'floor', '--rooms', 5, '--clients', 4, ...moment];
      const report = await measure({ port }, 'lockstep', ...size, ...shape);
      assert.deepEqual([report.lost, report.misordered], [0, 0]);
      assert.equal(report.deliveries, report.sent * 3);
      assert.ok(report.sent > 0);
    }
    const again = ['--protocol', 'floor', '--at-once', 4, '--count', 12, '--warm-up', 0];
    const { handshakes, resumed } = await measure({ port }, 'handshakes', ...again);
    assert.deepEqual([handshakes, resumed], [12, 8]);
  });
});

const listens = (listener, port) =>
  new Promise((resolve) => {
    listener.once('error', () => resolve(false));
    listener.listen(port, '127.0.0.1', () => resolve(true));
  });

describe('The load generator and a restart', { skip }, () => {
  let directory;
  let server;
  before(() => (directory = mkdtempSync(path.join(os.tmpdir(), 'party-bench-'))));
  after(() => rmSync(directory, { recursive: true }));
  afterEach(() => server.kill());

  async function start(port = 0) {
    const options = [...secure.options, '--state-dir', directory];
    server = await Server.start({ port, ...secure, options });
  }

  /** The storm of ten rooms, once all their clients are in and stored: `{ report }` of a run that ends later. */
  async function seated() {
    const report = measure(server, 'storm', '--rooms', 10, '--protocol', 3, '--duration', 20 * slowness);
    await eventually(async () => (await server.stats()).clients === 40, 'The clients');
    await new Promise((resolve) => setTimeout(resolve, 1_000 * slowness)); // after which all is stored
    return { report };
  }

  for (const signal of ['SIGTERM', 'SIGKILL'])
    it(`sees all clients back after ${signal}`, async () => {
      await start();
      const storm = await seated();
      server.signal(signal);
      await server.outcome();
      await start(server.port);
      const { returned, resumed, lost } = await storm.report;
      // The keys of tickets are kept at a planned stop only.
      assert.deepEqual({ returned, resumed, lost }, { returned: 40, resumed: signal === 'SIGTERM' ? 40 : 0, lost: 0 });
    });

  it('counts whom the next server turns away', async () => {
    await start();
    const storm = await seated();
    server.signal('SIGKILL');
    await server.outcome();
    const hostile = net.createServer((socket) => socket.on('error', () => {}).once('data', () => socket.destroy()));
    // A client that tries to come back may have this port as its own for a moment.
    await eventually(() => listens(hostile, server.port), 'The port of the next server');
    const { returned, lost } = await storm.report;
    hostile.close();
    assert.deepEqual({ returned, lost }, { returned: 0, lost: 40 });
  });
});
