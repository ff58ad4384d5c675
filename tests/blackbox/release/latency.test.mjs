// Fifty flooders push as much as TCP takes, or one pushes messages of many MB; others have the server
// answer TLS hellos all the time, or complete messages of 16 MiB together. A quiet room on the same
// loop must hardly notice: the 99th percentile of its round trips, with the flood, as a multiple of
// the one without.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { selfSigned } from '../support/certificates.mjs';
import { withDeadline } from '../support/deadline.mjs';
import { Server } from '../support/server.mjs';

const roundTrips = 250;
const rounds = 3;

async function startFlood(port, program, ...parameters) {
  const file = fileURLToPath(new URL(`${program}.mjs`, import.meta.url));
  const flood = spawn(process.execPath, [file, port, ...parameters].map(String), {
    stdio: ['pipe', 'pipe', 'inherit'],
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

/** The time for a message to the guest and its answer, in ms. */
async function roundTrip({ members: [host, guest] }) {
  const begin = performance.now();
  host.relay(begin, 'guest');
  await guest.expectMessage('host', begin);
  guest.relay(begin, 'host');
  await host.expectMessage('guest', begin);
  return performance.now() - begin;
}

const percentileOf = (times) => times.sort((a, b) => a - b)[Math.floor(0.99 * times.length)];

/** The 99th percentile of so many round trips. */
async function percentile(room) {
  const times = [];
  for (let count = 0; count < roundTrips; count++) {
    times.push(await roundTrip(room));
    await pause(1);
  }
  return percentileOf(times);
}

const median = (numbers) => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

/** Medians of the percentiles alone and beside the flood, in turn. */
async function compare(server, flood) {
  const room = await server.room(['host', 'guest']);
  const alone = [];
  const beside = [];
  for (let round = 0; round < rounds; round++) {
    alone.push(await percentile(room));
    const running = await startFlood(server.port, ...flood);
    beside.push(await percentile(room));
    await endFlood(running);
  }
  return { alone: median(alone), beside: median(beside) };
}

/** Percentiles while nothing happens, and while long messages that are there are looked at. */
async function compareCompletions(room, flood) {
  const alone = [];
  const beside = [];
  for (let round = 0; round < rounds; round++) {
    for (let count = 0; count < roundTrips; count++) alone.push(await roundTrip(room));
    let isDone = false;
    const done = once(flood.stdout, 'data').then(() => (isDone = true));
    flood.stdin.write('\n');
    while (!isDone) beside.push(await roundTrip(room));
    await done;
    const ready = once(flood.stdout, 'data');
    flood.stdin.write('\n');
    await withDeadline(ready, 'The next messages');
  }
  return { alone: percentileOf(alone), beside: percentileOf(beside) };
}

const described = ({ alone, beside }) =>
  `p99 alone ${alone.toFixed(2)} ms, beside the flood ${beside.toFixed(2)} ms: ` +
  `ratio ${(beside / alone).toFixed(2)} (${rounds} rounds in turn)`;

/** The flood, this process and the server share the cores: one of them may wait so long for two turns of the others. */
const sharedMs = 16;
const tries = 8;

describe('A quiet room beside flooders', () => {
  const off = ['--max-message-rate', 0, '--max-byte-rate', 0];
  const cases = [
    { who: 'fifty, with the default message rate', flood: [50, 'small'], options: [], most: 4 },
    { who: 'fifty, with the message rate off', flood: [50, 'small'], options: off, most: 40 },
    { who: 'one that sends 8 MB at a time', flood: [1, 'long'], options: off, most: 40 },
  ];
  for (const { who, flood, options, most } of cases) {
    it(`has nearly the latency that it has alone: ${who}`, async (t) => {
      const server = await Server.start({ loops: 1, options });
      try {
        // What else the machine does only adds to the latency beside the flood: the best of some tries counts.
        let isQuiet = false;
        for (let count = 0; count < tries && !isQuiet; count++) {
          const times = await compare(server, ['flooders', ...flood]);
          isQuiet = times.beside < Math.max(most * times.alone, sharedMs);
          t.diagnostic(described(times));
        }
        assert.ok(isQuiet);
        await server.stop();
      } finally {
        server.kill();
      }
    });
  }
});

describe('A quiet room beside what takes long', () => {
  const isQuiet = ({ alone, beside }) => beside < Math.max(3 * alone, sharedMs);

  /** Whatever else the machine does only adds to the times; what the server does is in each try. */
  async function expectOneQuiet(t, compareOnce) {
    let times;
    for (let count = 0; count < tries && !(times && isQuiet(times)); count++) {
      times = await compareOnce();
      t.diagnostic(described(times));
    }
    assert.ok(isQuiet(times), described(times));
  }

  async function expectQuiet(t, settings, flood) {
    const server = await Server.start({ loops: 1, ...settings });
    try {
      await expectOneQuiet(t, () => compare(server, flood));
      await server.stop();
    } finally {
      server.kill();
    }
  }

  for (const bits of [2048, 4096]) {
    it(`has the latency that it has alone: 256 TLS hellos, RSA ${bits}`, async (t) => {
      const { options, secure } = await selfSigned(`rsa-${bits}`, bits === 2048 ? 'rsa' : 'rsa:4096');
      await expectQuiet(t, { options, secure }, ['hellos', 256]);
    });
  }
  it('a newcomer of another address does not wait behind 256 TLS hellos', async (t) => {
    const { options, secure } = await selfSigned('rsa-newcomer', 'rsa:4096');
    const server = await Server.start({ loops: 1, options, secure });
    try {
      await server.room(['host', 'guest']); // so that handshakes have a part of the time only
      const flood = await startFlood(server.port, 'hellos', 256);
      const times = [];
      for (let count = 0; count < 9; count++) {
        const begin = performance.now();
        const connection = await server.raw('127.0.0.1', { localAddress: '127.0.0.9' });
        times.push(performance.now() - begin);
        connection.terminate();
      }
      await endFlood(flood);
      t.diagnostic(`${median(times).toFixed(0)} ms (median of ${times.length})`);
      assert.ok(median(times) < 500, `${times}`);
      await server.stop();
    } finally {
      server.kill();
    }
  });

  for (const kind of ['number', 'space', 'binary']) {
    it(`has the latency that it has alone: ten messages of 16 MiB, ${kind}`, async (t) => {
      const server = await Server.start({ loops: 1, options: ['--max-byte-rate', 0] });
      const flood = await startFlood(server.port, 'long_messages', kind);
      try {
        const room = await server.room(['host', 'guest']);
        await expectOneQuiet(t, () => compareCompletions(room, flood));
        await endFlood(flood);
        await server.stop();
      } finally {
        flood.kill();
        server.kill();
      }
    });
  }
});
