// `make cluster`: two nodes, nats-server and HAProxy by one command, which takes all of them along when it ends.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { Client } from '../blackbox/support/client.mjs';
import { deadlineMilliseconds, eventually, withDeadline } from '../blackbox/support/deadline.mjs';
import { lacksNats } from '../blackbox/support/nats.mjs';
import { binary } from '../blackbox/support/server.mjs';
import { repository } from './support/dockerfile.mjs';

/** Starting waits for the nodes, which share out the codes; a node that died costs as long. */
const START = 6;
const TAKEOVER = 3;
const lacksHaproxy = existsSync('/usr/sbin/haproxy') ? false : 'haproxy is not installed (scripts/setup cluster)';

/** Where each run has its files; one that is killed leaves them there. */
const folder = mkdtempSync(path.join(os.tmpdir(), 'party-make-cluster-'));
after(() => rmSync(folder, { recursive: true }));

/** The relay that is tested, at ports that the kernel chooses, and no options of this machine. */
const { PATH, HOME } = process.env;
const variables = { PATH, HOME, TMPDIR: folder, HOST: '127.0.0.1', PORT: '0', PARTY_SOCKETS_BINARY: binary };

/** A run of `make cluster`, in a process group of its own, as a terminal would have it. */
class Run {
  said = '';
  program = ['make', '-C', repository, '--no-print-directory', 'cluster'];

  constructor({ program = this.program, env = {} } = {}) {
    const [command, ...parameters] = program;
    this.process = spawn(command, parameters, {
      env: { ...variables, ...env }, stdio: ['ignore', 'pipe', 'pipe'], detached: true,
    });
    for (const stream of [this.process.stdout, this.process.stderr]) stream.on('data', (text) => (this.said += text));
    this.ended = once(this.process, 'close').then(([status, signal]) => ({ status, signal }));
    this.kill = () => this.signal('SIGKILL');
    process.once('exit', this.kill);
    this.ended.then(() => process.off('exit', this.kill));
  }

  /** To all of the group: by Ctrl-C that is SIGINT. */
  signal(name) {
    try {
      process.kill(-this.process.pid, name);
    } catch (error) {
      if (error.code !== 'ESRCH') throw error;
    }
  }

  async start() {
    const ended = this.ended.then(() => Promise.reject(new Error(this.said)));
    const explained = eventually(() => this.said.includes('Ctrl-C ends everything'), 'What to try', START);
    await Promise.race([explained, ended]);
    this.port = Number(/The game: {2}http:\/\/localhost:(\d+)\/play\n/.exec(this.said)[1]);
    const lines = this.said.matchAll(/^Node (\w): +http:\/\/localhost:(\d+) .*process (\d+)\)$/gm);
    this.nodes = Array.from(lines, ([, name, port, pid]) => ({ name, port: Number(port), pid: Number(pid) }));
    this.programs = programsOf(this.nodes.map(({ pid }) => pid));
    assert.deepEqual(this.programs.map(({ name }) => name).sort(), ['haproxy', 'nats-server', 'party-sockets', 'party-sockets']);
  }

  /** No program of it runs, and no port is taken. */
  async isGone() {
    await eventually(() => this.programs.every(({ pid }) => !existsSync(`/proc/${pid}`)), 'The end of all programs');
    for (const port of [this.port, ...this.nodes.map((node) => node.port)]) assert.equal(await isOpen(port), false);
  }
}

/** What the parent of these processes has started: `{ pid, name }` of each. */
function programsOf(pids) {
  const parentOf = (pid) => Number(/\) \S (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))[1]);
  const parent = parentOf(pids[0]);
  const children = readdirSync('/proc').filter((name) => {
    try {
      return /^\d+$/.test(name) && parentOf(name) === parent;
    } catch {
      return false; // has ended
    }
  });
  return children.map((pid) => ({ pid, name: readlinkSync(`/proc/${pid}/exe`).split('/').at(-1) }));
}

function isOpen(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}

const listenOn = async (port) => {
  const listener = net.createServer().listen(port, '127.0.0.1');
  await once(listener, 'listening');
  return listener;
};

/** Takes a port before which there is one that nobody has. */
async function listenBehindFreePort() {
  return eventually(async () => {
    const listener = await listenOn(0);
    const before = await listenOn(listener.address().port - 1).catch(() => undefined);
    if (!before) listener.close();
    before?.close();
    return before && listener;
  }, 'Two free ports, one after the other');
}

const open = ({ port }) => Client.open(`ws://127.0.0.1:${port}/`);
const stats = async ({ port }) => (await fetch(`http://127.0.0.1:${port}/stats`)).json();

/** A client with its answer to `create`, or undefined where it was closed, as while nobody has the code. */
async function tryToCreate(place) {
  const client = await open(place).catch(() => undefined);
  client?.send({ type: 'create', clientId: 'host', maxClients: 8 });
  const answer = await client?.next().catch(() => undefined);
  if (answer?.type === 'created') return Object.assign(client, { room: answer.room });
  await client?.terminate();
  return undefined;
}

describe('make cluster', { skip: lacksNats || lacksHaproxy }, () => {
  let run;
  const clients = [];
  before(() => (run = new Run()).start());
  afterEach(() => Promise.all(clients.splice(0).map((client) => client.terminate())));
  after(() => run.kill());

  const kept = (client) => {
    clients.push(client);
    return client;
  };
  const node = (name) => run.nodes.find((one) => one.name === name);

  async function play(host, place) {
    const guest = kept(await open(place));
    guest.send({ type: 'join', clientId: 'guest', room: host.room });
    assert.equal((await guest.next()).type, 'joined');
    await host.expect({ type: 'peer_joined', clientId: 'guest' });
    guest.relay('hello');
    await host.expectMessage('guest', 'hello');
  }

  /** How many clients each node has, when they are as many as are open; all counted, since some have just ended. */
  async function counts() {
    return eventually(async () => {
      const each = await Promise.all(run.nodes.map(async (one) => [one.name, (await stats(one)).clients]));
      const total = each.reduce((sum, [, count]) => sum + count, 0);
      return total === clients.filter(({ isOpen }) => isOpen).length && Object.fromEntries(each);
    }, 'The count of all clients');
  }

  /** Both nodes have as many slices: no room moves any more. */
  const areShared = () =>
    eventually(async () => {
      const all = await Promise.all(run.nodes.map((one) => stats(one).catch(() => undefined)));
      return all.every((one) => one?.cluster.slices === 128);
    }, 'Half of all slices at each node', TAKEOVER);

  /** How many of so many new connections through HAProxy are at each node. */
  async function spread(count) {
    const before = await counts();
    for (let made = 0; made < count; made++) kept(await open(run));
    const now = await counts();
    return Object.fromEntries(Object.keys(now).map((name) => [name, now[name] - before[name]]));
  }

  /** The node is started again, at the port that it had; returns when HAProxy sends players to it. */
  async function isBack(name) {
    const pattern = new RegExp(`Node ${name} is started again: process (\\d+)`, 'g');
    const known = node(name).pid;
    const again = () => Number(Array.from(run.said.matchAll(pattern)).at(-1)?.[1] ?? known);
    await eventually(() => again() !== known, `Node ${name} again`, TAKEOVER);
    node(name).pid = again();
    await eventually(() => isOpen(node(name).port), 'The port of the node');
    run.programs = programsOf(run.nodes.map(({ pid }) => pid));
    await areShared();
  }

  it('has the game at one address, and rooms with members at each node', async () => {
    const page = await fetch(`http://127.0.0.1:${run.port}/`);
    assert.deepEqual([page.status, page.url], [200, `http://127.0.0.1:${run.port}/play/`]);
    assert.match(await page.text(), /<title>/);
    assert.equal((await fetch(`http://127.0.0.1:${run.port}/stats`)).status, 404);
    await areShared();
    for (const place of [run, ...run.nodes]) await play(kept(await tryToCreate(place)), run.nodes[0]);
    for (const place of [run, ...run.nodes]) await play(kept(await tryToCreate(run)), place);
    const { a, b } = await spread(8);
    assert.ok(a >= 2 && b >= 2, `${a} and ${b} of 8 at the nodes`);
  });

  it('has the rooms of a node that stops at the other one, and players again at the node when it is back', async () => {
    const [owner, other] = ['a', 'b'];
    const host = kept(await tryToCreate(node(owner)));
    await play(host, node(other));
    process.kill(node(owner).pid, 'SIGTERM');
    assert.equal((await host.whenClosed()).code, 1012);
    const comeBack = async () => {
      const client = await open(run).catch(() => undefined);
      client?.send({ type: 'join', clientId: 'host', room: host.room });
      const answer = await client?.next().catch(() => undefined);
      if (answer) return kept(Object.assign(client, { answer }));
      await client?.terminate();
      return undefined;
    };
    const back = await eventually(comeBack, 'The room at the other node', TAKEOVER);
    assert.deepEqual([back.answer.type, back.answer.room], ['joined', host.room]);
    await isBack(owner);
    kept(await eventually(() => tryToCreate(run), 'A room', TAKEOVER));
    await eventually(async () => (await spread(4))[owner] > 0, 'Players at the node that is back');
  });

  it('goes on when a node is killed: no request fails, and rooms are made by the other', async () => {
    process.kill(node('b').pid, 'SIGKILL');
    const end = Date.now() + deadlineMilliseconds;
    for (let asked = 0; asked < 40 && Date.now() < end; asked++) {
      const { status } = await fetch(`http://127.0.0.1:${run.port}/health`, { headers: { Connection: 'close' } });
      assert.equal(status, 200);
    }
    const host = kept(await eventually(() => tryToCreate(run), 'A room', TAKEOVER));
    await play(host, run);
    await isBack('b');
    await eventually(async () => (await spread(4)).b > 0, 'Players at the node that is back');
  });

  it('leaves no process, no port and no file behind after Ctrl-C', async () => {
    assert.equal(readdirSync(folder).length, 1);
    run.signal('SIGINT');
    await withDeadline(run.ended, 'The end of make cluster');
    await run.isGone();
    assert.deepEqual(readdirSync(folder), []);
  });
});

describe('make cluster that can not start, or is killed', { skip: lacksNats || lacksHaproxy }, () => {
  let listener;
  before(async () => (listener = await listenBehindFreePort()));
  after(() => listener.close());

  const outcome = async (env) => {
    const run = new Run({ program: [`${repository}scripts/cluster`], env });
    const { status } = await withDeadline(run.ended, 'The end of make cluster', START);
    return [status, run.said];
  };

  it('says in one sentence that a port is taken, and what to do', async () => {
    const { port } = listener.address();
    const [status, said] = await outcome({ PORT: `${port}` });
    assert.equal(status, 1);
    assert.match(said, new RegExp(`^make cluster: can't listen on 127\\.0\\.0\\.1 port ${port}: Address already in use\\. PORT=8080.*\n$`));
    const [, before] = await outcome({ PORT: `${port - 1}` }); // that of the first node
    assert.match(before, new RegExp(`^make cluster: can't listen on 127\\.0\\.0\\.1 port ${port}: .*\n$`));
  });

  it('says what is wrong with PORT and HOST', async () => {
    assert.deepEqual(await outcome({ PORT: '65535' }), [1, 'make cluster: PORT=65535 is no port with two after it\n']);
    const [status, said] = await outcome({ HOST: 'nowhere.invalid' });
    assert.equal(status, 1);
    assert.match(said, /^make cluster: HOST=nowhere\.invalid: .*\n$/);
  });

  it('passes on what a node has against its options', async () => {
    const [status, said] = await outcome({ MAX_ROOMS: 'many' });
    assert.equal(status, 1);
    assert.match(said, /party-sockets: .*MAX_ROOMS/);
    assert.match(said, /make cluster: node \w has ended: see above\n/);
  });

  it('takes everything along when it is killed itself', async () => {
    const run = new Run({ program: [`${repository}scripts/cluster`] });
    await run.start();
    run.signal('SIGKILL');
    await withDeadline(run.ended, 'The end');
    await run.isGone();
  });
});
