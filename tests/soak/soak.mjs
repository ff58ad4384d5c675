// Hundreds of clients who behave like players, well and badly, for minutes; every delivery is
// checked, and the server's memory before and after. Beside them, Python clients of protocol 3 over a proxy
// that cuts their connections (cuts.mjs). Run by `make soak`.
//
//     SECONDS=60   how long (600)
//     SEED=1       what is drawn by chance; what happens when is not repeated by it
//     PARTY_SOCKETS_BINARY   another build than build/release
//
// The last line is `N passed, N failed`.

import { setTimeout as pause } from 'node:timers/promises';
import { Random, seed } from '../blackbox/support/random.mjs';
import { Server } from '../blackbox/support/server.mjs';
import { Churn } from './churn.mjs';
import { Cuts } from './cuts.mjs';
import { Ledger } from './ledger.mjs';
import { measure } from './memory.mjs';
import { Fillers } from './payloads.mjs';
import {
  firstMeasurementSeconds,
  memoryGrowthMax,
  progressSeconds,
  remeasure,
  seconds,
  serverSettings,
} from './plan.mjs';
import { describeMemory, newTotals, printProgress, printTable } from './report.mjs';
import { Vandals } from './vandals.mjs';

const random = new Random();
const world = {
  random,
  fillers: new Fillers(random),
  ledger: new Ledger(),
  totals: newTotals(),
  liveCodes: new Set(), // of all rooms there ever were
};
const vandals = new Vandals(world);
const churn = new Churn(world, vandals);
const startTime = performance.now();
const secondsSoFar = () => (performance.now() - startTime) / 1000;

/** So many seconds of life, then rest. */
async function churnFor(duration) {
  churn.start();
  for (let left = duration; left > 0; left -= progressSeconds) {
    const before = { ...world.totals };
    const since = Math.min(progressSeconds, left);
    await pause(since * 1000);
    await printProgress(world, churn, vandals, { at: secondsSoFar(), since, before });
  }
  await churn.pause();
}

/** Memory when only the base is there. */
async function measureAtRest() {
  const memory = await measure(world, churn.baseCounts);
  console.log(`at rest after ${Math.round(secondsSoFar())} s: ${describeMemory(memory)}`);
  return memory;
}

const growthOf = (first, last) => last.total / first.total - 1;

/** The measurement at the end: the lowest of some, if the first of them is too high. */
async function measureAtEnd(first) {
  let lowest = await measureAtRest();
  for (let count = 0; count < remeasure.times; count++) {
    if (growthOf(first, lowest) <= memoryGrowthMax) break;
    await churnFor(remeasure.seconds);
    const next = await measureAtRest();
    if (next.total < lowest.total) lowest = next;
  }
  return lowest;
}

function compareMemory(first, last) {
  const growth = growthOf(first, last);
  const percent = `${(growth * 100).toFixed(1)} %`;
  console.log(`memory from the first measurement to the last: ${percent}`);
  if (growth > memoryGrowthMax) world.ledger.report('memory', `it grew by ${percent}`);
}

async function soak() {
  await churn.openBase();
  await churnFor(firstMeasurementSeconds);
  const first = await measureAtRest();
  await churnFor(seconds - firstMeasurementSeconds);
  const last = await measureAtEnd(first);
  await churn.endBase();
  printTable(world, vandals, { 'memory at first': first, 'memory at the end': last });
  compareMemory(first, last);
}

async function stop(server) {
  try {
    await server.stop();
  } catch (error) {
    world.ledger.report('stop', error.message);
  }
}

function finish() {
  const { lines, passed, failed } = world.ledger.outcome();
  for (const line of lines) console.log(line);
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed > 0 ? 1 : 0);
}

// Always through `exit`, so that the server does not outlive a run that was interrupted.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));
process.once('uncaughtException', (error) => {
  world.ledger.report('run', error.stack);
  finish();
});

console.log(`seed ${seed}, ${seconds} s`);
const server = await Server.start(serverSettings);
world.port = server.port;
world.pid = server.pid;
world.url = `ws://127.0.0.1:${server.port}/`;
try {
  const cuts = await Cuts.start();
  await soak();
  await cuts.end((check, text) => world.ledger.report(check, text));
} catch (error) {
  world.ledger.report('run', error.stack);
}
await stop(server);
finish();
