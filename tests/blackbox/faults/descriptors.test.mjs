// A process that runs out of descriptors refuses with 503, does not spin, and recovers by itself.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { eventually, slowness, withDeadline } from '../support/deadline.mjs';
import { request, upgradeRequest } from '../support/http.mjs';
import { Server } from '../support/server.mjs';

const descriptors = 64;

/** Processor time that a process has used so far, in milliseconds (clock ticks of 10 ms). */
function processorTime(pid) {
  const fields = fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

for (const loops of [1, 4]) {
  describe(`Out of descriptors, with --loops ${loops}`, () => {
    const server = new Server({
      loops,
      launcher: ['prlimit', `--nofile=${descriptors}:${descriptors}`],
    });
    const clients = [];
    before(() => server.start());
    after(() => server.kill());

    async function answerTo(text) {
      const connection = await server.raw();
      connection.write(text);
      const response = await connection.readResponse();
      if (response.status !== 101) connection.terminate();
      return response;
    }

    it('As many get in as there are descriptors, some kept apart', async () => {
      const refused = await eventually(async () => {
        const connection = await server.raw();
        connection.write(upgradeRequest());
        const response = await connection.readResponse();
        if (response.status !== 101) return response;
        clients.push(connection);
        return undefined;
      }, 'A refusal');
      assert.equal(refused.status, 503);
      assert.ok(refused.headers['retry-after']);
      const reserved = 16 + 4 * loops;
      assert.equal(clients.length, descriptors - reserved);
    });

    it('Those above the limit may still ask for /health', async () => {
      assert.equal((await answerTo(request('/health'))).status, 200);
    });

    it('When even the kept ones are used up, 503 comes at once, and nothing spins', async () => {
      const flood = await Promise.all(Array.from({ length: 60 }, () => server.raw()));
      const refusals = flood.map(async (connection) => {
        assert.match(`${await connection.readRest()}`, /^HTTP\/1\.1 503 .*Retry-After/s);
      });
      await withDeadline(Promise.any(refusals), 'A refusal without a request');

      const begin = processorTime(server.pid);
      await pause(1_000); // what is measured is this time
      const used = processorTime(server.pid) - begin;
      assert.ok(used < 200 * slowness, `${used} ms of processor time in a second`);
      for (const connection of flood) connection.terminate();
    });

    it('Whoever plays notices nothing', async () => {
      const [host, guest] = clients;
      const room = await host.create('host');
      await guest.join('guest', room);
      await host.expect({ type: 'peer_joined', clientId: 'guest' });
      guest.send({ type: 'send', data: 'hello' });
      await host.expect({ type: 'message', from: 'guest', data: 'hello' });
    });

    it('When somebody leaves, somebody else gets in', async () => {
      for (const connection of clients.splice(10)) connection.terminate();
      for (let count = 0; count < 10; count++) {
        await eventually(
          async () => (await answerTo(upgradeRequest())).status === 101,
          'Another WebSocket',
        );
      }
      const events = await server.events();
      assert.ok(events['refused: too many connections'] > 0);
      assert.ok(events['connections the kernel could not give'] > 0);
    });

    it('The server stops with status 0, and no sanitizer complained', () => server.stop());
  });
}

describe('Descriptors', () => {
  it('The soft limit is raised to the hard one at the start', async () => {
    const server = await Server.start({ launcher: ['prlimit', '--nofile=64:512'] });
    try {
      const { members } = await server.room(['host']);
      const others = await server.clients(150); // more than the soft limit
      members[0].relay('all in', 'host');
      await members[0].expectMessage('host', 'all in');
      for (const other of others) await other.expectSilence();
      await server.stop();
    } finally {
      server.kill();
    }
  });

  it('A limit above what descriptors allow is told at the start', async () => {
    const server = await Server.start({
      launcher: ['prlimit', '--nofile=64:64'],
      options: ['--max-connections', '1000'],
    });
    try {
      assert.match(server.stderr, /the limit of descriptors allows 44 connections only\n$/);
      await server.stop();
    } finally {
      server.kill();
    }
  });
});
