// A new program that has rehearsed well, and fails after the process has become it: the former one goes on, and
// nobody who plays loses anything. What makes it fail is compiled here, and preloaded by a script at its path.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { eventually } from '../support/deadline.mjs';
import { frame, opcodes } from '../support/frames.mjs';
import { expectSilence } from '../support/member.mjs';
import { binary, patience, runToEnd, Server } from '../support/server.mjs';

const source = fileURLToPath(new URL('way_back.c', import.meta.url));

describe('The way back after a program that fails as the process has become it', () => {
  let directory;
  let server;
  let old;
  const at = (name) => path.join(directory, name);

  before(async () => {
    directory = mkdtempSync(path.join(os.tmpdir(), 'party-way-back-'));
    await promisify(execFile)('cc', ['-shared', '-fPIC', '-D_GNU_SOURCE', '-o', at('fail.so'), source]);
    copyFileSync(binary, at('other'));
  });
  after(() => rmSync(directory, { recursive: true }));

  beforeEach(async () => {
    rmSync(at('state'), { recursive: true, force: true });
    rmSync(at('party-sockets'), { force: true });
    copyFileSync(binary, at('party-sockets'));
    const launcher = ['/bin/sh', '-c', `shift; exec ${at('party-sockets')} "$@"`, 'sh'];
    const options = [...patience, '--state-dir', at('state'), '--options-file', at('options')];
    writeFileSync(at('options'), '--loops 2\n');
    server = await Server.start({ loops: null, options, launcher });
    old = started();
  });
  afterEach(async () => {
    server.kill();
    await server.outcome();
  });

  const texts = (file) => readFileSync(`/proc/${server.pid}/${file}`, 'utf8').split('\0').slice(0, -1);

  /** The arguments of the process, and the names of its variables, without the one that a successor has. */
  const started = () => ({
    arguments: texts('cmdline'),
    variables: texts('environ')
      .map((text) => text.slice(0, text.indexOf('=')))
      .filter((name) => name !== 'PARTY_SOCKETS_HANDOVER'),
  });

  function install(way) {
    const script = `#!/bin/sh
      export LD_PRELOAD=${at('fail.so')} WAY_TO_FAIL='${way}'
      exec ${at('other')} "$@" --max-rooms 77\n`;
    writeFileSync(at('new'), script);
    chmodSync(at('new'), 0o755);
    renameSync(at('new'), at('party-sockets'));
  }

  async function metric(name) {
    const { body } = await server.get('/metrics');
    return Number(new RegExp(`^${name}(?:\\{.*\\})? (.*)$`, 'm').exec(body)?.[1]);
  }

  async function enter3(type, name, fields) {
    const client = await server.member({ protocols: 'party-sockets.v3' });
    client.send({ type, clientId: `the secret of ${name}`, session: `session of ${name}`, attempt: 1, ...fields });
    client.answer = await client.next();
    return client;
  }

  const ways = {
    'crash at the start': /failed before it had taken over/,
    'no memory': /can't be taken over: Cannot allocate memory/,
    crash: /failed before it had taken over/,
    abort: /failed before it had taken over/,
    hang: /failed before it had taken over/,
    'no thread': /not enough memory or threads for --state-dir/,
  };
  for (const [way, told] of Object.entries(ways))
    it(`${way}: nobody loses anything`, async () => {
      const one = await server.room(['ada', 'bob']);
      const two = await server.party(['host', 'guest']);
      const host = await enter3('create', 'host', { maxClients: 4 });
      const guest = await enter3('join', 'guest', { room: host.answer.room });
      await host.expect({ type: 'peer_joined', index: 1 });
      const half = await server.rawWebSocket();
      await half.join('half', one.code);
      for (const member of one.members) await member.expect({ type: 'peer_joined', clientId: 'half' });
      half.write(frame(opcodes.text, '{"type":"send","da', { final: false }));
      install(way);
      writeFileSync(at('options'), '--loops 3\n'); // for the new program, not for the former one
      let sent = 0;
      const timer = setInterval(() => {
        guest.send({ type: 'send', data: sent });
        two.members[1].relay(sent);
        one.members[1].relay(sent++);
      }, 5);
      const asked = runToEnd(['--upgrade', server.pid]);
      const waiting = server.member(); // connects while the process changes, or before
      await eventually(() => /connections of before/.test(server.stderr), 'The former program goes on');
      const { status, stderr } = await asked;
      clearInterval(timer);
      assert.match(server.stderr, told);
      assert.match(stderr, /the former one goes on/);
      assert.equal(status, 1);
      assert.deepEqual(started(), old);
      assert.equal((await server.stats()).loops, 2);
      const began = await metric('process_start_time_seconds');
      assert.ok(Math.abs(began - Date.now() / 1_000) < 60);
      assert.equal(await metric('party_sockets_upgrades_total'), 0);

      for (let count = 0; count < sent; count++) {
        await host.expect({ type: 'message', from: 1, data: count });
        await two.members[0].expectMessage(1, count);
        await one.members[0].expectMessage('bob', count);
      }
      half.write(frame(opcodes.continuation, 'ta":"whole"}')); // now: bob may have been held up for his rate
      await one.members[0].expectMessage('half', 'whole');
      guest.send({ type: 'ping', seen: 0 });
      await guest.expect({ type: 'pong', heard: sent });
      assert.deepEqual(await (await waiting).join('late', two.code), { index: 2, peers: [0, 1] });
      await Promise.all(two.members.map((member) => member.expect({ type: 'peer_joined', index: 2 })));
      await expectSilence(...two.members);

      // And a program that is well takes over later.
      await eventually(async () => (await server.stats()).uptimeSeconds >= 1, 'A second of uptime');
      copyFileSync(binary, at('new'));
      renameSync(at('new'), at('party-sockets'));
      const again = await runToEnd(['--upgrade', server.pid]);
      assert.deepEqual([again.status, again.stderr], [0, ''], server.stderr);
      assert.equal((await server.stats()).loops, 3);
      assert.ok((await server.stats()).uptimeSeconds >= 1, 'uptime goes on');
      assert.equal(await metric('process_start_time_seconds'), began);
      assert.equal(await metric('party_sockets_upgrades_total'), 1);
      guest.send({ type: 'send', data: 'and on' });
      await host.expect({ type: 'message', from: 1, data: 'and on' });
    });
});
