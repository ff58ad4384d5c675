// Protocol 3 over real connections: what ends one, who has a seat again, and what reaches it there.
// The rules themselves are tested in tests/unit/relay/relay_3_*.c.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { WebSocket } from './support/client.mjs';
import { eventually, slowness, withDeadline } from './support/deadline.mjs';
import { close, json, text } from './support/frames.mjs';
import { describeAtOnce, describeWithOptions } from './support/suite.mjs';
import { it } from './support/testing.mjs';

const protocols = 'party-sockets.v3';
const idOf = (name) => `the secret of ${name}`;

describeWithOptions('--max-hold', '30s')('Seats', (server) => {
  const sessions = new Map();

  /** Says `create` or `join`, with what these need, and returns the answer. */
  async function say(client, type, name, fields) {
    const { session = `session of ${name}` } = fields;
    const attempt = (sessions.get(`${name}/${session}`) ?? 0) + 1;
    sessions.set(`${name}/${session}`, attempt);
    client.send({ type, clientId: idOf(name), session, attempt, maxClients: 8, ...fields });
    return client.next();
  }

  async function enter(type, name, fields = {}) {
    const client = await server.member({ protocols });
    client.answer = await say(client, type, name, fields);
    return client;
  }

  /** A room with a host and a guest, who have read all. */
  async function room(fields) {
    sessions.clear();
    const host = await enter('create', 'host', fields);
    const { room: code } = host.answer;
    const guest = await enter('join', 'guest', { room: code, password: fields?.password });
    await host.expect({ type: 'peer_joined', index: 1 });
    return { host, guest, code };
  }

  /** All that the host has said so far was handled: another node may have the room. */
  async function wasHeard(host) {
    host.relay('so far', 0);
    await host.expectMessage(0, 'so far');
  }

  const comeBack = (name, code, { epoch }, seen) => enter('join', name, { room: code, epoch, seen });

  it('A code has four letters or more, and may be typed in any way', async () => {
    const { code } = await room();
    assert.match(code, /^[BCDFGHJKLMNPQRSTVWXZ]{4,12}$/);
    const other = await enter('join', 'other', { room: ` ${code.slice(0, 2).toLowerCase()}-${code.slice(2)}` });
    assert.equal(other.answer.room, code);
  });

  it('Who was cut off gets what it missed, on whichever loop it comes back', async () => {
    const { host, guest, code } = await room();
    await guest.terminate();
    await host.expect({ type: 'peer_away', index: 1 });
    for (let number = 1; number <= 3; number++) host.relay(number);
    host.send({ type: 'send', data: 'late', volatile: true });
    await wasHeard(host);
    for (let time = 0; time < 4; time++) {
      const again = await comeBack('guest', code, guest.answer, 0);
      await host.expect({ type: 'peer_back', index: 1 });
      const { recovered, seen, heard, epoch } = again.answer;
      assert.deepEqual({ recovered, seen, heard, epoch }, { recovered: true, seen: 0, heard: 0, epoch: guest.answer.epoch });
      for (let number = 1; number <= 3; number++) await again.expectMessage(0, number);
      await again.expect({ type: 'skipped', count: 1 });
      await again.terminate();
      await host.expect({ type: 'peer_away', index: 1 });
    }
  });

  it('A long message is kept as a whole, and one above the log is told to be lost', async () => {
    const { host, guest, code } = await room();
    const long = 'x'.repeat(50_000);
    await guest.terminate();
    await host.expect({ type: 'peer_away', index: 1 });
    host.relay(long);
    const again = await comeBack('guest', code, guest.answer, 0);
    await again.expectMessage(0, long);
    await again.terminate();
    host.relay('y'.repeat(70_000));
    await host.expect({ type: 'peer_back', index: 1 }, { type: 'peer_away', index: 1 });
    await wasHeard(host);
    const third = await comeBack('guest', code, guest.answer, 1);
    const { recovered, seen, epoch } = third.answer;
    assert.deepEqual({ recovered, seen, epoch }, { recovered: false, seen: 2, epoch: guest.answer.epoch });
  });

  it('The end of a connection is a farewell only with 1000', async () => {
    const ends = [
      [1000, 'peer_left'],
      [1001, 'peer_away'],
      [undefined, 'peer_away'],
      [4100, 'peer_away'],
      [4101, 'peer_away'],
    ];
    const { host, code } = await room();
    for (const [number, [code_, type]] of ends.entries()) {
      const index = number + 2;
      const guest = await enter('join', `guest ${number}`, { room: code });
      await host.expect({ type: 'peer_joined', index });
      await guest.close(code_);
      const event = await host.next();
      assert.equal(event.type, type, `close ${code_}`);
      assert.equal(event.index, index);
    }
  });

  it('A protocol error, too, only interrupts', async () => {
    const { host, code } = await room();
    const raw = await server.rawWebSocket({ headers: { 'Sec-WebSocket-Protocol': protocols } });
    raw.send({ type: 'join', clientId: idOf('raw'), session: 'session of raw', attempt: 1, room: code });
    await host.expect({ type: 'peer_joined', index: 2 });
    raw.write(Buffer.from([0xff, 0xff]));
    await host.expect({ type: 'peer_away', index: 2 });
  });

  const costly = {
    1002: Buffer.from([0xff, 0xff]),
    1007: text(Buffer.from([0xff])),
    1009: text('', { length: 16 * 2 ** 20 + 1 }),
  };
  for (const [closeCode, bytes] of Object.entries(costly)) {
    it(`What cost the connection, by ${closeCode}, was not heard, nor what came behind it`, async () => {
      const { host, code } = await room();
      const raw = await server.rawWebSocket({ headers: { 'Sec-WebSocket-Protocol': protocols } });
      raw.send({ type: 'join', clientId: idOf('raw'), session: 'session of raw', attempt: 1, room: code });
      const { epoch } = await raw.readEvent();
      const say = (data) => json({ type: 'send', data });
      raw.write(say('before'), say('before, too'), bytes, say('behind'));
      await host.expect({ type: 'peer_joined', index: 2 });
      await host.expectMessage(2, 'before');
      await host.expectMessage(2, 'before, too');
      await host.expect({ type: 'peer_away', index: 2 });
      await raw.expectClose(Number(closeCode));
      sessions.set('raw/session of raw', 1);
      const again = await comeBack('raw', code, { epoch }, 0);
      assert.deepEqual([again.answer.recovered, again.answer.heard], [true, 2]);
      await host.expect({ type: 'peer_back', index: 2 });
      again.relay('behind');
      await host.expectMessage(2, 'behind');
    });
  }

  it('The newer connection has the seat, and a join that comes late has nothing', async () => {
    const { host, guest, code } = await room();
    const again = await comeBack('guest', code, guest.answer, 0);
    await guest.expectClosed(4000, 'replaced');
    const late = await server.member({ protocols });
    late.send({ type: 'join', clientId: idOf('guest'), session: 'session of guest', attempt: 1, room: code });
    await late.expectClosed(4101, 'given up');
    host.relay('still there?');
    await again.expectMessage(0, 'still there?');
    const events = await server.events();
    assert.ok(events['closed: joined late'] > 0);
  });

  it('Who is kicked hears why', async () => {
    const { host, guest, code } = await room();
    host.send({ type: 'kick', index: 1, reason: 'bad words' });
    await guest.expectClosed(4002, 'bad words');
    await host.expect({ type: 'peer_left', index: 1, why: 'kicked' });
    const again = await comeBack('guest', code, guest.answer, 0);
    assert.equal(again.answer.code, 'kicked');
    assert.ok((await server.events())['closed: kicked'] > 0);
  });

  it('A join says all of itself on the loop that owns the room', async () => {
    const { host, code } = await room({ password: 'swordfish', maxAudience: 1 });
    for (let time = 0; time < 4; time++) {
      const wrong = await enter('join', `a guest ${time}`, { room: code, password: 'tuna' });
      assert.equal(wrong.answer.code, 'wrong-password');
      const watcher = await enter('join', `a watcher ${time}`, { room: code, password: 'swordfish', role: 'audience' });
      assert.deepEqual(watcher.answer, {
        type: 'joined',
        room: code,
        recovered: false,
        host: 0,
        locked: false,
        maxClients: 8,
        state: false,
      });
      watcher.relay('bravo');
      let event;
      while ((event = await host.next()).type !== 'message') assert.equal(event.type, 'audience');
      assert.deepEqual(event, { type: 'message', audience: true, data: 'bravo' });
      await watcher.terminate();
    }
  });

  it('Binary messages arrive as they are, missed ones too', async () => {
    sessions.clear();
    const socket = new WebSocket(`ws://127.0.0.1:${server.port}/`, protocols);
    await withDeadline(once(socket, 'open'), 'Opening');
    const got = [];
    socket.on('message', (bytes, isBinary) => got.push(isBinary ? bytes.toString('latin1') : JSON.parse(bytes)));
    socket.send(JSON.stringify({ type: 'create', clientId: idOf('host'), session: 'session of host', maxClients: 2 }));
    await eventually(() => got.length === 1, 'The room');
    const guest = await enter('join', 'guest', { room: got[0].room });
    guest.sendBinary(Buffer.from([0, 0, 255, 128]));
    await eventually(() => got.length === 3, 'The message');
    assert.equal(got[2], '\x00\x00\x00\x00\x01\x00\xff\x80');
    socket.terminate();
    await guest.expect({ type: 'peer_away', index: 0 });
    guest.sendBinary(Buffer.from([2, 7]));
    guest.sendBinary(Buffer.from([3, 7]));
    const { code, of, n } = await guest.next();
    assert.deepEqual({ code, of, n }, { code: 'invalid-binary', of: 'binary', n: 3 });
    const again = new WebSocket(`ws://127.0.0.1:${server.port}/`, protocols);
    await withDeadline(once(again, 'open'), 'Opening');
    const missed = [];
    again.on('message', (bytes, isBinary) => missed.push(isBinary ? bytes.toString('latin1') : JSON.parse(bytes)));
    const { room, epoch } = got[0];
    again.send(
      JSON.stringify({ type: 'join', clientId: idOf('host'), session: 'session of host', attempt: 1, room, epoch, seen: 2 }),
    );
    await eventually(() => missed.length === 2, 'What was missed');
    assert.equal(missed[0].recovered, true);
    assert.equal(missed[1], '\x00\x00\x00\x00\x01\x07');
    again.terminate();
  });

  it('GET /room tells who is here, away and watching', async () => {
    const { guest, code } = await room({ maxAudience: 3, password: 'x' });
    await guest.terminate();
    const expected = { protocol: 3, clients: 1, away: 1, maxClients: 8, audience: 0, locked: false, password: true };
    await eventually(async () => {
      const { body } = await server.get(`/room/${code.toLowerCase()}`);
      const { origin, ...rest } = JSON.parse(body);
      return origin !== undefined && JSON.stringify(rest) === JSON.stringify(expected);
    }, 'The room as it is');
  });

  it('A server that holds seats for less says so', async () => {
    const host = await enter('create', 'host', { hold: 600 });
    assert.equal(host.answer.hold, 30);
  });

  it('A half-closed connection does not keep the seat', async () => {
    const { host, code } = await room();
    const raw = await server.rawWebSocket({ headers: { 'Sec-WebSocket-Protocol': protocols } });
    raw.send({ type: 'join', clientId: idOf('raw'), session: 'session of raw', attempt: 1, room: code });
    await host.expect({ type: 'peer_joined', index: 2 });
    raw.write(close(1000));
    await host.expect({ type: 'peer_left', index: 2, why: 'left' });
  });
});

const quick = 200 * slowness;
describeWithOptions('--ping-interval', `${quick}ms`, '--idle-timeout', `${3 * quick}ms`)('Silence', (server) => {
  it('Who is silent is away, and not gone', async () => {
    const host = await server.member({ protocols });
    host.send({ type: 'create', clientId: idOf('host'), session: 'session of host', maxClients: 2 });
    const { room } = await host.next();
    const silent = await server.rawWebSocket({ headers: { 'Sec-WebSocket-Protocol': protocols } });
    silent.send({ type: 'join', clientId: idOf('silent'), session: 'session of silent', attempt: 1, room });
    await host.expect({ type: 'peer_joined', index: 1 }, { type: 'peer_away', index: 1 });
  });
});

describeAtOnce('The length of a code', (withServer) => {
  const settings = { options: ['--trust-proxy', '127.0.0.1'] };
  for (const [address, length] of [
    ['127.0.0.1', 4],
    ['192.168.1.7', 4],
    ['203.0.113.9', 5],
  ])
    it(`is ${length} in the first room of a server, created at ${address}`, () =>
      withServer(settings, async (server) => {
        const host = await server.member({ protocols, headers: { 'X-Forwarded-For': address } });
        host.send({ type: 'create', clientId: idOf('host'), session: 'session of host', maxClients: 2 });
        assert.equal((await host.next()).room.length, length);
      }));
});

describeAtOnce('Rooms in which nobody is', (withServer) => {
  it('of one address are at most 256; the oldest ends first', () =>
    withServer({}, async (server) => {
      const codes = [];
      const isThere = async (code) => (await server.get(`/room/${code}`)).status === 200;
      for (let count = 0; count <= 256; count++) {
        const host = await server.member({ protocols });
        const session = 'session of host';
        host.send({ type: 'create', clientId: idOf('host'), session, maxClients: 2 });
        const { room } = await host.next();
        host.send({ type: 'ping' }); // it knows its room, which is held for long
        await host.next();
        await host.terminate();
        const isEmpty = async () => JSON.parse((await server.get(`/room/${room}`)).body).clients === 0;
        await eventually(isEmpty, 'The room to be empty');
        codes.push(room);
        if (count === 255) assert.ok(await isThere(codes[0]), 'there are not too many');
      }
      await eventually(async () => !(await isThere(codes[0])), 'The end of the oldest');
      for (const code of codes.slice(1)) assert.ok(await isThere(code));
    }));
});

describeAtOnce('What rooms keep for who is away', (withServer) => {
  /** A room of a host and a guest who is away, with 40 KB of messages that the guest has missed. */
  async function roomWithMissed(server, headers) {
    const [host, guest] = [await server.member({ protocols, headers }), await server.member({ protocols, headers })];
    host.send({ type: 'create', clientId: idOf('host'), session: 'session of host', maxClients: 2 });
    const { room } = await host.next();
    const join = { type: 'join', clientId: idOf('guest'), session: 'session of guest', attempt: 1, room };
    guest.send(join);
    const { epoch } = await guest.next();
    await guest.terminate();
    await host.expect({ type: 'peer_joined', index: 1 }, { type: 'peer_away', index: 1 });
    for (let count = 0; count < 40; count++) host.relay('x'.repeat(1_000));
    host.send({ type: 'ping' });
    await host.expect({ type: 'pong', heard: 40 });
    const again = await server.member({ protocols, headers });
    again.send({ ...join, attempt: 2, epoch, seen: 0 });
    return (await again.next()).recovered;
  }

  it('has a ceiling for the rooms of one address, and others do not notice', () =>
    withServer({ options: ['--trust-proxy', '127.0.0.1', '--max-buffered-bytes', 1_048_576] }, async (server) => {
      const of = (address) => roomWithMissed(server, { 'X-Forwarded-For': address });
      // Rooms may keep a quarter of that, those of one public address an eighth of the quarter.
      assert.equal(await of('203.0.113.9'), false);
      assert.equal(await of('192.168.1.7'), true);
    }));
});

describeAtOnce('Failed joins', (withServer) => {
  it('are wrong codes and wrong passwords, but not missing ones; one too many is late, and the last', () =>
    withServer({ options: ['--max-failed-joins', 2, '--max-failed-joins-per-address', 0] }, async (server) => {
      const host = await server.member({ protocols });
      const password = 'swordfish';
      host.send({ type: 'create', clientId: idOf('host'), session: 'session of host', maxClients: 2, password });
      const { room } = await host.next();
      const guest = await server.member({ protocols });
      let attempt = 0;
      const ask = async (fields) => {
        const who = { clientId: idOf('guest'), session: 'session of guest' };
        guest.send({ type: 'join', ...who, attempt: ++attempt, room, ...fields });
        return (await guest.next()).code;
      };
      assert.equal(await ask({ room: 'OOOO' }), 'room-not-found');
      for (let count = 0; count < 5; count++) assert.equal(await ask({}), 'password-required');
      assert.equal(await ask({ password: 'tuna' }), 'wrong-password');
      for (let count = 0; count < 5; count++) assert.equal(await ask({}), 'password-required');
      const begin = Date.now();
      assert.equal(await ask({ password: 'eel' }), 'wrong-password');
      assert.ok(Date.now() - begin > 2_800, 'this answer is late');
      await guest.expectClosed(1008, 'too many failed joins');
    }));
});
