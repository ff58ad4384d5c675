// The Debian package (build/deb), installed, used and purged in a clean Debian without systemd.

import assert from 'node:assert/strict';
import { appendFileSync, copyFileSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { before, describe, it } from 'node:test';
import { Server } from '../../blackbox/support/server.mjs';
import { CleanRoot, run } from '../support/clean_root.mjs';
import { repository } from '../support/dockerfile.mjs';

const built = path.join(repository, 'build/deb');
const find = (pattern) => path.join(built, readdirSync(built).find((name) => pattern.test(name)));
const deb = find(/^party-sockets_.*\.deb$/);

/** What packages and apt keep about themselves. */
const books = ['proc', 'var/cache', 'var/log', 'var/lib/apt', 'var/lib/dpkg', 'package.deb'];

describe('The Debian package', () => {
  let root;
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
    root = await CleanRoot.make('installed');
    await root.sh('apt-get update -qq');
    filesBefore = await files();
    packagesBefore = await packages();
    copyFileSync(deb, root.file('package.deb'));
  });

  it('has no fault that lintian knows of', () =>
    run('lintian', '--allow-root', '--fail-on', 'error,warning', find(/\.changes$/)));

  it('depends on libc alone', async () => {
    const depends = await run('dpkg-deb', '--field', deb, 'Depends');
    assert.match(depends, /^libc6 \(>= [\d.]+\)\n$/);
  });

  it('is installed without systemd, and brings no other package', async () => {
    await install();
    const added = (await packages()).replace(packagesBefore, '').split('\n');
    const known = packagesBefore.split('\n');
    assert.deepEqual(
      added.filter((line) => line && !known.includes(line)),
      ['party-sockets install ok installed'],
    );
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
    await root.sh('apt-get purge -y party-sockets');
    assert.deepEqual(await files(), filesBefore);
  });
});
