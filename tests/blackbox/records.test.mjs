// Rooms outlive the process: --state-dir, a process that is killed or told to stop, and the next one.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach } from 'node:test';
import { promisify } from 'node:util';
import WebSocket from 'ws';
import { Party } from '../../client/party-sockets.js';
import { eventually, slowness, withDeadline } from './support/deadline.mjs';
import { runToEnd, Server } from './support/server.mjs';
import { describe, it } from './support/testing.mjs';

const protocols = 'party-sockets.v3';
const loops = Number(process.env.LOOPS_UNDER_TEST ?? 1);
const idOf = (name) => `the secret of ${name}`;

const run = (program, ...parameters) => promisify(execFile)(program, parameters);

/** Runs SQL on the store that no process has open. */
async function sql(file, text) {
  const script = 'import sqlite3, sys\nc = sqlite3.connect(sys.argv[1])\nprint(c.execute(sys.argv[2]).fetchall())\nc.commit()';
  const { stdout } = await run('python3', '-c', script, file, text);
  return stdout.trim();
}

describe('Rooms with --state-dir', () => {
  let directory;
  let server;
  const servers = [];
  beforeEach(async () => {
    directory = mkdtempSync(path.join(os.tmpdir(), 'party-records-'));
    await start();
  });
  afterEach(async () => {
    for (const each of servers.splice(0)) each.kill();
    rmSync(directory, { recursive: true });
  });

  const file = () => path.join(directory, 'rooms.db');

  async function start({ options = [], ...settings } = {}) {
    server = new Server({ loops, options: ['--state-dir', directory, ...options], ...settings });
    servers.push(server);
    await server.start();
    return server;
  }

  /** The process dies before its clients: a room of protocol 1 that all have left ends, and is forgotten. */
  async function crash() {
    server.kill();
    await server.outcome();
    await server.disconnectAll();
  }

  /** Until the store has all that has happened. */
  async function stored() {
    await eventually(async () => {
      const { body } = await server.get('/metrics');
      return /^party_sockets_store_pending_records\{.*\} 0$/m.test(body);
    }, 'The store has everything');
  }

  async function say3(type, name, fields) {
    const client = await server.member({ protocols });
    client.send({ type, clientId: idOf(name), session: `session ${Math.random()}`, attempt: 1, ...fields });
    client.answer = await client.next();
    return client;
  }

  /** Those who come back find their seats, in each protocol, and what the room had. */
  async function playRooms() {
    const one = await server.room(['ada', 'bob']);
    const two = await server.party(['the host', 'a guest'], { maxClients: 5, url: 'https://game.example/{room}' });
    two.members[0].send({ type: 'set_state', data: { round: 2 } });
    await two.members[1].expect({ type: 'state', data: { round: 2 } });
    const host = await say3('create', 'host', { maxClients: 4, hold: 120, password: 'open sesame' });
    const code = host.answer.room;
    const guest = await say3('join', 'guest', { room: code, password: 'open sesame' });
    await host.expect({ type: 'peer_joined', index: 1 });
    host.send({ type: 'set_state', data: [1, 2] });
    host.send({ type: 'set_state', private: true, data: 'the answer' });
    host.send({ type: 'ping' });
    await guest.expect({ type: 'state', data: [1, 2] });
    await host.expect({ type: 'pong', heard: 2 });
    return { one, two, host, guest, code };
  }

  async function findRooms({ one, two, host, code }, { isRecovered = false } = {}) {
    const bob = await server.client();
    assert.ok((await bob.join('bob', one.code)).includes('bob'));
    const ada = await server.client();
    assert.deepEqual((await ada.join('ada', one.code)).sort(), ['ada', 'bob']);

    const guest2 = await server.member();
    guest2.send({ type: 'join', clientId: 'a guest', room: two.code });
    const { index, url, peers } = await guest2.next();
    assert.deepEqual([index, url, peers], [1, `https://game.example/${two.code}`, []]);
    await guest2.expect({ type: 'state', data: { round: 2 } });
    const host2 = await server.member();
    assert.deepEqual(await host2.join('the host', two.code), { index: 0, peers: [1] });
    await host2.expect({ type: 'state', data: { round: 2 } });

    const host3 = await say3('join', 'host', { room: code, epoch: host.answer.epoch, seen: 1 });
    const { epoch, ...answer } = host3.answer;
    if (isRecovered) {
      assert.deepEqual(host3.answer, {
        type: 'joined', room: code, index: 0, hold: 120, epoch: host.answer.epoch, recovered: true, seen: 1, heard: 2,
      });
      await host3.expect({ type: 'peer_away', index: 1 }, { type: 'private_state', data: 'the answer' });
    } else {
      assert.deepEqual(answer, {
        type: 'joined', room: code, index: 0, hold: 120, recovered: false, seen: 0, heard: 0, host: 0, peers: [],
        away: [1], locked: false, maxClients: 4, state: true,
      });
      assert.notEqual(epoch, host.answer.epoch);
      await host3.expect({ type: 'state', data: [1, 2] }, { type: 'private_state', data: 'the answer' });
    }
    const guest3 = await say3('join', 'guest', { room: code });
    assert.deepEqual([guest3.answer.index, guest3.answer.recovered, guest3.answer.peers], [1, false, [0]]);
    const stranger = await say3('join', 'stranger', { room: code });
    assert.equal(stranger.answer.code, 'password-required');
    const friend = await say3('join', 'friend', { room: code, password: 'open sesame' });
    assert.ok(friend.answer.index >= 2 && friend.answer.index % 16 === 0, `index ${friend.answer.index}`);
  }

  it('are there after a crash, with seats, states and settings, over other loops, too', async () => {
    const rooms = await playRooms();
    await stored();
    await crash();
    await start({ loops: loops === 1 ? 3 : 1 });
    assert.match(server.stdout, /has 3 rooms of /);
    await findRooms(rooms);
    await stored();
    await crash();
    await start();
    const friend = await say3('join', 'friend', { room: rooms.code });
    const newcomer = await say3('join', 'newcomer', { room: rooms.code, password: 'open sesame' });
    assert.deepEqual([friend.answer.index, newcomer.answer.index], [16, 32]);
  });

  it('keep what is said after a crash for those who come back later', async () => {
    const host = await say3('create', 'host', { maxClients: 4, hold: 120 });
    const { room, epoch } = host.answer;
    const guest = await say3('join', 'guest', { room });
    host.send({ type: 'set_state', data: 'before' });
    host.send({ type: 'ping' });
    await host.expect({ type: 'peer_joined', index: 1 }, { type: 'pong', heard: 1 });
    await stored();
    await crash();
    await start();
    const again = await say3('join', 'guest', { room, epoch: guest.answer.epoch, seen: 1 });
    assert.deepEqual([again.answer.recovered, again.answer.seen, again.answer.away], [false, 0, [0]]);
    await again.expect({ type: 'state', data: 'before' });
    again.send({ type: 'send', to: 'host', data: 'my answer' });
    again.send({ type: 'send', data: 'quick', volatile: true });
    again.send({ type: 'send', data: 'to all' });
    again.send({ type: 'ping' });
    await again.expect({ type: 'pong', heard: 3 });
    // The first answer may be lost on its way: then the next one says the same.
    for (let time = 0; time < 2; time++) {
      const back = await say3('join', 'host', { room, epoch, seen: 1 });
      const { recovered, seen, heard, peers, state } = back.answer;
      assert.deepEqual([recovered, seen, heard, peers, state], [false, 0, 0, [1], true]);
      assert.notEqual(back.answer.epoch, epoch);
      await back.expect(
        { type: 'state', data: 'before' }, { type: 'skipped', count: 1 }, { type: 'message', from: 1, data: 'my answer' },
        { type: 'skipped', count: 1 }, { type: 'message', from: 1, data: 'to all' },
      );
      await back.terminate();
    }
  });

  it('are there after a stop, which closes everybody with 1012 and lasts a moment', async () => {
    const rooms = await playRooms();
    const begun = performance.now();
    server.signal('SIGTERM');
    const everybody = [...rooms.one.members, ...rooms.two.members, rooms.host, rooms.guest];
    for (const client of everybody)
      assert.deepEqual(await client.whenClosed(), { code: 1012, reason: 'server is restarting' });
    await server.ended();
    assert.ok(performance.now() - begun < 1_000 * slowness);
    await start();
    await findRooms(rooms, { isRecovered: true });
  });

  it('are written five times a second at most, however often they change', async () => {
    const { members } = await server.party(['host', 'guest']);
    await stored();
    const written = async () =>
      Number(/^party_sockets_store_written_total\{.*\} (\d+)$/m.exec((await server.get('/metrics')).body)[1]);
    const [before, begun] = [await written(), performance.now()];
    for (let round = 0; performance.now() - begun < 1_000; round++) {
      members[0].send({ type: 'set_state', data: round });
      await members[1].expect({ type: 'state', data: round });
    }
    await stored();
    const count = (await written()) - before;
    assert.ok(count >= 2 && count <= (performance.now() - begun) / 200 + 1, `${count} times`);
  });

  it('that have ended stay so', async () => {
    const { code, members } = await server.party(['host', 'guest']);
    const other = await server.party(['host', 'guest']);
    await stored();
    members[0].send({ type: 'close_room' });
    for (const member of members) await member.whenClosed();
    await stored();
    await crash();
    await start();
    assert.match(server.stdout, /has 1 room of /);
    const late = await server.member();
    late.send({ type: 'join', clientId: 'host', room: code });
    await late.expectError('Room not found');
    const known = await server.member();
    known.send({ type: 'join', clientId: 'host', room: other.code });
    assert.equal((await known.next()).index, 0);
  });

  it('are played to their end with --on-stop drain', async () => {
    await crash();
    await start({ options: ['--on-stop', 'drain'] });
    const { members } = await server.party(['host', 'guest']);
    server.signal('SIGTERM');
    await eventually(() => /1 room is being played/.test(server.stderr), 'The line about the room');
    await members[1].terminate();
    server.signal('SIGTERM');
    assert.deepEqual(await members[0].whenClosed(), { code: 1001, reason: 'server is stopping' });
    await server.ended();
  });

  it('belong to one process: another one says so, and ends', async () => {
    const { status, stderr } = await runToEnd(['--port', 0, '--state-dir', directory]);
    assert.equal(status, 1);
    assert.equal(
      stderr,
      `party-sockets: --state-dir ${directory}: another process uses it\n` +
        'party-sockets: each process needs a directory of its own: --state-dir DIRECTORY, or STATE_DIR=DIRECTORY\n',
    );
    await server.party(['host', 'guest']);
  });

  const shown = () => runToEnd(['--show-state', directory]);
  const linesOf = ({ stdout }) => stdout.trim().split('\n').map((line) => JSON.parse(line));

  it('are shown without their secrets, beside the process that has them and after it', async () => {
    const rooms = await playRooms();
    await stored();
    const during = await shown();
    assert.deepEqual([during.status, during.stderr], [0, '']);
    const [one, two, three] = linesOf(during);
    assert.deepEqual([one.code, two.code, three.code], [rooms.one.code, rooms.two.code, rooms.code]);
    assert.deepEqual([one.protocol, two.protocol, three.protocol], [1, 2, 3]);
    assert.deepEqual([two.stateBytes, three.stateBytes, three.privateStateBytes], [11, 5, 12]);
    assert.equal(three.hasPassword, true);
    for (const { members } of [one, two, three])
      assert.deepEqual(members.map(({ index, here }) => [index, here]), [[0, true], [1, true]]);
    server.signal('SIGTERM');
    await server.ended();
    const after = await shown();
    assert.equal(linesOf(after)[2].hasMoment, true);
    for (const { stdout } of [during, after]) {
      assert.doesNotMatch(stdout, /secret|the host|a guest|ada|bob|session|answer|"round"|salt|digest|epoch/);
      assert.ok(!stdout.includes(rooms.host.answer.epoch));
    }
    await start();
    await findRooms(rooms, { isRecovered: true }); // looking has changed nothing
  });

  it('are shown with what is wrong with them', async () => {
    for (let count = 0; count < 3; count++) await server.party(['host', 'guest']);
    await stored();
    await crash();
    const all = linesOf(await shown());
    const checksum = (text, key) => {
      let hash = 0xcbf29ce484222325n;
      const add = (byte) => (hash = BigInt.asUintN(64, (hash ^ byte) * 0x100000001b3n));
      for (let shift = 0n; shift < 64n; shift += 8n) add((key >> shift) & 255n);
      for (const byte of Buffer.from(text)) add(BigInt(byte));
      return BigInt.asIntN(64, hash);
    };
    const keys = (await sql(file(), 'select key from rooms order by key')).match(/\d+/g);
    const later = '{"version":9,"code":"later"}';
    await sql(file(), `update rooms set record = '${later}', checksum = ${checksum(later, BigInt(keys[0]))} where key = ${keys[0]}`);
    await sql(file(), `update rooms set checksum = 1 where key = ${keys[1]}`);
    const problems = await shown();
    assert.equal(problems.status, 0);
    const [first, second, third] = all.map(({ code }) => code);
    assert.deepEqual(linesOf(problems).slice(0, 2), [
      { code: first, problem: 'the record has an unknown version' },
      { code: second, problem: 'it is not what was written' },
    ]);
    await start();
    const [good, ...aside] = linesOf(await shown());
    assert.equal(good.code, third);
    for (const [index, { code, setAside, time }] of aside.entries()) {
      assert.deepEqual([code, setAside], [all[index].code, linesOf(problems)[index].problem]);
      assert.ok(Math.abs(time - Date.now() / 1000) < 300);
    }
    assert.equal(aside.length, 2);
  });

  it('are not shown of a directory that has none, in one line that says why', async () => {
    await crash();
    const none = await runToEnd(['--show-state', path.join(directory, 'none')]);
    assert.deepEqual([none.status, none.stdout], [1, '']);
    assert.match(none.stderr, /^party-sockets: --show-state \S+\/none: rooms\.db: No such file or directory\n$/);
    writeFileSync(file(), 'no database at all\n'.repeat(1000));
    for (const ending of ['-wal', '-shm']) rmSync(file() + ending, { force: true });
    const foreign = await shown();
    assert.equal(foreign.status, 1);
    assert.match(foreign.stderr, /^party-sockets: --show-state \S+: file is not a database\n$/);
    const lone = await runToEnd(['--show-state']);
    assert.deepEqual([lone.status, lone.stderr], [2, 'party-sockets: --show-state needs a value\n']);
  });

  it('can be read by their owner alone', async () => {
    await server.party(['host', 'guest']);
    await stored();
    assert.equal(statSync(file()).mode & 0o777, 0o600);
  });

  it('of which one is damaged, or of a later version, are there but for that one, which is told', async () => {
    const parties = [];
    for (let count = 0; count < 3; count++) parties.push(await server.party(['host', 'guest']));
    await stored();
    await crash();
    const codes = (await sql(file(), "select record from rooms order by key")).match(/"code":"(\w+)"/g);
    const [first, second] = codes.map((text) => text.slice(8, -1));
    await sql(file(), `update rooms set record = replace(record, '"version":1', '"version":9') where record like '%"${first}"%'`);
    await sql(file(), `update rooms set checksum = 1 where record like '%"${second}"%'`);
    await start();
    assert.match(server.stdout, /has 1 room of /);
    const told = (code) => new RegExp(`the record of room ${code} is set aside: it is not what was written`);
    for (const code of [first, second]) assert.match(server.stderr, told(code)); // the checksum was of another text
    await crash();
    assert.equal(await sql(file(), 'select count(*) from aside'), '[(2,)]');
  });

  it('are given up for a file that is none, which is kept and told', async () => {
    await crash();
    writeFileSync(file(), 'no database at all\n'.repeat(1000));
    for (const ending of ['-wal', '-shm']) rmSync(file() + ending, { force: true });
    await start();
    assert.match(server.stderr, /it was damaged, and is rooms\.db\.damaged now/);
    assert.ok(statSync(`${file()}.damaged`).size > 1000);
    await server.party(['host', 'guest']);
  });

  const readiness = async () => JSON.parse((await server.get('/ready')).body);
  const isFailing = async () => / 1$/m.test(/^party_sockets_store_failing\{.*$/m.exec((await server.get('/metrics')).body)[0]);

  /** Games go on without a store, it is told, and rooms that can't be kept are played to their end. */
  async function playWithoutStore(why) {
    assert.match(server.stderr, new RegExp(`--state-dir ${directory}\\S*: the store fails, games go on: .*${why}`));
    const { members } = await server.room(['host', 'guest']);
    members[0].relay('hello');
    await members[1].expectMessage('host', 'hello');
    assert.deepEqual(await readiness(), { status: 'ready', store: 'failing' });
    assert.ok(await isFailing());
    server.signal('SIGTERM');
    await eventually(() => /1 room is being played/.test(server.stderr), 'The drain');
    await server.disconnectAll();
    await server.ended();
  }

  const isRoot = process.getuid() === 0;
  const asNobody = { launcher: ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--inh-caps=-all'] };

  it('are lost with the process where it may not write, which is told', { skip: !isRoot && 'Needs root' }, async () => {
    const { code } = await server.party(['host', 'guest']);
    await stored();
    await crash();
    await start(asNobody);
    await playWithoutStore('Permission denied');
    await start(); // what was there before is there still
    assert.match(server.stdout, /has 1 room of /);
    const guest = await server.member();
    guest.send({ type: 'join', clientId: 'guest', room: code });
    assert.equal((await guest.next()).index, 1);
  });

  /** A file system of its own for the directory; false: this process may not mount. */
  async function mount(...options) {
    return run('mount', '-t', 'tmpfs', '-o', options.join(','), 'party-state', directory).then(() => true, () => false);
  }

  it('are restored from a full disk, and written again when it has space', async (test) => {
    await crash();
    if (!(await mount('size=1m'))) return test.skip('May not mount');
    try {
      await start();
      const { code } = await server.party(['host', 'guest']);
      await stored();
      await crash();
      const filler = path.join(directory, 'filler');
      await run('sh', '-c', 'cat /dev/zero > "$0" || true', filler);
      await start();
      assert.match(server.stdout, /has 1 room of /);
      assert.match(server.stderr, /the store fails, games go on: .*full/);
      assert.deepEqual(await readiness(), { status: 'ready', store: 'failing' });
      const guest = await server.member();
      guest.send({ type: 'join', clientId: 'guest', room: code });
      assert.equal((await guest.next()).index, 1);
      rmSync(filler);
      await eventually(async () => (await readiness()).store === undefined, 'It works again');
      await eventually(() => server.stderr.includes('the store works again'), 'The line about it');
      await stored();
      await crash();
      await start();
      assert.match(server.stdout, /has 1 room of /);
      await crash();

      rmSync(file());
      rmSync(`${file()}-wal`, { force: true });
      await run('sh', '-c', 'cat /dev/zero > "$0" || true', filler);
      await start();
      await playWithoutStore('full');

      await run('mount', '-o', 'remount,ro', directory);
      await start();
      await playWithoutStore('Read-only file system');
    } finally {
      for (const each of servers.splice(0)) each.kill();
      await eventually(() => run('umount', directory).then(() => true, () => false), 'Nobody uses the directory');
    }
  });

  it('need a directory that can be made, and say so', async () => {
    const bad = await runToEnd(['--port', 0, '--state-dir', '/proc/none/such']);
    assert.equal(bad.status, 1);
    assert.match(bad.stderr, /--state-dir \/proc\/none\/such: /);
    const lone = await runToEnd(['--port', 0, '--on-stop', 'keep']);
    assert.deepEqual([lone.status, lone.stderr], [2, 'party-sockets: --on-stop keep needs a --state-dir or a --cluster\n']);
  });

  it('lose no message and double none, when the process is told to stop and another one begins', async () => {
    const { port } = server;
    const url = `ws://127.0.0.1:${port}`;
    const host = await Party.create(url, { WebSocket });
    const guests = [];
    for (let count = 0; count < 3; count++) guests.push(await Party.join(url, host.room, { WebSocket }));
    const parties = [host, ...guests];
    const [heard, toAll, gaps] = [[[], [], []], [[], [], []], []];
    host.on('message', ([number], from) => heard[from - 1].push(number));
    for (const [place, guest] of guests.entries()) guest.on('message', (number) => toAll[place].push(number));
    for (const party of parties) party.on('gap', () => gaps.push(party.id));
    const deliveries = [];
    let number = 0;
    const talking = setInterval(() => {
      for (const guest of guests) deliveries.push(guest.toHost([number]));
      deliveries.push(host.broadcast(number));
      number++;
    }, 50); // a log of 64 KiB has what all say in ten seconds
    const numbers = () => Array.from({ length: number }, (_, index) => index);
    try {
      for (let round = 0; round < 3; round++) {
        const before = Math.min(...heard.map((list) => list.length));
        await eventually(() => heard.every((list) => list.length > before + 5), 'The talk goes on');
        server.signal('SIGTERM');
        await server.ended();
        await start({ port });
        await eventually(() => parties.every((party) => party.status === 'connected'), 'All are back');
      }
      clearInterval(talking);
      assert.deepEqual(new Set(await withDeadline(Promise.all(deliveries), 'All deliveries')), new Set(['delivered']));
      assert.deepEqual(gaps, []);
      await eventually(() => [...heard, ...toAll].every((list) => list.length >= number), 'All messages');
      for (const list of [...heard, ...toAll]) assert.deepEqual(list, numbers());
    } finally {
      clearInterval(talking);
      for (const party of parties) party.leave();
    }
  });

  it('bring SDK clients back by themselves after a crash, which they are told of', async () => {
    const { port } = server;
    const url = `ws://127.0.0.1:${port}`;
    const host = await Party.create(url, { WebSocket });
    const guest = await Party.join(url, host.room, { WebSocket });
    try {
      await host.setState({ round: 1 });
      await stored();
      for (const end of ['SIGKILL', 'SIGKILL']) {
        const gaps = Promise.all([host, guest].map((party) => new Promise((resolve) => party.on('gap', resolve))));
        server.signal(end);
        await server.outcome();
        await start({ port });
        await withDeadline(gaps, 'What was missed is told');
        const heard = new Promise((resolve) => host.on('message', resolve));
        assert.equal(await guest.toHost(`sent after ${end}`), 'delivered');
        assert.equal(await heard, `sent after ${end}`);
        await eventually(() => host.peers.length === 1 && guest.peers.length === 1, 'All are back');
        assert.deepEqual([host.id, guest.id, guest.host, guest.state], [0, 1, 0, { round: 1 }]);
        await stored();
      }
    } finally {
      for (const party of [host, guest]) party.leave();
    }
  });
});
