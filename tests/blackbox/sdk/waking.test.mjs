// The SDK in a page that is told that it wakes up, or is online. This process plays the page, for what
// takes too long, or can't be had, in a browser.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { eventually, slowness } from '../support/deadline.mjs';
import { named, record, World } from './world.mjs';

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
    const { guest, network } = await world.pair({ giveUpAfter: 600 });
    const events = record(guest);
    network.fail();
    await told(events, 'connection', 1);
    await pause(300);
    happens(window, 'online');
    await pause(1_000);
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
      assert.ok(milliseconds < 2_000, `${milliseconds} ms`);
    });
  }

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
