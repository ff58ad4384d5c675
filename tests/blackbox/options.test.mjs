// The command line, the environment, starting and stopping.

import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterEach } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { folder, selfSigned } from './support/certificates.mjs';
import { eventually, slowness } from './support/deadline.mjs';
import { opcodes, text } from './support/frames.mjs';
import { request } from './support/http.mjs';
import { runToEnd, Server } from './support/server.mjs';
import { describe, it } from './support/testing.mjs';

const hasIpv6 = Object.values(os.networkInterfaces())
  .flat()
  .some(({ address }) => address === '::1');

const servers = [];

async function start(settings) {
  const server = new Server(settings);
  servers.push(server);
  await server.start();
  return server;
}

async function expectRefusal({ options = [], environment, status = 2, mentions }) {
  const outcome = await runToEnd(options, environment);
  assert.equal(outcome.status, status, outcome.stderr);
  assert.match(outcome.stderr, /^[^\n]+\n$/, 'One line');
  assert.ok(outcome.stderr.includes(mentions), outcome.stderr);
  assert.equal(outcome.stdout, '');
}

/** What the sentence must name: the option, or the file that it names. */
function mentioned([option, value]) {
  if (value?.startsWith('/')) return value;
  return option === '--require-origin' && value ? value : option.split('=')[0];
}

async function expectHealth(server, host) {
  const connection = await server.raw(host);
  connection.write(request('/health'));
  assert.equal((await connection.readResponse()).status, 200);
  connection.terminate();
}

/** A message of 1000 bytes is too long for this server, or it is not. */
async function expectTooLong(server, isTooLong) {
  const socket = await server.rawWebSocket();
  socket.write(text('x'.repeat(1_000)));
  if (isTooLong) await socket.expectClose(1009);
  else await socket.expect({ type: 'error', message: 'Invalid JSON' });
}

async function disposeOfServers() {
  for (const server of servers.splice(0)) {
    await server.disconnectAll();
    server.kill();
  }
}

describe('The command line', () => {
  afterEach(disposeOfServers);

  it('--options-file: the command line wins over it, and it over the environment', async () => {
    const file = path.join(folder, 'options');
    const tooLong = async (limit, options, environment) => {
      writeFileSync(file, limit);
      const server = await start({ options: [`--options-file=${file}`, ...options], environment });
      return server;
    };
    const small = { MAX_MESSAGE_BYTES: '500' };
    await expectTooLong(await tooLong('# none', [], small), true);
    await expectTooLong(await tooLong('--max-message-bytes 2000', [], small), false);
    await expectTooLong(await tooLong('  --max-message-bytes=500\n', ['--max-message-bytes', 2_000]), false);
    writeFileSync(file, '--max-message-bytes 500\n');
    await expectTooLong(await start({ environment: { OPTIONS_FILE: file } }), true);
  });

  it('--options-file: what is wrong is told with file and line', async () => {
    const file = path.join(folder, 'wrong');
    const wrong = [
      ['--max-rooms 5\n\n--no-such 1\n', 3, 'unknown option'],
      ['--max-rooms x', 1, '--max-rooms wants'],
      ['# a\n--max-rooms', 2, 'needs a value'],
      ['--help', 1, 'unknown option'],
      [`--options-file ${file}`, 1, "can't name another"],
      ['--no-sandbox false', 1, '--no-sandbox=false'],
      ['max-rooms 5', 1, 'unknown option'],
    ];
    for (const [text, line, mentions] of wrong) {
      writeFileSync(file, text);
      const options = ['--options-file', file];
      await expectRefusal({ options, mentions: `${file}:${line}: ` });
      await expectRefusal({ options, mentions });
    }
    await expectRefusal({ options: ['--options-file', `${file}.none`], mentions: 'No such file' });
    writeFileSync(file, 'x\0');
    await expectRefusal({ options: ['--options-file', file], mentions: 'no text' });
    writeFileSync(file, '#'.repeat(64 * 1024 + 1));
    await expectRefusal({ options: ['--options-file', file], mentions: 'longer than 64 KiB' });
  });

  it('--help prints all options and ends with status 0', async () => {
    const { status, stdout, stderr } = await runToEnd(['--help']);
    assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
    const names = [
      'port',
      'host',
      'loops',
      'poller',
      'tls-cert',
      'tls-key',
      'token-key',
      'ping-interval',
      'idle-timeout',
      'request-timeout',
      'stall-timeout',
      'drain-timeout',
      'max-request-bytes',
      'max-message-bytes',
      'max-message-rate',
      'max-byte-rate',
      'max-queue-bytes',
      'max-buffered-bytes',
      'max-connections',
      'max-connections-per-address',
      'max-rooms',
      'max-clients-per-room',
      'max-client-id-bytes',
      'max-failed-joins',
      'max-failed-joins-per-address',
      'allow-origin',
      'require-origin',
      'no-sandbox',
      'trust-proxy',
      'check-health',
      'show-state',
      'help',
      'version',
    ];
    for (const name of names) assert.ok(stdout.includes(`--${name}`), name);
  });

  it('--version prints name and version and ends with status 0', async () => {
    const { status, stdout, stderr } = await runToEnd(['--version']);
    assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
    assert.match(stdout, /^party-sockets \d+\.\d+\.\d+\S*\n$/);
  });

  const refused = [
    ['--nonsense'],
    ['--nonsense', '1'],
    ['-x'],
    ['surplus'],
    ['surplus', '--port', '0'],
    ['--port'],
    ['--port', ''],
    ['--poller', ''],
    ['--poller', 'select'],
    ['--poller', 'EPOLL'],
    ['--port', '70000'],
    ['--port', '65536'],
    ['--port', '-1'],
    ['--port', 'abc'],
    ['--port', '80x'],
    ['--port', '4294967297'],
    ['--loops', '0'],
    ['--loops', '-1'],
    ['--loops', '1.5'],
    ['--loops', 'many'],
    ['--loops', '99999999999999999999'],
    ['--max-request-bytes', '1023'],
    ['--max-request-bytes', '65537'],
    ['--max-message-bytes', '-1'],
    ['--max-message-bytes', '0'],
    ['--max-message-bytes', 'abc'],
    ['--max-message-bytes', '1e3'],
    ['--ping-interval', '5'],
    ['--ping-interval', '-5s'],
    ['--ping-interval', 's'],
    ['--ping-interval', '5 s'],
    ['--ping-interval', '5parsecs'],
    ['--ping-interval', '99999999999999999999s'],
    ['--idle-timeout', '10'],
    ['--idle-timeout', 'soon'],
    ['--idle-timeout'],
    ['--idle-timeout', '1s', '--ping-interval', '2s'],
    ['--stall-timeout', '0s'],
    ['--drain-timeout', '25h'],
    ['--request-timeout', '5ms'],
    ['--max-message-rate', '-1'],
    ['--max-message-rate', '1000001'],
    ['--max-byte-rate', '134217729'],
    ['--max-queue-bytes', '0'],
    ['--max-buffered-bytes', '1'],
    ['--max-connections', 'all'],
    ['--max-connections-per-address', '-1'],
    ['--max-rooms', '0'],
    ['--max-rooms', '524289'],
    ['--max-clients-per-room', '0'],
    ['--max-client-id-bytes', '1025'],
    ['--max-failed-joins', '201'],
    ['--max-failed-joins-per-address', 'few'],
    ['--allow-origin', 'game.example'],
    ['--allow-origin', 'https://game.example/'],
    ['--allow-origin', 'https://a.example,'],
    ['--allow-origin', ''],
    ['--require-origin=maybe'],
    ['--require-origin', 'true'],
    ['--trust-proxy', '10.0.0.0/33'],
    ['--trust-proxy', 'proxy.example'],
    ['--trust-proxy', 'proxy:'],
    ['--trust-proxy', 'proxy:proxy:10.0.0.1'],
    ['--trust-proxy', '10.0.0.1,,10.0.0.2'],
    ['--tls-cert', 'cert.pem'],
    ['--tls-key', 'key.pem'],
    ['--tls-cert', '/no/such/cert.pem', '--tls-key', '/no/such/key.pem'],
    ['--token-key', '/no/such/token.key'],
    ['--token-key', '/dev/null'],
  ];
  for (const options of refused) {
    it(`\`${options.join(' ')}\` is refused in one line, with status 2`, () =>
      expectRefusal({ options, mentions: mentioned(options) }));
  }

  const origins = {
    'https://game.example/play': 'without a path or a slash at the end',
    'https://game.example/': 'without a path or a slash at the end',
    'https://a.example,capacitor://localhost/': 'without a path or a slash at the end',
    'https://game.example?a=1': 'without a query',
    'https://me:secret@game.example': 'without a user',
    'game.example': 'such as https://game.example or https://*.game.example',
  };
  for (const [origin, wanted] of Object.entries(origins)) {
    it(`--allow-origin ${origin} is refused with what it should be: ${wanted}`, () =>
      expectRefusal({ options: ['--allow-origin', origin], mentions: `wants origins ${wanted}` }));
  }

  it('A port in use is refused after 3 s in one line that names it, with status 1', async () => {
    const { port } = await start();
    const options = ['--port', port, '--host', '127.0.0.1'];
    const begin = performance.now();
    await Promise.all([
      expectRefusal({ options, status: 1, mentions: `${port}` }),
      expectRefusal({ options: [...options, '--loops', '4'], status: 1, mentions: `${port}` }),
    ]);
    assert.ok(performance.now() - begin >= 2_990, 'It was not tried again');
  });
});

/** A port that nobody has, as far as one can know. */
async function freePort() {
  const listener = net.createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address();
  listener.close();
  await once(listener, 'close');
  return port;
}

/** Waits until SIGTERM is blocked in this process, which begins with its listeners then. */
function takesSignals({ pid }) {
  const isBlocked = () => {
    const [, blocked] = /^SigBlk:\s+([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return Boolean(BigInt(`0x${blocked}`) & (1n << BigInt(os.constants.signals.SIGTERM - 1)));
  };
  return eventually(isBlocked, 'A process that takes signals');
}

/** What becomes of an attempt to connect: `connect`, or the error's code. */
async function knockAt(port) {
  const socket = net.connect(port, '127.0.0.1');
  const outcome = await Promise.race([
    once(socket, 'connect').then(() => 'connect'),
    once(socket, 'error').then(([{ code }]) => code),
  ]).catch(({ code }) => code);
  socket.destroy();
  return outcome;
}

describe('A start that waits for a port', () => {
  afterEach(disposeOfServers);

  it('ends in silence, with status 0, when it is told to', async () => {
    const { port } = await start();
    const waiting = new Server({ port });
    const starting = assert.rejects(waiting.start());
    await takesSignals(waiting); // after 3 s more it would say that it can't
    waiting.signal('SIGTERM');
    assert.deepEqual(await waiting.outcome(), { status: 0, stderr: '' });
    await starting;
  });

  it('lets nobody connect before somebody serves, whichever port it waits for', async () => {
    const other = await start();
    const port = await freePort();
    const server = new Server({ port, options: ['--admin-listen', `127.0.0.1:${other.port}`] });
    servers.push(server);
    const starting = server.start();
    await takesSignals(server);
    const outcomes = new Set();
    for (const end = performance.now() + 1_000; performance.now() < end; await pause(5))
      outcomes.add(await knockAt(port));
    assert.deepEqual([...outcomes], ['ECONNREFUSED']);
    other.kill(); // and not stopped, for which a busy machine may take longer than is waited
    await starting;
    await expectHealth(server);
  });
});

describe('The environment', () => {
  afterEach(disposeOfServers);

  const refused = {
    PORT: ['abc', '70000'],
    LOOPS: ['0', 'many'],
    MAX_MESSAGE_BYTES: ['-1', 'big'],
    PING_INTERVAL: ['5', 'often'],
    IDLE_TIMEOUT: ['10', 'late'],
  };
  for (const [name, values] of Object.entries(refused)) {
    for (const value of values) {
      it(`${name}=${value} is refused in one line that names it, with status 2`, () =>
        expectRefusal({ environment: { [name]: value }, mentions: name }));
    }
  }

  it('PORT and HOST are used when the options are not given', async () => {
    const { port } = await start();
    const environment = { PORT: `${port}`, HOST: '127.0.0.1' };
    await expectRefusal({ environment, status: 1, mentions: `${port}` });
  });

  it('HOST is the address to listen on when --host is not given', async () => {
    const server = await start({ host: null, environment: { HOST: '127.0.0.1' } });
    assert.ok(server.stdout.includes(`http://127.0.0.1:${server.port}`), server.stdout);
    await expectHealth(server);
  });

  it('An option wins over the environment', async () => {
    const { port } = await start();
    const other = await start({ environment: { PORT: `${port}`, MAX_MESSAGE_BYTES: '100' } });
    assert.notEqual(other.port, port);
    await expectTooLong(other, true);
    const third = await start({
      options: ['--max-message-bytes', 1_000],
      environment: { MAX_MESSAGE_BYTES: '100' },
    });
    await expectTooLong(third, false);
  });

  it('MAX_MESSAGE_BYTES is used when the option is not given', async () => {
    await expectTooLong(await start({ environment: { MAX_MESSAGE_BYTES: '999' } }), true);
    await expectTooLong(await start({ environment: { MAX_MESSAGE_BYTES: '1000' } }), false);
  });

  it('PING_INTERVAL and IDLE_TIMEOUT are used when the options are not given', async () => {
    const environment = { PING_INTERVAL: '100ms', IDLE_TIMEOUT: '1s' };
    const socket = await (await start({ environment })).rawWebSocket();
    assert.equal((await socket.readFrame()).opcode, opcodes.ping);
    await socket.whenGone();
  });

  it('LOOPS is used when the option is not given', async () => {
    const server = await start({ loops: null, environment: { LOOPS: '3' } });
    await (await server.client()).create('host');
    await server.stop();
  });
});

describe('The token key', () => {
  afterEach(disposeOfServers);

  const file = path.join(folder, 'token.key');
  const pem = (key) => key.export({ type: key.type === 'public' ? 'spki' : 'pkcs8', format: 'pem' });
  const ed25519 = generateKeyPairSync('ed25519');
  const good = { secret: `${'s'.repeat(32)}\n`, 'Ed25519 public key': pem(ed25519.publicKey) };
  const broken = {
    'secret that is too short': 's'.repeat(31),
    'secret of two lines': `${good.secret}${good.secret}`,
    'private key': pem(ed25519.privateKey),
    'key of another kind': pem(generateKeyPairSync('x25519').publicKey),
  };

  for (const [name, text] of Object.entries(broken)) {
    it(`that is a ${name} is refused in one line that names the file, with status 2`, async () => {
      writeFileSync(file, text);
      await expectRefusal({ options: ['--token-key', file], mentions: file });
      await expectRefusal({ environment: { TOKEN_KEY: file }, mentions: file });
    });
  }

  /** Sends SIGHUP, and returns what it makes the server say. */
  async function reload(server, lines = 1) {
    const before = server.stderr.length;
    const said = () => server.stderr.slice(before);
    server.signal('SIGHUP');
    await eventually(() => said().split('\n').length > lines, 'What SIGHUP says');
    return said();
  }

  for (const [name, text] of Object.entries(good)) {
    it(`may be a ${name}, and SIGHUP reads it anew`, async () => {
      writeFileSync(file, text);
      const server = await start({ options: ['--token-key', file] });
      for (const next of Object.values(good)) {
        writeFileSync(file, next);
        assert.equal(await reload(server), 'party-sockets: SIGHUP: the token key was reloaded\n');
      }
      writeFileSync(file, broken['private key']);
      const stays = /token\.key: .*private key.*\n.*SIGHUP: the token key in use stays\n$/;
      assert.match(await reload(server, 2), stays);
      rmSync(file);
      assert.match(await reload(server, 2), /No such file .*\n.*SIGHUP: the token key in use stays\n$/);
      await expectHealth(server);
    });
  }

  it('is reloaded beside a certificate', async () => {
    const { options, secure } = await selfSigned('beside-a-token-key');
    writeFileSync(file, good.secret);
    const server = await start({ secure, options: [...options, '--token-key', file] });
    const said = await reload(server, 2);
    assert.match(said, /the certificate was reloaded\n.*the token key was reloaded\n$/);
  });

  it('that is not set is not what SIGHUP brings', async () => {
    const server = await start();
    assert.match(await reload(server), /SIGHUP: there is no certificate or token key to reload\n$/);
  });
});

describe('The poller', () => {
  afterEach(disposeOfServers);

  it('--poller epoll is epoll, whatever POLLER says', async () => {
    const options = ['--poller', 'epoll'];
    const server = await start({ options, environment: { POLLER: 'io_uring' } });
    assert.equal(await server.poller(), 'epoll');
  });

  it('Without the option it is io_uring where that works, and epoll elsewhere', async () => {
    const { status, stderr } = await runToEnd(['--poller', 'io_uring', '--host', 'nowhere.invalid']);
    const works = status === 1; // else it says so before it looks for the address
    assert.equal(/io_uring/.test(stderr), !works);
    const server = await start({ environment: { POLLER: '' } });
    assert.equal(await server.poller(), works ? 'io_uring' : 'epoll');
  });
});

describe('Starting', () => {
  afterEach(disposeOfServers);

  it('A line names program, version and address once it accepts', async () => {
    const server = await start();
    const [line] = server.stdout.split('\n');
    assert.match(line, /^party-sockets \d+\.\d+\.\d+\S* listening on http:\/\/127\.0\.0\.1:\d+$/);
    await expectHealth(server);
  });

  it('It accepts within a second', async () => {
    const begin = Date.now();
    await expectHealth(await start());
    assert.ok(Date.now() - begin < 1_000 * slowness);
  });

  it('Without --host it listens on IPv4', async () => {
    await expectHealth(await start({ host: null }), '127.0.0.1');
  });

  it(
    'Without --host it listens on IPv6 as well',
    { skip: !hasIpv6 && 'No IPv6 here' },
    async () => {
      await expectHealth(await start({ host: null }), '::1');
    },
  );

  it('Without --loops it starts as well', async () => {
    const server = await start({ loops: null });
    await expectHealth(server);
    await server.stop();
  });
});

describe('--protocol', () => {
  const refused = ['0', '3', '-1', '12', '1.0', 'v2', 'two', '2 ', 'party-sockets.v2', ''];
  for (const value of refused) {
    it(`\`${value}\` is refused in one line, with status 2`, async () => {
      const { status, stderr } = await runToEnd(['--protocol', value]);
      assert.equal(status, 2, stderr);
      assert.match(stderr, /^[^\n]*--protocol[^\n]*\n$/);
    });
  }

  it('PROTOCOL=3 is refused in one line that names it', async () => {
    const { status, stderr } = await runToEnd([], { PROTOCOL: '3' });
    assert.equal(status, 2, stderr);
    assert.match(stderr, /^[^\n]*PROTOCOL[^\n]*\n$/);
  });
});
