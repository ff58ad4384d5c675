// SIGTERM and SIGINT: rooms that run may end by themselves; a second signal, or the end of the drain
// timeout, closes everybody.

import assert from 'node:assert/strict';
import { afterEach } from 'node:test';
import { deadlineMilliseconds, eventually, slowness } from './support/deadline.mjs';
import { text } from './support/frames.mjs';
import { request } from './support/http.mjs';
import { Server, stopping } from './support/server.mjs';
import { loopCounts } from './support/suite.mjs';
import { describe, it } from './support/testing.mjs';

for (const loops of loopCounts) {
  describe(`Stopping, with --loops ${loops}`, () => {
    const servers = [];

    async function start(...options) {
      const server = await Server.start({ loops, options });
      servers.push(server);
      return server;
    }

    afterEach(async () => {
      for (const server of servers.splice(0)) {
        await server.disconnectAll();
        server.kill();
      }
    });

    async function get(server, path) {
      const connection = await server.raw();
      connection.write(request(path, { headers: { Connection: 'close' } }));
      const { status, body } = await connection.readResponse();
      return { status, body };
    }

    const ready = { status: 200, body: '{"status":"ready"}' };
    const draining = { status: 503, body: '{"status":"draining"}' };

    /** Signals, and waits until every loop refuses rooms (each probe may come to another one). */
    async function drain(server, signal = 'SIGTERM') {
      server.signal(signal);
      for (let count = 0; count < 4 * loops; count++)
        await eventually(async () => (await get(server, '/ready')).status === 503, 'Draining');
    }

    for (const signal of ['SIGTERM', 'SIGINT']) {
      it(`${signal} without a room closes everyone and ends with 0`, async () => {
        const server = await start();
        const outsiders = await server.clients(3);
        server.signal(signal);
        for (const outsider of outsiders) assert.equal((await outsider.whenClosed()).code, stopping.code);
        await server.ended();
      });

      it(`${signal} lets running rooms go on, and ends with 0 when the last is gone`, async () => {
        const server = await start();
        const { code, members } = await server.room(['host', 'zoe']);
        const other = await server.room(['other']);
        await drain(server, signal);
        const [late, newcomer] = await server.clients(2);
        newcomer.send({ type: 'create', clientId: 'new', maxClients: 2 });
        await newcomer.expectError('Server draining');
        members[0].send({ type: 'create' });
        await members[0].expectError('Server draining');
        await late.join('late', code);
        for (const member of members)
          await member.expect({ type: 'peer_joined', clientId: 'late' });
        late.relay('still here');
        await members[1].expectMessage('late', 'still here');
        await other.members[0].close();
        await members[0].close();
        await members[1].close();
        late.relay('alone', 'late');
        await late.expect(
          { type: 'peer_left', clientId: 'host' },
          { type: 'peer_left', clientId: 'zoe' },
        );
        await late.expectMessage('late', 'alone');
        await late.close();
        assert.equal((await newcomer.whenClosed()).code, stopping.code);
        await server.ended();
      });

      it(`A second ${signal} closes everyone, and what was sent arrives first`, async () => {
        const server = await start();
        const { members } = await server.room(['host', 'zoe', 'adam']);
        const [outsider] = await server.clients(1);
        await drain(server, signal);
        const big = 'x'.repeat(1_000_000);
        members[0].relay(big, 'zoe');
        await members[1].expectMessage('host', big);
        server.signal(signal);
        for (const client of [...members, outsider])
          assert.equal((await client.whenClosed()).code, stopping.code);
        await server.ended();
      });
    }

    for (const [signal, way] of [['SIGINT', 'Ctrl-C again'], ['SIGTERM', 'a second signal']]) {
      it(`${signal} tells what is waited for, and how to stop now`, async () => {
        const server = await start('--drain-timeout', '90s');
        const { members } = await server.room(['host', 'zoe']);
        await server.room(['another', 'one']);
        await drain(server, signal);
        const told = 'party-sockets: 2 rooms are being played: waiting up to 90 s; ';
        await eventually(() => server.stderr === `${told}${way} stops now\n`, server.stderr);
        server.signal(signal);
        await members[0].whenClosed();
        await server.ended();
      });
    }

    it('A second Ctrl-C waits for nobody who does not close', async () => {
      const server = await start();
      for (const name of ['deaf', 'mute']) {
        const member = await server.rawWebSocket();
        if (name === 'deaf') await member.create(name, 4);
        else await member.join(name, (await server.room(['host', 'zoe'])).code);
      }
      await drain(server, 'SIGINT');
      const begin = performance.now();
      server.signal('SIGINT');
      await server.ended();
      const milliseconds = performance.now() - begin;
      // At another stop they have a second.
      assert.ok(milliseconds < Math.max(950, 200 * slowness), `${milliseconds} ms`);
    });

    it('/ready tells of the drain, /health does not', async () => {
      const server = await start();
      const healthy = { status: 200, body: '{"status":"ok"}' };
      assert.deepEqual(await get(server, '/ready'), ready);
      assert.deepEqual(await get(server, '/health'), healthy);
      await server.room(['host']);
      await drain(server);
      assert.deepEqual(await get(server, '/ready'), draining);
      assert.deepEqual(await get(server, '/health'), healthy);
    });

    it('The drain is over after --drain-timeout', async () => {
      const timeout = 500 * slowness;
      const server = await start('--drain-timeout', `${timeout}ms`);
      const { members } = await server.room(['host', 'zoe']);
      const begin = Date.now();
      server.signal('SIGTERM');
      for (const member of members) await member.expectClosed(stopping.code, stopping.reason);
      await server.ended();
      assert.ok(Date.now() - begin >= timeout);
    });

    it('Nobody can hold up the end', async () => {
      const server = await start();
      const deaf = await server.rawWebSocket();
      await deaf.create('deaf');
      const halfMessage = await server.rawWebSocket();
      halfMessage.write(text('{', { length: 1_000 }));
      const halfRequest = await server.raw();
      halfRequest.write('GET / HT');
      const kept = await server.raw();
      kept.write(request('/health'));
      await kept.readResponse();

      const begin = Date.now();
      server.signal('SIGTERM');
      server.signal('SIGINT');
      await deaf.expectClose(stopping.code);
      await halfMessage.expectClose(stopping.code);
      await server.ended();
      assert.ok(Date.now() - begin < deadlineMilliseconds);
    });
  });
}
