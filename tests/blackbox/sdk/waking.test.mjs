// The SDK in a page that is told that it wakes up, or is online. This process plays the page, for what
// takes too long, or can't be had, in a browser.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { eventually, slowness } from '../support/deadline.mjs';
import { peerJoined, peerLeft } from '../support/member.mjs';
import { closeRecorder, named, record, World } from './world.mjs';

const window = new EventTarget();
const document = Object.assign(new EventTarget(), { visibilityState: 'visible' });
const happens = (target, name, values) =>
  target.dispatchEvent(Object.assign(new Event(name), values));

let world;
before(async () => {
  Object.assign(globalThis, { window, document });
  world = await World.start();
});
after(() => world.stop());

const told = (events, name, count) =>
  eventually(() => named(events, name).length >= count, `${count} times ${name}`);

describe('A page that wakes up', () => {
  it('has some time more to find a network, however long it slept', async () => {
    const giveUpAfter = 600 * slowness;
    const { guest, network } = await world.pair({ giveUpAfter });
    const events = record(guest);
    network.fail();
    await told(events, 'connection', 1);
    await pause(giveUpAfter / 2);
    happens(window, 'online');
    await pause(giveUpAfter + 400);
    assert.deepEqual([guest.status, named(events, 'closed')], ['reconnecting', []]);
    network.restore();
    happens(document, 'resume');
    await told(events, 'connection', 2);
    assert.equal(guest.status, 'connected');
  });

  it('tries at once, without the delay that there would be', async () => {
    const { guest, network } = await world.pair();
    const events = record(guest);
    network.fail();
    await told(events, 'connection', 1);
    await pause(3_000); // then attempts are seconds apart
    network.restore();
    const begun = performance.now();
    happens(document, 'visibilitychange');
    await told(events, 'connection', 2);
    assert.ok(performance.now() - begun < 300 * slowness);
  });

  for (const [target, name, values] of [
    [document, 'visibilitychange', {}],
    [document, 'resume', {}],
    [window, 'pageshow', { persisted: true }],
    [window, 'online', {}],
    [window, 'offline', {}],
  ]) {
    it(`makes sure of its connection: ${name}`, async () => {
      const { guest, network } = await world.pair();
      const events = record(guest);
      network.silence();
      const begun = performance.now();
      happens(target, name, values);
      await told(events, 'connection', 1);
      const milliseconds = performance.now() - begun;
      // An answer has 1.25 s; without the event, nine seconds of silence would have told.
      assert.ok(milliseconds < 1_250 + 750 * slowness, `${milliseconds} ms`);
    });
  }

  for (const [target, left, back] of [
    [window, 'pagehide', 'pageshow'],
    [document, 'freeze', 'resume'],
  ]) {
    it(`has left its seat meanwhile, and has it again: ${left}, ${back}`, async () => {
      const host = await world.server.member(); // in no page
      const room = await host.create('host');
      const network = await world.network();
      const { Recorder, codes } = closeRecorder();
      const guest = await world.join(room, { WebSocket: Recorder }, network.url);
      await host.expect(peerJoined(1));
      happens(target, left, { persisted: true });
      await host.expect(peerLeft(1));
      assert.equal(codes.at(-1), 4100); // and 1000 before, for a room of another protocol
      assert.equal(guest.status, 'reconnecting');
      const sent = guest.broadcast('while hidden');
      const { attempts } = network;
      happens(window, 'online', {}); // nobody looks at the page for that
      await pause(700); // in which any other that is lost would try
      assert.equal(network.attempts, attempts);
      happens(target, back, { persisted: true });
      assert.equal(await sent, 'sent');
      await host.expect(peerJoined(1));
      await host.expectMessage(1, 'while hidden');
      assert.deepEqual([guest.id, guest.peers, guest.status], [1, [0], 'connected']);
    });
  }

  it('and was left before it was in the room goes on when it is shown', async () => {
    const host = await world.server.member();
    const room = await host.create('host');
    const network = await world.network();
    network.silence({ all: true });
    const joined = world.join(room, {}, network.url);
    await eventually(() => network.attempts === 1, 'The attempt');
    happens(window, 'pagehide', { persisted: true });
    network.restore();
    await pause(700); // in which any other would try again
    assert.equal(network.attempts, 1);
    const shown = performance.now();
    happens(window, 'pageshow', { persisted: true });
    assert.equal((await joined).id, 1);
    assert.ok(performance.now() - shown < 1_000 * slowness); // the old attempt has six seconds
  });

  it('that is loaded has the patience that it was told, and no more', async () => {
    const network = await world.network();
    network.fail();
    const begun = performance.now();
    const joined = world.join('abcdef', { patience: 500 }, network.url);
    setTimeout(() => {
      happens(window, 'pageshow', { persisted: false });
      happens(document, 'visibilitychange');
    }, 100);
    await assert.rejects(joined, { code: 'unreachable' });
    assert.ok(performance.now() - begun < 1_500 * slowness);
  });

  it('is not listened to when the party is over', async () => {
    const { guest, network } = await world.pair();
    guest.close();
    const { attempts } = network;
    for (const name of ['online', 'offline']) happens(window, name);
    happens(document, 'resume');
    await pause(100);
    assert.equal(network.attempts, attempts);
  });
});
