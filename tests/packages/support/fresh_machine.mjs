// scripts/setup on a machine that has nothing yet, in make-believe: the programs that it calls are
// stand-ins, which change nothing, and the file that keeps services from starting is in a folder of
// its own.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { eventually, withDeadline } from '../../blackbox/support/deadline.mjs';
import { repository } from './dockerfile.mjs';

const realPrograms = ['chmod', 'dirname', 'env', 'rm', 'sh', 'sleep', 'tee'];

export class FreshMachine {
  #folder = mkdtempSync(path.join(os.tmpdir(), 'party-setup-'));
  #programs = path.join(this.#folder, 'bin');
  #script = path.join(this.#folder, 'scripts/setup');
  policy = path.join(this.#folder, 'policy-rc.d');

  /** Whether the user may become root by sudo; apt-get hangs while it installs. */
  constructor({ hasSudo = false } = {}) {
    mkdirSync(this.#programs);
    for (const name of realPrograms) symlinkSync(`/usr/bin/${name}`, path.join(this.#programs, name));
    this.#program('dpkg-query', 'exit 1');
    this.#program('id', 'echo 1000');
    this.#program('sudo', hasSudo ? '[ "$1" = -n ] || exec "$@"' : 'exit 1');
    this.#program('apt-get', `[ "$1" = update ] || { echo installing; exec sleep 60; }`);
    const text = readFileSync(path.join(repository, 'scripts/setup'), 'utf8')
      .replaceAll('/usr/sbin/policy-rc.d', this.policy)
      .replaceAll('/usr/sbin/nginx', 'nginx')
      .replaceAll('quietly $as_root', '$as_root');
    mkdirSync(path.dirname(this.#script));
    writeFileSync(this.#script, text, { mode: 0o755 });
  }

  #program(name, body) {
    const file = path.join(this.#programs, name);
    writeFileSync(file, `#!/bin/sh\n${body}\n`);
    chmodSync(file, 0o755);
  }

  /** In a process group of its own, as a shell starts it, so that a signal reaches all of it. */
  #start(purpose) {
    return this.#spawn('/bin/sh', [this.#script, purpose]);
  }

  #spawn(program, parameters) {
    const run = { output: '' };
    run.process = spawn(program, parameters, {
      cwd: this.#folder,
      env: { PATH: this.#programs },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    for (const stream of [run.process.stdout, run.process.stderr])
      stream.on('data', (bytes) => (run.output += bytes));
    run.ended = once(run.process, 'close');
    return run;
  }

  /** How it ends where this program fails, after it has said so: `{ status, output }`. */
  async failure(name) {
    this.#program(name, `case "$*" in *--silent*) ;; *) echo "${name} says why" ;; esac; exit 3`);
    if (name === 'npm') this.#program('dpkg-query', 'echo install ok installed');
    mkdirSync(path.join(this.#folder, 'tests/blackbox'), { recursive: true });
    const run = this.#start('blackbox');
    const [status] = await withDeadline(run.ended, 'The end of scripts/setup');
    return { status, output: run.output };
  }

  /** What it tells somebody who may not install anything. */
  async advice(purpose) {
    const run = this.#start(purpose);
    await withDeadline(run.ended, 'The end of scripts/setup');
    return run.output;
  }

  /** What `make` says of this target, up to the moment at which it installs something, if it does. */
  async make(...targets) {
    copyFileSync(path.join(repository, 'Makefile'), path.join(this.#folder, 'Makefile'));
    const run = this.#spawn('/usr/bin/make', targets);
    const installing = eventually(() => run.output.includes('installing'), 'apt-get that installs');
    const ended = run.ended.then(([status]) => status);
    const status = await Promise.race([ended, installing.then(() => null)]);
    if (status === null) process.kill(-run.process.pid, 'SIGTERM');
    installing.catch(() => {});
    await withDeadline(run.ended, 'The end of make');
    return { status, output: run.output };
  }

  /** The names that are to be installed for a purpose. */
  async packages(purpose) {
    const [, names] = /--no-install-recommends (.*)/.exec(await this.advice(purpose));
    return names.split(' ');
  }

  /** Ends it by a signal in the middle of installing: `{ status, wasGuarded, isGuarded }`. */
  async interrupt(purpose, signal) {
    const run = this.#start(purpose);
    await eventually(() => run.output.includes('installing'), 'apt-get that installs');
    const wasGuarded = existsSync(this.policy);
    process.kill(-run.process.pid, signal);
    const [status] = await withDeadline(run.ended, 'The end of scripts/setup');
    return { status, wasGuarded, isGuarded: existsSync(this.policy) };
  }

  remove() {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
