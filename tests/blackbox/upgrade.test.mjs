// The process replaces itself by the program that is at its path now, and nobody who plays notices.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach } from 'node:test';
import { eventually, withDeadline } from './support/deadline.mjs';
import { frame, json, opcodes } from './support/frames.mjs';
import { expectSilence } from './support/member.mjs';
import { binary, patience, runToEnd, Server } from './support/server.mjs';
import { describe, it } from './support/testing.mjs';

const protocols = 'party-sockets.v3';
const loops = Number(process.env.LOOPS_UNDER_TEST ?? 1);
/** Whether the process runs: one that has ended may wait for init to notice. */
const isThere = (pid) => {
  try {
    return !/^State:\t[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
};
const idOf = (name) => `the secret of ${name}`;

describe('An upgrade', () => {
  let directory;
  let server;
  beforeEach(() => {
    directory = mkdtempSync(path.join(os.tmpdir(), 'party-upgrade-'));
    copyFileSync(binary, program());
  });
  afterEach(async () => {
    server?.kill();
    await server?.outcome();
    rmSync(directory, { recursive: true });
  });

  const program = () => path.join(directory, 'party-sockets');

  async function start({ options = [], ...settings } = {}) {
    const launcher = ['/bin/sh', '-c', `shift; exec ${program()} "$@"`, 'sh'];
    server = await Server.start({ loops, options: [...patience, ...options], launcher, ...settings });
    return server;
  }

  /** Puts another program at the path, as a package does: by renaming. */
  function install(put) {
    put(`${program()}.new`);
    renameSync(`${program()}.new`, program());
  }

  const installScript = (text) =>
    install((file) => {
      writeFileSync(file, `#!/bin/sh\n${text}\n`);
      chmodSync(file, 0o755);
    });

  /** Asks for it, and returns what the asker says. */
  const ask = (pid = server.pid) => runToEnd(['--upgrade', pid]);

  async function upgrade() {
    const before = (server.stderr.match(/connections? of before/g) ?? []).length;
    const asked = await ask();
    assert.deepEqual([asked.status, asked.stderr], [0, ''], server.stderr);
    await eventually(() => server.stderr.match(/connections? of before/g)?.length === before + 1, 'Its end is told');
  }

  async function refused(why) {
    server.signal('SIGUSR2');
    await eventually(() => why.test(server.stderr), `${why}`);
  }

  async function enter3(type, name, fields) {
    const client = await server.member({ protocols });
    client.send({ type, clientId: idOf(name), session: `session of ${name}`, attempt: 1, ...fields });
    client.answer = await client.next();
    return client;
  }

  async function room3() {
    const host = await enter3('create', 'host', { maxClients: 4, maxAudience: 2 });
    const code = host.answer.room;
    const guest = await enter3('join', 'guest', { room: code });
    await host.expect({ type: 'peer_joined', index: 1 });
    const visitor = await enter3('join', 'visitor', { room: code, role: 'audience' });
    await host.expect({ type: 'audience', count: 1 });
    return { code, host, guest, visitor };
  }

  it('loses and doubles nothing, in each protocol, as often as you like', async () => {
    await start();
    const one = await server.room(['ada', 'bob']);
    const two = await server.party(['host', 'guest']);
    const three = await room3();
    two.members[0].send({ type: 'set_state', data: 'kept' });
    await two.members[1].expect({ type: 'state', data: 'kept' });
    for (let turn = 0; turn < 3; turn++) {
      const { host, guest, visitor } = three;
      guest.send({ type: 'send', data: `before ${turn}` });
      await upgrade();
      host.send({ type: 'send', data: `after ${turn}` });
      await guest.expect({ type: 'message', from: 0, data: `after ${turn}` });
      await host.expect({ type: 'message', from: 1, data: `before ${turn}` });
      await visitor.expect(
        { type: 'message', from: 1, data: `before ${turn}` },
        { type: 'message', from: 0, data: `after ${turn}` },
      );
      visitor.send({ type: 'send', data: turn });
      assert.deepEqual((await host.next()).data, turn);
      guest.send({ type: 'ping', seen: turn + 1 });
      await guest.expect({ type: 'pong', heard: turn + 1 });
      one.members[0].relay(turn);
      await one.members[1].expectMessage('ada', turn);
      two.members[1].relay(turn);
      await two.members[0].expectMessage(1, turn);
    }
    const late = await server.member();
    assert.deepEqual(await late.join('late', two.code), { index: 2, peers: [0, 1] });
    await late.expect({ type: 'state', data: 'kept' });
    await Promise.all(two.members.map((member) => member.expect({ type: 'peer_joined', index: 2 })));
    const newcomer = await enter3('join', 'newcomer', { room: three.code });
    assert.equal(newcomer.answer.index, 2);
    await expectSilence(...one.members, ...two.members);
  });

  it('keeps what is half done: a fragment, a part of a frame, of a request, and what is not sent', async () => {
    await start({ options: ['--max-byte-rate', 0, '--max-message-rate', 0] });
    const { code, members } = await server.room(['host']);
    const fragments = await server.rawWebSocket();
    await fragments.join('fragments', code);
    const parts = await server.rawWebSocket();
    await parts.join('parts', code);
    await members[0].expect({ type: 'peer_joined', clientId: 'fragments' }, { type: 'peer_joined', clientId: 'parts' });
    await fragments.expect({ type: 'peer_joined', clientId: 'parts' });
    const request = await server.raw();
    request.write('GET /health HTTP/1.1\r\nHo');
    fragments.write(frame(opcodes.text, '{"type":"send","da', { final: false }));
    const whole = frame(opcodes.text, `{"type":"send","data":"${'é'.repeat(1_000)}"}`);
    parts.write(whole.subarray(0, 701));
    const deaf = await server.rawWebSocket();
    await deaf.join('deaf', code);
    await members[0].expect({ type: 'peer_joined', clientId: 'deaf' });
    deaf.socket.pause();
    const long = 'x'.repeat(60_000);
    for (let count = 0; count < 90; count++) members[0].relay(long);
    await fragments.expect({ type: 'peer_joined', clientId: 'deaf' });
    await parts.expect({ type: 'peer_joined', clientId: 'deaf' });
    for (let count = 0; count < 90; count++) {
      await fragments.expect({ type: 'message', from: 'host', data: long });
      await parts.expect({ type: 'message', from: 'host', data: long });
    }
    await upgrade();
    fragments.write(frame(opcodes.ping, 'still here'), frame(opcodes.continuation, 'ta":1}'));
    await fragments.expectFrame(opcodes.pong, 'still here');
    await members[0].expectMessage('fragments', 1);
    parts.write(whole.subarray(701));
    await members[0].expectMessage('parts', 'é'.repeat(1_000));
    request.write('st: x\r\n\r\n');
    assert.equal((await request.readResponse()).status, 200);
    deaf.socket.resume();
    for (let count = 0; count < 90; count++) await deaf.expect({ type: 'message', from: 'host', data: long });
    await deaf.expect({ type: 'message', from: 'fragments', data: 1 });
  });

  const unlimited = ['--max-byte-rate', 0, '--max-message-rate', 0];
  const cutOff = /connections? with output that was not read/;
  const long = 'x'.repeat(1_000_000);

  /** A room whose host has said the message to members that have read nothing of it. */
  async function roomWithLongMessage(names) {
    const { code, members } = await server.room(['host']);
    const [host] = members;
    const readers = [];
    for (const name of names) {
      const reader = await server.rawWebSocket();
      await reader.join(name, code);
      for (const other of [host, ...readers]) await other.expect({ type: 'peer_joined', clientId: name });
      readers.push(reader);
    }
    for (const { socket } of readers) socket.pause();
    host.relay(long);
    return { host, readers };
  }

  async function expectAll({ host, readers }, messages = 1) {
    host.relay('after');
    for (const { socket } of readers) socket.resume();
    for (const reader of readers) {
      for (let count = 0; count < messages; count++) {
        const event = await reader.readEvent();
        assert.deepEqual([event.type, event.data === long], ['message', true]);
      }
      await reader.expect({ type: 'message', from: 'host', data: 'after' });
    }
    assert.doesNotMatch(server.stderr, cutOff);
  }

  /** Each of them reads one time in each interval, which yields at most 64 KiB; returns what ends that. */
  function readSlowly(readers, interval) {
    const sockets = readers.map(({ socket }) => socket);
    const pausers = sockets.map((socket) => () => socket.pause());
    sockets.forEach((socket, index) => socket.on('data', pausers[index]));
    const timer = setInterval(() => sockets.forEach((socket) => socket.resume()), interval);
    return () => {
      clearInterval(timer);
      sockets.forEach((socket, index) => socket.off('data', pausers[index]));
    };
  }

  const namesOf = (count) => Array.from({ length: count }, (_, number) => `reader ${number}`);

  it('closes nobody who reads slowly, but all the time', async () => {
    await start({ options: unlimited });
    const rooms = [];
    for (let count = 0; count < 3; count++) rooms.push(await roomWithLongMessage(namesOf(10)));
    const stop = readSlowly(rooms.flatMap(({ readers }) => readers), 60);
    await upgrade();
    stop();
    for (const room of rooms) await expectAll(room);
  });

  it('sends more than can be handed over before that, to who reads it', async () => {
    await start({ loops: 8, options: [...unlimited, '--max-queue-bytes', 32_000_000] });
    const room = await roomWithLongMessage(['reader']);
    for (let count = 1; count < 15; count++) room.host.relay(long);
    room.host.send({ type: 'no such type' });
    assert.equal((await room.host.next()).type, 'error');
    const stop = readSlowly(room.readers, 5);
    await upgrade();
    stop();
    await expectAll(room, 15);
  });

  it('writes once what many do not read, whatever the number of loops', async () => {
    const common = `${[...patience, ...unlimited].join(' ').replaceAll(' --', '\n--')}\n`;
    const write = await startWithFile(`${common}--loops 4\n`);
    const rooms = [];
    for (let count = 0; count < 4; count++) rooms.push(await roomWithLongMessage(namesOf(24)));
    for (const count of [1, 3]) {
      write(`${common}--loops ${count}\n`);
      await upgrade();
    }
    for (const room of rooms) await expectAll(room);
  });

  it('closes who leaves too much unread, and says how many', async () => {
    await start({ loops: 8, options: [...unlimited, '--max-queue-bytes', 32_000_000] });
    const { host, readers } = await roomWithLongMessage(['deaf']);
    for (let count = 0; count < 12; count++) host.relay(long);
    host.send({ type: 'no such type' });
    assert.equal((await host.next()).type, 'error');
    await upgrade();
    assert.match(server.stderr, /^party-sockets: 1 connection with output that was not read was closed for the upgrade$/m);
    await host.expect({ type: 'peer_left', clientId: 'deaf' });
    readers[0].socket.resume();
    await readers[0].whenGone();
  });

  it('goes on with a throttled client where it was', async () => {
    await start({ options: ['--max-message-rate', 20] });
    const { members } = await server.room(['host', 'sender']);
    for (let count = 0; count < 70; count++) members[1].relay(count);
    await members[0].expectMessage('sender', 0);
    const begin = Date.now();
    await upgrade();
    for (let count = 1; count < 70; count++) await members[0].expectMessage('sender', count);
    assert.ok(Date.now() - begin > 1_000, 'the upgrade has given it no messages');
  });

  it('keeps the debt of who has sent more bytes than it may', async () => {
    const rate = 64 * 1024;
    await start({ options: ['--max-byte-rate', rate] });
    const { members } = await server.room(['host', 'sender']);
    const long = 'x'.repeat(12 * rate); // the burst is eight seconds' worth, and the rest is a debt of four
    members[1].relay(long);
    await members[0].expectMessage('sender', long);
    const begin = Date.now();
    await upgrade();
    members[1].relay('after');
    await members[0].expectMessage('sender', 'after');
    assert.ok(Date.now() - begin > 2_500, `it waited ${Date.now() - begin} ms`);
  });

  it('keeps a room playing while messages and joins never stop', async () => {
    await start({ options: ['--max-message-rate', 0] });
    const { code, members } = await server.party(['host', 'guest']);
    const [host, guest] = members;
    let sent = 0;
    const timer = setInterval(() => guest.relay(sent++), 2);
    const joins = [];
    let joined = 0;
    for (let turn = 0; turn < 4; turn++) {
      for (let count = 0; count < 8; count++)
        joins.push(
          (async () => {
            const player = await server.member();
            player.send({ type: 'create', clientId: 'x', maxClients: 2 });
            assert.equal((await player.next()).type, 'created');
            const other = await server.member();
            const { index } = await other.join(`y ${joined++}`, code);
            return index;
          })(),
        );
      await upgrade();
    }
    clearInterval(timer);
    await Promise.all(joins);
    guest.relay('last');
    let next = 0;
    for (;;) {
      const event = await host.next();
      if (event.type === 'peer_joined') continue;
      assert.equal(event.type, 'message', JSON.stringify(event));
      if (event.data === 'last') break;
      assert.equal(event.data, next++);
    }
    assert.equal(next, sent);
  });

  it('knows whose rooms they are: an address has at most 256 in which nobody is', async () => {
    await start();
    const hosts = await server.members(260);
    const codes = await Promise.all(hosts.map((host) => host.create('host')));
    await upgrade();
    await Promise.all(hosts.map((host) => host.reset()));
    const there = async () => {
      const answers = await Promise.all(codes.map((code) => server.get(`/room/${code}`)));
      return answers.filter(({ status }) => status === 200).map(({ body }) => JSON.parse(body).clients);
    };
    await eventually(async () => (await there()).join() === Array(256).fill(0).join(), '256 rooms are left');
  });

  /** The file with options, and a server that was started with it. */
  async function startWithFile(lines, settings) {
    const file = path.join(directory, 'options');
    writeFileSync(file, lines);
    await start({ loops: null, environment: { POLLER: '' }, ...settings, options: ['--options-file', file] });
    return (text) => writeFileSync(file, text);
  }

  it('changes loops, poller and bounds by the options file, while people play all three protocols', async () => {
    const common = `${patience.join(' ').replace(' --', '\n--')}\n`;
    const write = await startWithFile(`${common}--loops 1\n`);
    const one = await server.room(['ada', 'bob']);
    const two = await server.party(['host', 'guest']);
    const { host, guest, visitor } = await room3();
    const pollers = process.env.POLLER_UNDER_TEST === 'io_uring' ? ['io_uring', 'epoll'] : ['epoll', 'epoll'];
    for (const [turn, count] of [4, 2, 64, 1].entries()) {
      write(`# the ${turn}th\n\n${common}--loops=${count}\n\t--poller  ${pollers[turn % 2]} \r\n--max-rooms 77`);
      const expected = [];
      const timer = setInterval(() => {
        const data = `${turn} ${expected.length}`;
        expected.push(data);
        one.members[0].relay(data);
        two.members[0].relay(data);
        guest.send({ type: 'send', data });
      }, 2).unref();
      await upgrade();
      clearInterval(timer);
      for (const data of expected) {
        await one.members[1].expectMessage('ada', data);
        await two.members[1].expectMessage(0, data);
        await host.expect({ type: 'message', from: 1, data });
        await visitor.expect({ type: 'message', from: 1, data });
      }
      const stats = await server.stats();
      assert.deepEqual([stats.loops, stats.poller], [count, pollers[turn % 2]]);
    }
    await expectSilence(...one.members, ...two.members);
  });

  it('does not take place while the options file is wrong', async () => {
    const write = await startWithFile('--max-rooms 5\n');
    const { members } = await server.room(['ada', 'bob']);
    write('--max-rooms 6\n--loops 0\n');
    await refused(/options:2: --loops wants [^]*its rehearsal ended with status 2/);
    members[0].relay('still here');
    await members[1].expectMessage('ada', 'still here');
    write('--max-rooms 6\n');
    await upgrade();
    members[0].relay('still here');
    await members[1].expectMessage('ada', 'still here');
  });

  it('is told truly by --upgrade if a script starts the program with a large environment in another order', async () => {
    await start();
    const { members } = await server.room(['ada', 'bob']);
    const renewed = 'env -u PARTY_SOCKETS_HANDOVER PARTY_SOCKETS_HANDOVER="$PARTY_SOCKETS_HANDOVER"';
    installScript(`LARGE=$(head -c 100000 /dev/zero | tr '\\0' x); export LARGE; exec ${renewed} ${binary} "$@"`);
    for (let turn = 0; turn < 2; turn++) {
      await upgrade();
      members[0].relay(turn);
      await members[1].expectMessage('ada', turn);
    }
  });

  it('keeps its listeners, and says so', async () => {
    const write = await startWithFile('--max-rooms 5\n');
    write('--admin-listen 127.0.0.1:0\n');
    const told = () => server.stderr.match(/--admin-listen have changed, [^\n]* until the process is started anew/g);
    await upgrade();
    assert.equal(told()?.length, 1);
    assert.equal((await server.get('/health')).status, 200);
    await upgrade();
    assert.equal(told()?.length, 2);
    write('');
    await upgrade();
    assert.equal(told()?.length, 2);
  });

  it('keeps rooms in the store true', async () => {
    const state = path.join(directory, 'state');
    await start({ options: ['--state-dir', state] });
    const kept = await server.party(['host', 'guest']);
    const gone = await server.party(['host', 'guest']);
    await upgrade();
    gone.members[0].closeRoom();
    await gone.members[0].whenClosed();
    const later = await server.party(['host', 'guest']);
    await eventually(
      async () => /^party_sockets_store_pending_records\{.*\} 0$/m.test((await server.get('/metrics')).body),
      'The store has everything',
    );
    server.kill();
    await server.outcome();
    await start({ options: ['--state-dir', state] });
    assert.match(server.stdout, /has 2 rooms of /);
    for (const { code } of [kept, later]) {
      const host = await server.member();
      assert.deepEqual(await host.join('host', code), { index: 0, peers: [] });
    }
  });

  for (const [what, spoil, told] of [
    ['is gone', (state) => rmSync(path.dirname(state), { recursive: true }), /the store fails, games go on: No such file/],
    [
      'is damaged',
      (state) => writeFileSync(path.join(state, 'rooms.db'), 'no database '.repeat(1_000)),
      /it was damaged, and is rooms\.db\.damaged now/,
    ],
  ])
    it(`goes well though the store ${what}, and tells of it`, async () => {
      const state = path.join(directory, 'parent', 'state');
      mkdirSync(path.dirname(state));
      await start({ options: ['--state-dir', state] });
      const { members } = await server.party(['host', 'guest']);
      spoil(state);
      await upgrade();
      members[0].relay('still here');
      await members[1].expectMessage(0, 'still here');
      await eventually(() => told.test(server.stderr), 'The words about the store');
    });

  describe('does not take place, and the game goes on,', () => {
    let members;
    const play = async () => {
      members[0].relay('still here');
      await members[1].expectMessage('ada', 'still here');
    };
    beforeEach(async () => {
      await start();
      ({ members } = await server.room(['ada', 'bob']));
    });

    it('if the new program is missing', async () => {
      rmSync(program());
      await refused(/there is no upgrade: the new program can't be started: No such file/);
      await play();
      install((file) => copyFileSync(binary, file));
      await upgrade();
      await play();
    });

    it('if it ends without having understood', async () => {
      installScript('exit 0');
      await refused(/its rehearsal ended with status 0/);
      await play();
    });

    it('if it dies', async () => {
      installScript('kill -SEGV $$');
      await refused(/its rehearsal died of signal 11/);
      await play();
    });

    it('if it hangs, and another signal comes', async () => {
      const begun = path.join(directory, 'begun');
      installScript(`touch ${begun}; exec sleep 60`);
      server.signal('SIGUSR2');
      await eventually(() => existsSync(begun), 'The rehearsal');
      server.signal('SIGHUP');
      await eventually(() => /there is no upgrade: a signal came/.test(server.stderr), 'The refusal');
      await eventually(() => /SIGHUP: there is no certificate/.test(server.stderr), 'The other signal');
      await play();
    });

    it('if it hangs, and somebody ends its rehearsal', async () => {
      const begun = path.join(directory, 'begun');
      writeFileSync(begun, '');
      installScript(`echo $$ > ${begun}; exec sleep 60`); // a shell that starts a child may unblock signals
      server.signal('SIGUSR2');
      await eventually(() => readFileSync(begun, 'utf8').endsWith('\n'), 'The rehearsal');
      process.kill(Number(readFileSync(begun, 'utf8')), 'SIGTERM');
      await eventually(() => /its rehearsal /.test(server.stderr), 'The refusal', 2);
      assert.match(server.stderr, /its rehearsal died of signal 15/);
      await play();
    });

    it('if a script does not exec it', async () => {
      installScript(`${binary} "$@"; exit $?`);
      await refused(/a script does not exec the program[^]*its rehearsal ended with status 1/);
      await play();
    });

    it('if it does not know an option of today', async () => {
      installScript(`exec ${binary} "$@" --no-such-option 1`);
      await refused(/unknown option[^]*its rehearsal ended with status 2/);
      await play();
    });
  });

  it('leaves no rehearsal behind if the process is killed', async () => {
    await start();
    const [certificate, pid] = [path.join(directory, 'certificate'), path.join(directory, 'pid')];
    execFileSync('mkfifo', [certificate]); // whose reader waits for somebody to write
    installScript(`echo $$ > ${pid}; exec ${binary} "$@" --tls-cert ${certificate} --tls-key ${certificate}`);
    server.signal('SIGUSR2');
    let writer;
    try {
      writer = await withDeadline(open(certificate, 'w'), 'The rehearsal waits for its certificate');
      const rehearsal = Number(readFileSync(pid, 'utf8'));
      assert.ok(isThere(rehearsal));
      server.kill();
      await eventually(() => !isThere(rehearsal), 'The end of the rehearsal');
    } finally {
      await writer?.close(); // the rehearsal ends at the latest now
    }
  });

  it('rehearses nothing after the process has ended', async () => {
    const { status, stderr } = await runToEnd([], { PARTY_SOCKETS_HANDOVER: `rehearse 0 ${2 ** 22 + 1}` });
    assert.deepEqual([status, /no child of process 4194305/.test(stderr)], [1, true]);
  });

  it('is not asked of a process that has no handler for it, nor of none', async () => {
    const other = await ask(process.pid);
    assert.deepEqual([other.status, /can't be upgraded/.test(other.stderr)], [1, true]);
    const none = await ask(2 ** 22 + 1);
    assert.deepEqual([none.status, /No such process/.test(none.stderr)], [1, true]);
    for (const wrong of ['0', 'x', '-1', '7x']) {
      const { status, stderr } = await runToEnd(['--upgrade', wrong]);
      assert.deepEqual([status, stderr], [2, 'party-sockets: --upgrade needs the id of a process\n']);
    }
  });
});
