// One process of the server: runs the binary (PARTY_SOCKETS_BINARY) on a port that the kernel chooses, and stops it by
// its process id. `stop` fails unless the server ends with status 0, and no sanitizer complained nor
// the sandbox.
// The connections a test opens through it are closed together by `disconnectAll`.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Client } from './client.mjs';
import { slowness, withDeadline } from './deadline.mjs';
import { request } from './http.mjs';
import { Member, peerJoined } from './member.mjs';
import { RawConnection } from './raw.mjs';

const defaultBinary = fileURLToPath(
  new URL('../../../build/release/party-sockets', import.meta.url),
);
export const binary = path.resolve(process.env.PARTY_SOCKETS_BINARY ?? defaultBinary);

/** The poller under test; what the server chooses itself where none is named. */
const poller = process.env.POLLER_UNDER_TEST ?? 'auto';

/** Variables of the machine that would be taken for options. */
const optionVariables = (await help()).match(/(?<=environment: )[A-Z_]+/g);

async function help() {
  const { stdout } = await promisify(execFile)(binary, ['--help']);
  return stdout;
}
const sanitizerReport =
  /ERROR: AddressSanitizer|runtime error:|WARNING: ThreadSanitizer|LeakSanitizer|the sandbox refused/;

/** Every run listens for the end of the tests, and any number of them may be under way. */
process.setMaxListeners(0);

/** A run of the binary: what it printed so far, and how it ended. */
class Run {
  stdout = '';
  stderr = '';

  constructor(options, environment, launcher = []) {
    const [program, ...parameters] = [...launcher, binary, ...options.map(String)];
    this.process = spawn(program, parameters, {
      env: { ...withoutOptions(process.env), POLLER: poller, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.process.stdout.on('data', (bytes) => (this.stdout += bytes));
    this.process.stderr.on('data', (bytes) => (this.stderr += bytes));
    this.ended = once(this.process, 'close').then(([status, signal]) => ({ status, signal }));
    this.ended.catch(() => {});
    this.kill = () => this.process.kill('SIGKILL');
    process.once('exit', this.kill);
    this.process.once('close', () => process.off('exit', this.kill));
  }
}

function withoutOptions(environment) {
  const names = Object.keys(environment).filter((name) => !optionVariables.includes(name));
  return Object.fromEntries(names.map((name) => [name, environment[name]]));
}

/** Runs the binary until it ends by itself: `{ status, stdout, stderr }`. `times`: of the usual deadline. */
export async function runToEnd(options, environment = {}, times = 1) {
  const run = new Run(options, environment);
  try {
    const { status } = await withDeadline(run.ended, `The end of ${options.join(' ')}`, times);
    return { status, stdout: run.stdout, stderr: run.stderr };
  } finally {
    run.kill();
  }
}

/**
 * A raw connection answers no ping: where all takes longer, a client may be silent for longer, too,
 * unless the test itself says for how long.
 */
function slowClients(options) {
  const named = ['--ping-interval', '--idle-timeout', '--options-file'];
  if (slowness === 1 || options.some((option) => named.includes(option))) return {};
  return { PING_INTERVAL: `${5 * slowness}s`, IDLE_TIMEOUT: `${10 * slowness}s` };
}

/** For servers whose clients answer no ping and have to stay while a slow machine does the rest. */
export const patience = ['--ping-interval', '5m', '--idle-timeout', '10m'];

export class OneServer {
  #options;
  #environment;
  #launcher;
  #secure;
  #run;
  #port;
  #connections = new Set();

  /**
   * `port`, `host` and `loops` may be null, then the option is not given. `launcher` is a command
   * that becomes the program it is given (such as prlimit), so that the process id is the server's.
   * `secure` are the TLS options (`ca`) that its clients are to use.
   */
  constructor({
    port = 0,
    host = '127.0.0.1',
    loops = 1,
    options = [],
    environment = {},
    launcher = [],
    secure,
  } = {}) {
    const common = { '--port': port, '--host': host, '--loops': loops };
    const given = Object.entries(common).filter(([, value]) => value !== null);
    this.#options = [...given.flat(), ...options];
    this.#environment = { ...slowClients(options), ...environment };
    this.#launcher = launcher;
    this.#secure = secure;
  }

  static async start(settings) {
    const server = new this(settings);
    await server.start();
    return server;
  }

  async start() {
    const run = (this.#run = new Run(this.#options, this.#environment, this.#launcher));
    const listening = new Promise((resolve) => {
      run.process.stdout.on('data', () => {
        const [, port] = /listening on https?:\/\/\S*:(\d+)/.exec(run.stdout) ?? [];
        if (port) resolve(Number(port));
      });
    });
    const ended = run.ended.then(({ status, signal }) => {
      throw new Error(`The server ended with ${status ?? signal}: ${run.stderr}`);
    });
    this.#port = await withDeadline(Promise.race([listening, ended]), 'The listening line');
  }

  /** Where the next connection goes. */
  get port() {
    return this.#port;
  }

  get stdout() {
    return this.#run.stdout;
  }

  get stderr() {
    return this.#run.stderr;
  }

  /** How it ended, whatever the way: `{ status, stderr }`. */
  async outcome() {
    const { status } = await withDeadline(this.#run.ended, 'The end of the server');
    return { status, stderr: this.stderr };
  }

  get pid() {
    return this.#run.process.pid;
  }

  /** What is answered to a request on a connection of its own: `{ status, headers, body }`. */
  async get(target, { method = 'GET', headers, localAddress } = {}) {
    const connection = await this.raw(undefined, { localAddress });
    connection.write(request(target, { method, headers: { Connection: 'close', ...headers } }));
    const response = await connection.readResponse({ method });
    connection.terminate();
    return response;
  }

  /** What the status page shows. */
  async stats(options) {
    return JSON.parse((await this.get('/stats', options)).body);
  }

  /** The poller in use. */
  async poller() {
    return (await this.stats()).poller;
  }

  /** Counts since the start by their names, those that are zero left out. */
  async events(options) {
    return (await this.stats(options)).counts;
  }

  signal(name) {
    this.#run.process.kill(name);
  }

  /** Waits for the end and checks that it was a clean one. */
  async ended() {
    const outcome = await withDeadline(this.#run.ended, 'The end of the server');
    const { stderr } = this.#run;
    assert.ok(!sanitizerReport.test(stderr), stderr);
    assert.deepEqual(outcome, { status: 0, signal: null }, stderr);
  }

  /** Everybody leaves, so that there is nothing to drain. */
  async stop() {
    await this.disconnectAll();
    this.signal('SIGTERM');
    await this.ended();
  }

  kill() {
    this.#run?.kill();
  }

  /** A player's connection. */
  client(options) {
    return this.#player(Client, options);
  }

  /** A player's connection that speaks protocol 2, unless other `protocols` are given. */
  member(options) {
    return this.#player(Member, options);
  }

  #player(Kind, { target = '/', host = '127.0.0.1', ...options } = {}) {
    const scheme = this.#secure ? 'wss' : 'ws';
    const url = `${scheme}://${host}:${this.port}${target}`;
    return this.#keep(Kind.open(url, { ...this.#secure, ...options }));
  }

  clients(count) {
    return Promise.all(Array.from({ length: count }, () => this.client()));
  }

  members(count) {
    return Promise.all(Array.from({ length: count }, () => this.member()));
  }

  /** A TCP connection, or a TLS connection if clients are to use that. */
  raw(host, options) {
    return this.#keep(RawConnection.open(this.port, host, { secure: this.#secure, ...options }));
  }

  /** A TCP connection, whatever clients are to use. */
  tcp(options) {
    return this.raw(undefined, { ...options, secure: undefined });
  }

  /** A raw connection that has been upgraded to a WebSocket. */
  async rawWebSocket({ localAddress, ...options } = {}) {
    const connection = await this.raw(undefined, { localAddress });
    await connection.upgrade(options);
    return connection;
  }

  /** A room with these members, all of whom have read all events: `{ code, members }`. */
  async room(ids, maxClients) {
    const members = await this.clients(ids.length);
    const code = await members[0].create(ids[0], maxClients);
    for (let count = 1; count < ids.length; count++) {
      const clientId = ids[count];
      assert.deepEqual(await members[count].join(clientId, code), ids.slice(0, count + 1));
      const earlier = members.slice(0, count);
      await Promise.all(earlier.map((member) => member.expect({ type: 'peer_joined', clientId })));
    }
    return { code, members };
  }

  /** The same in protocol 2, where `fields` are further ones of `create`. */
  async party(ids, fields) {
    const members = await this.members(ids.length);
    const code = await members[0].create(ids[0], fields);
    for (let index = 1; index < ids.length; index++) {
      const peers = Array.from({ length: index }, (_, peer) => peer);
      assert.deepEqual(await members[index].join(ids[index], code), { index, peers });
      await Promise.all(peers.map((peer) => members[peer].expect(peerJoined(index))));
    }
    return { code, members };
  }

  async disconnectAll() {
    const connections = [...this.#connections];
    this.#connections.clear();
    await Promise.all(connections.map((connection) => connection.terminate()));
  }

  async #keep(opening) {
    const connection = await opening;
    this.#connections.add(connection);
    return connection;
  }
}
