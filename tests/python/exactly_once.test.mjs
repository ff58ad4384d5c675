// Nothing lost and nothing doubled, as a second client sees it: one in Python, written from docs/protocol.md
// alone (party_client.py). Its members exchange numbered messages over a proxy that cuts (cutting_proxy.py), and
// each checks what it gets (exchange.py). Two faults are planted in the client, which these checks must find.
// What the client does about closes, refusals and the like is in manners.py.
//
// PYTHON names another interpreter than python3. The seeds stand in the names of the tests.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { seed } from '../blackbox/support/random.mjs';
import { slowness } from '../blackbox/support/deadline.mjs';
import { Server } from '../blackbox/support/server.mjs';

const program = (name) => fileURLToPath(new URL(name, import.meta.url));
const loops = Number(process.env.LOOPS_UNDER_TEST ?? 4);

/** So little that the log has room for what is said while a member is silent. */
const quiet = { rate: 6, largest: 600, 'cut-every': 0.8, patience: Math.min(1 + slowness / 2, 5), seconds: 8 };

/** Runs a program with the port of a relay of its own: `{ status, stdout, stderr }`. */
async function run(name, relay, parameters = []) {
  const server = await Server.start({ loops, options: relay });
  const given = [program(name), server.port, ...parameters].map(String);
  const limits = { timeout: (60 + 20 * slowness) * 1000, killSignal: 'SIGKILL', maxBuffer: 2 ** 22 };
  const outcome = await new Promise((resolve) => {
    execFile(process.env.PYTHON ?? 'python3', given, limits, (error, stdout, stderr) =>
      resolve({ status: error ? (error.code ?? error.signal) : 0, stdout, stderr }),
    );
  });
  await server.stop();
  return outcome;
}

/** The same for an exchange, with its `figures`. */
async function play(options, relay = []) {
  const given = Object.entries({ seed, ...quiet, ...options }).flatMap(([name, value]) => [`--${name}`, value]);
  const outcome = await run('exchange.py', relay, given);
  assert.match(outcome.stdout, /\}\n$/, `no figures: ${outcome.status}, ${outcome.stderr}`);
  return { ...outcome, figures: JSON.parse(outcome.stdout.trim().split('\n').at(-1)) };
}

function assertSound({ status, stderr, figures }) {
  assert.deepEqual({ violations: figures.violations, stderr, status }, { violations: [], stderr: '', status: 0 });
  assert.equal(figures.lost, 0);
  assert.ok(figures.cut >= 5 && figures.delivered >= 50, JSON.stringify(figures));
}

describe(`Python clients over a proxy that cuts, seed ${seed}`, { concurrency: true }, () => {
  it('get every message once and in order', async () => {
    const outcome = await play({});
    assertSound(outcome);
    assert.ok(outcome.figures.recovered >= 3, JSON.stringify(outcome.figures));
  });

  it('know of it when the log was too small for what they missed', async () => {
    const outcome = await play({ rate: 20, largest: 2000 }, ['--room-log-bytes', 4096]);
    assertSound(outcome);
    assert.ok(outcome.figures['not recovered'] >= 1, JSON.stringify(outcome.figures));
  });

  it('get twice only what nobody confirmed when no seat is held', async () => {
    const outcome = await play({ hold: 0, members: 4 });
    assertSound(outcome);
    assert.ok(outcome.figures['new epochs'] >= 1, JSON.stringify(outcome.figures));
  });

  it('do what the page says about closes, refusals, states and the audience', async () => {
    assert.deepEqual(await run('manners.py', ['--max-message-bytes', 10_000]), { status: 0, stdout: '', stderr: '' });
  });

  it('would find a client that sends one message too few again', async () => {
    const { status, figures } = await play({ plant: 'resend', 'give-up': 2 });
    assert.equal(status, 1);
    assert.match(figures.violations.join(), /is lost/);
  });

  it('would find a client that counts one event too many', async () => {
    const { status, figures } = await play({ plant: 'seen', 'give-up': 2 });
    assert.equal(status, 1);
    assert.match(figures.violations.join(), /is lost/);
  });
});
