// The Debian package, made by `make deb` in one clean Debian that has make and a clone and nothing else, and
// installed, used and purged in another, without systemd.

import assert from 'node:assert/strict';
import { appendFileSync, copyFileSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { before, describe, it } from 'node:test';
import { Server } from '../../blackbox/support/server.mjs';
import { CleanRoot, run } from '../support/clean_root.mjs';

const libraries = ['liburing', 'nettle', 'openssl', 'sqlite3'];

/** Returns the folder that the package is in. */
async function makeDeb() {
  const root = await CleanRoot.make('deb');
  const clone = await root.clone();
  await root.sh('apt-get update -qq && apt-get install -qq -y --no-install-recommends make');
  await root.sh('make deb', clone);
  return root.file(path.join(clone, 'build/deb'));
}

/** What packages and apt keep about themselves. */
const books = ['proc', 'var/cache', 'var/log', 'var/lib/apt', 'var/lib/dpkg', 'package.deb'];

describe('The Debian package', () => {
  let root;
  let deb;
  let changes;
  let filesBefore;
  let packagesBefore;

  const packages = () => root.sh("dpkg-query -W -f '${Package} ${Status}\\n'");
  const files = async () => {
    const prunes = books.flatMap((name) => ['-path', root.file(name), '-prune', '-o']);
    const found = await run('find', root.path, ...prunes, '-print');
    return found.split('\n').sort();
  };
  const install = () => root.sh('apt-get install -y --no-install-recommends /package.deb');

  before(async () => {
    const built = await makeDeb();
    const find = (pattern) => path.join(built, readdirSync(built).find((name) => pattern.test(name)));
    deb = find(/^party-sockets_.*\.deb$/);
    changes = find(/\.changes$/);
    root = await CleanRoot.make('installed');
    await root.sh('apt-get update -qq');
    filesBefore = await files();
    packagesBefore = await packages();
    copyFileSync(deb, root.file('package.deb'));
  });

  it('has no fault that lintian knows of', async () => {
    const found = (await run('lintian', '--allow-root', changes)).split('\n').filter(Boolean);
    // dpkg of Debian 12 has the field, and lintian of Debian 12 does not know it.
    assert.deepEqual(found.filter((line) => !line.endsWith('unknown-field Static-Built-Using')), []);
  });

  it('depends on libc and libqrencode alone', async () => {
    const depends = await run('dpkg-deb', '--field', deb, 'Depends');
    assert.match(depends, /^libc6 \(>= [\d.]+\), libqrencode4 \(>= [\d.]+\)\n$/);
  });

  it('suggests the library that a node of a cluster loads, and what runs beside one', async () => {
    const suggests = await run('dpkg-deb', '--field', deb, 'Suggests');
    assert.match(suggests, /^libnats[\d.]+, haproxy, nats-server\n$/);
    const [, version] = /^libnats([\d.]+)/.exec(suggests);
    const binary = readFileSync(root.file('usr/bin/party-sockets'), 'latin1');
    assert.ok(binary.includes(`libnats.so.${version}`));
  });

  it('tells which versions of which libraries are linked in', async () => {
    const field = await run('dpkg-deb', '--field', deb, 'Static-Built-Using');
    const names = field.split(', ').map((one) => /^(\S+) \(= \S+\)$/.exec(one.trim())[1]);
    assert.deepEqual(names, libraries);
  });

  it('is installed without systemd, and brings no other package than these', async () => {
    await install();
    const added = (await packages()).replace(packagesBefore, '').split('\n');
    const known = packagesBefore.split('\n');
    assert.deepEqual(
      added.filter((line) => line && !known.includes(line)),
      ['libqrencode4 install ok installed', 'party-sockets install ok installed'],
    );
    const text = readFileSync(root.file('usr/share/doc/party-sockets/copyright'), 'utf8').toLowerCase();
    for (const name of libraries) assert.ok(text.includes(name), name);
  });

  it('is started with the machine', () => {
    const link = 'etc/systemd/system/multi-user.target.wants/party-sockets.service';
    assert.ok(readdirSync(root.file(path.dirname(link))).includes(path.basename(link)));
    const unit = readFileSync(root.file('lib/systemd/system/party-sockets.service'), 'utf8');
    assert.match(unit, /^ExecStart=\/usr\/bin\/party-sockets$/m);
    assert.ok(existsSync(root.file('usr/share/man/man1/party-sockets.1.gz')));
  });

  it('lets players play, as nobody', async () => {
    const chroot = `chroot --userspec=65534:65534 ${root.path} /usr/bin/party-sockets`;
    const server = new Server({ launcher: ['sh', '-c', `shift; exec ${chroot} "$@"`, 'sh'] });
    try {
      await server.start();
      await server.room(['host', 'guest']);
      await server.stop();
    } finally {
      server.kill();
    }
  });

  it('keeps the variables that were edited', async () => {
    const file = root.file('etc/default/party-sockets');
    appendFileSync(file, 'PORT=8080\n');
    const edited = readFileSync(file, 'utf8');
    await root.sh('apt-get install -y --reinstall /package.deb');
    assert.equal(readFileSync(file, 'utf8'), edited);
    await root.sh('apt-get remove -y party-sockets');
    assert.equal(readFileSync(file, 'utf8'), edited);
    assert.ok(!existsSync(root.file('usr/bin/party-sockets')));
  });

  it('leaves nothing behind when it is purged', async () => {
    await root.sh('apt-get purge -y --autoremove party-sockets');
    assert.deepEqual(await files(), filesBefore);
  });
});
