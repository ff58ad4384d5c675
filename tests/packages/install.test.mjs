// What `make install` puts where, and whether unit, manual page and variables are true to the
// binary.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import {
  cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { canCreate } from '../blackbox/support/cluster.mjs';
import { eventually } from '../blackbox/support/deadline.mjs';
import { lacksNats, Nats } from '../blackbox/support/nats.mjs';
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

const env = withoutInstallVariables(process.env);
const make = (...parameters) =>
  run('make', ['-C', repository, '--no-print-directory', ...parameters], { env });
const read = (file) => readFileSync(path.join(prefix, file), 'utf8');

/** Those of a `make` that this is run by would say where to. */
function withoutInstallVariables({ PREFIX, DESTDIR, MAKEFLAGS, MAKEOVERRIDES, ...others }) {
  return others;
}

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
    'share/doc/party-sockets/THIRD-PARTY.md',
    'share/doc/party-sockets/examples/Caddyfile',
    'share/doc/party-sockets/examples/grafana-dashboard.json',
    'share/doc/party-sockets/examples/haproxy-cluster.cfg',
    'share/doc/party-sockets/examples/haproxy-tcp.cfg',
    'share/doc/party-sockets/examples/haproxy.cfg',
    'share/doc/party-sockets/examples/nats-server-override.conf',
    'share/doc/party-sockets/examples/nats-server.conf',
    'share/doc/party-sockets/examples/nginx.conf',
    'share/doc/party-sockets/examples/party-sockets-cluster.conf',
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

  it('puts them below DESTDIR for later; make uninstall with the same takes them away', async () => {
    const stage = path.join(folder, 'the stage');
    const installed = files.map((file) => path.join(stage, 'usr', file));
    const where = ['PREFIX=/usr', `DESTDIR=${stage}`];
    await make('install', ...where);
    assert.deepEqual(filesBelow(stage), installed);
    const unit = path.join(stage, 'usr/lib/systemd/system/party-sockets.service');
    assert.match(readFileSync(unit, 'utf8'), /^ExecStart=\/usr\/bin\/party-sockets$/m);

    // Another install between them is of no concern.
    await make('install', `PREFIX=${path.join(folder, 'other')}`);
    const foreign = path.join(stage, 'usr/share/doc/other');
    writeFileSync(foreign, '');
    const { stdout } = await make('uninstall', ...where);
    assert.deepEqual(stdout.trim().split('\n').sort(), installed.map((file) => `Removed ${file}`));
    assert.deepEqual(filesBelow(stage), [foreign]);
    assert.ok(!existsSync(path.join(stage, 'usr/share/doc/party-sockets')));
    const again = await make('uninstall', ...where);
    assert.equal(again.stdout, `There is nothing to remove below ${stage}/usr\n`);
  });

  it('takes a relative DESTDIR from the folder that make works in', async () => {
    const stage = path.join(folder, 'relative');
    await make('install', `DESTDIR=${path.relative(repository, stage)}`);
    assert.ok(existsSync(path.join(stage, 'usr/local/bin/party-sockets')));
  });

  it('takes a PREFIX with spaces, which systemd understands', async () => {
    const spacious = path.join(folder, 'my games 100%');
    await make('install', `PREFIX=${spacious}`);
    const unit = path.join(spacious, 'lib/systemd/system/party-sockets.service');
    await run('systemd-analyze', ['verify', '--man=no', unit]);
    await assert.rejects(make('install', 'PREFIX=games'), /PREFIX must begin with \//);
    await assert.rejects(make('install', "PREFIX=/it's"), /PREFIX has a character that/);
  });

  it('changes nothing in the build folder, which may be of somebody else', async () => {
    const build = path.join(repository, 'build/release');
    const stamps = () => filesBelow(build).map((file) => [file, statSync(file).ctimeMs]);
    const earlier = stamps();
    await make('install', `PREFIX=${path.join(folder, 'third')}`);
    await make('uninstall', `PREFIX=${path.join(folder, 'third')}`);
    assert.deepEqual(stamps(), earlier);
  });

  describe('when nothing is built yet', () => {
    const clone = path.join(folder, 'clone');
    const programs = path.join(folder, 'programs');
    const stage = path.join(clone, 'stage');

    /** `id` is a stand-in, and so is all that would build. */
    const makeAs = (user) => {
      const PATH = `${programs}:${process.env.PATH}`;
      writeFileSync(path.join(programs, 'id'), `#!/bin/sh\necho ${user}\n`, { mode: 0o755 });
      return run('make', ['install', `DESTDIR=${stage}`], { cwd: clone, env: { ...env, PATH } });
    };
    before(() => {
      mkdirSync(programs);
      for (const part of ['Makefile', 'LICENSE', 'THIRD-PARTY.md', 'ops', 'scripts'])
        cpSync(path.join(repository, part), path.join(clone, part), { recursive: true });
      writeFileSync(path.join(clone, 'scripts/setup'), '#!/bin/sh\n');
      const build = 'mkdir -p build/release && cp /bin/true build/release/party-sockets';
      for (const name of ['meson', 'ninja'])
        writeFileSync(path.join(programs, name), `#!/bin/sh\n${build}\n`, { mode: 0o755 });
    });

    it('is refused in a sentence to others than the owner of the folder', async () => {
      const stranger = statSync(clone).uid + 1;
      await assert.rejects(makeAs(stranger), /nothing is built yet; run make first/);
      assert.ok(!existsSync(path.join(clone, 'build')));
      assert.ok(!existsSync(stage));
    });

    it('builds for the owner', async () => {
      await makeAs(statSync(clone).uid);
      assert.ok(existsSync(path.join(stage, 'usr/local/bin/party-sockets')));
    });
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

  it('is started again for as long as it fails, but for a wrong option', () => {
    const unitSection = readFileSync(file, 'utf8').split(/^\[(?=Service)/m)[0];
    assert.match(unitSection, /^StartLimitIntervalSec=0$/m);
    assert.deepEqual(values('Restart'), ['on-failure']);
    assert.deepEqual(values('RestartPreventExitStatus'), ['2']);
  });

  it('gives the relay a directory for its rooms, which nobody else may read', () => {
    assert.deepEqual(values('StateDirectory'), ['party-sockets']);
    assert.deepEqual(values('StateDirectoryMode'), ['0700']);
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
        environment: { POLLER: poller, STATE_DIRECTORY: path.join(folder, `state-${poller}`) },
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
        const asked = await runToEnd(['--upgrade', server.pid]);
        assert.deepEqual([asked.status, asked.stderr], [0, ''], server.stderr);
        members[0].relay('hello');
        await members[1].expectMessage('host', 'hello');
        await server.stop();
      } finally {
        server.kill();
      }
    });
  }

  it('allows those of a node of a cluster, too', { skip: lacksNats }, async () => {
    const nats = new Nats();
    await nats.start();
    const server = new Server({ launcher: [sandbox, 'allow', allowedCalls()], options: ['--cluster', nats.url] });
    try {
      await server.start();
      await eventually(canCreate(server), 'A room', 2);
      await nats.kill();
      await eventually(() => server.stderr.includes('NATS is away'), 'The line about NATS');
      await nats.start();
      await eventually(() => server.stderr.includes('NATS is back'), 'The line about NATS');
      await server.stop();
    } finally {
      server.kill();
      await nats.remove();
    }
  });
});

describe('THIRD-PARTY.md', () => {
  it('names every library that the build asks for', () => {
    const build = readFileSync(path.join(repository, 'src/meson.build'), 'utf8');
    const names = Array.from(build.matchAll(/dependency\('(\w+)'/g), ([, name]) => name);
    assert.ok(names.length >= 5);
    const text = read('share/doc/party-sockets/THIRD-PARTY.md').toLowerCase();
    for (const name of names.filter((one) => one !== 'threads')) assert.ok(text.includes(name), name);
  });
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
