// How long members of protocol 3 are away when rooms go from node to node, and whether they lose anything.
//
//     PARTY_SOCKETS_BINARY=build/release/party-sockets node bench/moves.mjs [ROOMS]
//
// Two members a room, of whom one speaks all the time. First a second node joins and gets half of the rooms. Then as
// many rooms are made at the first node whose members are at the second one, and only these speak. The first node gets
// SIGTERM. WORDS=lasting: what is said is kept and recorded; else it is volatile.
// Who is closed comes back as the SDK does: after a random time of at most 0.5 s, then 1, 2, 4 s. Who stays connected is
// seated again, unasked; what a listener hears then tells how long it was without a seat, and the time between two words
// is part of that.

import { Client } from '../tests/blackbox/support/client.mjs';
import { hasSlices, haveShares, isReady } from '../tests/blackbox/support/cluster.mjs';
import { eventually } from '../tests/blackbox/support/deadline.mjs';
import { Nats } from '../tests/blackbox/support/nats.mjs';
import { Server } from '../tests/blackbox/support/server.mjs';

const [rooms = 500] = process.argv.slice(2).map(Number);
const backoffMilliseconds = [500, 1000, 2000, 4000];
const lastsMilliseconds = 8000; // until nobody is away any more
const wordsMilliseconds = 100; // from one word of a speaker to its next one
const isVolatile = process.env.WORDS !== 'lasting';
const deadlines = 6;

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const nats = new Nats();
let nodes = [];
let returns = []; // since the last report: { away, isRecovered }
let seatedAgain = []; // the same of those who stayed connected: isRecovered

async function startNode(name) {
  const limits = ['--max-message-rate', 0, '--max-connections-per-address', 0];
  const server = await Server.start({ options: ['--cluster', nats.url, '--node-name', name, ...limits] });
  await eventually(isReady(server), 'A node that is ready', deadlines);
  return server;
}

class Player {
  #name;
  #attempt = 0;
  #epoch;
  #seen = 0;
  #client;
  #speaking;
  #heard = Date.now();
  #longest = 0;
  room;
  node; // where it is; undefined: at any

  constructor(name) {
    this.#name = name;
  }

  /** One attempt to have its seat; undefined if that fails. */
  async sit() {
    const { port } = this.node ?? nodes[Math.floor(Math.random() * nodes.length)];
    const client = await Client.open(`ws://127.0.0.1:${port}/`, { protocols: ['party-sockets.v3'] }).catch(() => undefined);
    const seat = { clientId: `the secret of ${this.#name}`, session: `session of ${this.#name}`, attempt: ++this.#attempt };
    if (this.room) client?.send({ type: 'join', ...seat, room: this.room, epoch: this.#epoch, seen: this.#seen });
    else client?.send({ type: 'create', ...seat, maxClients: 2, hold: 600 });
    const answer = await client?.next().catch(() => undefined);
    if (!['created', 'joined'].includes(answer?.type)) {
      await client?.terminate();
      return undefined;
    }
    this.room = answer.room;
    this.#epoch = answer.epoch;
    this.#seen = answer.seen ?? 0;
    return Object.assign(client, { isRecovered: answer.recovered === true });
  }

  /** The longest time between two words of the other one so far; from now on the next one counts. */
  takeLongest() {
    const longest = Math.max(this.#longest, Date.now() - this.#heard);
    this.#longest = 0;
    this.#heard = Date.now();
    return longest;
  }

  #hear() {
    this.#longest = Math.max(this.#longest, Date.now() - this.#heard);
    this.#heard = Date.now();
  }

  async speak() {
    await pause(Math.random() * wordsMilliseconds);
    this.#speaking = setInterval(() => {
      if (this.#client.isOpen) this.#client.send({ type: 'send', volatile: isVolatile, data: 'a word' });
    }, wordsMilliseconds);
  }

  fallSilent() {
    clearInterval(this.#speaking);
  }

  async stay(client) {
    this.#client = client;
    while (client.isOpen) {
      const event = await client.next().catch(() => undefined); // also where nothing comes for long
      if (event?.type === 'message') this.#hear();
      if (event?.unasked) this.#answer(client, event);
      else if (event) this.#seen += event.type === 'skipped' ? event.count : 1;
    }
  }

  #answer(client, { unasked, epoch, seen, recovered }) {
    client.send({ type: 'resumed', unasked });
    this.#epoch = epoch;
    this.#seen = seen;
    seatedAgain.push(recovered);
  }

  async #seat() {
    for (let tries = 0; ; tries++) {
      const client = await this.sit();
      if (client) return client;
      await pause(Math.random() * backoffMilliseconds[Math.min(tries, backoffMilliseconds.length - 1)]);
    }
  }

  async live(seated) {
    let client = await this.#seat();
    seated();
    for (;;) {
      await this.stay(client);
      const began = Date.now();
      await pause(Math.random() * backoffMilliseconds[0]);
      client = await this.#seat();
      returns.push({ away: Date.now() - began, isRecovered: client.isRecovered });
    }
  }
}

const begin = (player) => new Promise((resolve) => player.live(resolve));

function shares(times) {
  times.sort((one, other) => one - other);
  const at = (share) => times[Math.floor(share * (times.length - 1))];
  return `half of them for ${at(0.5)} ms or less, 99 in 100 for ${at(0.99)}, all for ${at(1)}`;
}

function reportLongest(what, listeners) {
  const times = listeners.map((listener) => listener.takeLongest());
  console.log(`${what}: ${times.length} listeners heard nothing, ${shares(times)}`);
}

function report(what) {
  const lost = returns.filter(({ isRecovered }) => !isRecovered).length;
  if (returns.length > 0)
    console.log(`${what}: ${returns.length} members were away, ${shares(returns.map(({ away }) => away))}; ${lost} not recovered`);
  console.log(`${what}: ${seatedAgain.length} members stayed connected; ${seatedAgain.filter((one) => !one).length} not recovered`);
  returns = [];
  seatedAgain = [];
}

await nats.start();
nats.endWithProcess();
const first = await startNode('first');
nodes = [first];
const speakers = [];
let listeners = [];
for (let number = 0; number < rooms; number++) {
  const [host, guest] = [new Player(`host ${number}`), new Player(`guest ${number}`)];
  await begin(host);
  guest.room = host.room;
  await begin(guest);
  host.speak();
  speakers.push(host);
  listeners.push(guest);
}
await pause(lastsMilliseconds); // all is recorded
for (const listener of listeners) listener.takeLongest();
let began = Date.now();
const second = await startNode('second');
nodes = [first, second];
await eventually(() => haveShares(first, second), 'Half of all slices at each node', deadlines);
console.log(`the second node has its share after ${Date.now() - began} ms`);
await pause(lastsMilliseconds);
report('join');
reportLongest('join', listeners);
for (const speaker of speakers) speaker.fallSilent();
listeners = [];
for (let number = 0; number < rooms; number++) {
  const [speaker, listener] = [new Player(`speaker ${number}`), new Player(`listener ${number}`)];
  speaker.node = first;
  await (await speaker.sit()).terminate();
  speaker.node = listener.node = second;
  listener.room = speaker.room;
  for (const player of [speaker, listener]) await begin(player);
  speaker.speak();
  listeners.push(listener);
}
await pause(lastsMilliseconds);
report('speakers');
for (const listener of listeners) listener.takeLongest();
await pause(lastsMilliseconds);
reportLongest('before SIGTERM', listeners);
began = Date.now();
nodes = [second];
first.signal('SIGTERM');
await first.ended();
await eventually(() => hasSlices(second, 256), 'All slices at the second node', deadlines);
console.log(`the second node has all slices ${Date.now() - began} ms after SIGTERM`);
await pause(lastsMilliseconds);
report('SIGTERM');
reportLongest('SIGTERM', listeners);
const { rooms: left } = await second.stats();
console.log(`${left} of ${2 * rooms} rooms are there`);
second.kill();
process.exit(left === 2 * rooms ? 0 : 1);
