// A nats-server of a test's own, or three that are one, in temporary folders, on ports that the kernel chooses.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { eventually, withDeadline } from './deadline.mjs';
import { freePort, freshLoopback } from './entrance.mjs';

const program = ['/usr/local/bin', '/usr/sbin', '/usr/bin'].map((folder) => `${folder}/nats-server`).find(canRun);

/** Why a test that needs nats-server is skipped, or false. */
export const lacksNats = program ? false : 'nats-server is not installed (scripts/setup test)';

function canRun(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export class Nats {
  #folder;
  #host;
  #configuration;
  #process;
  #end;

  /** `configuration` is text of nats-server's configuration; it need not say where JetStream keeps its data. */
  constructor({ host = '127.0.0.1', configuration = '' } = {}) {
    this.#host = host;
    this.#configuration = configuration;
  }

  /** Returns when it accepts connections; the second time at the ports of the first, with its data. */
  async start() {
    this.#folder ??= mkdtempSync(path.join(tmpdir(), 'party-nats-'));
    const file = path.join(this.#folder, 'nats.conf');
    const hasStore = /^jetstream\b/m.test(this.#configuration);
    const store = hasStore ? '' : `jetstream { store_dir: "${path.join(this.#folder, 'data')}" }\n`;
    writeFileSync(file, `${store}${this.#configuration}`);
    const places = ['-c', file, '--ports_file_dir', this.#folder];
    const options = ['-a', this.#host, '-p', this.port ?? -1, '-m', this.monitor ?? -1, ...places];
    this.#process = spawn(program, options.map(String), { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    this.#process.stderr.on('data', (bytes) => (said = (said + bytes).slice(-4096)));
    this.#end = once(this.#process, 'exit');
    const kill = () => this.#process.kill('SIGKILL');
    process.once('exit', kill);
    this.#process.once('exit', () => process.off('exit', kill));
    const portsFile = path.join(this.#folder, `nats-server_${this.#process.pid}.ports`);
    const ports = await eventually(() => {
      if (this.#process.exitCode !== null) throw new Error(`nats-server does not start: ${said}`);
      try {
        return JSON.parse(readFileSync(portsFile, 'utf8'));
      } catch {
        return undefined; // not written yet
      }
    }, 'The ports of nats-server');
    [this.port, this.monitor] = [ports.nats, ports.monitoring].map(([url]) => Number(/\d+$/.exec(url)[0]));
  }

  get url() {
    return `nats://${this.#host}:${this.port}`;
  }

  /** The same with a user, whose password must have no characters that URLs write in another way. */
  urlOf(user, password) {
    return this.url.replace('//', `//${user}:${password}@`);
  }

  /** What it tells of itself at this path; undefined while it does not answer. */
  async tells(target) {
    const answer = await fetch(`http://${this.#host}:${this.monitor}${target}`).catch(() => undefined);
    return answer?.json();
  }

  async kill() {
    this.#process.kill('SIGKILL');
    await withDeadline(this.#end, 'The end of nats-server');
  }

  /** Nobody waits for its end, and it ends when this process does. */
  endWithProcess() {
    this.#process.unref();
    this.#process.stderr.unref();
    process.once('exit', () => rmSync(this.#folder, { recursive: true, force: true, maxRetries: 3 }));
  }

  /** Ends it, and removes the folder; nothing if it was never started. */
  async remove() {
    if (!this.#process) return;
    await this.kill();
    rmSync(this.#folder, { recursive: true });
  }
}

/** The configuration of the server with this index; `places` are those at which the three listen for each other. */
function describeServer(index, places) {
  const routes = places.map((place) => `nats://${place}`).join(', ');
  return `server_name: n${index}\ncluster { name: three, listen: "${places[index]}", routes: [${routes}] }\n`;
}

/** Three servers, each with its own loopback address, which keep streams of three copies. */
export class NatsCluster {
  servers = [];
  hosts = [freshLoopback(), freshLoopback(), freshLoopback()];
  #describe;

  /** `describe(index, places)` makes the configuration of a server, which must be called n0, n1 or n2. */
  constructor({ describe = describeServer } = {}) {
    this.#describe = describe;
  }

  async start() {
    const places = await Promise.all(this.hosts.map(async (host) => `${host}:${await freePort(host)}`));
    this.servers = this.hosts.map(
      (host, index) => new Nats({ host, configuration: this.#describe(index, places) }),
    );
    await Promise.all(this.servers.map((server) => server.start()));
    await eventually(() => this.isWhole(), 'Three nats-servers that are one', 3);
  }

  /** The URLs of all, from this one on, as `--cluster` wants them. */
  urls(first = 0) {
    return this.servers.map((_, index) => this.servers[(first + index) % 3].url).join(',');
  }

  /** Whether all three are there, and know a leader. */
  async isWhole() {
    const all = await Promise.all(this.servers.map((server) => server.tells('/jsz')));
    return all.every((one) => one?.meta_cluster?.leader && one.meta_cluster.cluster_size === 3);
  }

  /** The stream whose name ends so, as the leader of it sees it: `{ name, config, cluster }`, or undefined. */
  async stream(ending) {
    for (const [index, server] of this.servers.entries()) {
      const told = await server.tells('/jsz?accounts=1&streams=1&config=1');
      const streams = told?.account_details?.flatMap(({ stream_detail: details }) => details ?? []) ?? [];
      const found = streams.find(({ name, cluster }) => name.endsWith(ending) && cluster?.leader === `n${index}`);
      if (found) return found;
    }
    return undefined;
  }

  /** The number of the server that leads the stream; undefined while nobody does. */
  async leader(ending) {
    const found = await this.stream(ending);
    return found && Number(found.cluster.leader.slice(1));
  }

  endWithProcess() {
    for (const server of this.servers) server.endWithProcess();
  }

  async remove() {
    for (const server of this.servers) await server.remove();
  }
}
