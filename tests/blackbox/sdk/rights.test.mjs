// What a host can do in protocol 3, and what the others hear of it; audience, passwords, bytes, codes.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import WebSocket from 'ws';
import { eventually } from '../support/deadline.mjs';
import { named, record, World } from './world.mjs';

let world;
before(async () => (world = await World.start({ loops: 2, options: ['--host-migration', '1s'] })));
after(() => world.stop());

const told = (events, name, count = 1) =>
  eventually(() => named(events, name).length >= count, `${count} times ${name}`);

describe('A host', () => {
  it('kicks a member, who is told why and does not come back', async () => {
    const { host, guest } = await world.pair();
    const [ofHost, ofGuest] = [record(host), record(guest)];
    assert.equal(await host.kick(1, { reason: 'rude', ban: true }), 'delivered');
    await told(ofGuest, 'closed');
    assert.deepEqual(ofGuest, [['connection', 'closed'], ['closed', 'kicked', 'rude']]);
    assert.deepEqual(ofHost, [['leave', 1, 'kicked']]);
  });

  it('kicks a member who is away; that one learns of it when it comes back', async () => {
    const { host, guest, network } = await world.pair();
    const [ofHost, ofGuest] = [record(host), record(guest)];
    network.fail();
    await told(ofHost, 'away');
    host.kick(1);
    await told(ofHost, 'leave');
    network.restore();
    await told(ofGuest, 'closed');
    assert.deepEqual([ofGuest.at(-1), host.away], [['closed', 'kicked'], []]);
  });

  it('bans for good', async () => {
    const host = await world.create();
    const clientId = 'a secret of somebody rude';
    const guest = await world.join(host.room, { clientId });
    host.kick(guest.id, { ban: true });
    await eventually(() => guest.status === 'closed', 'The end');
    await assert.rejects(world.join(host.room, { clientId }), { code: 'banned' });
  });

  it('locks the room, and lets others in again', async () => {
    const { host, guest } = await world.pair();
    const events = record(guest);
    host.lock();
    await told(events, 'room');
    await assert.rejects(world.join(host.room), { code: 'room-locked' });
    assert.equal(guest.settings.locked, true);
    await host.unlock();
    await world.join(host.room);
    await host.setRoom({ maxClients: 5, maxAudience: 2 });
    await told(events, 'room', 3);
    const settings = { locked: false, maxClients: 5, maxAudience: 2, password: false };
    assert.deepEqual([events.at(-1), host.settings], [['room', settings], settings]);
  });

  it('makes another member the host', async () => {
    const { host, guest } = await world.pair();
    const [ofHost, ofGuest] = [record(host), record(guest)];
    assert.deepEqual([guest.host, guest.isHost, host.isHost], [0, false, true]);
    host.setHost(1);
    for (const events of [ofHost, ofGuest]) await told(events, 'host');
    assert.deepEqual([ofGuest, guest.isHost, host.isHost, host.host], [[['host', 1]], true, false, 1]);
    assert.throws(() => host.lock(), { code: 'not-host' });
    assert.equal(await guest.setState('mine'), 'delivered');
    await told(ofHost, 'state');
    assert.equal(host.state, 'mine');
  });

  it('that is away for long is followed by another, and comes back as a member', async () => {
    const network = await world.network();
    const host = await world.create({ onHostLeft: 'migrate' }, network.url);
    const guest = await world.join(host.room);
    const [ofHost, ofGuest] = [record(host), record(guest)];
    network.fail();
    await told(ofGuest, 'host');
    assert.deepEqual([ofGuest, guest.isHost], [[['away', 0], ['host', 1]], true]);
    network.restore();
    await told(ofHost, 'host');
    assert.deepEqual([host.isHost, host.host, host.id], [false, 1, 0]);
  });

  it('that leaves ends the room, unless another is to follow', async () => {
    for (const [onHostLeft, expected] of [['close', 'closed'], ['migrate', 'host']]) {
      const { host, guest } = await world.pair({}, { onHostLeft });
      const events = record(guest);
      host.leave();
      await told(events, expected);
      assert.equal(guest.status, onHostLeft === 'close' ? 'closed' : 'connected');
    }
  });

  it('has a private state, which it alone is told after it has lost its memory', async () => {
    const clientId = 'the secret of a screen';
    const host = await world.create({ clientId });
    const guest = await world.join(host.room);
    await host.setState('for all');
    await host.setState({ answer: 42 }, { private: true });
    const again = await world.join(host.room, { clientId });
    assert.deepEqual([again.isHost, again.state, again.privateState], [true, 'for all', { answer: 42 }]);
    assert.deepEqual([guest.state, guest.privateState], ['for all', undefined]);
  });

  it('hears of what the relay refused, by code and type', async () => {
    const { host } = await world.pair();
    const events = record(host);
    assert.equal(await host.kick(9), 'no-such-peer');
    await assert.rejects(host.kick(host.id), { code: 'kick-self', of: 'kick' });
    const [[, { code, of }]] = named(events, 'error');
    assert.deepEqual([code, of, named(events, 'error').length], ['kick-self', 'kick', 1]);
  });
});

describe('A message', () => {
  it('goes to the host, or to several', async () => {
    const host = await world.create();
    const others = [];
    for (let count = 0; count < 3; count++) others.push(await world.join(host.room));
    const [ofHost, ofAda, ofBob, ofCem] = [host, ...others].map(record);
    others[0].send('host', 1);
    host.send([1, 3], 2);
    for (const events of [ofHost, ofAda, ofCem]) await told(events, 'message');
    await others[1].ping();
    assert.deepEqual(named(ofHost, 'message'), [['message', 1, 1]]);
    for (const events of [ofAda, ofCem]) assert.deepEqual(named(events, 'message'), [['message', 2, 0]]);
    assert.deepEqual(named(ofBob, 'message'), []);
  });

  it('may be bytes, to all, to one or to the host', async () => {
    const { host, guest } = await world.pair();
    const [ofHost, ofGuest] = [record(host), record(guest)];
    assert.equal(await guest.sendBinary(Uint8Array.of(255, 254)), 'delivered');
    guest.sendBinary(Uint8Array.of(9, 1, 2, 9).subarray(1, 3), { to: 'host' });
    assert.equal(await guest.sendBinary(new ArrayBuffer(0), { to: 0, volatile: true }), 'sent');
    host.sendBinary(new Uint16Array([0x0101]), { to: 1 });
    await told(ofHost, 'message', 3);
    await told(ofGuest, 'message');
    const bytes = (events) => named(events, 'message').map(([, data, from]) => [...data, from]);
    assert.deepEqual([bytes(ofHost), bytes(ofGuest)], [[[255, 254, 1], [1, 2, 1], [1]], [[1, 1, 0]]]);
  });

  it('are not sent as other bytes, nor to another than was meant', async () => {
    const { host, guest } = await world.pair();
    const events = record(host);
    for (const to of [[0, 1], null, 'guest', 0.5]) assert.throws(() => guest.sendBinary(new Uint8Array(1), { to }), TypeError);
    for (const bytes of ['text', 5, null, undefined]) assert.throws(() => guest.sendBinary(bytes), TypeError);
    await guest.ping();
    await host.ping();
    assert.deepEqual(named(events, 'message'), []);
  });
});

describe('The audience', () => {
  it('watches, speaks to the host, and is counted', async () => {
    const host = await world.create({ maxAudience: 1 });
    const events = record(host);
    await host.setState('the board');
    const watcher = await world.join(host.room, { audience: true });
    const ofWatcher = record(watcher);
    assert.deepEqual([watcher.id, watcher.state, watcher.host, watcher.isHost], [-1, 'the board', 0, false]);
    await told(events, 'audience');
    const late = record(host);
    await told(late, 'audience'); // as a screen that was loaded again
    assert.deepEqual(named(late, 'audience'), [['audience', 1]]);
    assert.equal(await watcher.broadcast('applause'), 'sent');
    watcher.sendBinary(Uint8Array.of(7));
    await told(events, 'message', 2);
    assert.deepEqual(named(events, 'message'), [['message', 'applause', -1], ['message', Uint8Array.of(7), -1]]);
    host.broadcast('thanks');
    await told(ofWatcher, 'message');
    assert.ok((await watcher.ping()) > 0);
    await assert.rejects(world.join(host.room, { audience: true }), { code: 'audience-full' });
    host.muteAudience();
    await host.ping();
    watcher.broadcast('boo');
    await told(ofWatcher, 'error');
    assert.equal(named(ofWatcher, 'error')[0][1].code, 'audience-muted');
    watcher.leave();
    await told(events, 'audience', 2);
    assert.deepEqual(named(events, 'audience').map(([, count]) => count), [1, 0]);
  });

  it('comes back by itself, and says that something was missed', async () => {
    const host = await world.create({ maxAudience: 1 });
    const network = await world.network();
    const watcher = await world.join(host.room, { audience: true }, network.url);
    const events = record(watcher);
    let gaps = 0;
    watcher.on('gap', () => gaps++);
    network.fail();
    await told(events, 'connection');
    const waiting = watcher.broadcast('later');
    await host.setState('meanwhile');
    network.restore();
    assert.equal(await waiting, 'sent');
    await told(events, 'state');
    assert.deepEqual([gaps, watcher.state], [1, 'meanwhile']);
  });
});

describe('A room', () => {
  it('with a password lets nobody new in without it, and everybody back', async () => {
    const host = await world.create({ password: 'pa ss' });
    await assert.rejects(world.join(host.room), { code: 'password-required' });
    await assert.rejects(world.join(host.room, { password: 'x' }), { code: 'wrong-password' });
    const network = await world.network();
    const guest = await world.join(host.room, { password: 'pa ss' }, network.url);
    const events = record(guest);
    await host.setRoom({ password: 'another' });
    network.cut();
    await told(events, 'connection', 2);
    assert.deepEqual([guest.id, named(events, 'room')[0][1].password], [1, true]);
  });

  it('that is locked keeps out who was away for too long, and says so', async () => {
    const { host, guest, network } = await world.pair({}, { hold: 0 });
    const [ofHost, ofGuest] = [record(host), record(guest)];
    host.lock();
    await told(ofGuest, 'room');
    network.cut();
    await told(ofHost, 'leave');
    await told(ofGuest, 'closed');
    assert.ok(['kicked', 'locked-out'].includes(ofGuest.at(-1)[1]), ofGuest.at(-1)[1]);
  });

  it('is found by its code however it is typed, and the address names it as it is shown', async () => {
    const addresses = [];
    class Spy extends WebSocket {
      constructor(url, offer) {
        super(url, offer);
        addresses.push(url.slice(world.url.length));
      }
    }
    const { room } = await world.create();
    const small = room.toLowerCase();
    const forms = [room, small, ` ${small.slice(0, 2)} ${room.slice(2)}`, `${room.slice(0, 3)}-${small.slice(3)}`];
    for (const form of [...forms, room[0] + small.slice(1)])
      assert.equal((await world.join(form, { WebSocket: Spy })).room, room);
    assert.deepEqual(addresses, Array(5).fill(`/${room}`));
  });
});
