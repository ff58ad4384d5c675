// Clean Debians 12 in folders below build/clean, made by debootstrap from where this machine's apt
// gets its packages. For root only: what runs in one is a chroot with a /proc of its own.

import { execFile, spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { repository } from './dockerfile.mjs';

export const folder = path.join(repository, 'build/clean');
const base = path.join(folder, 'base');
const outputMost = 64 * 1024 * 1024;

/** Runs a program to its end; what it said is in the error if that is not 0. */
export async function run(program, ...parameters) {
  try {
    const { stdout } = await promisify(execFile)(program, parameters, { maxBuffer: outputMost });
    return stdout;
  } catch (error) {
    const command = [program, ...parameters].join(' ');
    throw new Error(`${command}: ${error.code}\n${error.stdout}${error.stderr}`);
  }
}

/** The files of the repository: what git knows, and what is new and not ignored. */
export async function knownFiles() {
  const known = ['ls-files', '-z', '--cached', '--others', '--exclude-standard'];
  return (await run('git', '-C', repository, ...known)).split('\0').filter(Boolean);
}

async function mirror() {
  const wanted = ['Created-By: Packages', 'Codename: bookworm', 'Origin: Debian'];
  const known = await run('apt-get', 'indextargets', '--format', '$(REPO_URI)', ...wanted);
  const [uri] = known.split('\n');
  if (!uri) throw new Error('apt knows no mirror of Debian 12');
  return uri;
}

/** Certificates beyond those of Debian that this machine trusts, for npm; or undefined. */
const certificates = process.env.NODE_EXTRA_CA_CERTS;

/** How this machine's apt and npm reach the network, proxies for example. */
async function copyNetworkSettings(root) {
  for (const file of ['/etc/resolv.conf', '/etc/hosts'])
    if (existsSync(file)) copyFileSync(file, path.join(root, file));
  const settings = (await run('apt-config', 'dump')).match(/^Acquire::https?[:\s].*$/gm) ?? [];
  writeFileSync(path.join(root, 'etc/apt/apt.conf.d/99network'), settings.join('\n'));
  if (certificates) copyFileSync(certificates, path.join(root, 'etc/certificates.pem'));
}

export async function makeBase() {
  if (process.getuid() !== 0) throw new Error('debootstrap and chroot need root');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await run('debootstrap', '--variant=minbase', 'bookworm', base, await mirror());
  await copyNetworkSettings(base);
}

const environment = [
  'HOME=/root',
  'PATH=/usr/sbin:/usr/bin:/sbin:/bin',
  'DEBIAN_FRONTEND=noninteractive',
  ...Object.entries(process.env)
    .filter(([name]) => /_proxy$/i.test(name))
    .map((pair) => pair.join('=')),
  ...(certificates ? ['NODE_EXTRA_CA_CERTS=/etc/certificates.pem'] : []),
];

export class CleanRoot {
  #folders;

  /** `folders` of this machine are seen in it as well, `/dev` for example. */
  constructor(name, folders = []) {
    this.path = path.join(folder, name);
    this.#folders = folders;
  }

  static async make(name, folders) {
    const root = new CleanRoot(name, folders);
    await run('cp', '--archive', '--reflink=auto', base, root.path);
    return root;
  }

  /** A clone of this in it, with what is not committed. Returns the folder as it is called in it. */
  async clone() {
    const clone = this.file('party-sockets');
    mkdirSync(clone);
    for (const file of await knownFiles()) {
      mkdirSync(path.dirname(path.join(clone, file)), { recursive: true });
      copyFileSync(path.join(repository, file), path.join(clone, file));
    }
    await run('git', 'init', '--quiet', clone);
    await run('git', '-C', clone, 'add', '--all');
    return '/party-sockets';
  }

  /** A path in it, as the machine sees it. */
  file(name) {
    return path.join(this.path, name);
  }

  /** Runs a shell command in it and returns what that printed. */
  sh(command, workingFolder) {
    return run(...this.#enter(command, workingFolder));
  }

  /** The same while it runs: a child process, which takes all that it has started along when it ends. */
  start(command, workingFolder) {
    const [program, ...parameters] = this.#enter(command, workingFolder);
    return spawn(program, parameters, { stdio: ['ignore', 'pipe', 'pipe'] });
  }

  #enter(command, workingFolder = '/') {
    const proc = this.file('proc');
    const namespaces = ['--mount', '--pid', '--fork', '--kill-child', `--mount-proc=${proc}`];
    const mounts = this.#folders.map((name) => `mount --rbind ${name} ${this.file(name)} && `);
    const inside = ['sh', '-c', `cd ${workingFolder} && ${command}`];
    const outside = ['sh', '-c', `${mounts.join('')} exec "$@"`, 'sh'];
    const chroot = ['chroot', this.path, 'env', '-i', ...environment, ...inside];
    return ['unshare', ...namespaces, ...outside, ...chroot];
  }
}
