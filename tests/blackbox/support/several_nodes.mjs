// Several nodes that a nats-server joins to a cluster, as one server: each connection goes to a
// node at random. SEED=<number> repeats the choices of a run, as far as a test connects in the same
// order. All clusters of a test file have one nats-server, which ends with the file. What the nodes
// say of the cluster is left out of their standard error.

import { eventually } from './deadline.mjs';
import { Nats } from './nats.mjs';
import { nodeCount } from './nodes.mjs';
import { OneServer } from './one_server.mjs';
import { Random, seed } from './random.mjs';
import { nodesOf } from './testing.mjs';
import { Turns } from './turns.mjs';

const SLICES = 256;
/** So many clusters of a file start at the same time. */
const STARTS_MAX = 4;
/**
 * In one of so many clusters each node has its share of the slices. In the others the first node has all
 * slices, and the others are edges alone. The former take some seconds more to start.
 */
const SPREAD_OF = 3;
/** A start may take so many of the usual deadlines. */
const START_DEADLINES = 6;

const nodeLine = /^party-sockets: this node has (\d+) of \d+ slices now \(other nodes: (\d+), .*: (\d+)\)\n/gm;

let natsStarting;
let clusterCount = 0;

if (nodeCount > 1) console.log(`NODES_UNDER_TEST=${nodeCount} SEED=${seed}`);

async function startNats() {
  const nats = new Nats();
  await nats.start();
  nats.endWithProcess();
  return nats;
}

const starts = new Turns(STARTS_MAX);

/** What a node has said last of the cluster: `{ own, peers, owned }`. */
function figures(node) {
  const [, own = 0, peers = 0, owned = 0] = [...node.stderr.matchAll(nodeLine)].at(-1)?.map(Number) ?? [];
  return { own, peers, owned };
}

/**
 * As OneServer. `nodes` are those to which connections go: by default all; 'one' of them, whichever; or
 * 'home', the one that has all rooms.
 */
export class Cluster extends OneServer {
  #settings;
  #nodes = [];
  #ready;
  #only;
  #number = ++clusterCount;
  #random = new Random(this.#number);

  constructor(settings = {}) {
    super(settings);
    this.#settings = settings;
  }

  /** Begins to start; `start` then waits for that. */
  prepare() {
    this.#ready ??= starts.take(() => this.#start());
    this.#ready.catch(() => {});
  }

  async start() {
    this.prepare();
    try {
      await this.#ready;
    } finally {
      this.#ready = undefined;
    }
  }

  async #start() {
    const which = this.#settings.nodes ?? nodesOf('');
    natsStarting ??= startNats();
    const { url } = await natsStarting;
    const { options = [] } = this.#settings;
    const ending = which === 'home' ? ['--on-stop', 'drain'] : []; // as one process that keeps no rooms
    const name = `${process.pid}-${this.#number}-${this.#random.below(1_000_000)}`;
    const isSpread = this.#random.below(SPREAD_OF) === 0 && which !== 'home';
    const startNode = (number) => {
      const edge = number > 0 && !isSpread ? ['--edge-only'] : [];
      const cluster = ['--cluster', url, '--cluster-name', name, '--node-name', `node-${number}`];
      return OneServer.start({ ...this.#settings, options: [...ending, ...options, ...edge, ...cluster] });
    };
    try {
      this.#nodes = await Promise.all(Array.from({ length: nodeCount }, (_, number) => startNode(number)));
      await eventually(() => this.#isWhole(), 'All slices have owners that all nodes know', START_DEADLINES);
      if (isSpread) await eventually(() => this.#isShared(), 'As many slices at each node', START_DEADLINES);
      for (const node of this.#nodes) await eventually(async () => (await node.get('/ready')).status === 200, 'Codes for rooms');
      if (which === 'one') this.#only = this.#random.pick(this.#nodes);
      if (which === 'home') this.#only = this.#nodes.find((node) => figures(node).own === SLICES);
    } catch (error) {
      this.kill();
      throw new Error(`${error.message}\n${this.#nodes.map(({ stderr }) => stderr).join('')}`);
    }
  }

  #isWhole() {
    const all = this.#nodes.map(figures);
    const served = all.reduce((sum, { own }) => sum + own, 0);
    return served === SLICES && all.every(({ peers, owned }) => peers === nodeCount - 1 && owned === SLICES);
  }

  #isShared() {
    return this.#isWhole() && this.#nodes.every((node) => figures(node).own >= Math.floor(SLICES / nodeCount));
  }

  get port() {
    return (this.#only ?? this.#random.pick(this.#nodes)).port;
  }

  /** The nodes whose words count. */
  get #told() {
    return this.#only ? [this.#only] : this.#nodes;
  }

  get stdout() {
    return this.#told.map(({ stdout }) => stdout).join('');
  }

  get stderr() {
    return this.#told.map(({ stderr }) => stderr.replaceAll(nodeLine, '')).join('');
  }

  get pid() {
    if (!this.#only) throw new Error('A cluster is several processes');
    return this.#only.pid;
  }

  /** How the nodes ended, the worst status of them: `{ status, stderr }`. */
  async outcome() {
    const outcomes = await Promise.all(this.#nodes.map((node) => node.outcome()));
    return { status: Math.max(...outcomes.map(({ status }) => status)), stderr: this.stderr };
  }

  /** Counts since the start by their names, of all nodes that clients come to. */
  async events(options) {
    if (this.#only) return this.#only.events(options);
    const sums = {};
    for (const counts of await Promise.all(this.#nodes.map((node) => node.events(options)))) {
      for (const [name, count] of Object.entries(counts)) sums[name] = (sums[name] ?? 0) + count;
    }
    return sums;
  }

  signal(name) {
    for (const node of this.#nodes) node.signal(name);
  }

  async ended() {
    await Promise.all(this.#nodes.map((node) => node.ended()));
  }

  kill() {
    for (const node of this.#nodes) node.kill();
  }
}
