// A restart over TLS: who comes back resumes its session, since the keys of tickets wait in the state directory.

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach } from 'node:test';
import { selfSigned } from './support/certificates.mjs';
import { patience, Server } from './support/server.mjs';
import { describe, it } from './support/testing.mjs';

const loops = Number(process.env.LOOPS_UNDER_TEST ?? 1);
const certificate = await selfSigned('restart');
const who = { clientId: 'the secret of the host', session: 'session of the host' };

describe('A restart over TLS', () => {
  let directory;
  let server;
  beforeEach(() => (directory = mkdtempSync(path.join(os.tmpdir(), 'party-restart-'))));
  afterEach(async () => {
    server.kill();
    await server.outcome();
    rmSync(directory, { recursive: true });
  });

  const file = () => path.join(directory, 'tickets.json');

  async function start() {
    const options = [...patience, ...certificate.options, '--state-dir', directory];
    server = await Server.start({ loops, options, secure: certificate.secure });
  }

  async function enter(ticket, message) {
    const client = await server.member({ protocols: 'party-sockets.v3', session: ticket });
    client.send({ ...who, ...message });
    const answer = await client.next();
    const { _socket: socket } = client.socket;
    return { client, answer, wasReused: socket.isSessionReused(), ticket: socket.getSession() };
  }

  async function stop(host) {
    server.signal('SIGTERM');
    await host.client.whenClosed();
    await server.ended();
  }

  it('is as cheap as a lost connection: sessions are resumed, and seats kept', async () => {
    await start();
    const host = await enter(undefined, { type: 'create', maxClients: 2 });
    await stop(host);
    assert.equal(statSync(file()).mode & 0o777, 0o600);
    await start();
    assert.equal(existsSync(file()), false, 'nobody needs it any more');
    const { room, epoch } = host.answer;
    const back = await enter(host.ticket, { type: 'join', room, epoch, seen: 0, attempt: 1 });
    assert.deepEqual([back.answer.recovered, back.wasReused], [true, true]);
  });

  it('begins with new keys when the file is none, or of another time', async () => {
    await start();
    const host = await enter(undefined, { type: 'create', maxClients: 2 });
    await stop(host);
    for (const [written, age] of [
      [4e9, 0],
      [0, 0],
    ]) {
      writeFileSync(file(), JSON.stringify({ version: 1, written, age, keys: '00'.repeat(172) }));
      await start();
      const back = await enter(host.ticket, { type: 'join', room: host.answer.room, attempt: 1 });
      assert.equal(back.wasReused, false);
      server.kill();
      await server.outcome();
    }
    writeFileSync(file(), 'hello');
    await start();
    assert.equal(existsSync(file()), false);
    await server.get('/health');
  });
});
