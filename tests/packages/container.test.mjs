// What the container consists of, without an engine: the static binary (build/static) in an empty
// root, as a user without rights, with and without io_uring. `make package-test` builds it as the
// Dockerfile says.

import assert from 'node:assert/strict';
import { copyFileSync, chmodSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { selfSigned } from '../blackbox/support/certificates.mjs';
import { Server } from '../blackbox/support/server.mjs';
import { buildStage, imageInstruction, isIgnored, repository } from './support/dockerfile.mjs';
import * as image from './support/image.mjs';

const binary = process.env.STATIC_BINARY ?? path.join(repository, 'build/static/party-sockets');
const sandbox = fileURLToPath(new URL('support/sandbox.py', import.meta.url));
const noIoUring = [sandbox, 'deny', 'io_uring_setup,io_uring_enter,io_uring_register'];

const root = mkdtempSync(path.join(os.tmpdir(), 'party-image-'));
chmodSync(root, 0o755);
image.fillRoot(root, binary);
after(() => rmSync(root, { recursive: true, force: true }));

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
  it('is under 20 MB, and is one file', () => {
    assert.ok(statSync(binary).size < 20e6, `${statSync(binary).size} bytes`);
    assert.equal(image.entry, image.copied);
  });

  it('lets players play in an empty root, as a user without rights', () =>
    withImage({ host: null }, async (server) => {
      const { members } = await server.room(['host', 'guest']);
      members[0].relay('hello');
      await members[1].expectMessage('host', 'hello');
      assert.match(image.user, /^[1-9]\d*$/, 'A number, which is not 0');
    }));

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

  it('listens on names as far as it can look them up: without /etc/hosts, on none', async () => {
    const server = new Server({ launcher: image.launcher(root), host: 'localhost' });
    await assert.rejects(server.start(), /can't resolve host localhost/);
  });

  it('exposes the port that the server has without being told', async () => {
    assert.equal(imageInstruction('EXPOSE'), '3000');
    assert.equal(imageInstruction('STOPSIGNAL'), 'SIGTERM');
  });

  it('is built of what scripts/setup installs, and of nothing that is ignored', () => {
    const steps = buildStage.filter(({ name }) => name === 'RUN').map(({ rest }) => rest);
    assert.equal(steps[0], 'scripts/setup build');
    assert.ok(!steps.some((step) => step.includes('apt')));
    for (const file of ['src/main.c', 'meson.build', 'tests/meson.build', 'web/status.html'])
      assert.equal(isIgnored(file), false, file);
    for (const file of ['.git/HEAD', 'build/x', 'tests/blackbox/node_modules/ws/index.js'])
      assert.equal(isIgnored(file), true, file);
  });
});
