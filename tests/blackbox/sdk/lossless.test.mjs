// What the SDK does in protocol 3 when connections break: nothing is lost, and nothing comes twice.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import WebSocket, { WebSocketServer } from 'ws';
import { eventually, slowness } from '../support/deadline.mjs';
import { closeRecorder, named, record, World } from './world.mjs';

let world;
before(async () => (world = await World.start({ loops: 2 })));
after(() => world.stop());

const told = (events, name, count = 1) =>
  eventually(() => named(events, name).length >= count, `${count} times ${name}`);
const messages = (events) => named(events, 'message').map(([, data]) => data);
const numbers = (count) => Array.from({ length: count }, (_, number) => number);

/** A host and a guest, each behind a network of its own. */
async function apart(hostOptions, guestOptions) {
  const [ofHost, ofGuest] = [await world.network(), await world.network()];
  const host = await world.create(hostOptions, ofHost.url);
  const guest = await world.join(host.room, guestOptions, ofGuest.url);
  await eventually(() => host.peers.length === 1, 'The guest');
  return { host, guest, ofHost, ofGuest };
}

/** Breaks connections of parties that have been here for a second, in another way each time. */
async function breakOff(round, parties, networks) {
  for (const party of parties) await eventually(() => party.status === 'connected', 'The way back');
  await pause(1_100);
  if (round === 5) networks[1].silence();
  else for (const [place, network] of networks.entries()) if (round % 3 !== place) network.cut();
}

/** A WebSocket that records what the SDK sends and gets. */
function wire() {
  const said = [];
  const heard = [];
  class Wire extends WebSocket {
    constructor(...parameters) {
      super(...parameters);
      this.on('message', (data, isBinary) => isBinary || heard.push(JSON.parse(data)));
    }

    send(frame) {
      if (typeof frame === 'string') said.push(JSON.parse(frame));
      super.send(frame);
    }
  }
  return { said, heard, Wire };
}

describe('A connection of protocol 3 that breaks', () => {
  it('comes back to its seat; the others hear that it was away, and nothing was missed', async () => {
    const { host, guest, ofGuest } = await apart();
    const [told1, told2] = [record(host), record(guest)];
    ofGuest.fail();
    await told(told1, 'away');
    assert.deepEqual([host.peers, host.away], [[], [1]]);
    host.send(1, 'while it was away');
    host.setState({ round: 1 });
    host.setState({ round: 2 });
    ofGuest.restore();
    await told(told1, 'back');
    await told(told2, 'state');
    assert.deepEqual(told1, [['away', 1], ['back', 1]]);
    assert.deepEqual(told2, [
      ['connection', 'reconnecting'],
      ['connection', 'connected'],
      ['message', 'while it was away', 0],
      ['state', { round: 2 }],
    ]);
    assert.deepEqual([host.peers, host.away, guest.id], [[1], [], 1]);
  });

  it('loses nothing and doubles nothing, both ways, however often it breaks', async () => {
    const { host, guest, ofHost, ofGuest } = await apart();
    const [told1, told2] = [record(host), record(guest)];
    const [count, rounds] = [300, 8];
    const deliveries = [];
    for (const number of numbers(count)) {
      deliveries.push(host.broadcast(number), guest.send('host', number));
      if (number % 10 === 0) guest.sendBinary(Uint8Array.of(number / 10), { to: 'host' });
      if (number % 7 === 0) guest.broadcast('volatile', { volatile: true });
      await pause(Math.random() * 5);
      if (number % (count / rounds) < 30) continue;
      const round = Math.floor((number * rounds) / count);
      if (number % (count / rounds) < 31) await breakOff(round, [host, guest], [ofHost, ofGuest]);
    }
    const isNumber = (data) => typeof data === 'number';
    const all = () => messages(told1).filter(isNumber).length >= count && messages(told2).length >= count;
    await eventually(all, 'All messages');
    assert.deepEqual(new Set(await Promise.all(deliveries)), new Set(['delivered']));
    await Promise.all([host.ping(), guest.ping()]);
    const ofGuests = messages(told1);
    assert.deepEqual(ofGuests.filter(isNumber), numbers(count));
    const bytes = ofGuests.filter((data) => data instanceof Uint8Array).map(([byte]) => byte);
    assert.deepEqual(bytes, numbers(count / 10));
    assert.deepEqual(messages(told2), numbers(count));
    assert.deepEqual([named(told1, 'error'), named(told2, 'error')], [[], []]);
    for (const { attempts } of [ofHost, ofGuest]) assert.ok(attempts > 4, `${attempts} connections`);
    assert.deepEqual(new Set(told1.map(([name]) => name)), new Set(['message', 'away', 'back', 'connection']));
  });

  it('sends again what the relay has not heard, and only that', async () => {
    const { said, heard, Wire } = wire();
    const { host, guest, ofGuest } = await apart({}, { WebSocket: Wire });
    const events = record(host);
    assert.equal(await guest.broadcast('heard'), 'delivered');
    ofGuest.silence();
    const lost = [guest.broadcast('lost'), guest.broadcast('volatile', { volatile: true })];
    lost.push(guest.broadcast('lost, too'));
    ofGuest.cut();
    assert.deepEqual(await Promise.all(lost), ['delivered', 'sent', 'delivered']);
    await told(events, 'message', 3);
    assert.deepEqual(messages(events), ['heard', 'lost', 'lost, too']);
    const [, again] = heard.filter(({ type }) => type === 'joined');
    assert.deepEqual([again.recovered, again.heard], [true, 1]);
    const joins = said.filter(({ type }) => type === 'join');
    assert.deepEqual(joins.map(({ attempt }) => attempt), [1, 2]);
    assert.equal(joins[1].epoch, heard.find(({ type }) => type === 'joined').epoch);
    assert.equal(joins[0].session, joins[1].session);
    const sends = said.filter(({ type }) => type === 'send').map(({ data }) => data);
    assert.deepEqual(sends, ['heard', 'lost', 'volatile', 'lost, too', 'lost', 'lost, too']);
    assert.deepEqual(said.find(({ data }) => data === 'volatile').volatile, true);
  });

  it('says of what waits what became of it: the last of several states, and no more than is kept', async () => {
    const { host, guest, ofHost } = await apart({ queueLength: 4, queueSize: 400 });
    const events = record(guest);
    ofHost.fail();
    await eventually(() => host.status === 'reconnecting', 'The loss');
    const deliveries = [
      host.setState('one'),
      host.broadcast('x'.repeat(500)),
      host.broadcast(1),
      host.setState('two'),
      host.broadcast(2, { volatile: true }),
      host.broadcast(3),
      host.broadcast(4),
      host.broadcast(5),
    ];
    ofHost.restore();
    const [is, isNot] = ['delivered', 'dropped'];
    assert.deepEqual(await Promise.all(deliveries), [isNot, isNot, is, is, isNot, is, is, isNot]);
    await told(events, 'message', 3);
    assert.deepEqual([messages(events), guest.state], [[1, 3, 4], 'two']);
  });

  it('sends no state again that was followed by another', async () => {
    const { said, Wire } = wire();
    const { host, guest, ofHost } = await apart({ WebSocket: Wire });
    const events = record(guest);
    ofHost.silence();
    const deliveries = [host.setState('one'), host.broadcast('between'), host.setState('two')];
    ofHost.cut();
    assert.deepEqual(await Promise.all(deliveries), ['dropped', 'delivered', 'delivered']);
    await told(events, 'state');
    assert.deepEqual(events.slice(2), [['message', 'between', 0], ['state', 'two']]);
    const states = said.filter(({ type }) => type === 'set_state').map(({ data }) => data);
    assert.deepEqual(states, ['one', 'two', 'two']);
  });

  it('has the private state that it set last, though the relay tells the one before on the way back', async () => {
    const { host, ofHost } = await apart();
    const events = record(host);
    await host.setState('one', { private: true });
    ofHost.fail();
    await told(events, 'connection');
    const [two, three] = ['two', 'three'].map((state) => host.setState(state, { private: true }));
    const all = host.setState('for all');
    ofHost.restore();
    assert.deepEqual(await Promise.all([two, three, all]), ['dropped', 'delivered', 'delivered']);
    assert.equal(host.privateState, 'three');
    ofHost.cut();
    await told(events, 'connection', 4);
    await host.ping();
    assert.deepEqual([host.privateState, host.state], ['three', 'for all']);
  });

  it('takes its seat anew, and says that something was missed, when that was too much', async () => {
    const { host, guest, ofGuest } = await apart();
    const events = record(guest);
    const gaps = [];
    guest.on('gap', () => gaps.push([guest.peers, guest.away]));
    host.setState('before');
    await told(events, 'state');
    ofGuest.fail();
    await told(events, 'connection');
    const third = await world.join(host.room);
    host.setState('after');
    host.lock();
    for (const number of numbers(40)) host.broadcast(`${number} ${'x'.repeat(4_000)}`);
    const sent = guest.send('host', 'from before');
    await host.ping();
    ofGuest.restore();
    await told(events, 'state', 2);
    assert.equal(await sent, 'delivered');
    assert.equal(guest.state, 'after');
    assert.deepEqual(gaps, [[[0, third.id], []]]);
    assert.deepEqual(named(events, 'message'), []);
    assert.deepEqual(events.slice(2, 5), [
      ['join', third.id],
      ['room', { locked: true, maxClients: 8 }],
      ['connection', 'connected'],
    ]);
    await host.broadcast('and on');
    await told(events, 'message');
    ofGuest.cut(); // its count is right again
    await told(events, 'connection', 4);
    await guest.ping();
    assert.deepEqual([messages(events), gaps.length], [['and on'], 1]);
  });

  it('that is silent is replaced, and the relay told: a message is confirmed within seconds', async () => {
    const { Recorder, codes } = closeRecorder();
    const { guest, ofGuest } = await apart({}, { WebSocket: Recorder });
    ofGuest.silence();
    assert.equal(await guest.broadcast('confirmed by the next one'), 'delivered');
    assert.deepEqual(codes, [4101]);
  });

  it('tells the relay what it has seen when others alone speak', async () => {
    const { said, Wire } = wire();
    const { host } = await apart({}, { WebSocket: Wire });
    const pings = () => said.filter(({ type }) => type === 'ping').map(({ seen }) => seen);
    const talk = setInterval(() => host.broadcast('talk'), 200);
    await eventually(() => pings().some((seen) => seen > 10), 'A count', 2);
    clearInterval(talk);
  });

  it('is told that a message cost the connection, once, and goes on without it', async () => {
    const own = await World.start({ options: ['--max-message-bytes', 1000] });
    const { guest, host, network } = await own.pair();
    const [told1, told2] = [record(host), record(guest)];
    const deliveries = [guest.broadcast(1), guest.broadcast('x'.repeat(2_000)), guest.broadcast(2)];
    await assert.rejects(deliveries[1], { code: 'message-too-big' });
    assert.deepEqual(await Promise.all([deliveries[0], deliveries[2]]), ['delivered', 'delivered']);
    guest.broadcast('y'.repeat(2_000)); // nobody looks at what becomes of it
    await told(told2, 'connection', 4);
    assert.deepEqual(named(told2, 'error').map(([, { code }]) => code), ['message-too-big', 'message-too-big']);
    assert.deepEqual([messages(told1), network.attempts], [[1, 2], 3]);
    await own.stop();
  });

  it('takes a new session when the relay takes it for an older one', async () => {
    const { host, guest, ofGuest } = await apart({}, { clientId: 'the secret of a guest' });
    const events = record(guest);
    ofGuest.fail();
    await told(events, 'connection');
    const other = await world.join(host.room, { clientId: 'the secret of a guest' });
    const ofOther = record(other);
    assert.equal(other.id, guest.id);
    ofGuest.restore();
    await told(ofOther, 'closed');
    await told(events, 'connection', 2);
    assert.deepEqual(named(ofOther, 'closed'), [['closed', 'replaced']]);
  });

  it('gets a new seat when its own was not held any longer', async () => {
    const network = await world.network();
    const host = await world.create({ hold: 0 });
    const [told1, told2] = [record(host), []];
    const guest = await world.join(host.room, {}, network.url);
    guest.on('gap', () => told2.push(guest.id));
    network.cut();
    await told(told1, 'join', 2);
    assert.deepEqual(named(told1, 'leave'), [['leave', 1, 'expired']]);
    await eventually(() => told2.length === 1, 'The gap');
    assert.deepEqual([told2, await guest.send('host', 'again')], [[2], 'delivered']);
  });

  it('finds all there after everybody was cut off at once', async () => {
    const { host, guest, ofHost, ofGuest } = await apart();
    const [told1, told2] = [record(host), record(guest)];
    for (const network of [ofHost, ofGuest]) network.fail();
    for (const events of [told1, told2]) await told(events, 'connection');
    const sent = [host.broadcast('from the host'), guest.broadcast('from the guest')];
    await pause(500); // who has just come has a seat for 5 s
    for (const network of [ofHost, ofGuest]) network.restore();
    assert.deepEqual(await Promise.all(sent), ['delivered', 'delivered']);
    for (const events of [told1, told2]) await told(events, 'message');
    assert.deepEqual([host.peers, guest.peers, host.isHost], [[1], [0], true]);
  });

  it('says of what nobody will ever send that it was dropped', async () => {
    const { guest, ofGuest } = await apart({}, { giveUpAfter: 500 });
    const events = record(guest);
    ofGuest.fail();
    await told(events, 'connection');
    const waiting = guest.broadcast('never');
    await told(events, 'closed');
    assert.deepEqual([await waiting, events.at(-1)], ['dropped', ['closed', 'gave-up']]);
  });

  it('is measured by a ping that does not count, and answered at once', async () => {
    const { guest, host } = await apart();
    const events = record(host);
    const milliseconds = await guest.ping();
    assert.ok(milliseconds > 0 && milliseconds < 1_000 * slowness);
    assert.deepEqual(events, []);
  });
});

/** A relay that lets one in, and says else only what a test has it say: as a server of a cluster may. */
class ToldRelay {
  said = []; // by the client, over all of its connections
  #server = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: () => 'party-sockets.v3' });

  static async start() {
    const relay = new ToldRelay();
    await once(relay.#server, 'listening');
    relay.#server.on('connection', (socket) => relay.#welcome(socket));
    return relay;
  }

  get url() {
    return `ws://127.0.0.1:${this.#server.address().port}`;
  }

  /** Tells the seat with these counts; one that is not recovered gets the room, too. */
  join({ recovered, ...counts }) {
    const seat = { type: 'joined', room: 'BCDF', index: 1, hold: 60, epoch: 'a'.repeat(16), recovered };
    const room = { host: 0, peers: [0], away: [], locked: false, maxClients: 8, state: false };
    this.tell({ ...seat, seen: 0, heard: 0, ...counts, ...(recovered ? {} : room) });
  }

  tell(event) {
    this.socket.send(JSON.stringify(event));
  }

  /** What the client has said beside its probes. */
  async expectSaid(...messages) {
    const ofPlayer = () => this.said.filter(({ type }) => type !== 'ping' && type !== 'join');
    await eventually(() => ofPlayer().length >= messages.length, `${messages.length} messages`);
    assert.deepEqual(ofPlayer(), messages);
    this.said = [];
  }

  #welcome(socket) {
    this.socket = socket;
    socket.on('message', (text) => {
      const message = JSON.parse(text);
      this.said.push(message);
      if (message.type === 'join') this.join({ recovered: message.epoch !== undefined, seen: message.seen });
    });
  }

  close() {
    for (const socket of this.#server.clients) socket.terminate();
    this.#server.close();
  }
}

describe('A relay of a cluster', () => {
  let relay;
  let guest;
  beforeEach(async () => {
    relay = await ToldRelay.start();
    guest = await world.join('BCDF', {}, relay.url);
  });
  afterEach(() => {
    guest.close();
    relay.close();
  });

  const send = (data) => ({ type: 'send', to: 0, data });

  it('may seat a member anew, unasked: it says so, and sends again what was not heard', async () => {
    const events = record(guest);
    const sent = ['one', 'two'].map((data) => guest.send(0, data));
    await relay.expectSaid(send('one'), send('two'));
    relay.join({ unasked: 7, recovered: true, heard: 1 });
    await relay.expectSaid({ type: 'resumed', unasked: 7 }, send('two'));
    relay.tell({ type: 'message', from: 0, data: 'hello' });
    await told(events, 'message');
    const epoch = 'b'.repeat(16);
    relay.join({ unasked: 8, recovered: false, epoch });
    await relay.expectSaid({ type: 'resumed', unasked: 8 }, send('two'));
    relay.tell({ type: 'pong', heard: 1 });
    assert.deepEqual(await Promise.all(sent), ['delivered', 'delivered']);
    assert.deepEqual(messages(events), ['hello']);
  });

  it('may close with 1012, and has the member back with its counts', async () => {
    relay.tell({ type: 'message', from: 0, data: 'hello' });
    relay.socket.close(1012);
    const joins = () => relay.said.filter(({ type }) => type === 'join');
    await eventually(() => joins().length === 2, 'The next join');
    const { attempt, epoch, seen } = joins()[1];
    assert.deepEqual([attempt, epoch, seen], [2, 'a'.repeat(16), 1]);
    await eventually(() => guest.status === 'connected', 'The way back');
  });
});
