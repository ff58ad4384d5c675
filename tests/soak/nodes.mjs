// A cluster whose nodes fail, one way after the other, under Python clients that count (tests/python/exchange.py):
// nothing is lost and nothing comes twice where a member was told that it is recovered, and it is told where not.
//
//     node tests/soak/nodes.mjs    with SECONDS, SEED and PARTY_SOCKETS_BINARY as for `make soak`
//     FAULTS=stop,kill             only these of: stand still, cut off, restart nats, stop, kill

import { Random } from '../blackbox/support/random.mjs';
import { deadlineMilliseconds, eventually } from '../blackbox/support/deadline.mjs';
import { haveShares, isReady } from '../blackbox/support/cluster.mjs';
import { Nats } from '../blackbox/support/nats.mjs';
import { OneServer } from '../blackbox/support/one_server.mjs';
import { Cable } from './cable.mjs';
import { Exchange, playAlone } from './exchange.mjs';
import { failing, seconds } from './plan.mjs';

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const random = new Random();
const nats = new Nats();
const nodes = []; // by number
const cables = []; // from each to nats-server

function startNode(number, port = 0) {
  const cluster = ['--cluster', `nats://127.0.0.1:${cables[number].port}`, '--node-name', `node-${number}`];
  return OneServer.start({ port, loops: 2, options: [...cluster, '--max-connections-per-address', 0] });
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

const faults = {
  async 'stand still'() {
    const node = random.pick(nodes);
    node.signal('SIGSTOP');
    await pause(random.pick(failing.standStillSeconds) * 1000);
    node.signal('SIGCONT');
  },
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
  async stop() {
    await replace(random.below(nodes.length), async (node) => {
      node.signal('SIGTERM');
      await node.ended();
    });
  },
  async kill() {
    await replace(random.below(nodes.length), async (node) => {
      node.kill();
      await node.outcome();
    });
  },
};

async function failOneAfterTheOther(report) {
  const chosen = process.env.FAULTS?.split(',') ?? Object.keys(faults);
  const counts = Object.fromEntries(chosen.map((name) => [name, 0]));
  const until = Date.now() + seconds * 1000;
  try {
    for (;;) {
      await pause(failing.calmSeconds * 1000 * random.fraction());
      const name = random.pick(chosen);
      if (Date.now() > until) break;
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

await nats.start();
nats.endWithProcess();
for (let number = 0; number < failing.nodes; number++) {
  cables.push(await Cable.open(nats.port));
  nodes.push(await startNode(number));
}
await becomeWhole('start');
await playAlone(async (report) => {
  const exchange = new Exchange('Python clients, over proxies that cut, of nodes that fail', nodes.map(({ port }) => port), failing.exchange);
  await failOneAfterTheOther(report);
  await exchange.end(report);
  for (const node of nodes) await node.stop().catch((error) => report('stop', error.message));
});
