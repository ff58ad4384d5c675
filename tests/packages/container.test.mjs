// What the container consists of, without an engine: the folder that scripts/image-root makes of the
// release binary, as the root of a user without rights, with and without io_uring. `make package-test`
// makes it as the Dockerfile says, and names it in IMAGE_ROOT.

import assert from 'node:assert/strict';
import {
  chmodSync, chownSync, copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { selfSigned } from '../blackbox/support/certificates.mjs';
import { eventually } from '../blackbox/support/deadline.mjs';
import { lacksNats, Nats } from '../blackbox/support/nats.mjs';
import { binary, Server } from '../blackbox/support/server.mjs';
import { buildStage, imageInstruction, isIgnored, repository } from './support/dockerfile.mjs';
import { filesBelow } from './support/files.mjs';
import * as image from './support/image.mjs';
import { neededBy } from './support/libraries.mjs';

const bytesMost = 20e6;
const sandbox = fileURLToPath(new URL('support/sandbox.py', import.meta.url));
const noIoUring = [sandbox, 'deny', 'io_uring_setup,io_uring_enter,io_uring_register'];

const root = mkdtempSync(path.join(os.tmpdir(), 'party-image-'));
after(() => rmSync(root, { recursive: true, force: true }));
chmodSync(root, 0o755);
if (process.env.IMAGE_ROOT) cpSync(process.env.IMAGE_ROOT, root, { recursive: true });
else await image.makeRoot(root, binary);
const files = filesBelow(root);

/** Starts it in the image, `work(server)`, and it must end well. */
async function withImage({ before = [], ...settings }, work) {
  const server = new Server({ launcher: image.launcher(root, ...before), ...settings });
  try {
    await server.start();
    await work(server);
    await server.stop();
  } finally {
    server.kill();
  }
}

describe('The image', { concurrency: 2 }, () => {
  it('is under 20 MB', () => {
    const bytes = files.reduce((sum, file) => sum + statSync(file).size, 0);
    assert.ok(bytes < bytesMost, `${bytes} bytes`);
    assert.equal(image.copied, '/');
  });

  it('has the libraries that are needed in it, the licences, and nothing else', async () => {
    const names = files.map((file) => path.basename(file));
    const texts = ['LICENSE', 'THIRD-PARTY.md'];
    const programs = files.filter((file) => !texts.includes(path.basename(file)));
    const needed = await Promise.all(programs.map(neededBy));
    // The binary loads it by its name.
    const [nats] = readFileSync(path.join(root, image.entry), 'latin1').match(/libnats\.so\.[\d.]*\d/);
    const expected = new Set(['party-sockets', ...texts, nats, ...needed.flat()]);
    assert.deepEqual(names.sort(), [...expected].sort());
    for (const text of texts)
      assert.deepEqual(readFileSync(path.join(root, text)), readFileSync(path.join(repository, text)));
    const told = readFileSync(path.join(root, 'THIRD-PARTY.md'), 'utf8');
    for (const [library] of names.join('\n').matchAll(/^lib[^.]+/gm))
      assert.match(told, new RegExp(`\\b${library}\\b`), `${library} in THIRD-PARTY.md`);
  });

  it('has a binary that loads nothing but libc, its libm, and libqrencode', async () => {
    const needed = await neededBy(path.join(root, image.entry));
    const loader = /^ld-linux.*/;
    assert.deepEqual(
      needed.filter((name) => !loader.test(name)),
      ['libc.so.6', 'libm.so.6', 'libqrencode.so.4'],
    );
  });

  it('lets players play in an empty root, as a user without rights', () =>
    withImage({ host: null }, async (server) => {
      const { members } = await server.room(['host', 'guest']);
      members[0].relay('hello');
      await members[1].expectMessage('host', 'hello');
      assert.match(image.user, /^[1-9]\d*$/, 'A number, which is not 0');
    }));

  it('joins a cluster there', { skip: lacksNats }, async () => {
    const nats = new Nats();
    try {
      await nats.start();
      // It can't have the state directory that the image names.
      const environment = { CLUSTER: nats.url, STATE_DIR: '' };
      await withImage({ environment }, async (server) => {
        const slices = async () => (await server.stats()).cluster.slices === 256;
        await eventually(slices, 'The slices of the only node', 2);
        await server.room(['host', 'guest']);
      });
    } finally {
      await nats.remove();
    }
  });

  it('draws the QR code of a room there', () =>
    withImage({}, async (server) => {
      const { code } = await server.room(['host']);
      const { status, headers, body } = await server.get(`/room/${code}/qr.svg`);
      assert.deepEqual([status, headers['content-type']], [200, 'image/svg+xml']);
      assert.match(body, /<path d="M\d+ \d+h\d+/);
    }));

  it('keeps rooms in a volume of the user that it runs as', async () => {
    assert.equal(imageInstruction('ENV'), `STATE_DIR=${image.stateFolder}`);
    assert.deepEqual(image.stateCopy, [
      '--from=build', `--chown=${image.user}:${image.group}`, '/state', path.dirname(image.stateFolder),
    ]);
    const folder = path.join(root, image.stateFolder);
    mkdirSync(folder, { recursive: true });
    if (process.getuid() === 0) chownSync(folder, Number(image.user), Number(image.group));
    const environment = { STATE_DIR: image.stateFolder };
    let code;
    await withImage({ environment }, async (server) => {
      const { members, code: made } = await server.party(['host', 'guest']);
      code = made;
      server.signal('SIGTERM');
      assert.equal((await members[0].whenClosed()).code, 1012);
      await server.ended();
      await server.start();
    });
    await withImage({ environment }, async (server) => {
      const guest = await server.member();
      guest.send({ type: 'join', clientId: 'guest', room: code });
      assert.equal((await guest.next()).index, 1);
    });
    rmSync(folder, { recursive: true });
  });

  it('speaks TLS there', async () => {
    const { certificate, key, secure } = await selfSigned('image');
    for (const file of [certificate, key]) {
      copyFileSync(file, path.join(root, path.basename(file)));
      chmodSync(path.join(root, path.basename(file)), 0o644);
    }
    const environment = { TLS_CERT: '/image.pem', TLS_KEY: '/image.key' };
    await withImage({ secure, environment }, async (server) => {
      await server.room(['host', 'guest']);
      const health = await image.checkHealth(root, { ...environment, PORT: `${server.port}` });
      assert.deepEqual(health, { status: 0, stderr: '' });
    });
  });

  it('is well as long as it answers, by its own health check', async () => {
    let environment;
    await withImage({}, async ({ port }) => {
      environment = { PORT: `${port}` };
      assert.deepEqual(await image.checkHealth(root, environment), { status: 0, stderr: '' });
    });
    const { status, stderr } = await image.checkHealth(root, environment);
    assert.equal(status, 1);
    assert.match(stderr, /can't connect/);
  });

  it('takes epoll by itself where io_uring is forbidden', () =>
    withImage({ before: noIoUring, environment: { POLLER: '' } }, async (server) => {
      assert.equal(await server.poller(), 'epoll');
      await server.room(['host', 'guest']);
    }));

  it('refuses io_uring in a sentence where that is forbidden and asked for', async () => {
    const server = new Server({
      launcher: image.launcher(root, ...noIoUring),
      options: ['--poller', 'io_uring'],
    });
    await assert.rejects(server.start(), /ended with 2: party-sockets: --poller io_uring/);
  });

  it('listens on names that /etc/hosts of the container tells, and on no others', async () => {
    const hosts = path.join(root, 'etc/hosts');
    mkdirSync(path.dirname(hosts));
    writeFileSync(hosts, '127.0.0.1 relay.test\n');
    await withImage({ host: 'relay.test' }, (server) => server.room(['host', 'guest']));
    const stranger = new Server({ launcher: image.launcher(root), host: 'other.test' });
    await assert.rejects(stranger.start(), /can't resolve host other.test/);
  });

  it('exposes the port that the server has without being told', async () => {
    assert.equal(imageInstruction('EXPOSE'), '3000');
    assert.equal(imageInstruction('STOPSIGNAL'), 'SIGTERM');
  });

  it('is built of what scripts/setup installs, and of nothing that is ignored', () => {
    const steps = buildStage.filter(({ name }) => name === 'RUN').map(({ rest }) => rest);
    assert.equal(steps[0], 'scripts/setup build');
    assert.ok(!steps.some((step) => step.includes('apt')));
    for (const file of ['src/main.c', 'tests/meson.build', 'web/status.html', 'THIRD-PARTY.md'])
      assert.equal(isIgnored(file), false, file);
    for (const file of ['.git/HEAD', 'build/x', 'tests/blackbox/node_modules/ws/index.js'])
      assert.equal(isIgnored(file), true, file);
  });
});
