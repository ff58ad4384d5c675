// What the threads of the loops have given up, and that the process does all the same what only the main
// thread may: reading certificates anew, looking names up. The rest of the black box runs in the
// sandbox, too.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { folder, selfSigned } from './support/certificates.mjs';
import { eventually } from './support/deadline.mjs';
import { Server } from './support/server.mjs';
import { describe, it } from './support/testing.mjs';

const loops = 2;

async function withServer(settings, use) {
  const server = await Server.start({ loops, ...settings });
  try {
    await use(server);
    await server.stop();
  } finally {
    server.kill();
  }
}

/** Of each thread whether it has a filter of system calls, the main one first. */
function confined({ pid }) {
  const threads = readdirSync(`/proc/${pid}/task`).sort((a, b) => a - b);
  return threads.map((thread) => {
    const status = readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8');
    return /^Seccomp:\s+2$/m.test(status) && /^NoNewPrivs:\s+1$/m.test(status);
  });
}

describe('The sandbox', () => {
  it('has the loops in it, and not the main thread', () =>
    withServer({}, async (server) => {
      await eventually(() => confined(server).filter(Boolean).length === loops, 'The sandbox');
      assert.equal(confined(server)[0], false);
      assert.match((await server.get('/metrics')).body, /^process_resident_memory_bytes\{.*\} [1-9]/m);
      assert.equal((await server.get('/room/ABCD/qr.svg')).status, 404);
      await server.room(['host', 'zoe']);
      assert.equal(server.stderr, '');
    }));

  it('is not there with --no-sandbox', () =>
    withServer({ options: ['--no-sandbox'] }, async (server) => {
      await server.room(['host', 'zoe']);
      assert.ok(!confined(server).includes(true));
    }));

  it('lets the host be a name', () =>
    withServer({ host: 'localhost' }, async (server) => {
      await server.room(['host', 'zoe']);
      assert.equal(server.stderr, '');
    }));

  async function expectReload(server, { secure }) {
    const before = server.stderr.length;
    server.signal('SIGHUP');
    await eventually(() => server.stderr.slice(before).includes('was reloaded'), 'The reload');
    const connection = await server.raw('127.0.0.1', { secure });
    assert.ok(connection.socket.authorized);
    connection.terminate();
    assert.match(server.stderr.slice(before), /^party-sockets: SIGHUP: the certificate was reloaded\n$/);
  }

  it('lets a certificate be renewed by renaming, and by a symbolic link', async () => {
    const [first, second, third] = await Promise.all(
      ['sandbox-1', 'sandbox-2', 'sandbox-3'].map((name) => selfSigned(name)),
    );
    const certificate = path.join(folder, 'sandbox-live.pem');
    const key = path.join(folder, 'sandbox-live.key');
    const files = ({ certificate: from, key: fromKey }) => [
      [from, certificate],
      [fromKey, key],
    ];
    for (const [from, to] of files(first)) writeFileSync(to, readFileSync(from));
    const settings = { options: ['--tls-cert', certificate, '--tls-key', key], secure: first.secure };
    await withServer(settings, async (server) => {
      await server.room(['host', 'zoe']);
      for (const [from, to] of files(second)) {
        writeFileSync(`${to}.new`, readFileSync(from));
        renameSync(`${to}.new`, to);
      }
      await expectReload(server, second);
      for (const [from, to] of files(third)) {
        rmSync(to);
        symlinkSync(from, to);
      }
      await expectReload(server, third);
    });
  });
});
