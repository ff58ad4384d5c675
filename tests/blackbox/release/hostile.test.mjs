// A container of 256 MB under 2,000 hostile clients: half of them announce 16 MiB and send it
// slowly, half never read what their rooms get. The server lives, keeps within its memory together
// with what the kernel keeps for it, and whoever plays notices nothing.
//
// The container is a memory cgroup (version 1 or 2), where this process may make one.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { json, text } from '../support/frames.mjs';
import { Server } from '../support/server.mjs';

const MiB = 1024 * 1024;
const container = 256 * MiB;
const hostileEach = 1_000;
const roomSize = 50;
const seconds = 10;

const name = `party-sockets-${process.pid}`;
const versions = [
  { folder: `/sys/fs/cgroup/memory/${name}`, limit: 'memory.limit_in_bytes' },
  { folder: `/sys/fs/cgroup/${name}`, limit: 'memory.max' },
];

/** Makes a memory cgroup and returns its folder; undefined where that is not allowed. */
function makeContainer() {
  for (const { folder, limit } of versions) {
    try {
      fs.mkdirSync(folder);
      fs.writeFileSync(path.join(folder, limit), `${container}`);
      return folder;
    } catch {
      fs.rmSync(folder, { recursive: true, force: true });
    }
  }
  return undefined;
}

function peakResident(pid) {
  return Number(/VmHWM:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`))[1]) * 1024;
}

/** What the kernel keeps for the server's sockets: queues both ways and what is set aside. */
function socketMemory(port) {
  const output = execFileSync('ss', ['-tmnH', 'sport', '=', `:${port}`], {
    maxBuffer: 64 * MiB,
  }).toString();
  let sum = 0;
  for (const [, received, sending, ahead, queued] of output.matchAll(
    /skmem:\(r(\d+),rb\d+,t(\d+),tb\d+,f(\d+),w(\d+)/g,
  ))
    sum += [received, sending, ahead, queued].reduce((total, bytes) => total + Number(bytes), 0);
  return sum;
}

const folder = makeContainer();
const options = {
  skip: folder === undefined && 'No memory cgroup can be made here',
};

describe('A container of 256 MB under 2,000 hostile clients', options, () => {
  const script = `echo $$ > ${folder}/cgroup.procs && exec "$0" "$@"`;
  const server = new Server({ loops: 2, launcher: ['sh', '-c', script] });
  const hostile = [];
  let game;
  const peak = { sockets: 0 };

  before(() => server.start());
  after(async () => {
    for (const connection of hostile) connection.terminate();
    server.kill();
    if (folder) setTimeout(() => fs.rmdirSync(folder), 500);
  });

  async function open() {
    const connection = await server.rawWebSocket();
    connection.socket.on('error', () => {});
    hostile.push(connection);
    return connection;
  }

  it('lives, and takes no more than it has', async (t) => {
    game = await server.room(['host', 'guest']);
    for (let count = 0; count < hostileEach; count++) {
      const upload = await open();
      // With this mask what follows is text, too; else it would be closed for what is none.
      upload.write(text(' '.repeat(60_000), { length: 16 * MiB, mask: Buffer.alloc(4) }));
    }
    const floods = [];
    for (let count = 0; count < hostileEach; count++) {
      const deaf = await open();
      if (count % roomSize === 0) {
        const code = await deaf.create('flood', roomSize);
        floods.push({ flood: deaf, code });
      } else {
        deaf.send({ type: 'join', clientId: `${count}`, room: floods.at(-1).code });
        deaf.socket.pause();
      }
    }
    const message = json({ type: 'send', data: 'x'.repeat(900) });
    const big = json({ type: 'send', data: 'y'.repeat(100_000) });
    const end = Date.now() + seconds * 1_000;
    for (let round = 0; Date.now() < end; round++) {
      for (const { flood } of floods)
        if (flood.socket.writableLength < 200_000) flood.write(...Array(20).fill(message), big);
      for (const connection of hostile.slice(0, hostileEach))
        if (!connection.socket.destroyed) connection.socket.write('z'.repeat(200));
      peak.sockets = Math.max(peak.sockets, socketMemory(server.port));
      game.members[0].relay(round, 'guest');
      await game.members[1].expectMessage('host', round);
      await pause(50);
    }
    const resident = peakResident(server.pid);
    t.diagnostic(`peak resident memory: ${(resident / MiB).toFixed(1)} MiB`);
    t.diagnostic(`peak memory of the kernel's sockets: ${(peak.sockets / MiB).toFixed(1)} MiB`);
    assert.ok(resident + peak.sockets < container);
    const events = await server.events();
    t.diagnostic(`closed to free memory: ${events['closed to free memory'] ?? 0}`);
    assert.ok(events['bytes buffered now'] <= container / 4 + 2 * MiB);
  });

  it('still takes an honest upload of 15 MB, and passes it on', async () => {
    const data = 'h'.repeat(15_000_000);
    game.members[1].relay(data, 'host');
    await game.members[0].expectMessage('guest', data);
  });

  it('ends with status 0', async () => {
    for (const connection of hostile) connection.terminate();
    await server.stop();
  });
});
