// What the release binary weighs: start-up time, memory at start, memory for each joined client.
// Meant for a build without sanitizers; prints what it measured.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { eventually } from '../support/deadline.mjs';
import { Server } from '../support/server.mjs';

const clientsTotal = 8000;
const clientsBefore = 800; // each of whom has sent two or three times: more than two loops have buffers
const roomSize = 4;
const atOnce = 50; // rooms being set up side by side

function residentBytes(pid) {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(kilobytes) * 1024;
}

async function fillRoom(server) {
  const members = await server.clients(roomSize);
  const code = await members[0].create(randomUUID(), roomSize);
  for (const member of members.slice(1)) await member.join(randomUUID(), code);
}

async function fillRooms(server, count) {
  let left = count;
  const worker = async () => {
    while (left-- > 0) await fillRoom(server);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

async function startUpMilliseconds() {
  const begin = performance.now();
  const server = await Server.start({ loops: 2 });
  const milliseconds = performance.now() - begin;
  await server.stop();
  return milliseconds;
}

describe('Footprint of the release binary', () => {
  it('is ready within milliseconds', async (test) => {
    const times = [];
    for (let run = 0; run < 10; run++) times.push(await startUpMilliseconds());
    const best = Math.min(...times);
    test.diagnostic(`from spawn to the line with the address: ${best.toFixed(1)} ms (best of 10)`);
    // Node's spawn and the pipe are part of it, hence more than the server's own 10 ms.
    assert.ok(best < 30, `${best} ms`);
  });

  it('takes some 5 MB with two loops', async (test) => {
    const server = await Server.start({ loops: 2 });
    test.after(() => server.kill());
    const bytes = residentBytes(server.pid);
    test.diagnostic(`resident at start: ${Math.round(bytes / 1024)} KiB`);
    assert.ok(bytes < 5_400_000, `${bytes} bytes`); // libm, which SQLite brings, is 0.36 MB of it
    await server.stop();
  });

  it('takes at most 300 bytes for a joined client', async (test) => {
    const options = ['--ping-interval', '10m', '--idle-timeout', '20m'];
    const server = await Server.start({ loops: 2, options });
    test.after(() => server.kill()); // or its connections would keep this process after a failure
    // Buffers that are kept for reuse, io_uring's for receiving above all, are there from now on.
    await fillRooms(server, clientsBefore / roomSize);
    const before = residentBytes(server.pid);
    await fillRooms(server, clientsTotal / roomSize);
    const each = await eventually(() => {
      const bytes = (residentBytes(server.pid) - before) / clientsTotal;
      return bytes <= 300 ? bytes : undefined;
    }, `300 bytes a client (${(residentBytes(server.pid) - before) / clientsTotal} at first)`);
    test.diagnostic(`resident for each joined client: ${each.toFixed(0)} bytes`);
    await server.disconnectAll();
    await server.stop();
  });
});
