// What the SDK does when the network, the relay or another tab does what it will, in protocol 2.
// lossless.test.mjs has protocol 3.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { fileURLToPath } from 'node:url';
import WebSocket from 'ws';
import { Party } from '../../../client/party-sockets.js';
import { eventually, slowness } from '../support/deadline.mjs';
import { Server } from '../support/server.mjs';
import { closeRecorder, named, record, World } from './world.mjs';

let world;
before(async () => (world = await World.start({ protocol: 2 })));
after(() => world.stop());

/** For this long everybody is away: as a Wi-Fi is that fails for all. */
const cutMilliseconds = 15_000;

const told = (events, name, count, times) =>
  eventually(() => named(events, name).length >= count, `${count} times ${name}`, times);

describe('A connection that is lost', () => {
  it('comes back to the same seat by itself', async () => {
    const { host, guest, network } = await world.pair();
    const [ofHost, ofGuest] = [record(host), record(guest)];
    network.cut();
    await told(ofGuest, 'connection', 2);
    await told(ofHost, 'join', 1);
    assert.deepEqual(ofHost, [['leave', 1], ['join', 1]]);
    assert.deepEqual(ofGuest, [['connection', 'reconnecting'], ['connection', 'connected']]);
    assert.deepEqual([guest.id, guest.peers, guest.status], [1, [0], 'connected']);
  });

  it('is told that its room is gone by a relay that has another name after a restart', async () => {
    const start = (name, port) =>
      Server.start({ port, options: ['--protocol', 2, '--instance-id', name] });
    const first = await start('before');
    const { port } = first;
    const host = await Party.create(`ws://127.0.0.1:${port}`, { WebSocket, protocol: 2 });
    const events = record(host);
    first.kill();
    await first.outcome();
    const second = await start('after', port);
    try {
      await told(events, 'closed', 1);
      assert.deepEqual(named(events, 'closed'), [['closed', 'room-gone']]);
    } finally {
      host.close();
      await second.stop();
    }
  });

  it('is told who came and went meanwhile, and the state', async () => {
    const { host, guest, network } = await world.pair();
    const leaving = await world.join(host.room);
    await eventually(() => guest.peers.length === 2, 'The third');
    const events = record(guest);
    network.fail();
    await told(events, 'connection', 1);
    leaving.close();
    const coming = await world.join(host.room);
    host.setState('new');
    await host.ping();
    network.restore();
    await told(events, 'state', 1);
    assert.deepEqual(events.slice(1).sort(), [
      ['connection', 'connected'],
      ['join', coming.id],
      ['leave', leaving.id],
      ['state', 'new'],
    ]);
    assert.deepEqual(guest.peers, [host.id, coming.id]);
  });

  it('gets what was sent meanwhile, in order; volatile messages are dropped, and said to be', async () => {
    const { host, guest, network } = await world.pair();
    const heard = [];
    host.on('message', (data) => heard.push(data));
    const events = record(guest);
    network.fail();
    await told(events, 'connection', 1);
    const sent = [1, 2, 3].map((n) => guest.send(0, n));
    assert.equal(await guest.broadcast('now', { volatile: true }), 'dropped');
    sent.push(guest.broadcast(4));
    network.restore();
    assert.deepEqual(await Promise.all(sent), ['sent', 'sent', 'sent', 'sent']);
    await eventually(() => heard.length >= 4, 'The messages');
    assert.deepEqual(heard, [1, 2, 3, 4]);
  });

  it('queues so many messages, and so long ones, and no more', async () => {
    const { guest, network } = await world.pair({ queueLength: 3, queueSize: 200 });
    const events = record(guest);
    network.fail();
    await told(events, 'connection', 1);
    const long = guest.broadcast('x'.repeat(200));
    const short = [1, 2, 3, 4].map((n) => guest.broadcast(n));
    assert.equal(await long, 'dropped');
    assert.equal(await short[3], 'dropped');
    network.restore();
    assert.deepEqual(await Promise.all(short), ['sent', 'sent', 'sent', 'dropped']);
    assert.equal(await guest.broadcast('again'), 'sent');
  });

  it('that is slow is sent nothing volatile, and no more than may be queued', async () => {
    const { guest, network } = await world.pair({ queueSize: 4e6 });
    network.stall();
    const sent = [];
    for (let count = 0; count < 20; count++) sent.push(await guest.broadcast('x'.repeat(1e6)));
    assert.equal(await guest.broadcast('now', { volatile: true }), 'dropped');
    assert.deepEqual([sent.at(0), sent.at(-1)], ['sent', 'dropped']);
  });

  it('sends the state again that may have been lost, and of those that waited the last', async () => {
    const network = await world.network();
    const host = await world.create({}, network.url);
    const guest = await world.join(host.room);
    const events = record(guest);
    network.silence();
    host.setState('swallowed');
    network.cut();
    await told(events, 'state', 1);
    network.fail();
    await eventually(() => host.status === 'reconnecting', 'The loss');
    const sent = [host.setState('one'), host.setState('two')];
    network.restore();
    assert.deepEqual(await Promise.all(sent), ['dropped', 'sent']);
    await told(events, 'state', 2);
    assert.deepEqual(named(events, 'state'), [['state', 'swallowed'], ['state', 'two']]);
    assert.equal(host.state, 'two');
  });

  it('that is silent is noticed by a ping without an answer, and replaced', async () => {
    const { guest, network } = await world.pair();
    const events = record(guest);
    network.silence();
    assert.equal(await guest.ping(), null);
    await told(events, 'connection', 2);
    assert.ok((await guest.ping()) > 0);
  });

  it('that is silent is noticed by itself', async () => {
    const { guest, network } = await world.pair();
    const events = record(guest);
    network.silence();
    await told(events, 'connection', 2, 2); // five seconds of silence, four for an answer, and the way back
    assert.equal(guest.status, 'connected');
  });

  it('gives a handshake up that hangs, after six seconds', async () => {
    const { guest, network } = await world.pair();
    const events = record(guest);
    network.silence({ all: true });
    network.cut();
    const begun = performance.now();
    await eventually(() => network.attempts === 2, 'The attempt that hangs');
    network.restore();
    await eventually(() => network.attempts === 3, 'The next one');
    const milliseconds = performance.now() - begun;
    assert.ok(milliseconds > 5_900 && milliseconds < 6_500 + 2_000 * slowness, `${milliseconds} ms`);
    await told(events, 'connection', 2);
  });

  it('has the time that a long message takes, over a slow network', async () => {
    const { host, guest, network } = await world.pair();
    const [ofHost, ofGuest] = [record(host), record(guest)];
    network.throttle(20_000);
    guest.broadcast('x'.repeat(140_000)); // seven seconds, more than an answer has
    guest.ping();
    await told(ofHost, 'message', 1);
    assert.deepEqual(ofGuest, []);
  });

  it('is not given up when it is lost again and again, but works meanwhile', async () => {
    const { guest, network } = await world.pair({ giveUpAfter: 2_000 });
    const events = record(guest);
    for (let count = 1; count <= 3; count++) {
      network.cut();
      await told(events, 'connection', 2 * count);
      assert.equal(guest.status, 'connected');
      await pause(1_200); // a connection that ends at once is none
    }
    assert.deepEqual(named(events, 'closed'), []);
  });

  it('is given up as well when it is lost right after each handshake', async () => {
    const { guest, network } = await world.pair({ giveUpAfter: 1_500 });
    const events = record(guest);
    guest.on('connection', (status) => status === 'connected' && network.cut());
    network.cut();
    await told(events, 'closed', 1);
    assert.deepEqual(events.at(-1), ['closed', 'gave-up']);
    assert.ok(network.attempts < 12, `${network.attempts} attempts`);
  });

  /** A guest that has given a socket up whose join is still on its way; `deliver` lets it arrive. */
  async function late() {
    const { host, guest } = await world.pair();
    const hellos = [];
    class Recorder extends WebSocket {
      send(text) {
        hellos.push(text);
        super.send(text);
      }
    }
    const network = await world.network();
    const phone = await world.join(host.room, { WebSocket: Recorder }, network.url);
    network.silence({ all: true });
    const lost = phone.ping(); // without an answer: that socket is given up
    await eventually(() => network.attempts === 2, 'The next one');
    network.restore(); // for the one after that
    await lost;
    await eventually(() => phone.status === 'connected', 'The third one');
    const deliver = async () => {
      const socket = await world.server.member();
      socket.sendText(hellos.find((text) => text.includes('"join"')));
    };
    return { host, guest, phone, deliver };
  }

  it('is had again when a join of a socket that was given up arrives late, once', async () => {
    const { phone, deliver } = await late();
    const events = record(phone);
    await deliver();
    await told(events, 'connection', 2);
    assert.deepEqual(events, [['connection', 'reconnecting'], ['connection', 'connected']]);
    assert.equal(phone.id, 2);
    await deliver();
    await told(events, 'closed', 1);
    assert.deepEqual(named(events, 'closed'), [['closed', 'replaced']]);
  });

  it('believes a successor when what it gave up had been in the room', async () => {
    const { host, network } = await world.pair();
    const phone = await world.join(host.room, { clientId: 'me' }, network.url);
    const events = record(phone);
    network.silence();
    await phone.ping();
    await eventually(() => phone.status === 'connected', 'The way back');
    const successor = await world.join(host.room, { clientId: 'me' });
    await told(events, 'closed', 1);
    assert.deepEqual([events.at(-1), successor.status], [['closed', 'replaced'], 'connected']);
  });

  it('says what is wrong when others have all seats until it gives up', async () => {
    const { host, guest, network } = await world.pair({ giveUpAfter: 700 * slowness }, { maxClients: 2 });
    const events = record(guest);
    network.fail();
    await told(events, 'connection', 1);
    await eventually(() => host.peers.length === 0, 'The free seat');
    await world.join(host.room);
    network.restore();
    await told(events, 'closed', 1);
    assert.deepEqual(events.at(-1), ['closed', 'room-full']);
  });

  it('is given up in the end, and says so', async () => {
    const { guest, network } = await world.pair({ giveUpAfter: 700 * slowness });
    const events = record(guest);
    network.fail();
    await told(events, 'connection', 1);
    const waiting = guest.broadcast('never');
    await told(events, 'closed', 1);
    assert.equal(await waiting, 'dropped');
    assert.deepEqual(events, [
      ['connection', 'reconnecting'],
      ['connection', 'closed'],
      ['closed', 'gave-up'],
    ]);
    const { attempts } = network;
    network.restore();
    assert.ok(attempts >= 3, `${attempts} attempts`);
  });

  it('finds its room, its state and who was there after all have been cut off at once', async () => {
    const [ofHost, ofGuest] = [await world.network(), await world.network()];
    const host = await world.create({}, ofHost.url);
    const guest = await world.join(host.room, {}, ofGuest.url);
    await eventually(() => host.peers.length === 1, 'The guest');
    host.setState({ round: 3 });
    await host.ping();
    const { room } = host;
    const events = [record(host), record(guest)];
    for (const network of [ofHost, ofGuest]) network.fail();
    for (const told of events) await eventually(() => named(told, 'connection').length === 1, 'The cut');
    const found = () => world.server.get(`/room/${room}`);
    await eventually(async () => JSON.parse((await found()).body).clients === 0, 'The empty room');
    await pause(cutMilliseconds);
    for (const network of [ofHost, ofGuest]) network.restore();
    for (const told of events) await eventually(() => named(told, 'connection').length === 2, 'The way back');
    await eventually(() => host.peers.length === 1 && guest.peers.length === 1, 'The other');
    assert.deepEqual([host.room, host.id, guest.id], [room, 0, 1]);
    const late = await world.join(room);
    await eventually(() => late.state !== undefined, 'The state');
    assert.deepEqual([late.id, late.state, guest.state], [2, { round: 3 }, { round: 3 }]);
  });

  it('notices nothing when packets vanish for seven seconds, and misses nothing', async () => {
    const [ofHost, ofGuest] = [await world.network(), await world.network()];
    const host = await world.create({}, ofHost.url);
    const guest = await world.join(host.room, {}, ofGuest.url);
    await eventually(() => host.peers.length === 1, 'The guest');
    const events = [record(host), record(guest)];
    for (const network of [ofHost, ofGuest]) network.hold();
    const sent = [host.broadcast('from the host'), guest.broadcast('from the guest')];
    await pause(7_000);
    assert.deepEqual(events, [[], []]);
    for (const network of [ofHost, ofGuest]) network.deliver();
    for (const told of events) await eventually(() => told.length === 1, 'The message');
    assert.deepEqual(events, [[['message', 'from the guest', 1]], [['message', 'from the host', 0]]]);
    assert.deepEqual(await Promise.all(sent), ['sent', 'sent']);
  });

  /** Whom nobody answers takes its socket for dead, and closes it; that arrives after the next has failed. */
  it('finds its room when the closes of all who were taken for dead arrive late', async () => {
    const { Recorder, codes } = closeRecorder();
    const [ofHost, ofGuest] = [await world.network(), await world.network()];
    const host = await world.create({ WebSocket: Recorder }, ofHost.url);
    const guest = await world.join(host.room, { WebSocket: Recorder }, ofGuest.url);
    await eventually(() => host.peers.length === 1, 'The guest');
    const { room } = host;
    for (const network of [ofHost, ofGuest]) {
      network.hold();
      network.refuse();
    }
    await Promise.all([host.ping(), guest.ping()]); // without an answer: both are given up
    assert.deepEqual(codes, [4101, 4101]);
    for (const network of [ofHost, ofGuest]) network.deliver();
    const found = () => world.server.get(`/room/${room}`);
    await eventually(async () => JSON.parse((await found()).body).clients === 0, 'The empty room');
    for (const network of [ofHost, ofGuest]) network.restore();
    await eventually(() => host.status === 'connected' && guest.status === 'connected', 'The way back');
    assert.deepEqual([host.room, host.id, guest.id], [room, 0, 1]);
  });

  it('finds its room gone after a restart of the relay, and stays away', async () => {
    const own = await World.start({ protocol: 2 });
    const { port } = own.server;
    const { guest, host, network } = await own.pair();
    const [ofHost, ofGuest] = [record(host), record(guest)];
    own.server.kill();
    await own.server.outcome();
    await told(ofGuest, 'connection', 1);
    const next = await World.start({ protocol: 2, port });
    await told(ofGuest, 'closed', 1);
    await told(ofHost, 'closed', 1);
    assert.deepEqual(ofGuest.at(-1), ['closed', 'room-gone']);
    network.close();
    await next.stop();
  });

  it('waits for a seat in a room that has filled up meanwhile', async () => {
    const { host, guest, network } = await world.pair({}, { maxClients: 2 });
    const events = record(guest);
    network.fail();
    await told(events, 'connection', 1);
    await eventually(() => host.peers.length === 0, 'The free seat');
    const other = await world.join(host.room);
    network.restore();
    await eventually(() => network.attempts >= 3, 'An attempt');
    other.close();
    await told(events, 'connection', 2);
    assert.deepEqual([guest.id, guest.status], [1, 'connected']);
  });

  it('that the relay refused for what it was sent comes back, and says why', async () => {
    const own = await World.start({ protocol: 2, options: ['--max-message-bytes', 1000] });
    const { guest } = await own.pair();
    const events = record(guest);
    guest.broadcast('x'.repeat(2000));
    await told(events, 'connection', 2);
    assert.deepEqual(named(events, 'error').map(([, { code }]) => code), ['message-too-big']);
    await own.stop();
  });
});

describe('A state that the relay refuses', () => {
  it('is not sent again and again, and what the room has is told', async () => {
    const own = await World.start({ protocol: 2, options: ['--max-message-bytes', 1000] });
    const network = await own.network();
    const host = await own.create({}, network.url);
    await own.join(host.room); // or the room would end
    const events = record(host);
    host.setState('small');
    await host.ping();
    host.setState('x'.repeat(2000));
    await told(events, 'state', 1);
    await host.ping();
    assert.deepEqual(named(events, 'error').map(([, { code }]) => code), ['message-too-big']);
    assert.deepEqual([host.state, network.attempts], ['small', 2]);
    await own.stop();
  });

  it('is not sent again when the connection is lost for another reason', async () => {
    const network = await world.network();
    const host = await world.create({}, network.url);
    await world.join(host.room);
    const events = record(host);
    host.setState('small');
    host.setState('x'.repeat(20_000));
    await told(events, 'error', 1);
    network.cut();
    await told(events, 'state', 1);
    await host.ping();
    assert.deepEqual([host.state, named(events, 'error').length], ['small', 1]);
  });
});

/** WebSockets to try, by the flags that Node needs: its own comes with 22, and may be had in 20. */
const [major] = process.versions.node.split('.').map(Number);
const kinds = { ws: [] };
if (major >= 20) kinds.own = major < 22 ? ['--experimental-websocket', '--no-warnings'] : [];

describe('A party that is closed', () => {
  it('connects no more, whatever it was about to do', async () => {
    const { guest, network } = await world.pair();
    const events = record(guest);
    network.fail();
    await told(events, 'connection', 1);
    guest.close();
    guest.close();
    assert.deepEqual(events.slice(1), [['connection', 'closed'], ['closed', 'left']]);
    assert.equal(guest.status, 'closed');
  });

  for (const closing of ['leave', 'join']) {
    it(`stays closed, if a listener of ${closing} closes it on the way back`, async () => {
      const { host, guest, network } = await world.pair();
      const third = await world.join(host.room);
      await eventually(() => guest.peers.length === 2, 'The third');
      const events = record(guest);
      guest.on(closing, () => guest.close());
      network.fail();
      await told(events, 'connection', 1);
      third.close();
      await world.join(host.room);
      network.restore();
      await told(events, 'closed', 1);
      assert.equal(await guest.ping(), null);
      assert.deepEqual([events.at(-1), guest.status], [['closed', 'left'], 'closed']);
    });
  }

  it('ends its socket, even if the network says nothing any more', async () => {
    const network = await world.network();
    const sockets = [];
    class Spy extends WebSocket {
      constructor(...parameters) {
        super(...parameters);
        sockets.push(this);
      }
    }
    const party = await world.create({ WebSocket: Spy }, network.url);
    network.silence();
    party.close();
    await eventually(() => sockets[0].readyState === WebSocket.CLOSED, 'The end of the socket');
  });

  it('may be closed by its listeners', async () => {
    const { guest, network } = await world.pair();
    const events = record(guest);
    guest.on('connection', () => guest.close());
    network.cut();
    await told(events, 'closed', 1);
    assert.deepEqual(named(events, 'closed'), [['closed', 'left']]);
  });

  /** In a process of its own, which ends by itself if no timer, socket or channel is left. */
  for (const [kind, flags] of Object.entries(kinds)) {
    it(`leaves nothing behind, no timer and no rejected promise, with ${kind}`, async () => {
      const program = fileURLToPath(new URL('lifetime.mjs', import.meta.url));
      const network = await world.network();
      const parameters = [...flags, program, kind, world.url, network.url];
      const { stdout, stderr } = await promisify(execFile)(process.execPath, parameters);
      assert.deepEqual([stdout, stderr], ['closed\n', '']);
    });
  }
});
