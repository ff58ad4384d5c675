// Reading the metrics while there are 4,000 rooms. A message of a quiet room that comes at the same
// time, right behind the request, must not be delayed by a millisecond: its time beside a request for
// /metrics, less the one beside a request for /health. All messages are behind a reading, so that
// the median tells of it as well as the 99th percentile, which is also about whatever else the
// machine does: of that, one round of all has to be good. Sharpest are the server's own turns.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { eventually } from '../support/deadline.mjs';
import { request } from '../support/http.mjs';
import { readMetrics } from '../support/metrics.mjs';
import { Server } from '../support/server.mjs';

const roomCount = 4_000;
const roundTrips = 150;
const rounds = 3;
const mostMilliseconds = 1;
const histogram = 'party_sockets_turn_seconds_bucket';

async function startCrowd(port) {
  const program = fileURLToPath(new URL('crowd.mjs', import.meta.url));
  const crowd = spawn(process.execPath, [program, port, roomCount].map(String), {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await Promise.race([once(crowd.stdout, 'data'), once(crowd, 'exit')]);
  assert.equal(crowd.exitCode, null, 'The crowd stays');
  return crowd;
}

/** How long a message to the guest takes behind such a request, in ms: `{ p50, p99 }`. */
async function percentiles({ members: [host, guest] }, reader, target) {
  const times = [];
  for (let count = 0; count < roundTrips; count++) {
    reader.socket.pause(); // what is measured is the server, not this process reading 60 KB
    const begin = performance.now();
    reader.write(request(target));
    host.relay(count, 'guest');
    await guest.expectMessage('host', count);
    times.push(performance.now() - begin);
    reader.socket.resume();
    assert.equal((await reader.readResponse()).status, 200);
    await pause(3);
  }
  times.sort((a, b) => a - b);
  return { p50: times[Math.floor(0.5 * roundTrips)], p99: times[Math.floor(0.99 * roundTrips)] };
}

/** Turns so far by their class: `{ '0.001': 3, ... }`, those that took longer left out. */
async function turns(server) {
  const buckets = (await readMetrics(server)).all(histogram);
  const counts = buckets.map(({ value }, index) => value - (buckets[index - 1]?.value ?? 0));
  return Object.fromEntries(buckets.map(({ labels }, index) => [labels.le, counts[index]]));
}

const bound = (le) => Number(le.replace('+Inf', 'Infinity'));
const isLong = (le) => bound(le) > mostMilliseconds / 1_000;

/** How many of the turns between two looks took longer than a millisecond; and the longest class. */
function compare(before, after) {
  const counts = Object.keys(after).map((le) => [le, after[le] - before[le]]);
  const taken = counts.filter(([, count]) => count > 0).sort(([a], [b]) => bound(a) - bound(b));
  const long = taken.filter(([le]) => isLong(le)).reduce((sum, [, count]) => sum + count, 0);
  return { long, longest: bound(taken.at(-1)[0]) * 1_000 };
}

const median = (numbers) => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

describe('Reading the metrics of 4,000 rooms', () => {
  // The crowd takes longer than the measurement: each poller has one number of loops.
  for (const loops of process.env.POLLER_UNDER_TEST === 'io_uring' ? [4] : [1]) {
    it(`delays a message by less than a millisecond, with --loops ${loops}`, async (t) => {
      // The rooms that come in between are over when their members are cut off, so that there are holes.
      const options = ['--ping-interval', '10m', '--idle-timeout', '20m', '--empty-room-grace', '0ms'];
      const server = await Server.start({ loops, options });
      let crowd;
      try {
        crowd = await startCrowd(server.port);
        await eventually(async () => {
          const metrics = await readMetrics(server);
          return metrics.value('party_sockets_rooms') === roomCount;
        }, 'The rooms');
        const room = await server.room(['host', 'guest']);
        const reader = await server.raw();
        const seen = { '/health': [], '/metrics': [] };
        const longTurns = { '/health': [], '/metrics': [] };
        let longest = 0;
        for (let round = 0; round < rounds; round++) {
          for (const target of ['/health', '/metrics']) {
            const before = await turns(server);
            seen[target].push(await percentiles(room, reader, target));
            const taken = compare(before, await turns(server));
            longTurns[target].push(taken.long);
            if (target === '/metrics') longest = Math.max(longest, taken.longest);
          }
        }
        const long = median(longTurns['/metrics']);
        const differences = (key) =>
          seen['/metrics'].map((one, round) => one[key] - seen['/health'][round][key]);
        const p50 = median(differences('p50'));
        const p99 = Math.min(...differences('p99'));
        t.diagnostic(
          `beside /metrics less beside /health: p50 ${p50.toFixed(2)} ms, p99 ` +
            `${median(differences('p99')).toFixed(2)} ms (medians of ${rounds} rounds in turn), ` +
            `in the best round ${p99.toFixed(2)} ms; turns above 1 ms: ` +
            `${median(longTurns['/health'])} and ${long} in ${roundTrips} readings (medians), ` +
            `the longest at most ${longest} ms`,
        );
        assert.ok(p50 < mostMilliseconds, `${p50} ms`);
        assert.ok(p99 < mostMilliseconds, `${p99} ms`);
        // The machine may stop a thread now and then; reading that takes so long would each time.
        assert.ok(long < roundTrips / 20, `${long} turns were longer than 1 ms`);
        crowd.kill(); // or its rooms would be waited for
        await server.stop();
      } finally {
        crowd?.kill();
        server.kill();
      }
    });
  }
});
