// A cluster whose nodes fail, one way after the other, under Python clients that count (tests/python/exchange.py):
// nothing is lost and nothing comes twice where a member was told that it is recovered, and it is told where not.
//
//     node tests/soak/nodes.mjs    with SECONDS, SEED and PARTY_SOCKETS_BINARY as for `make soak`
//     FAULTS=stop,kill             only these of those below
//     NATS_SERVERS=3               three nats-servers that keep three copies; one of them is killed now and then

import { Random } from '../blackbox/support/random.mjs';
import { deadlineMilliseconds, eventually } from '../blackbox/support/deadline.mjs';
import { haveShares, isReady } from '../blackbox/support/cluster.mjs';
import { Nats, NatsCluster } from '../blackbox/support/nats.mjs';
import { OneServer } from '../blackbox/support/one_server.mjs';
import { Cable } from '../blackbox/support/cable.mjs';
import { Exchange, playAlone } from './exchange.mjs';
import { failing, seconds } from './plan.mjs';

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const random = new Random();
const isTriple = process.env.NATS_SERVERS === '3';
const triple = new NatsCluster();
const nats = new Nats();
const nodes = []; // by number
const cables = []; // from each to nats-server, where there is one of them

function startNode(number, port = 0) {
  const cluster = isTriple
    ? ['--cluster', triple.urls(number), '--nats-replicas', 3]
    : ['--cluster', `nats://127.0.0.1:${cables[number].port}`];
  const options = [...cluster, '--node-name', `node-${number}`, '--max-connections-per-address', 0];
  return OneServer.start({ port, loops: 2, options });
}

/** The cluster is whole: each node has its share, and codes for rooms. */
async function becomeWhole(what) {
  const times = (failing.wholeSeconds * 1000) / deadlineMilliseconds;
  await eventually(() => haveShares(...nodes), `${what}: as many slices at each node`, times);
  for (const node of nodes) await eventually(isReady(node), `${what}: codes for rooms`, times);
}

/** The next process of a node listens where the one before did. */
async function replace(number, end) {
  const { port } = nodes[number];
  await end(nodes[number]);
  nodes[number] = await startNode(number, port);
}

async function standStill(someSeconds) {
  const node = random.pick(nodes);
  node.signal('SIGSTOP');
  await pause(someSeconds * 1000);
  node.signal('SIGCONT');
}

async function stopAndStart(number) {
  await replace(number, async (node) => {
    node.signal('SIGTERM');
    await node.ended();
  });
}

const faultsOfNodes = {
  'stand still': () => standStill(random.pick(failing.standStillSeconds)),
  'stand still long': () => standStill(failing.longSeconds),
  stop: () => stopAndStart(random.below(nodes.length)),
  /** A new version at each node, one after the other. */
  async deploy() {
    for (const number of nodes.keys()) {
      await stopAndStart(number);
      await becomeWhole('deploy');
    }
  },
  async kill() {
    await replace(random.below(nodes.length), async (node) => {
      node.kill();
      await node.outcome();
    });
  },
};

const faultsOfOneNats = {
  /** From nats-server, and so from the other nodes. */
  async 'cut off'() {
    const cable = random.pick(cables);
    cable.hold();
    await pause(failing.cutOffSeconds * 1000);
    cable.release();
  },
  async 'restart nats'() {
    await nats.kill();
    await nats.start();
  },
  async 'nats away'() {
    await nats.kill();
    await pause(failing.longSeconds * 1000);
    await nats.start();
  },
};

const faultsOfThreeNats = {
  async 'kill one nats'() {
    const server = random.pick(triple.servers);
    await server.kill();
    await pause(failing.oneOfThreeSeconds * 1000);
    await server.start();
    await eventually(() => triple.isWhole(), 'Three nats-servers that are one', 3);
  },
};

const faults = { ...faultsOfNodes, ...(isTriple ? faultsOfThreeNats : faultsOfOneNats) };

/** For how long a fault lasts at least, in milliseconds: clients are to find the cluster whole at their end. */
const lasts = (name) => (['stand still long', 'nats away'].includes(name) ? failing.longSeconds * 1000 : 0);

async function failOneAfterTheOther(report) {
  const chosen = process.env.FAULTS?.split(',') ?? Object.keys(faults);
  const counts = Object.fromEntries(chosen.map((name) => [name, 0]));
  const until = Date.now() + seconds * 1000;
  await pause(failing.enterSeconds * 1000);
  try {
    for (;;) {
      await pause(failing.calmSeconds * 1000 * random.fraction());
      const name = random.pick(chosen);
      if (Date.now() + lasts(name) > until) break;
      const began = Date.now();
      await faults[name]();
      await becomeWhole(name);
      counts[name]++;
      console.log(`${name}: the cluster is whole after ${((Date.now() - began) / 1000).toFixed(1)} s`);
    }
  } catch (error) {
    report('nodes', `${error.message}\n${nodes.map(({ stderr }) => stderr.slice(-1000)).join('\n')}`);
  }
  console.log(`\nfaults: ${Object.entries(counts).map(([name, count]) => `${count} ${name}`).join(', ')}`);
}

const servers = isTriple ? triple : nats;
await servers.start();
servers.endWithProcess();
for (let number = 0; number < failing.nodes; number++) {
  if (!isTriple) cables.push(await Cable.open(nats.port));
  nodes.push(await startNode(number));
}
await becomeWhole('start');
await playAlone(async (report) => {
  const exchange = new Exchange('Python clients, over proxies that cut, of nodes that fail', nodes.map(({ port }) => port), failing.exchange);
  await failOneAfterTheOther(report);
  await exchange.end(report);
  for (const node of nodes) await node.stop().catch((error) => report('stop', error.message));
});
