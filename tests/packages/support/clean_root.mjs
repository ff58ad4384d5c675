// Clean Debians 12 in folders below build/clean, made by debootstrap from where this machine's apt
// gets its packages. For root only: what runs in one is a chroot with a /proc of its own.

import { execFile } from 'node:child_process';
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

/** How this machine's apt reaches the network, proxies for example. */
async function copyNetworkSettings(root) {
  for (const file of ['/etc/resolv.conf', '/etc/hosts'])
    if (existsSync(file)) copyFileSync(file, path.join(root, file));
  const settings = (await run('apt-config', 'dump')).match(/^Acquire::https?[:\s].*$/gm) ?? [];
  writeFileSync(path.join(root, 'etc/apt/apt.conf.d/99network'), settings.join('\n'));
}

export async function makeBase() {
  if (process.getuid() !== 0) throw new Error('debootstrap and chroot need root');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await run('debootstrap', '--variant=minbase', 'bookworm', base, await mirror());
  await copyNetworkSettings(base);
}

export class CleanRoot {
  constructor(name) {
    this.path = path.join(folder, name);
  }

  static async make(name) {
    const root = new CleanRoot(name);
    await run('cp', '--archive', '--reflink=auto', base, root.path);
    return root;
  }

  /** A path in it, as the machine sees it. */
  file(name) {
    return path.join(this.path, name);
  }

  /** Runs a shell command in it and returns what that printed. */
  sh(command, workingFolder = '/') {
    const namespaces = ['--mount', '--pid', '--fork', `--mount-proc=${this.file('proc')}`];
    const environment = [
      'HOME=/root',
      'PATH=/usr/sbin:/usr/bin:/sbin:/bin',
      'DEBIAN_FRONTEND=noninteractive',
      ...Object.entries(process.env)
        .filter(([name]) => /_proxy$/i.test(name))
        .map((pair) => pair.join('=')),
    ];
    const shell = ['sh', '-c', `cd ${workingFolder} && ${command}`];
    const chroot = ['chroot', this.path, 'env', '-i', ...environment, ...shell];
    return run('unshare', ...namespaces, ...chroot);
  }
}
