// What `make install` puts where, and whether unit, manual page and variables are true to the
// binary.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { runToEnd, Server } from '../blackbox/support/server.mjs';
import { repository } from './support/dockerfile.mjs';
import { filesBelow } from './support/files.mjs';
import { FreshMachine } from './support/fresh_machine.mjs';

/** Worst is 10; above it something was let go of. See `systemd-analyze security`. */
const exposureMost = 1.5;
const sandbox = fileURLToPath(new URL('support/sandbox.py', import.meta.url));
const run = promisify(execFile);

const folder = mkdtempSync(path.join(os.tmpdir(), 'party-install-'));
const prefix = path.join(folder, 'prefix');
after(() => rmSync(folder, { recursive: true, force: true }));

const make = (...parameters) => run('make', ['-C', repository, ...parameters]);
const read = (file) => readFileSync(path.join(prefix, file), 'utf8');

/** What --help says: `{ option, variables, fallback }`, the default where it is a plain word. */
async function helpLines() {
  const { stdout } = await runToEnd(['--help']);
  const lines = stdout.split('\n').filter((line) => line.startsWith('  --'));
  assert.ok(lines.length > 20);
  return lines.map((line) => {
    const [, option] = /^ {2}(--[a-z-]+)/.exec(line);
    const [, variables = ''] = /environment: (.*)$/.exec(line) ?? [];
    const [, fallback] = /\((\w+)\); environment/.exec(line) ?? [];
    return { option, variables: variables.split(' or ').filter(Boolean), fallback };
  });
}

before(() => make('install', `PREFIX=${prefix}`, 'DESTDIR='));

describe('make install', () => {
  const files = [
    'bin/party-sockets',
    'lib/systemd/system/party-sockets.service',
    'share/doc/party-sockets/LICENSE',
    'share/doc/party-sockets/examples/Caddyfile',
    'share/doc/party-sockets/examples/grafana-dashboard.json',
    'share/doc/party-sockets/examples/haproxy-tcp.cfg',
    'share/doc/party-sockets/examples/haproxy.cfg',
    'share/doc/party-sockets/examples/nginx.conf',
    'share/doc/party-sockets/examples/party-sockets.default',
    'share/man/man1/party-sockets.1',
  ];

  it('puts these files below PREFIX, and the unit knows where', () => {
    assert.deepEqual(
      filesBelow(prefix),
      files.map((file) => path.join(prefix, file)),
    );
    assert.ok(statSync(path.join(prefix, 'bin/party-sockets')).mode & 0o111);
    assert.match(
      read('lib/systemd/system/party-sockets.service'),
      new RegExp(`^ExecStart=${prefix}/bin/party-sockets$`, 'm'),
    );
  });

  it('puts them below DESTDIR for later; make uninstall takes them away', async () => {
    const stage = path.join(folder, 'stage');
    await make('install', 'PREFIX=/usr', `DESTDIR=${stage}`);
    assert.deepEqual(
      filesBelow(stage),
      files.map((file) => path.join(stage, 'usr', file)),
    );
    const unit = path.join(stage, 'usr/lib/systemd/system/party-sockets.service');
    assert.match(readFileSync(unit, 'utf8'), /^ExecStart=\/usr\/bin\/party-sockets$/m);
    await make('uninstall');
    assert.ok(!existsSync(stage) || filesBelow(stage).length === 0);
  });
});

describe('The manual page', () => {
  it('has each option of --help with its variables and its default, and no other', async () => {
    const page = read('share/man/man1/party-sockets.1');
    const items = page.split(/^(?=\.It )/m).filter((item) => item.startsWith('.It Fl -'));
    const lines = await helpLines();
    for (const { option, variables, fallback } of lines) {
      const item = items.find((one) => one.split(/\s/)[2] === option.slice(1));
      assert.ok(item, `${option} is missing`);
      assert.deepEqual(Array.from(item.matchAll(/Ev (\w+)/g), ([, name]) => name), variables);
      if (fallback && !['none', 'they'].includes(fallback))
        assert.match(item, new RegExp(`\\b${fallback}\\b`), option);
    }
    assert.equal(items.length, lines.length);
  });
});

describe('docs/operations.md', () => {
  it('has each option of --help', async () => {
    const text = readFileSync(path.join(repository, 'docs/operations.md'), 'utf8');
    for (const { option } of await helpLines())
      if (!['--help', '--version'].includes(option)) assert.ok(text.includes(`\`${option}`), option);
  });
});

describe('The file of variables', () => {
  const text = () => read('share/doc/party-sockets/examples/party-sockets.default');
  const settings = () =>
    Object.fromEntries(Array.from(text().matchAll(/^#(\w+)=(.*)$/gm), ([, ...pair]) => pair));

  it('has each variable of --help, with its default, and no other', async () => {
    const lines = (await helpLines()).filter(({ variables }) => variables.length > 0);
    const found = settings();
    assert.deepEqual(
      Object.keys(found).sort(),
      lines.map(({ variables }) => variables[0]).sort(),
    );
    for (const { variables: [name], fallback } of lines) {
      const isPlain = /^(\d+s?|auto)$/.test(fallback ?? '');
      const inUnit = name.endsWith('_MS') ? `${parseInt(fallback)}000` : fallback;
      if (isPlain) assert.equal(found[name], inUnit, name);
      else assert.ok(['', 'false'].includes(found[name]), name);
    }
  });

  it('starts a server with every line that it has', async () => {
    const server = await Server.start({ environment: { ...settings(), PORT: '', LOOPS: '' } });
    await server.stop();
  });

  it('is the one that the unit reads', () => {
    const unit = read('lib/systemd/system/party-sockets.service');
    assert.match(unit, /^EnvironmentFile=-\/etc\/default\/party-sockets$/m);
  });
});

describe('The unit', () => {
  const file = path.join(prefix, 'lib/systemd/system/party-sockets.service');
  const values = (name) => {
    const lines = readFileSync(file, 'utf8').matchAll(new RegExp(`^${name}=(.*)$`, 'gm'));
    return Array.from(lines, ([, value]) => value);
  };

  it('is understood by systemd as a whole', async () => {
    const env = { ...process.env, MANPATH: path.join(prefix, 'share/man') };
    const { stdout, stderr } = await run('systemd-analyze', ['verify', file], { env });
    assert.equal(stdout + stderr, '');
  });

  it(`exposes little: at most ${exposureMost}, by systemd's own measure`, async () => {
    const { stdout } = await run('systemd-analyze', ['security', '--offline=true', file]);
    const [, exposure] = /Overall exposure level for \S+: ([\d.]+)/.exec(stdout);
    assert.ok(Number(exposure) <= exposureMost, stdout);
  });

  it('lets a drain end before systemd kills', async () => {
    const [{ fallback }] = (await helpLines()).filter(({ option }) => option === '--drain-timeout');
    assert.ok(Number(values('TimeoutStopSec')[0]) > parseInt(fallback) + 2);
    assert.deepEqual(values('KillSignal'), ['SIGTERM']);
  });

  /** `~a b` takes both away. */
  const allowedCalls = () =>
    values('SystemCallFilter')
      .map((line) => (line.startsWith('~') ? line.replaceAll(' ', ' ~') : line))
      .join(' ')
      .replaceAll(' ', ',');
  for (const poller of ['epoll', 'io_uring']) {
    it(`allows all system calls that the relay needs, over ${poller}`, async (test) => {
      const { stderr } = await runToEnd(['--poller', poller, '--host', 'nowhere.invalid']);
      if (stderr.includes('--poller')) return test.skip(`No ${poller} here`);
      const server = new Server({
        host: null,
        loops: null,
        launcher: [sandbox, 'allow', allowedCalls()],
        environment: { POLLER: poller },
      });
      try {
        await server.start();
        assert.equal(await server.poller(), poller);
        assert.match(server.stdout, /listening/);
        const { members } = await server.room(['host', 'guest']);
        members[0].relay('hello');
        await members[1].expectMessage('host', 'hello');
        await server.get('/metrics');
        server.signal('SIGHUP');
        await server.stop();
      } finally {
        server.kill();
      }
    });
  }
});

describe('The Debian package', () => {
  it('is built with what scripts/setup installs for it', async () => {
    const control = readFileSync(path.join(repository, 'debian/control'), 'utf8');
    const [, depends] = /^Build-Depends:\n((?: .*\n)+)/m.exec(control);
    const named = depends.split(',').map((line) => line.trim().split(' ')[0]).filter(Boolean);
    // What debhelper-compat stands for, and what no package may name; git is the script's own need.
    const needed = named.map((name) => name.replace('-compat', '')).concat('build-essential');
    const machine = new FreshMachine();
    const installed = await machine.packages('package');
    const build = await machine.packages('build');
    machine.remove();
    assert.deepEqual(needed.filter((name) => !installed.includes(name)), []);
    assert.ok(installed.includes('git'));
    const inBuildEssential = ['gcc', 'libc6-dev'];
    assert.deepEqual(build.filter((name) => ![...needed, ...inBuildEssential].includes(name)), []);
  });

  it('has the version of the program', async () => {
    const changelog = readFileSync(path.join(repository, 'debian/changelog'), 'utf8');
    const { stdout } = await runToEnd(['--version']);
    assert.equal(stdout, `party-sockets ${/\(([^)]*)\)/.exec(changelog)[1]}\n`);
  });
});
