// What a delivery costs in a cluster of two nodes: processor time of each process, and what goes through NATS.
//
//     PARTY_SOCKETS_BINARY=build/release/party-sockets node bench/cluster.mjs [ROOMS [SECONDS [ROUNDS]]]
//
// party-bench plays parties of five: at a relay without a cluster, at the node that has all rooms, at the other one
// (every member is far from its room), and through HAProxy (half of them are). After `make bench`, or with
// -Dbenchmarks=true; NATS and HAProxy by scripts/setup cluster, the rest by scripts/setup blackbox.

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

const [rooms = 200, seconds = 6, rounds = 2] = process.argv.slice(2).map(Number);
const repository = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(path.join(os.tmpdir(), 'party-bench-'));
const ticksPerSecond = 100;
const warmUp = 1;

/** Its fields from the parent on, of a process. */
const statOf = (pid) => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ');
const processorSeconds = (pid) => (Number(statOf(pid)[11]) + Number(statOf(pid)[12])) / ticksPerSecond;

function findChild(name) {
  return readdirSync('/proc').find((pid) => {
    try {
      return Number(statOf(pid)[1]) === process.pid && readlinkSync(`/proc/${pid}/exe`).endsWith(name);
    } catch {
      return false; // no process, or has ended
    }
  });
}

async function startNode(...options) {
  const server = await Server.start({ options: ['--max-message-rate', 0, '--max-byte-rate', 0, ...options] });
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

/** One run at this address: microseconds of each process for a delivery, and bytes and messages in NATS. */
async function measure(url, pids, nats) {
  const before = pids.map(processorSeconds);
  const told = await nats.tells('/varz');
  const json = path.join(folder, 'result.json');
  const parameters = ['--protocol', 3, '--rooms', rooms, '--duration', seconds, '--warm-up', warmUp];
  const program = path.join(repository, 'build/release/bench/party-bench');
  await promisify(execFile)(program, ['party', ...parameters, '--quiet', '--json', json, '--url', url].map(String));
  const after = pids.map(processorSeconds);
  const { in_bytes: bytes, in_msgs: messages } = await nats.tells('/varz');
  const { deliveries_per_second: rate, lost } = JSON.parse(readFileSync(json, 'utf8'));
  const deliveries = rate * (seconds + warmUp);
  const each = after.map((time, index) => ((time - before[index]) * 1e6) / deliveries);
  return [...each, (messages - told.in_msgs) / deliveries, (bytes - told.in_bytes) / deliveries, lost];
}

const nats = new Nats();
await nats.start();
const alone = await startNode();
const nodes = [];
for (const own of [['a'], ['b', '--edge-only']])
  nodes.push(await startNode('--cluster', nats.url, '--node-name', ...own));
const balancer = startBalancer(nodes);
const isUp = () => fetch(`http://${host}:${port}/health`).then(({ status }) => status === 200).catch(() => false);
await eventually(isUp, 'HAProxy');
const pids = [alone.pid, ...nodes.map(({ pid }) => pid), findChild('nats-server'), balancer.pid];

const ways = [
  ['no cluster', `127.0.0.1:${alone.port}`],
  ['at the node of the rooms', `127.0.0.1:${nodes[0].port}`],
  ['at the other node', `127.0.0.1:${nodes[1].port}`],
  ['at any, through HAProxy', `${host}:${port}`],
];
console.log('| members | alone, us | a, us | b, us | NATS, us | HAProxy, us | NATS, messages | bytes | lost |');
for (let round = 0; round < rounds; round++) {
  for (const [name, address] of ways) {
    const [single, a, b, inNats, inBalancer, messages, bytes, lost] = await measure(`ws://${address}`, pids, nats);
    const times = [single, a, b, inNats, inBalancer].map((time) => time.toFixed(1));
    console.log(`| ${[name, ...times, messages.toFixed(2), bytes.toFixed(0), lost].join(' | ')} |`);
  }
}
for (const server of [alone, ...nodes]) server.kill();
balancer.kill('SIGKILL');
await nats.remove();
rmSync(folder, { recursive: true });
