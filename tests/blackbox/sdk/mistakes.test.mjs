// What the author of a page gets wrong is said at once, and in words.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import WebSocket from 'ws';
import { Party } from '../../../client/party-sockets.js';
import { eventually } from '../support/deadline.mjs';
import { named, record, World } from './world.mjs';

let world;
before(async () => (world = await World.start()));
after(() => world.stop());

const typeError = (message) => ({ name: 'TypeError', message });

describe('A mistake', () => {
  it('in the arguments of create and join is a TypeError that says what was meant', async () => {
    const mistakes = [
      [() => Party.join('BCDF', world.url), /comes before the code: join\(url, code\)/],
      [() => Party.join('BCDF'), /comes before the code/],
      [() => Party.join({ WebSocket }, 'BCDF'), /address comes first, or undefined/],
      [() => Party.create({ maxClients: 4 }), /address comes first, or undefined/],
      [() => Party.join('localhost:18765'), /comes before the code: join\(url, code\)/],
      [() => Party.create(undefined, null), /^options: an object, not null$/],
      [() => Party.join(world.url, 'BCDF', 'secret'), /^options: an object, not secret$/],
      [() => Party.create(world.url, { resume: 'yes' }), /^resume: true, false or 'tab'$/],
      [() => Party.create(world.url, { maxPlayers: 4 }), /There is no option maxPlayers\. Known: .*maxClients/],
      [() => Party.join(world.url, 'BCDF', { signal: new AbortController() }), /signal is an AbortSignal/],
      [() => Party.join(world.url, 'BCDF', { name: 'Ada' }), /There is no option name/],
      [() => Party.create(world.url, { joinUrl: 'https://game.example/' }), /joinUrl needs \{room\}: https/],
    ];
    for (const [call, message] of mistakes) await assert.rejects(call(), typeError(message));
  });

  it('in a call of a party is thrown, and nothing is sent', async () => {
    const host = await world.create();
    const guest = await world.join(host.room);
    const events = record(guest);
    const mistakes = [
      [() => host.send({ text: 'hello' }), /send\(to, data\): a peer is a number or 'host', not \{"text":"hello"\}/],
      [() => host.send(undefined, 1), /send\(to, data\)/],
      [() => host.send('1', 1), /a peer is a number or 'host', not "1"/],
      [() => host.send([1, '2'], 1), /not "2"/],
      [() => host.send(-1, 1), /not -1/],
      [() => host.send([], 1), /a peer is a number or 'host', not \[\]/],
      [() => host.kick(1, 'rude'), /^options: an object, not rude$/],
      [() => host.send(1.5, 1), /not 1\.5/],
      [() => host.sendBinary(new Uint8Array(1), { to: '1' }), /sendBinary\(bytes, \{ to \}\): .* not "1"/],
      [() => host.sendBinary(new Uint8Array(1), 1), null],
      [() => host.kick('1'), /kick\(peer\): a peer is a number, not "1"/],
      [() => host.kick('host'), /kick\(peer\)/],
      [() => host.setHost(), /setHost\(peer\)/],
      [() => host.kick(1, { why: 'rude' }), /There is no option why\. Known: reason, ban/],
      [() => host.broadcast(1, { volatil: true }), /There is no option volatil/],
      [() => host.setState(1, { secret: true }), /There is no option secret\. Known: private/],
      [() => host.setRoom({ max: 4 }), /There is no setting max\. Known: locked/],
      [() => host.on('message'), /on\('message', listener\) needs a function/],
      [() => host.on('joined', () => {}), /There is no event joined\. Known: join, /],
    ];
    for (const [call, message] of mistakes) if (message) assert.throws(call, typeError(message));
    assert.equal(await host.broadcast('now'), 'delivered');
    await eventually(() => named(events, 'message').length > 0, 'The message');
    assert.deepEqual(events, [['message', 'now', 0]]);
  });

  it('in protocol 1 is a peer that is no id', async () => {
    const host = await world.create({ protocol: 1 });
    assert.throws(() => host.send(1, 1), typeError(/a peer is an id or 'host', not 1/));
  });
});

describe('What nobody gets', () => {
  it('is told by the promise, by no event, and there is no doubt to whom it was', async () => {
    const { host, guest, network } = await world.pair();
    const events = record(guest);
    const calls = [guest.send(7, 1), guest.send([7, 8], 1), guest.sendBinary(new Uint8Array(1), { to: 7 })];
    assert.deepEqual(await Promise.all(calls), Array(3).fill('no-such-peer'));
    assert.equal(await guest.send([7, 0], 1), 'delivered');
    assert.equal(await guest.send(9, 1, { volatile: true }), 'sent');
    await eventually(() => named(events, 'error').length === 1, 'The error');
    const [[, { code, of, to }]] = named(events, 'error');
    assert.deepEqual([code, of, to], ['peer-not-found', 'send', 9]);
    network.cut();
    await eventually(() => guest.status === 'reconnecting', 'The loss');
    const late = [guest.send(8, 1), guest.toHost('here')];
    assert.deepEqual(await Promise.all(late), ['no-such-peer', 'delivered']);
    assert.equal(host.status, 'connected');
  });

  it('is told, too, when the connection breaks before the answer', async () => {
    const { guest, network } = await world.pair();
    network.hush(); // what the relay says is lost with the connection
    const lost = [guest.send(7, 1), guest.toHost(2)];
    await eventually(() => network.hushed > 0, 'The answer');
    network.cut();
    assert.deepEqual(await Promise.all(lost), ['no-such-peer', 'delivered']);
  });

  it('is told before protocol 3 of a peer that left', async () => {
    const host = await world.create({ protocol: 2 });
    const guest = await world.join(host.room, { protocol: 2 });
    await eventually(() => host.peers.length === 1, 'The guest');
    assert.equal(await host.send(1, 'hello'), 'sent');
    guest.leave();
    await eventually(() => host.peers.length === 0, 'The departure');
    assert.equal(await host.send(1, 'hello'), 'no-such-peer');
  });
});

describe('A state that the relay refuses', () => {
  it('is taken back when it is the private one, too', async () => {
    const host = await world.create();
    await host.setState('small', { private: true });
    await assert.rejects(host.setState('x'.repeat(20_000), { private: true }), { code: 'state-too-large' });
    assert.deepEqual([host.privateState, host.state], ['small', undefined]);
  });

  it('is taken back: `state` is what everybody has', async () => {
    for (const protocol of [2, 3]) {
      const host = await world.create({ protocol });
      const guest = await world.join(host.room, { protocol });
      const events = record(host);
      await host.setState('small');
      const refused = host.setState('x'.repeat(20_000));
      assert.equal(host.state.length, 20_000);
      if (protocol === 3) await assert.rejects(refused, { code: 'state-too-large', of: 'set_state' });
      else await eventually(() => named(events, 'error').length > 0, 'The error');
      await host.ping();
      assert.deepEqual([host.state, named(events, 'state').at(-1)], ['small', ['state', 'small']]);
      await eventually(() => guest.state === 'small', "The guest's state");
      await host.setState('next');
      assert.equal(host.state, 'next');
    }
  });

  it('is not taken back when a later one was taken', async () => {
    const host = await world.create();
    const refused = host.setState('x'.repeat(20_000));
    const taken = host.setState('small');
    await assert.rejects(refused, { code: 'state-too-large' });
    assert.deepEqual([await taken, host.state], ['delivered', 'small']);
  });
});
