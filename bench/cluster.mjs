// What a cluster of two nodes costs beside one relay: processor time, what goes through NATS, and time on the way.
//
//     PARTY_SOCKETS_BINARY=build/release/party-sockets node bench/cluster.mjs [SCENARIO [ROOMS [SECONDS [ROUNDS]]]]
//
// SCENARIO is one of
//
//     party      parties of five, as people play
//     lockstep   rooms of eight, of whom one broadcasts, with 16 broadcasts in flight: the most that goes
//     rate       the same with 200 broadcasts a second in all: how long a message takes when there is time
//     memory     rooms whose members say nothing: what one costs, at its node and at the one that has its room
//
// The members are at a relay without a cluster, at the node that has all rooms, at the other one (every member is far
// from its room), spread evenly over both, and spread by HAProxy. Beside it NATS' own client plays ping-pong through the
// same nats-server (the floor). After `make bench`, or with -Dbenchmarks=true; NATS and HAProxy by scripts/setup
// cluster, the rest by scripts/setup blackbox.

import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { canCreate } from '../tests/blackbox/support/cluster.mjs';
import { eventually } from '../tests/blackbox/support/deadline.mjs';
import { freePort, freshLoopback } from '../tests/blackbox/support/entrance.mjs';
import { Nats } from '../tests/blackbox/support/nats.mjs';
import { Server } from '../tests/blackbox/support/server.mjs';

const scenarios = {
  party: ['party', '--protocol', 3],
  lockstep: ['lockstep', '--protocol', 3, '--clients', 8, '--in-flight', 16],
  rate: ['lockstep', '--protocol', 3, '--clients', 8, '--rate', 200],
  memory: ['idle', '--protocol', 3],
};
const [scenario = 'party', ...numbers] = process.argv.slice(2);
const [rooms = 100, seconds = 6, rounds = 3] = numbers.map(Number);
const repository = fileURLToPath(new URL('..', import.meta.url));
const program = (name) => path.join(repository, 'build/release/bench', name);
const folder = mkdtempSync(path.join(os.tmpdir(), 'party-bench-'));
const run = promisify(execFile);
const warmUp = 1;
const sampleMilliseconds = 100;

function findChild(name) {
  return readdirSync('/proc').find((pid) => {
    try {
      const [, parent] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ');
      return Number(parent) === process.pid && readlinkSync(`/proc/${pid}/exe`).endsWith(name);
    } catch {
      return false; // no process, or has ended
    }
  });
}

/** What all its threads have used, in seconds. */
function processorSeconds(pid) {
  const threads = readdirSync(`/proc/${pid}/task`);
  const nanoseconds = threads.map((thread) => Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]));
  return nanoseconds.reduce((sum, time) => sum + time, 0) / 1e9;
}

const residentBytes = (pid) => 1024 * Number(/\nRss: +(\d+)/.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))[1]);
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

async function startNode(...options) {
  const limits = ['--max-message-rate', 0, '--max-byte-rate', 0, '--max-connections-per-address', 0];
  const server = await Server.start({ loops: 1, options: [...limits, ...options] });
  await eventually(canCreate(server), 'A room', 3);
  return server;
}

const host = freshLoopback();
const port = await freePort(host);
function startBalancer(nodes) {
  const [NODE_A, NODE_B] = nodes.map((node) => `127.0.0.1:${node.port}`);
  const file = path.join(repository, 'ops/cluster/haproxy-cluster.cfg');
  const balancer = spawn('/usr/sbin/haproxy', ['-db', '-f', file], {
    env: { BIND: `${host}:${port}`, NODE_A, NODE_B }, stdio: 'ignore',
  });
  process.once('exit', () => balancer.kill('SIGKILL'));
  return balancer;
}

/** party-bench's report of one run at these addresses. */
async function play(addresses, ...options) {
  const json = path.join(folder, 'result.json');
  const urls = addresses.flatMap((address) => ['--url', `ws://${address}`]);
  const course = ['--duration', seconds, '--warm-up', warmUp, '--quiet', '--json', json];
  await run(program('party-bench'), [...scenarios[scenario], ...course, ...urls, ...options].map(String));
  return JSON.parse(readFileSync(json, 'utf8'));
}

/** Of a time before the last one, by samples of what counts up: how much each has counted up in a second. */
function ratesOf(samples) {
  const end = samples.length - 3; // the last ones may be of a run that is over
  const begin = Math.max(0, end - Math.floor(((seconds - 0.5) * 1000) / sampleMilliseconds));
  const elapsed = (samples[end].at - samples[begin].at) / 1000;
  return samples[end].counts.map((count, index) => (count - samples[begin].counts[index]) / elapsed);
}

/** One run at these addresses: of each process, and messages and bytes in NATS, a second; and the report. */
async function measure(addresses, pids, nats) {
  const samples = [];
  const sample = async () => {
    const { in_msgs: messages, in_bytes: bytes } = await nats.tells('/varz');
    samples.push({ at: performance.now(), counts: [...pids.map(processorSeconds), messages, bytes] });
  };
  const timer = setInterval(sample, sampleMilliseconds);
  const report = await play(addresses, '--rooms', rooms).finally(() => clearInterval(timer));
  return { report, rates: ratesOf(samples) };
}

const floor = async () => JSON.parse((await run(program('party-nats-floor'), [nats.url, String(seconds / 2)])).stdout);

const nats = new Nats();
await nats.start();
const alone = await startNode();
const nodes = [];
for (const own of [['a'], ['b', '--edge-only']])
  nodes.push(await startNode('--cluster', nats.url, '--node-name', ...own));
const [here, there] = nodes.map((node) => `127.0.0.1:${node.port}`);
const ways = {
  'no cluster': [`127.0.0.1:${alone.port}`],
  'at the node of the rooms': [here],
  'at the other node': [there],
  'at either': [here, there],
  'at either, by HAProxy': [`${host}:${port}`],
};

async function compareCosts() {
  const balancer = startBalancer(nodes);
  const isUp = () => fetch(`http://${host}:${port}/health`).then(({ status }) => status === 200).catch(() => false);
  await eventually(isUp, 'HAProxy');
  const pids = [alone.pid, ...nodes.map(({ pid }) => pid), findChild('nats-server'), balancer.pid];
  const rows = Object.fromEntries(Object.keys(ways).map((name) => [name, []]));
  const trips = [];
  console.log('| members | alone, us | a, us | b, us | NATS, us | HAProxy, us | NATS, messages | bytes | p50, us | p99, us | a second | lost |');
  console.log(`|${'---|'.repeat(12)}`);
  for (let round = 0; round < rounds; round++) {
    for (const [name, addresses] of Object.entries(ways)) {
      const { report, rates } = await measure(addresses, pids, nats);
      const { deliveries_per_second: deliveries, latency_us: { p50, p99 }, lost } = report;
      const [messages, bytes] = rates.slice(-2).map((rate) => rate / deliveries);
      const times = rates.slice(0, -2).map((rate) => (rate * 1e6) / deliveries);
      rows[name].push({ nodes: times[0] + times[1] + times[2], messages, p50, p99 });
      const figures = [...times.map((time) => time.toFixed(2)), messages.toFixed(3), bytes.toFixed(0)];
      console.log(`| ${[name, ...figures, p50.toFixed(0), p99.toFixed(0), deliveries.toFixed(0), lost].join(' | ')} |`);
    }
    trips.push(await floor());
    console.log(`party-nats-floor, there and back: p50 ${trips.at(-1).p50} us, p99 ${trips.at(-1).p99} us`);
  }
  balancer.kill('SIGKILL');
  // Each round compares with the relay and the floor of the same round.
  const single = rows['no cluster'];
  for (const [name, times] of Object.entries(rows).slice(1)) {
    const cost = median(times.map((row, round) => row.nodes / single[round].nodes));
    const added = median(times.map((row, round) => (row.p50 - single[round].p50) / trips[round].p50));
    const late = median(times.map((row, round) => (row.p99 - single[round].p99) / trips[round].p99));
    console.log(`${name}: nodes ${cost.toFixed(2)} times one relay's time; added, in there-and-backs of the floor: ` +
      `p50 ${added.toFixed(2)}, p99 ${late.toFixed(2)} (medians of ${rounds})`);
  }
}

/**
 * What a member costs at each node, without its room: by rooms of 8 and as many of 40, at nodes that nobody has used.
 * All are connected to the node of that number.
 */
async function memoryOf(number) {
  const peaks = [];
  for (const members of [8, 40]) {
    const cluster = ['--cluster', nats.url, '--cluster-name', `memory-${number}-${members}`];
    const fresh = [];
    for (const own of [['a'], ['b', '--edge-only']]) fresh.push(await startNode(...cluster, '--node-name', ...own));
    const sizes = () => fresh.map(({ pid }) => residentBytes(pid));
    const samples = [sizes()];
    const timer = setInterval(() => samples.push(sizes()), sampleMilliseconds);
    const size = ['--clients', rooms * members, '--clients-per-room', members];
    await play([`127.0.0.1:${fresh[number].port}`], ...size).finally(() => clearInterval(timer));
    peaks.push(fresh.map((_, index) => Math.max(...samples.map((sample) => sample[index])) - samples[0][index]));
    for (const server of fresh) server.kill();
  }
  const [few, many] = peaks;
  return few.map((bytes, index) => (many[index] - bytes) / (rooms * 32));
}

async function compareMemory() {
  const [near, far] = [await memoryOf(0), await memoryOf(1)];
  console.log(`bytes a member, beside its room's, by ${rooms} rooms of 8 and of 40:`);
  console.log(`  at the node of its room: ${near[0].toFixed(0)}`);
  console.log(`  at the other: ${far[1].toFixed(0)} there, and ${far[0].toFixed(0)} at the node of its room`);
}

await (scenario === 'memory' ? compareMemory() : compareCosts());
for (const server of [alone, ...nodes]) server.kill();
await nats.remove();
rmSync(folder, { recursive: true });
