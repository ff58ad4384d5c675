// Protocol 2: what rooms keep without a connection's need. One address, or strangers who have the code,
// can take nothing of that away from others.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { slowness } from './support/deadline.mjs';
import { peerJoined, peerLeft, state } from './support/member.mjs';
import { describeAtOnce } from './support/suite.mjs';
import { it } from './support/testing.mjs';

const range = (count) => Array.from({ length: count }, (_, index) => index);
const attacker = '203.0.113.9';
const player = '198.51.100.7';

/** Clients come through a proxy that is trusted, since only public addresses have these bounds. */
const behindProxy = (...options) => ({ options: ['--trust-proxy', '127.0.0.1', ...options] });

const memberFrom = (server, address) =>
  server.member({ headers: { 'X-Forwarded-For': address } });

/** Somebody new comes and goes. */
async function visit(server, code, address, clientId) {
  const visitor = await memberFrom(server, address);
  visitor.send({ type: 'join', clientId, room: code });
  const { type } = await visitor.next();
  await visitor.close();
  return type;
}

describeAtOnce('What rooms keep', (withServer) => {
  const little = ['--max-buffered-bytes', 1_048_576]; // of which rooms may keep a quarter
  const ceiling = 262_144 / 8;

  it('has a ceiling for the rooms of one address, and others do not notice', () =>
    withServer(behindProxy(...little), async (server) => {
      const phone = await memberFrom(server, player);
      const screen = await memberFrom(server, player);
      const code = await screen.create('screen');
      screen.setState('x'.repeat(10_000));
      await phone.join('phone', code);
      await phone.expect(state('x'.repeat(10_000)));
      await screen.expect(peerJoined(1));
      await phone.reset();
      await screen.expect(peerLeft(1));

      const hosts = await Promise.all(range(20).map(() => memberFrom(server, attacker)));
      let kept = 0;
      for (const host of hosts) {
        await host.create('host', { maxClients: 10_000 });
        host.setState('y'.repeat(16_000));
        host.send({ type: 'not known' }); // the answer comes behind that to the state
        const { message } = await host.next();
        if (message === 'Unknown message type') {
          kept++;
          continue;
        }
        assert.equal(message, 'No memory for state');
        await host.expectError('Unknown message type');
        host.setState('z'.repeat(1_000)); // 4 KiB a room are certain
        await host.expectSilence();
      }
      assert.equal(kept, Math.floor(ceiling / 16_064));

      screen.setState('w'.repeat(16_000));
      await screen.expectSilence();
      const back = await memberFrom(server, player);
      assert.deepEqual(await back.join('phone', code), { index: 1, peers: [0] });
      await back.expect(state('w'.repeat(16_000)));
    }));

  it('leaves each room 4 KiB, whatever else its address has', () =>
    withServer(behindProxy(...little), async (server) => {
      const hosts = await Promise.all(range(30).map(() => memberFrom(server, attacker)));
      for (const host of hosts) {
        await host.create('host');
        host.setState('y'.repeat(3_900));
        await host.expectSilence();
      }
      hosts[0].setState('y'.repeat(4_200));
      await hosts[0].expectError('No memory for state');
      const late = await memberFrom(server, player);
      await late.join('late', hosts[0].entry.room);
      await late.expect(state('y'.repeat(3_900)));
    }));

  it('leaves half of it to others, however many rooms one address makes', () =>
    withServer(behindProxy(...little), async (server) => {
      // With 4 KiB each they would have all of it.
      for (const number of range(80)) {
        const host = await memberFrom(server, `2001:db8:7:${number.toString(16)}::1`);
        await host.create('host');
        host.setState('y'.repeat(3_900));
        host.send({ type: 'not known' });
        const { message } = await host.next();
        if (message !== 'Unknown message type') await host.expectError('Unknown message type');
      }
      const [screen, phone] = [await memberFrom(server, player), await memberFrom(server, player)];
      const code = await screen.create('screen');
      screen.setState('x'.repeat(16_000));
      await screen.expectSilence();
      await phone.join('phone', code);
      await phone.reset();
      const back = await memberFrom(server, player);
      assert.equal((await back.join('phone', code)).index, 1);
    }));

  it('has no ceiling by address where everybody may be behind one', () =>
    withServer({ options: little }, async (server) => {
      const hosts = await server.members(8);
      for (const host of hosts) {
        await host.create('host');
        host.setState('y'.repeat(16_000));
        await host.expectSilence();
      }
    }));

  it('counts what it costs: members who are gone are forgotten before there is too much', () =>
    withServer(behindProxy(...little), async (server) => {
      const host = await memberFrom(server, attacker);
      const code = await host.create('host', { maxClients: 10_000 });
      const count = 500;
      for (const number of range(count)) {
        assert.equal(await visit(server, code, attacker, `v${number}`), 'joined');
        await host.expect(peerJoined(number + 1), peerLeft(number + 1));
      }
      const bytesEach = 48 + 32; // the member, and its places in two arrays
      const known = Math.floor(ceiling / bytesEach);
      assert.ok(known < count);
      // Those who were here shortest are forgotten first, so it is not known which; but how many.
      const before = await server.get(`/room/${code}`);
      assert.equal(JSON.parse(before.body).clients, 1);
      let back = 0;
      for (const number of range(count)) {
        const visitor = await memberFrom(server, attacker);
        const { index } = await visitor.join(`v${number}`, code);
        if (index <= count) back++;
      }
      assert.equal(back, known);
    }));

  it('takes no id whose canonical form is much longer than an id may be', () =>
    withServer({}, async (server) => {
      const member = await server.member();
      for (const clientId of ['\u0001'.repeat(86), '\u0001'.repeat(256)]) {
        member.send({ type: 'create', clientId, maxClients: 2 });
        await member.expectError('clientId is too long');
      }
      await member.create('"'.repeat(256));
    }));
});

describeAtOnce('New members of a room', (withServer) => {
  it('who stay for a moment push nobody out who was there for longer', () =>
    withServer(behindProxy(), async (server) => {
      const [host, phone] = [await memberFrom(server, player), await memberFrom(server, player)];
      const code = await host.create('host', { maxClients: 8 });
      await phone.join('phone', code);
      await pause(300 * slowness);
      await phone.reset();
      await host.expect(peerJoined(1), peerLeft(1));
      for (const number of range(70)) {
        const address = `203.0.113.${number % 2}`;
        assert.equal(await visit(server, code, address, `new ${number}`), 'joined');
        await host.take(2);
      }
      const back = await memberFrom(server, player);
      assert.deepEqual(await back.join('phone', code), { index: 1, peers: [0] });
    }));

  it('are as many a minute from one public address as there are seats, at least 64', () =>
    withServer(behindProxy(), async (server) => {
      const host = await memberFrom(server, player);
      const code = await host.create('host', { maxClients: 8 });
      const begin = Date.now();
      for (const number of range(64))
        assert.equal(await visit(server, code, attacker, `new ${number}`), 'joined');
      await host.take(2 * 64);
      // On a slow machine some of them are forgotten by then: 64 a minute.
      for (;;) {
        const late = await memberFrom(server, attacker);
        late.send({ type: 'join', clientId: `late ${Date.now()}`, room: code });
        const isOver = await late.next().then(() => false, () => true);
        const forgotten = ((Date.now() - begin) * 64) / 60_000;
        if (isOver) {
          await late.expectClosed(1013, 'too many attempts');
          break;
        }
        assert.ok(forgotten >= 1, `one more than 64 after ${forgotten} were forgotten`);
        await late.close();
        await host.take(2);
      }
      // Nobody heard of that; who is known comes back, and others come from elsewhere.
      await host.expectSilence();
      const known = await memberFrom(server, attacker);
      assert.equal((await known.join('new 63', code)).index, 64);
      assert.equal(await visit(server, code, player, 'a friend'), 'joined');
    }));

  it('are any number from a private address, which may be everybody', () =>
    withServer({}, async (server) => {
      const host = await server.member();
      const code = await host.create('host', { maxClients: 8 });
      for (const number of range(100)) {
        const visitor = await server.member();
        assert.deepEqual(await visitor.join(`new ${number}`, code), { index: number + 1, peers: [0] });
        await visitor.close();
        await host.take(2);
      }
    }));
});
