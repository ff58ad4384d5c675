// Fifty flooders push as much as TCP takes, or one pushes messages of many MB. A quiet room on the
// same loop must hardly notice: the 99th percentile of its round trips, with the flood, as a
// multiple of the one without.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { withDeadline } from '../support/deadline.mjs';
import { Server } from '../support/server.mjs';

const roundTrips = 250;
const rounds = 3;

async function startFlood(port, count, kind) {
  const program = fileURLToPath(new URL('flooders.mjs', import.meta.url));
  const flood = spawn(process.execPath, [program, port, count, kind].map(String), {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await withDeadline(once(flood.stdout, 'data'), 'The flood');
  return flood;
}

async function endFlood(flood) {
  assert.equal(flood.exitCode, null, 'The flood has ended by itself');
  const ended = once(flood, 'exit');
  flood.kill();
  await withDeadline(ended, 'The end of the flood');
}

/** The 99th percentile of the time for a message to the guest and its answer, in ms. */
async function percentile({ members: [host, guest] }) {
  const times = [];
  for (let count = 0; count < roundTrips; count++) {
    const begin = performance.now();
    host.relay(count, 'guest');
    await guest.expectMessage('host', count);
    guest.relay(count, 'host');
    await host.expectMessage('guest', count);
    times.push(performance.now() - begin);
    await pause(3);
  }
  return times.sort((a, b) => a - b)[Math.floor(0.99 * roundTrips)];
}

const median = (numbers) => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

describe('A quiet room beside flooders', () => {
  const off = ['--max-message-rate', 0, '--max-byte-rate', 0];
  const cases = [
    { who: 'fifty, with the default message rate', flood: [50, 'small'], options: [], most: 4 },
    { who: 'fifty, with the message rate off', flood: [50, 'small'], options: off, most: 40 },
    { who: 'one that sends 8 MB at a time', flood: [1, 'long'], options: off, most: 40 },
  ];
  for (const { who, flood: kind, options, most } of cases) {
    it(`has nearly the latency that it has alone: ${who}`, async (t) => {
      const server = await Server.start({ loops: 1, options });
      try {
        const room = await server.room(['host', 'guest']);
        const alone = [];
        const beside = [];
        for (let round = 0; round < rounds; round++) {
          alone.push(await percentile(room));
          const flood = await startFlood(server.port, ...kind);
          beside.push(await percentile(room));
          await endFlood(flood);
        }
        const ratio = median(beside) / median(alone);
        t.diagnostic(
          `p99 alone ${median(alone).toFixed(2)} ms, beside the flood ${median(beside).toFixed(2)} ms: ` +
            `ratio ${ratio.toFixed(2)} (medians of ${rounds} rounds in turn)`,
        );
        assert.ok(ratio < most, `${ratio}`);
        await server.stop();
      } finally {
        server.kill();
      }
    });
  }
});
