// A nats-server of a test's own, in a temporary folder, on a port that the kernel chooses.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { eventually, withDeadline } from './deadline.mjs';

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
  #folder = mkdtempSync(path.join(tmpdir(), 'party-nats-'));
  #process;
  #end;

  /** Returns when it accepts connections; the second time at the port of the first, with its data. */
  async start() {
    const options = ['-a', '127.0.0.1', '-p', this.port ?? -1, '-js', '-sd', path.join(this.#folder, 'data')];
    this.#process = spawn(program, [...options, '--ports_file_dir', this.#folder].map(String), { stdio: 'ignore' });
    this.#end = once(this.#process, 'exit');
    const kill = () => this.#process.kill('SIGKILL');
    process.once('exit', kill);
    this.#process.once('exit', () => process.off('exit', kill));
    const ports = path.join(this.#folder, `nats-server_${this.#process.pid}.ports`);
    this.port = await eventually(() => {
      if (this.#process.exitCode !== null) throw new Error('nats-server does not start');
      try {
        return Number(/127\.0\.0\.1:(\d+)/.exec(readFileSync(ports, 'utf8'))[1]);
      } catch {
        return undefined; // not written yet
      }
    }, 'The port of nats-server');
  }

  get url() {
    return `nats://127.0.0.1:${this.port}`;
  }

  async kill() {
    this.#process.kill('SIGKILL');
    await withDeadline(this.#end, 'The end of nats-server');
  }

  /** Ends it, and removes the folder. */
  async remove() {
    await this.kill();
    rmSync(this.#folder, { recursive: true });
  }
}
