// --check-health: what containers ask, in an image that has nothing but the binary.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { after } from 'node:test';
import { selfSigned } from './support/certificates.mjs';
import { eventually, slowness } from './support/deadline.mjs';
import { runToEnd } from './support/server.mjs';
import { describeAtOnce } from './support/suite.mjs';
import { describe, it } from './support/testing.mjs';

const { options: tlsOptions, secure } = await selfSigned('health');

async function expectHealthy(options, environment) {
  const outcome = await runToEnd(['--check-health', ...options], environment);
  assert.deepEqual(outcome, { status: 0, stdout: '', stderr: '' });
}

async function expectUnhealthy(options, sentence, status = 1) {
  const outcome = await runToEnd(['--check-health', ...options]);
  assert.equal(outcome.status, status, outcome.stderr);
  assert.match(outcome.stderr, /^party-sockets: [^\n]+\n$/, 'One line');
  assert.match(outcome.stderr, sentence);
  assert.equal(outcome.stdout, '');
}

describeAtOnce('--check-health of a server', (withServer) => {
  it('that is well ends with 0, whichever way it is told where that is', () =>
    withServer({}, async ({ port }) => {
      await expectHealthy(['--port', port]);
      await expectHealthy(['--port', port, '--host', '127.0.0.1']);
      await expectHealthy(['--port', port, '--host', 'localhost']);
      await expectHealthy([], { PORT: `${port}` });
    }));

  it('on every address asks at one of them', () =>
    withServer({ host: null }, async ({ port }) => {
      await expectHealthy(['--port', port]);
      await expectHealthy(['--port', port, '--host', '0.0.0.0']);
    }));

  it('that speaks TLS asks over TLS, whoever signed the certificate', () =>
    withServer({ secure, options: tlsOptions }, async ({ port }) => {
      await expectHealthy(['--port', port, ...tlsOptions]);
      await expectUnhealthy(['--port', port], /'HTTP\/1.1 400 /);
    }));

  it('over TLS where that speaks none ends with 1', () =>
    withServer({}, ({ port }) =>
      expectUnhealthy(['--port', port, ...tlsOptions], /no answer from 127\.0\.0\.1 port \d+/),
    ));

  it('where proxies introduce their connections introduces its own', () =>
    withServer({ options: ['--trust-proxy', 'proxy:127.0.0.0/8'] }, async ({ port }) => {
      await expectHealthy(['--port', port, '--trust-proxy', 'proxy:127.0.0.0/8']);
      await expectHealthy(['--port', port], { TRUST_PROXY: '10.0.0.1,proxy:127.0.0.1' });
      await expectUnhealthy(['--port', port], /no answer from 127\.0\.0\.1 port \d+/);
    }));

  it('where proxies introduce their connections does so before TLS', () => {
    const options = [...tlsOptions, '--trust-proxy', 'proxy:127.0.0.1'];
    return withServer({ secure, options }, ({ port }) => expectHealthy(['--port', port, ...options]));
  });

  it('where only others introduce theirs does not', () =>
    withServer({ options: ['--trust-proxy', 'proxy:10.0.0.0/8,127.0.0.1'] }, ({ port }) =>
      expectHealthy(['--port', port, '--trust-proxy', 'proxy:10.0.0.0/8,127.0.0.1']),
    ));

  it('that is full ends with 0', () =>
    withServer({ options: ['--max-connections', 1] }, async (server) => {
      await server.client();
      await expectHealthy(['--port', server.port]);
    }));

  it('that drains ends with 0', () =>
    withServer({}, async (server) => {
      await (await server.client()).create('host');
      server.signal('SIGTERM');
      await eventually(async () => (await server.get('/ready')).status === 503, 'Draining');
      await expectHealthy(['--port', server.port]);
    }));

  it('that was stopped ends with 1 when the time is over', () =>
    withServer({}, async (server) => {
      server.signal('SIGSTOP');
      try {
        await expectUnhealthy(['--port', server.port], /no answer in time/);
      } finally {
        server.signal('SIGCONT');
      }
    }));
});

describe('--check-health', { concurrency: true }, () => {
  const listeners = [];
  after(() => listeners.forEach((listener) => listener.close()));

  /** The port of a server that does this with each connection. */
  async function listen(behave) {
    const listener = net.createServer((socket) => behave(socket.on('error', () => {})));
    listeners.push(listener);
    await once(listener.listen(0, '127.0.0.1'), 'listening');
    return listener.address().port;
  }

  const answers = {
    'another status': ['HTTP/1.1 503 Service Unavailable\r\n\r\n', /'HTTP\/1\.1 503 Service/],
    'no HTTP': ['SSH-2.0-dropbear\r\n', /'SSH-2\.0-dropbear'/],
    'no text': [Buffer.from([0x15, 3, 3, 0, 2, 2, 70]), /answered with '[?F]+'/],
    'nothing': ['', /no answer from/],
  };
  for (const [what, [bytes, sentence]] of Object.entries(answers)) {
    it(`ends with 1 and a sentence when the answer is ${what}`, async () => {
      const port = await listen((socket) => socket.once('data', () => socket.end(bytes)));
      await expectUnhealthy(['--port', port], sentence);
    });
  }

  it('reads no more than it needs of an answer without end', async () => {
    const port = await listen((socket) => {
      const write = (error) => error || socket.write('HTTP/1.1 200 OK\r\n'.repeat(1000), write);
      write();
    });
    await expectHealthy(['--port', port]);
  });

  it('ends with 1 in three seconds when the answer takes longer', async () => {
    const begin = Date.now();
    const port = await listen((socket) => {
      const timer = setInterval(() => socket.write('HTTP'), 100);
      socket.on('close', () => clearInterval(timer));
    });
    await expectUnhealthy(['--port', port], /no answer in time/);
    const seconds = (Date.now() - begin) / 1000;
    assert.ok(seconds > 2.9 && seconds < 4 * slowness, `${seconds} s`);
  });

  it('ends with 1 where nobody listens', async () => {
    const port = await listen(() => {});
    await new Promise((resolve) => listeners.pop().close(resolve));
    await expectUnhealthy(['--port', port], /can't connect to 127\.0\.0\.1 port \d+/);
  });

  it('ends with 1 when the host has no address', () =>
    expectUnhealthy(['--host', 'nowhere.invalid'], /can't resolve host nowhere\.invalid/));

  it('ends with 2 for wrong options, as the server would', async () => {
    await expectUnhealthy(['--port', 0], /needs a --port/, 2);
    await expectUnhealthy(['--port', 'http'], /--port/, 2);
    await expectUnhealthy(['--nonsense'], /--nonsense/, 2);
  });
});
