// TLS: the same server over wss:// and https://, its certificate and its reloading, what is
// refused, and how connections over TLS stall, break, end and move.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { copyFileSync, rmSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import path from 'node:path';
import tls from 'node:tls';
import { Client } from './support/client.mjs';
import { folder, openssl, selfSigned, signedByAnother } from './support/certificates.mjs';
import { eventually, slowness, withDeadline } from './support/deadline.mjs';
import { freshLoopback, knock } from './support/entrance.mjs';
import { close, json, opcodes, text } from './support/frames.mjs';
import { request, upgradeRequest } from './support/http.mjs';
import { proxyBinary, proxyLine } from './support/proxy.mjs';
import { RawConnection } from './support/raw.mjs';
import { patience, runToEnd, stopping } from './support/server.mjs';
import { describeAtOnce, describeWithOptions, describeWithSettings } from './support/suite.mjs';
import { it } from './support/testing.mjs';
import { Wire } from './support/wire.mjs';

const mebibyte = 2 ** 20;
const versions = ['TLSv1.2', 'TLSv1.3'];
const range = (count) => Array.from({ length: count }, (_, index) => index);

const [ec, rsa, chained] = await Promise.all([
  selfSigned('ec'),
  selfSigned('rsa', 'rsa'),
  signedByAnother('chained'),
]);

/** No timeout is to be taken for what is tested: silent connections live for minutes. */
const secureSettings = (certificate, ...options) => ({
  secure: certificate.secure,
  options: [...certificate.options, ...options],
});
const describeWithTls = describeWithSettings(
  secureSettings(ec, ...patience, '--max-message-rate', 0, '--max-byte-rate', 0),
);

const only = (version) => ({ minVersion: version, maxVersion: version });

/** A TLS connection of Node's own: its socket. It is to be destroyed. */
async function shakeHands(server, options, sessions = []) {
  const socket = tls.connect({ port: server.port, host: '127.0.0.1', ...options });
  socket.on('session', (session) => sessions.push(session));
  try {
    await withDeadline(once(socket, 'secureConnect'), 'The TLS handshake');
  } catch (error) {
    socket.destroy();
    throw error;
  }
  socket.on('error', () => {});
  return socket;
}

/** Why a handshake fails: the code of the error. */
async function handshakeError(server, options) {
  try {
    (await shakeHands(server, options)).destroy();
  } catch (error) {
    return error.code ?? error.message;
  }
  return 'none';
}

/** A health request over TLS: what it shows of the connection, and a session to resume. */
async function visit(server, options) {
  const sessions = [];
  const socket = await shakeHands(server, options, sessions);
  socket.write(request('/health'));
  const [bytes] = await withDeadline(once(socket, 'data'), 'The answer');
  assert.match(bytes.toString(), /^HTTP\/1\.1 200 /);
  await eventually(() => sessions.length > 0 || socket.isSessionReused(), 'A session');
  const seen = {
    version: socket.getProtocol(),
    cipher: socket.getCipher().name,
    isReused: socket.isSessionReused(),
    name: socket.getPeerCertificate().subject?.CN,
    session: sessions.at(-1) ?? socket.getSession(),
  };
  socket.destroy();
  return seen;
}

/** RFC 5246, section 6.2.1. */
const recordOfAlert = 21;
const recordOfData = 23;

function recordTypes(bytes) {
  const types = [];
  for (let start = 0; start < bytes.length; start += 5 + bytes.readUInt16BE(start + 3))
    types.push(bytes[start]);
  return types;
}

const countOf = async (server, event) => (await server.events())[event] ?? 0;

/** A client over TLS whose bytes go through a wire. The wire is closed when the test is over. */
async function throughWire(test, server, options) {
  const wire = await Wire.open(server.port, options);
  test.after(() => wire.close());
  return { wire, open: () => Client.open(`wss://127.0.0.1:${wire.port}`, ec.secure) };
}

describeWithTls('TLS', (server) => {
  it('The line at start names https', () => {
    assert.match(server.stdout, / listening on https:\/\/127\.0\.0\.1:\d+\n/);
  });

  it('Players play over wss:// as they do over ws://', async () => {
    const { code, members } = await server.room(['host', 'zoe', 'adam']);
    members[0].relay({ to: 'all' });
    for (const member of [members[1], members[2]])
      await member.expectMessage('host', { to: 'all' });
    members[1].relay('one', 'adam');
    await members[2].expectMessage('zoe', 'one');
    const again = await server.client();
    await again.join('zoe', code);
    await members[1].expectClosed(4000, 'replaced');
    await again.close();
    for (const member of [members[0], members[2]]) {
      await member.expect({ type: 'peer_left', clientId: 'zoe' });
      await member.expectSilence();
    }
  });

  it('Health and the page are answered over https://, on one connection', async () => {
    const connection = await server.raw();
    for (const path of ['/health', '/', '/health']) {
      connection.write(request(path));
      assert.equal((await connection.readResponse()).status, 200);
    }
  });

  it('An HTTP client of Node gets the page', async () => {
    const url = `https://127.0.0.1:${server.port}/health`;
    const [response] = await once(https.get(url, { ...ec.secure, agent: false }), 'response');
    assert.equal(response.statusCode, 200);
    response.destroy();
  });

  for (const version of versions) {
    it(`${version} is spoken`, async () => {
      assert.equal((await visit(server, { ...ec.secure, ...only(version) })).version, version);
      const client = await server.client(only(version));
      await client.create('host');
    });

    it(`A session of ${version} is resumed, on whatever loop, and is counted`, async () => {
      const resumed = 'TLS handshakes that resumed a session';
      const [handshakesBefore, resumedBefore] = [
        await countOf(server, 'TLS handshakes'),
        await countOf(server, resumed),
      ];
      const options = { ...ec.secure, ...only(version) };
      let { isReused, session } = await visit(server, options);
      assert.equal(isReused, false);
      for (let count = 0; count < 8; count++) {
        const next = await visit(server, { ...options, session });
        assert.equal(next.isReused, true);
        session = next.session;
      }
      assert.equal(await countOf(server, resumed), resumedBefore + 8);
      assert.ok((await countOf(server, 'TLS handshakes')) >= handshakesBefore + 9);
    });
  }

  it('The newest version is preferred', async () => {
    assert.equal((await visit(server, ec.secure)).version, 'TLSv1.3');
  });

  for (const version of ['TLSv1', 'TLSv1.1']) {
    it(`${version} is refused with an alert that says so`, async () => {
      const options = { ...ec.secure, ...only(version), ciphers: 'DEFAULT@SECLEVEL=0' };
      assert.equal(await handshakeError(server, options), 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION');
    });
  }

  it('Of the protocols that a client offers (ALPN), http/1.1 is chosen', async () => {
    for (const [offered, chosen] of [
      [['h2', 'http/1.1'], 'http/1.1'],
      [['http/1.1'], 'http/1.1'],
      [['http/1.0', 'http/1.1', 'h2'], 'http/1.1'],
    ]) {
      const socket = await shakeHands(server, { ...ec.secure, ALPNProtocols: offered });
      assert.equal(socket.alpnProtocol, chosen);
      socket.destroy();
    }
  });

  it('A client that offers no protocol that is spoken here is served all the same', async () => {
    for (const offered of [['h2'], ['party/9'], undefined])
      await visit(server, { ...ec.secure, ALPNProtocols: offered });
  });

  it('A client that asks to renegotiate is not followed', async () => {
    const { members } = await server.room(['host', 'zoe']);
    const socket = await shakeHands(server, { ...ec.secure, ...only('TLSv1.2') });
    const failure = new Promise((resolve) => {
      socket.renegotiate({ rejectUnauthorized: false }, resolve);
      socket.once('error', resolve);
    });
    assert.ok((await withDeadline(failure, 'A refusal')) instanceof Error);
    socket.destroy();
    members[0].relay('still here');
    await members[1].expectMessage('host', 'still here');
  });

  it('HTTP is answered 400, with a text that names https and wss, and is counted', async () => {
    const event = 'TLS or plain text on the wrong port';
    const before = await countOf(server, event);
    for (const bytes of [request('/health'), upgradeRequest(), 'G', '\x00']) {
      const connection = await server.tcp();
      connection.write(bytes);
      const { status, body } = await connection.readResponse();
      assert.equal(status, 400);
      assert.match(body, /https:\/\/.*wss:\/\//);
      await connection.expectEnd();
    }
    assert.equal(await countOf(server, event), before + 4);
  });

  it('Half a ClientHello does not hold up others', async () => {
    const halves = await Promise.all(range(20).map(() => server.tcp()));
    for (const half of halves) half.write([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]);
    await server.room(['host', 'zoe']);
  });

  const broken = {
    'a record of an unknown kind': Buffer.from([0x63, 3, 3, 0, 1, 0]),
    'a record that is not authentic': Buffer.from([0x17, 3, 3, 0, 32, ...Array(32).fill(7)]),
    'a record that is too long': Buffer.from([0x17, 3, 3, 0xff, 0xff]),
    'plain text': Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    'another ClientHello': Buffer.from([0x16, 3, 1, 0, 4, 1, 0, 0, 0]),
  };
  for (const [what, bytes] of Object.entries(broken)) {
    it(`Who sends ${what} after the handshake is gone at once, and is counted`, async (test) => {
      const before = await countOf(server, 'TLS failures');
      const { code, members } = await server.room(['host']);
      const { wire, open } = await throughWire(test, server);
      const victim = await open();
      await victim.join('victim', code);
      await members[0].expect({ type: 'peer_joined', clientId: 'victim' });
      victim.relay('before');
      await members[0].expectMessage('victim', 'before');
      wire.inject(bytes);
      await members[0].expect({ type: 'peer_left', clientId: 'victim' });
      await victim.whenClosed();
      assert.equal(await countOf(server, 'TLS failures'), before + 1);
    });
  }

  it('A handshake that is garbage is answered with an alert, and is counted', async () => {
    const before = await countOf(server, 'TLS failures');
    const connection = await server.tcp();
    connection.write([0x16, 3, 1, 0, 5], 'hello');
    const answer = await connection.readRest();
    assert.equal(answer[0], 0x15, 'An alert');
    assert.equal(await countOf(server, 'TLS failures'), before + 1);
  });
});

describeWithTls('Messages over TLS', (server) => {
  for (const length of [mebibyte, 16 * mebibyte]) {
    it(`A message of ${length} bytes arrives equal, both ways`, async () => {
      const { members } = await server.room(['host', 'zoe']);
      const envelope = JSON.stringify({ type: 'send', data: '' }).length;
      const data = range(length / 8).map((number) => `${number}`.padStart(8)).join('');
      for (const [from, to, name] of [
        [members[0], members[1], 'host'],
        [members[1], members[0], 'zoe'],
      ]) {
        const long = data.slice(envelope);
        from.relay(long);
        const event = await to.next();
        assert.deepEqual({ ...event, data: '' }, { type: 'message', from: name, data: '' });
        assert.ok(event.data === long, 'The same text');
        from.relay('short');
        await to.expectMessage(name, 'short');
      }
    });
  }

  it('A message beyond the limit is met with 1009', async () => {
    const { members } = await server.room(['host', 'zoe']);
    members[0].relay('x'.repeat(16 * mebibyte));
    assert.equal((await members[0].whenClosed()).code, 1009);
    await members[1].expect({ type: 'peer_left', clientId: 'host' });
  });

  it('Many small messages of many senders arrive in the order of each', async () => {
    const { members } = await server.room(['a', 'b', 'c', 'd']);
    const count = 1_000;
    for (const data of range(count)) for (const member of members) member.relay(data);
    for (const [index, member] of members.entries()) {
      const next = { a: 0, b: 0, c: 0, d: 0 };
      for (const { from, data } of await member.take(3 * count)) assert.equal(data, next[from]++);
      assert.deepEqual(Object.values(next).sort((a, b) => a - b), [0, count, count, count]);
      assert.equal(next['abcd'[index]], 0);
    }
  });

  for (const pieceLength of [1, 7]) {
    it(`Records that come in pieces of ${pieceLength} bytes are put together`, async (test) => {
      const { code, members } = await server.room(['host']);
      const { open } = await throughWire(test, server, { pieceLength });
      const slow = await open();
      await slow.join('slow', code);
      await members[0].expect({ type: 'peer_joined', clientId: 'slow' });
      for (const data of [1, 'x'.repeat(500), 3]) slow.relay(data);
      for (const data of [1, 'x'.repeat(500), 3]) await members[0].expectMessage('slow', data);
      members[0].relay('y'.repeat(20_000));
      await slow.expectMessage('host', 'y'.repeat(20_000));
      await slow.close();
      await members[0].expect({ type: 'peer_left', clientId: 'slow' });
    });
  }

  it('Frames and records need not agree: half a frame a record, many frames a record', async () => {
    const { code, members } = await server.room(['host']);
    const socket = await server.rawWebSocket();
    await socket.join('guest', code);
    await members[0].expect({ type: 'peer_joined', clientId: 'guest' });
    const message = json({ type: 'send', data: 'whole' });
    for (const end of [1, 2, 5, message.length - 1]) {
      socket.write(message.subarray(0, end));
      socket.write(message.subarray(end));
      await members[0].expectMessage('guest', 'whole');
    }
    socket.write(...range(500).map((data) => json({ type: 'send', data })));
    for (const data of range(500)) await members[0].expectMessage('guest', data);
  });

  it('The request and what follows it may be one record', async () => {
    const { code, members } = await server.room(['host']);
    const connection = await server.raw();
    await connection.upgrade({
      bytes: Buffer.concat([
        json({ type: 'join', clientId: 'quick', room: code }),
        json({ type: 'send', data: 'hello' }),
      ]),
    });
    await connection.expect({ type: 'joined', room: code, clients: ['host', 'quick'] });
    await members[0].expect({ type: 'peer_joined', clientId: 'quick' });
    await members[0].expectMessage('quick', 'hello');
  });

  it('Joins move to the room on whatever loop, and what is sent behind them follows', async () => {
    const hosts = await server.clients(12);
    const codes = await Promise.all(hosts.map((host, index) => host.create(`host-${index}`)));
    for (const [index, host] of hosts.entries()) {
      const guests = await Promise.all(range(4).map(() => server.raw()));
      for (const [number, guest] of guests.entries()) {
        const clientId = `guest-${number}`;
        const join = json({ type: 'join', clientId, room: codes[index] });
        const sends = range(60).map((data) => json({ type: 'send', data, to: `host-${index}` }));
        const parts = [upgradeRequest(), join, ...sends];
        if (number % 2) guest.write(...parts);
        else for (const part of parts) guest.write(part);
      }
      const next = {};
      for (const { type, clientId, from, data } of await host.take(4 * 61)) {
        if (type === 'peer_joined') next[clientId] = 0;
        else assert.equal(data, next[from]++);
      }
      assert.deepEqual(Object.values(next), [60, 60, 60, 60]);
    }
  });

  it('Half a record and half a frame behind a join are completed after the move', async () => {
    const hosts = await server.clients(8);
    const codes = await Promise.all(hosts.map((host, index) => host.create(`host-${index}`)));
    for (const [index, host] of hosts.entries()) {
      const clientId = 'guest';
      const guest = await server.rawWebSocket();
      const message = json({ type: 'send', data: 'whole' });
      guest.write(json({ type: 'join', clientId, room: codes[index] }), message.subarray(0, 5));
      assert.equal((await guest.readEvent()).type, 'joined');
      await host.expect({ type: 'peer_joined', clientId });
      guest.write(message.subarray(5));
      await host.expectMessage(clientId, 'whole');
    }
  });

  it('Answers that are not read yet move along, in order', async () => {
    const hosts = await server.clients(4);
    const codes = await Promise.all(hosts.map((host, index) => host.create(`host-${index}`)));
    for (const [index, code] of codes.entries()) {
      const guest = await server.rawWebSocket();
      guest.socket.pause();
      const wrong = range(20_000).map(() => text('?'));
      guest.write(...wrong, json({ type: 'join', clientId: 'guest', room: code }));
      await hosts[index].expect({ type: 'peer_joined', clientId: 'guest' });
      hosts[index].relay('welcome');
      guest.socket.resume();
      for (let count = 0; count < wrong.length; count++)
        assert.equal((await guest.readEvent()).message, 'Invalid JSON');
      await guest.expect(
        { type: 'joined', room: code, clients: [`host-${index}`, 'guest'] },
        { type: 'message', from: `host-${index}`, data: 'welcome' },
      );
    }
  });
});

describeWithTls('The end of a TLS connection', (server) => {
  /** A guest in a room, on a connection that may end in unusual ways. */
  async function guestIn({ code, members }, connection) {
    await connection.upgrade();
    await connection.join('guest', code);
    await members[0].expect({ type: 'peer_joined', clientId: 'guest' });
  }

  it('After a WebSocket close the server says close_notify, and closes', async (test) => {
    const wire = await Wire.open(server.port);
    test.after(() => wire.close());
    const secure = { ...ec.secure, ...only('TLSv1.2') }; // 1.3 would not show what is an alert
    const guest = await RawConnection.open(wire.port, undefined, { secure });
    await guest.upgrade();
    const sent = [];
    wire.far.on('data', (bytes) => sent.push(bytes));
    guest.write(close(1000));
    await guest.expectClose(1000);
    assert.deepEqual(recordTypes(Buffer.concat(sent)), [recordOfData, recordOfAlert]);
  });

  it('close_notify is leaving, once the bytes before it are handled', async (test) => {
    const wire = await Wire.open(server.port, { forwardsEnd: false });
    test.after(() => wire.close());
    const room = await server.room(['host']);
    const guest = await RawConnection.open(wire.port, undefined, { secure: ec.secure });
    await guestIn(room, guest);
    for (const data of range(100)) guest.write(json({ type: 'send', data }));
    guest.halfClose();
    const [host] = room.members;
    for (const data of range(100)) await host.expectMessage('guest', data);
    await host.expect({ type: 'peer_left', clientId: 'guest' });
    guest.terminate();
  });

  it('close_notify right behind a join is leaving, on whatever loop the room is', async (test) => {
    const hosts = await server.clients(8);
    const codes = await Promise.all(hosts.map((host, index) => host.create(`host-${index}`)));
    for (const [index, host] of hosts.entries()) {
      const wire = await Wire.open(server.port, { forwardsEnd: false });
      test.after(() => wire.close());
      const guest = await RawConnection.open(wire.port, undefined, { secure: ec.secure });
      const join = json({ type: 'join', clientId: 'guest', room: codes[index] });
      guest.write(upgradeRequest(), join, json({ type: 'send', data: 'bye' }));
      guest.halfClose();
      await host.expect({ type: 'peer_joined', clientId: 'guest' });
      await host.expectMessage('guest', 'bye');
      await host.expect({ type: 'peer_left', clientId: 'guest' });
      guest.terminate();
    }
  });

  it('A request and close_notify behind it: the answer still comes', async (test) => {
    for (const target of ['/health', '/']) {
      const wire = await Wire.open(server.port, { forwardsEnd: false });
      test.after(() => wire.close());
      const visitor = await RawConnection.open(wire.port, undefined, { secure: ec.secure });
      visitor.write(request(target));
      visitor.halfClose();
      assert.equal((await visitor.readResponse()).status, 200);
      await visitor.expectEnd();
    }
  });

  it('Many requests and close_notify behind them: each is answered, in order', async () => {
    const visitor = await server.raw();
    const targets = range(60).map((number) => (number % 3 ? '/health' : '/'));
    visitor.write(...targets.map((target) => request(target)));
    visitor.halfClose();
    for (const target of targets) {
      const { status, headers } = await visitor.readResponse();
      assert.equal(status, 200);
      assert.match(headers['content-type'], target === '/' ? /html/ : /json/);
    }
    await visitor.expectEnd();
  });

  for (const [what, end] of Object.entries({
    'The end of the TCP stream without close_notify': (wire) => wire.far.end(),
    'A reset': (wire) => wire.far.resetAndDestroy(),
  })) {
    it(`${what} is leaving too`, async (test) => {
      const room = await server.room(['host']);
      const { wire, open } = await throughWire(test, server);
      const guest = await open();
      await guest.join('guest', room.code);
      await room.members[0].expect({ type: 'peer_joined', clientId: 'guest' });
      guest.relay('last');
      await room.members[0].expectMessage('guest', 'last');
      end(wire);
      await room.members[0].expect({ type: 'peer_left', clientId: 'guest' });
    });
  }
});

describeAtOnce('TLS that is slow', (withServer) => {
  const requestTimeout = 400 * slowness;
  const impatient = secureSettings(ec, '--request-timeout', `${requestTimeout}ms`);

  it('Half a ClientHello and then nothing is gone after --request-timeout', () =>
    withServer(impatient, async (server) => {
      const begin = Date.now();
      const half = await server.tcp();
      half.write([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]);
      await half.whenGone();
      assert.ok(Date.now() - begin >= requestTimeout - 50);
      assert.equal(await countOf(server, 'requests timed out'), 1);
    }));

  it('So is a ClientHello that comes drop by drop', () =>
    withServer(impatient, async (server) => {
      const slow = await server.tcp();
      slow.write([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]);
      const timer = setInterval(() => slow.write([0]), requestTimeout / 10);
      await slow.whenGone().finally(() => clearInterval(timer));
    }));

  it('So is who shakes hands and then says nothing, or half a request', () =>
    withServer(impatient, async (server) => {
      for (const bytes of ['', 'GET / HT']) {
        const silent = await server.raw();
        silent.write(bytes);
        await silent.whenGone();
      }
    }));

  it('A client that does not read is closed with 1013 at --max-queue-bytes', () =>
    withServer(
      secureSettings(ec, '--max-queue-bytes', 300_000, '--max-message-rate', 0, '--max-byte-rate', 0),
      async (server) => {
        const { code, members } = await server.room(['host']);
        const slow = await server.rawWebSocket();
        await slow.join('slow', code);
        await members[0].expect({ type: 'peer_joined', clientId: 'slow' });
        slow.socket.pause();
        const hasLeft = members[0].expect({ type: 'peer_left', clientId: 'slow' });
        let isGone = false;
        hasLeft.finally(() => (isGone = true));
        const data = 'x'.repeat(20_000);
        await eventually(() => {
          if (!isGone) members[0].relay(data);
          return isGone;
        }, 'The end of the slow one');
        await hasLeft;
        assert.equal(await countOf(server, 'too slow: queue full'), 1);

        slow.socket.resume();
        let next = await slow.readFrame();
        for (; next.opcode === opcodes.text; next = await slow.readFrame())
          assert.equal(JSON.parse(next.payload).data, data);
        assert.equal(next.opcode, opcodes.close);
        assert.equal(next.payload.readUInt16BE(), 1013);
      },
    ));

  it('A slow reader within the limit gets all of it', () =>
    withServer(secureSettings(ec, '--max-message-rate', 0, '--max-byte-rate', 0), async (server) => {
      const { code, members } = await server.room(['host']);
      const slow = await server.rawWebSocket();
      await slow.join('slow', code);
      await members[0].expect({ type: 'peer_joined', clientId: 'slow' });
      slow.socket.pause();
      const data = 'x'.repeat(100_000);
      for (const _ of range(100)) members[0].relay(data);
      await members[0].expectSilence();
      slow.socket.resume();
      for (const _ of range(100)) {
        const event = await slow.readEvent();
        assert.ok(event.data === data);
      }
    }));

  it('A sender that is slowed down for its rate loses nothing, its close_notify included', (test) =>
    withServer(secureSettings(ec, ...patience, '--max-message-rate', 400), async (server) => {
      const { code, members } = await server.room(['host']);
      const wire = await Wire.open(server.port, { forwardsEnd: false });
      test.after(() => wire.close());
      const guest = await RawConnection.open(wire.port, undefined, { secure: ec.secure });
      await guest.upgrade();
      await guest.join('guest', code);
      await members[0].expect({ type: 'peer_joined', clientId: 'guest' });
      const data = 'x'.repeat(1_000);
      guest.write(...range(1_200).map((number) => json({ type: 'send', data: [number, data] })));
      guest.halfClose();
      for (const number of range(1_200)) await members[0].expectMessage('guest', [number, data]);
      await members[0].expect({ type: 'peer_left', clientId: 'guest' });
      guest.terminate();
    }));
});

describeWithSettings(secureSettings(rsa))('A server with an RSA certificate', (server) => {
  for (const version of versions) {
    it(`speaks ${version}`, async () => {
      const { version: spoken, name } = await visit(server, { ...rsa.secure, ...only(version) });
      assert.deepEqual({ spoken, name }, { spoken: version, name: 'rsa' });
    });
  }

  const strong = [
    'ECDHE-RSA-AES128-GCM-SHA256',
    'ECDHE-RSA-AES256-GCM-SHA384',
    'ECDHE-RSA-CHACHA20-POLY1305',
  ];
  for (const cipher of strong) {
    it(`speaks ${cipher}`, async () => {
      const options = { ...rsa.secure, ...only('TLSv1.2'), ciphers: cipher };
      assert.equal((await visit(server, options)).cipher, cipher);
    });
  }

  const weak = {
    'AES128-GCM-SHA256': 'no forward secrecy',
    'AES256-SHA': 'no forward secrecy, and CBC',
    'ECDHE-RSA-AES128-SHA': 'CBC',
    'ECDHE-RSA-AES256-SHA384': 'CBC',
    'DHE-RSA-AES128-GCM-SHA256': 'DHE',
    'NULL-SHA256': 'no encryption',
    'ECDHE-RSA-NULL-SHA': 'no encryption',
    'AECDH-AES128-SHA': 'no certificate',
    'ADH-AES128-GCM-SHA256': 'no certificate',
  };
  for (const [cipher, why] of Object.entries(weak)) {
    it(`refuses ${cipher}: ${why}`, async () => {
      const ciphers = `${cipher}:@SECLEVEL=0`;
      const error = await handshakeError(server, { ...rsa.secure, ...only('TLSv1.2'), ciphers });
      assert.equal(error, 'ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE');
    });
  }
});

describeWithOptions()('TLS on a plain port', (server) => {
  it('is answered with an alert, not with silence, and is counted', async () => {
    const event = 'TLS or plain text on the wrong port';
    for (const version of versions) {
      const error = await handshakeError(server, { ...ec.secure, ...only(version) });
      assert.match(error, /^ERR_SSL_\w*ALERT/);
    }
    assert.equal(await countOf(server, event), 2);
  });

  it('is not what SIGHUP brings: that says there is nothing to reload', async () => {
    const { members } = await server.room(['host', 'zoe']);
    server.signal('SIGHUP');
    await eventually(() => /SIGHUP/.test(server.stderr), 'A sentence about it');
    members[0].relay('still here');
    await members[1].expectMessage('host', 'still here');
    await server.client();
  });
});

describeAtOnce('Certificates', (withServer, loops) => {
  let fileCount = 0;

  /** Files of a server's own, which may be replaced: they begin as those of `certificate`. */
  function replaceable(certificate) {
    const files = ['pem', 'key'].map((ending) =>
      path.join(folder, `served-${loops}-${++fileCount}.${ending}`),
    );
    const served = {
      certificate: files[0],
      key: files[1],
      options: ['--tls-cert', files[0], '--tls-key', files[1]],
      secure: certificate.secure,
      replace(other) {
        copyFileSync(other.certificate, files[0]);
        copyFileSync(other.key, files[1]);
      },
    };
    served.replace(certificate);
    return served;
  }

  const stderrLines = (server) => server.stderr.split('\n').filter(Boolean);

  /** Sends SIGHUP and returns what it makes the server say. */
  async function reload(server) {
    const before = stderrLines(server).length;
    server.signal('SIGHUP');
    const said = () => stderrLines(server).slice(before);
    await eventually(() => said().some((line) => line.includes('SIGHUP')), 'A sentence about it');
    return said().join('\n');
  }

  const nameSeen = async (server, certificate, options) =>
    (await visit(server, { ...certificate.secure, ...options })).name;

  it('A chain is sent as a whole: its root is all that clients must know', () =>
    withServer(secureSettings(chained), async (server) => {
      assert.equal(await nameSeen(server, chained), 'chained');
      await server.room(['host', 'zoe']);
    }));

  it('TLS_CERT and TLS_KEY are used when the options are not given', () =>
    withServer(
      { secure: ec.secure, environment: { TLS_CERT: ec.certificate, TLS_KEY: ec.key } },
      async (server) => assert.equal(await nameSeen(server, ec), 'ec'),
    ));

  it('SIGHUP: new connections see the new certificate, old ones play on', () => {
    const served = replaceable(ec);
    return withServer(secureSettings(served), async (server) => {
      const { code, members } = await server.room(['host', 'zoe', 'adam']);
      const half = await server.tcp();
      half.write([0x16, 3, 1]);
      assert.equal(await nameSeen(server, ec), 'ec');
      for (const other of [rsa, ec, chained]) {
        served.replace(other);
        assert.match(await reload(server), /reloaded/);
        for (let count = 0; count < 2 * loops; count++)
          assert.equal(await nameSeen(server, other), other.name);
        members[0].relay(other.name);
        for (const member of members.slice(1)) await member.expectMessage('host', other.name);
      }
      const late = await server.client(chained.secure);
      await late.join('late', code);
      for (const member of members) {
        await member.expect({ type: 'peer_joined', clientId: 'late' });
        await member.expectSilence();
      }
    });
  });

  for (const version of versions) {
    it(`SIGHUP: sessions of ${version} can still be resumed`, () => {
      const served = replaceable(ec);
      return withServer(secureSettings(served), async (server) => {
        const options = { ...ec.secure, ...only(version) };
        let { session } = await visit(server, options);
        for (const other of [rsa, rsa, ec]) {
          served.replace(other);
          await reload(server);
          const next = await visit(server, { ...options, session });
          assert.equal(next.isReused, true);
          session = next.session;
        }
      });
    });
  }

  it('SIGHUP: a handshake that has begun is finished', (test) => {
    const served = replaceable(ec);
    return withServer(secureSettings(served), async (server) => {
      const wire = await Wire.open(server.port, { pieceLength: 40 });
      test.after(() => wire.close());
      const clients = range(5).map(() =>
        Client.open(`wss://127.0.0.1:${wire.port}`, { rejectUnauthorized: false }),
      );
      served.replace(rsa);
      await reload(server);
      for (const client of await Promise.all(clients)) await client.create('host');
      wire.close();
    });
  });

  it('SIGHUP: many of them at once harm nobody', () => {
    const served = replaceable(ec);
    return withServer(secureSettings(served), async (server) => {
      const { members } = await server.room(['host', 'zoe']);
      for (let count = 0; count < 20; count++) {
        server.signal('SIGHUP');
        members[0].relay(count);
        await nameSeen(server, ec);
        await members[1].expectMessage('host', count);
      }
    });
  });

  const passphrase = ['rsa', '-aes128', '-passout', 'pass:secret'];
  const breakers = {
    'a certificate that is none': (served) => writeFileSync(served.certificate, 'no PEM\n'),
    'an empty certificate': (served) => writeFileSync(served.certificate, ''),
    'a missing certificate': (served) => rmSync(served.certificate),
    'a key that is none': (served) => writeFileSync(served.key, 'no PEM\n'),
    'a missing key': (served) => rmSync(served.key),
    'the key of another certificate': (served) => copyFileSync(ec.key, served.key),
    'a certificate of another key': (served) => copyFileSync(ec.certificate, served.certificate),
    'both files exchanged': (served) => {
      copyFileSync(rsa.certificate, served.key);
      copyFileSync(rsa.key, served.certificate);
    },
    'a key with a passphrase': (served) =>
      openssl(...passphrase, '-in', rsa.key, '-out', served.key),
  };
  for (const [what, spoil] of Object.entries(breakers)) {
    it(`SIGHUP: ${what} is told in a sentence that names the file, and the old one stays`, () => {
      const served = replaceable(rsa);
      return withServer(secureSettings(served), async (server) => {
        const { members } = await server.room(['host', 'zoe']);
        await spoil(served);
        const said = await reload(server);
        assert.ok(said.includes(served.certificate) || said.includes(served.key), said);
        assert.match(said, /stays/);
        assert.equal(await nameSeen(server, rsa), 'rsa');
        members[0].relay('still here');
        await members[1].expectMessage('host', 'still here');

        served.replace(ec);
        assert.match(await reload(server), /reloaded/);
        assert.equal(await nameSeen(server, ec), 'ec');
      });
    });

    it(`At the start, ${what} is told in a line that names the file, with status 2`, async () => {
      const served = replaceable(rsa);
      await spoil(served);
      const { status, stdout, stderr } = await runToEnd(['--port', 0, ...served.options]);
      assert.equal(status, 2, stderr);
      assert.match(stderr, /^party-sockets: [^\n]+\n$/, 'One line');
      assert.ok(stderr.includes(served.certificate) || stderr.includes(served.key), stderr);
      assert.equal(stdout, '');
    });
  }
});

describeAtOnce('Other rules over TLS', (withServer) => {
  it('Above --max-connections an upgrade gets 503, health is answered', () =>
    withServer(secureSettings(ec, '--max-connections', 1), async (server) => {
      await server.client();
      assert.equal((await knock(server)).status, 503);
      const connection = await server.raw();
      connection.write(request('/health'));
      assert.equal((await connection.readResponse()).status, 200);
    }));

  it('Above --max-connections-per-address an upgrade gets 429', () =>
    withServer(secureSettings(ec, '--max-connections-per-address', 1), async (server) => {
      const localAddress = freshLoopback();
      assert.equal((await knock(server, { localAddress })).status, 101);
      assert.equal((await knock(server, { localAddress })).status, 429);
    }));

  it('An origin that is not listed gets 403', () =>
    withServer(secureSettings(ec, '--allow-origin', 'https://game.example'), async (server) => {
      const headers = { Origin: 'https://other.example' };
      assert.equal((await knock(server, { headers })).status, 403);
    }));

  it('A guess beyond the budget is answered late, then closed with 1008', () =>
    withServer(secureSettings(ec, '--max-failed-joins', 1), async (server) => {
      const begin = Date.now();
      const client = await server.client();
      for (const room of ['ZZZA', 'ZZZB', 'ZZZC'])
        client.send({ type: 'join', clientId: 'guesser', room });
      await client.expectError('Room not found');
      await client.expectError('Room not found');
      await client.expectClosed(1008, 'too many failed joins');
      assert.ok(Date.now() - begin >= 2_850);
    }));

  const proxySettings = secureSettings(
    ec,
    ...['--trust-proxy', 'proxy:127.0.0.2', '--max-connections-per-address', 1],
  );

  /** TLS behind a PROXY header, which is written first on the same connection. */
  async function openBehind(server, header) {
    const { socket } = await server.tcp({ localAddress: '127.0.0.2' });
    socket.removeAllListeners('data');
    socket.write(header);
    const connection = await RawConnection.open(undefined, undefined, {
      secure: { ...ec.secure, socket, host: '127.0.0.1' },
    });
    connection.write(upgradeRequest());
    return (await connection.readResponse()).status;
  }

  for (const [what, write] of Object.entries({ line: proxyLine, 'binary header': proxyBinary })) {
    it(`The PROXY ${what} comes before TLS`, () =>
      withServer(proxySettings, async (server) => {
        assert.equal(await openBehind(server, write('203.0.113.9')), 101);
        assert.equal(await openBehind(server, write('203.0.113.9')), 429);
        assert.equal(await openBehind(server, write('203.0.113.10')), 101);
      }));
  }

  it('A PROXY header of an untrusted peer is plain text on a TLS port', () =>
    withServer(proxySettings, async (server) => {
      const connection = await server.tcp({ localAddress: freshLoopback() });
      connection.write(proxyLine('203.0.113.9'));
      assert.equal((await connection.readResponse()).status, 400);
    }));

  it('The certificate can be reloaded while the server drains', () =>
    withServer(secureSettings(ec), async (server) => {
      const { members } = await server.room(['host', 'zoe']);
      server.signal('SIGTERM');
      server.signal('SIGHUP');
      await eventually(() => /reloaded/.test(server.stderr), 'A sentence about it');
      members[0].relay('still here');
      await members[1].expectMessage('host', 'still here');
    }));

  it('SIGTERM closes everyone', () =>
    withServer(secureSettings(ec), async (server) => {
      const clients = await server.clients(4);
      server.signal('SIGTERM');
      for (const client of clients) await client.expectClosed(stopping.code, stopping.reason);
      await server.ended();
    }));
});

