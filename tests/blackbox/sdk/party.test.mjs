// What the SDK offers while nothing goes wrong, and the errors that the server answers with.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import WebSocket, { WebSocketServer } from 'ws';
import { Party, PartyError } from '../../../client/party-sockets.js';
import { eventually, slowness, withDeadline } from '../support/deadline.mjs';
import { named, record, Storage, World } from './world.mjs';

let world;
before(async () => (world = await World.start({ loops: 2 })));
after(() => world.stop());

/** What differs between the protocols. */
const delivered = { 2: 'sent', 3: 'delivered' };
const codePattern = { 2: /^[1-9A-HJ-NP-Za-km-z]{6}$/, 3: /^[B-DF-HJ-NP-TV-XZ]{4,12}$/ };

const told = (events, name, count) =>
  eventually(() => named(events, name).length >= count, `${count} times ${name}`);

describe('Without a global crypto, as in Node 18', () => {
  const crypto = Object.getOwnPropertyDescriptor(globalThis, 'crypto');
  before(() => delete globalThis.crypto);
  after(() => crypto && Object.defineProperty(globalThis, 'crypto', crypto));

  it('takes seats by ids that nobody can guess', async () => {
    const ids = new Set();
    for (let count = 0; count < 3; count++) {
      const host = await world.create({ storage: new Storage(), protocol: 1 });
      assert.match(host.id, /^[0-9a-f]{32}$/);
      ids.add(host.id);
    }
    assert.equal(ids.size, 3);
  });
});

for (const protocol of [2, 3])
  describe(`A party of protocol ${protocol}`, () => {
    before(() => (world.protocol = protocol));
    after(() => (world.protocol = undefined));

    it('is created, joined, and tells who is here', async () => {
      const host = await world.create({ maxClients: 3 });
      const events = record(host);
      assert.match(host.room, codePattern[protocol]);
      assert.equal(host.protocol, protocol);
      assert.deepEqual([host.id, host.isHost, host.peers, host.status], [0, true, [], 'connected']);
      const guest = await world.join(` ${host.room} `);
      assert.deepEqual([guest.id, guest.isHost, guest.peers, guest.room], [1, false, [0], host.room]);
      await told(events, 'join', 1);
      guest.close();
      await told(events, 'leave', 1);
      assert.deepEqual(events, [['join', 1], protocol === 2 ? ['leave', 1] : ['leave', 1, 'left']]);
      assert.deepEqual([host.peers, guest.status], [[], 'closed']);
    });

    it('passes messages to all or one, in order', async () => {
      const host = await world.create();
      const [ada, bob] = [await world.join(host.room), await world.join(host.room)];
      const [ofHost, ofAda, ofBob] = [host, ada, bob].map(record);
      assert.equal(await host.broadcast({ n: 1 }), delivered[protocol]);
      host.send(ada.id, 'two');
      host.send(host.id, [3]);
      ada.broadcast(null);
      await told(ofHost, 'message', 2);
      await told(ofAda, 'message', 2);
      await told(ofBob, 'message', 2);
      const heard = new Map(named(ofHost, 'message').map(([, data, from]) => [from, data]));
      assert.deepEqual([heard.get(0), heard.get(1)], [[3], null]);
      assert.deepEqual(named(ofAda, 'message'), [['message', { n: 1 }, 0], ['message', 'two', 0]]);
      const ofBoth = new Map(named(ofBob, 'message').map(([, data, from]) => [from, data]));
      assert.deepEqual(ofBoth, new Map([[0, { n: 1 }], [1, null]]));
    });

    it('keeps a state for those who come later, and tells changes', async () => {
      const host = await world.create();
      assert.equal(await host.setState({ round: 1 }), delivered[protocol]);
      const guest = await world.join(host.room);
      assert.deepEqual(guest.state, { round: 1 });
      const events = record(guest);
      host.setState(null);
      await told(events, 'state', 2);
      assert.deepEqual(named(events, 'state'), [['state', { round: 1 }], ['state', null]]);
      assert.deepEqual([host.state, guest.state], [null, null]);
    });

    it('knows the state when it has joined, however far apart the two are told', async () => {
      class Late extends WebSocket {
        set onmessage(listener) {
          let told = Promise.resolve();
          super.onmessage = (event) => (told = told.then(() => pause(20)).then(() => listener(event)));
        }
      }
      const host = await world.create();
      host.setState('here');
      const guest = await world.join(host.room, { WebSocket: Late });
      assert.equal(guest.state, 'here');
    });

    it('keeps messages for the first listener, and stops telling who stopped listening', async () => {
      const { host, guest } = await world.pair();
      host.broadcast('early');
      host.broadcast('too');
      await guest.ping();
      const heard = [];
      const stop = guest.on('message', (data, from) => heard.push([data, from]));
      await guest.ping();
      assert.deepEqual(heard, [['early', 0], ['too', 0]]);
      stop();
      host.broadcast('not heard');
      await guest.ping();
      assert.equal(heard.length, 2);
    });

    it('measures the round trip, and nobody hears of it', async () => {
      const { host, guest } = await world.pair();
      const [ofHost, ofGuest] = [record(host), record(guest)];
      const [one, other] = await Promise.all([guest.ping(), guest.ping()]);
      assert.ok(one > 0 && one < 5_000, `${one} ms`);
      assert.equal(one, other, 'One probe serves both');
      await host.ping();
      assert.deepEqual([ofHost, ofGuest], [[], []]);
    });

    it('ends for everybody when its host closes the room', async () => {
      const { host, guest } = await world.pair();
      const [ofHost, ofGuest] = [record(host), record(guest)];
      host.closeRoom();
      await told(ofGuest, 'closed', 1);
      await told(ofHost, 'closed', 1);
      const end = [['connection', 'closed'], ['closed', 'room-closed']];
      assert.deepEqual([ofHost, ofGuest], [end, end]);
      assert.equal(await guest.broadcast('late'), 'dropped');
      assert.equal(await guest.ping(), null);
    });

    it('tells the link for controllers, filled in', async () => {
      const host = await world.create({ joinUrl: 'https://game.example/?room={room}' });
      const guest = await world.join(host.room);
      assert.equal(host.joinUrl, `https://game.example/?room=${host.room}`);
      assert.equal(guest.joinUrl, host.joinUrl);
    });

    it('names the room and the server in the address, for servers behind one name', async () => {
      const addresses = [];
      class Spy extends WebSocket {
        constructor(url, protocol) {
          super(url, protocol);
          addresses.push(url.slice(world.url.length));
        }
      }
      const host = await world.create({ WebSocket: Spy });
      await world.join(host.room, { WebSocket: Spy, instance: 'a/b' });
      await world.join(host.room, { WebSocket: Spy }, `${world.url}/relay?x=1`);
      await assert.rejects(world.join('health', { WebSocket: Spy }), { code: 'room-not-found' });
      assert.deepEqual(addresses, ['/', `/${host.room}?instance=a%2Fb`, '/relay?x=1', '/']);
    });
  });

describe('The protocol', () => {
  /** The subprotocols that were offered, one after the other. */
  function offerRecorder() {
    const offers = [];
    class Recorder extends WebSocket {
      constructor(url, offer) {
        super(url, offer);
        offers.push(offer.map((name) => name.replace('party-sockets.', '')).join());
      }
    }
    return { offers, Recorder };
  }

  /** A relay that selects protocol 2 of any offer, as older ones do. */
  async function olderRelay() {
    const relay = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: () => 'party-sockets.v2' });
    await once(relay, 'listening');
    relay.on('connection', (client) => {
      const behind = new WebSocket(world.url, 'party-sockets.v2');
      const waiting = [];
      client.on('message', (data) => (behind.readyState === 1 ? behind.send(`${data}`) : waiting.push(data)));
      behind.on('open', () => waiting.forEach((data) => behind.send(`${data}`)));
      behind.on('message', (data) => client.send(`${data}`));
      behind.on('close', () => client.terminate());
      client.on('close', () => behind.terminate());
      behind.on('error', () => {}); // it may be closed before it is open
    });
    return { url: `ws://127.0.0.1:${relay.address().port}`, close: () => relay.close() };
  }

  it('is 3 with a relay that knows it, and both are offered', async () => {
    const { offers, Recorder } = offerRecorder();
    const host = await world.create({ WebSocket: Recorder });
    assert.deepEqual([host.protocol, offers], [3, ['v2,v3']]);
  });

  it('is 2 with a relay that selects that, with the same calls as far as they go', async () => {
    const relay = await olderRelay();
    const host = await world.create({}, relay.url);
    const guest = await world.join(host.room, {}, relay.url);
    const events = record(host);
    assert.deepEqual([host.protocol, guest.protocol, guest.host], [2, 2, 0]);
    assert.equal(await guest.send('host', 'hello'), 'sent');
    await told(events, 'message', 1);
    assert.deepEqual(named(events, 'message'), [['message', 'hello', 1]]);
    for (const call of [() => host.lock(), () => host.kick(1), () => host.sendBinary(new Uint8Array(1))])
      assert.throws(call, { code: 'not-supported' });
    await assert.rejects(world.create({ password: 'secret' }, relay.url), { code: 'not-supported' });
    await assert.rejects(world.join(host.room, { audience: true }, relay.url), { code: 'not-supported' });
    for (const party of [host, guest]) party.leave();
    relay.close();
  });

  for (const protocol of [1, 2])
    it(`is that of a room of protocol ${protocol}, on a second connection`, async () => {
      const { offers, Recorder } = offerRecorder();
      const host = await world.create({ protocol });
      const guest = await world.join(host.room, { WebSocket: Recorder });
      assert.deepEqual([guest.protocol, guest.peers, offers], [protocol, [host.id], ['v2,v3', `v${protocol}`]]);
    });

  it('is the one that was asked for, and no other', async () => {
    const { offers, Recorder } = offerRecorder();
    const host = await world.create({ WebSocket: Recorder, protocol: 2 });
    await assert.rejects(world.join(host.room, { WebSocket: Recorder, protocol: 3 }), {
      code: 'wrong-protocol',
      message: 'Room uses protocol 2',
    });
    assert.deepEqual([host.protocol, offers], [2, ['v2', 'v3']]);
  });

  it('speaks protocol 1 on request', async () => {
    const host = await world.create({ protocol: 1, clientId: 'screen' });
    const events = record(host);
    assert.match(host.room, /^[A-Z0-9]{4}$/);
    const guest = await world.join(host.room.toLowerCase(), { protocol: 1, clientId: 'phone' });
    assert.deepEqual([host.id, host.isHost, guest.id, guest.isHost], ['screen', true, 'phone', false]);
    assert.deepEqual([guest.peers, guest.room], [['screen'], host.room]);
    guest.send('screen', 1);
    assert.ok((await guest.ping()) > 0);
    await told(events, 'message', 1);
    assert.deepEqual(events, [['join', 'phone'], ['message', 1, 'phone']]);
    for (const call of [() => host.setState(1), () => host.closeRoom()])
      assert.throws(call, { code: 'not-supported' });
  });
});

describe('An error', () => {
  const rejectedBy = (promise, code, message) =>
    assert.rejects(promise, (error) => {
      assert.ok(error instanceof PartyError);
      assert.deepEqual([error.code, error.message], [code, message]);
      return true;
    });

  it('has a code by what the server said, when a room is entered', async () => {
    const host = await world.create({ maxClients: 1 });
    await rejectedBy(world.join('zzzzzz'), 'room-not-found', 'Room not found');
    await rejectedBy(world.join(host.room), 'room-full', 'Room is full');
    await rejectedBy(world.join(host.room, { protocol: 1 }), 'wrong-protocol', 'Room uses protocol 3');
    const bad = { maxClients: 0 };
    await rejectedBy(world.create(bad), 'bad-max-clients', 'maxClients must be a positive number');
    await rejectedBy(world.create({ ...bad, protocol: 2 }), 'refused', 'maxClients must be a positive number');
  });

  it('has a code by what the server said, inside', async () => {
    const { host, guest } = await world.pair();
    const [ofHost, ofGuest] = [record(host), record(guest)];
    host.send(7, 1, { volatile: true });
    host.setState('x'.repeat(20_000));
    guest.send([8, 9], 1, { volatile: true });
    await told(ofHost, 'error', 2);
    await told(ofGuest, 'error', 1);
    const codes = (events) => named(events, 'error').map(([, { code, of, to }]) => [code, of, to]);
    const volatile = ['peer-not-found', 'send', 7];
    assert.deepEqual(codes(ofHost), [volatile, ['state-too-large', 'set_state', undefined]]);
    assert.deepEqual(codes(ofGuest), [['peer-not-found', 'send', [8, 9]]]);
    assert.deepEqual([host.status, guest.status], ['connected', 'connected']);
  });

  it('is thrown at once where only the host may do it, and nothing is changed', async () => {
    const { host, guest } = await world.pair();
    for (const call of [() => guest.setState(1), () => guest.closeRoom()])
      assert.throws(call, { code: 'not-host' });
    host.setState('real');
    await host.ping();
    await guest.ping();
    assert.equal(guest.state, 'real');
  });

  it('is thrown at once for what has no JSON form', async () => {
    const host = await world.create();
    for (const data of [undefined, () => {}, 1n])
      assert.throws(() => host.broadcast(data), TypeError);
  });

  it('is thrown at once where nobody is named: it must not go to everybody', async () => {
    const host = await world.create();
    assert.throws(() => host.send(undefined, 'secret'), TypeError);
  });

  it('says that nobody answers, after the patience that was asked for', async () => {
    const network = await world.network();
    network.fail();
    const late = Party.join(network.url, 'abcdef', { WebSocket, patience: 600 });
    await rejectedBy(withDeadline(late, 'The error'), 'unreachable', `No relay answers at ${network.url}/`);
    assert.ok(network.attempts >= 2, `${network.attempts} attempts`);
  });

  it('says what a page can do about a missing WebSocket, protocol or address', async () => {
    const own = globalThis.WebSocket; // Node has one since version 22
    globalThis.WebSocket = undefined;
    try {
      await assert.rejects(Party.create(world.url, { WebSocket: null }), { code: 'not-supported' });
    } finally {
      globalThis.WebSocket = own;
    }
    await assert.rejects(world.create({ protocol: 4 }), { code: 'not-supported' });
    for (const address of [undefined, 'localhost:3000', 'ftp://x/', 'nonsense', 'ws://'])
      await assert.rejects(Party.create(address, { WebSocket }), { code: 'bad-address' });
    for (const code of ['', ' ', undefined, null])
      await assert.rejects(world.join(code), { code: 'room-not-found' });
  });
});

describe('A seat of protocol 2', () => {
  before(() => (world.protocol = 2));
  after(() => (world.protocol = undefined));

  it('is found again after a reload, by what is stored for the tab', async () => {
    const host = await world.create({ storage: new Storage() });
    const storage = new Storage();
    const guest = await world.join(host.room, { storage });
    await world.join(host.room, { storage: new Storage() });
    guest.close();
    const reloaded = await world.join(host.room, { storage });
    assert.equal(reloaded.id, guest.id);
  });

  it("of a host, too: `resume` goes back to its room, or makes one when that is gone", async () => {
    const storage = new Storage();
    const resume = { resume: true, storage };
    const network = await world.network();
    const host = await world.create(resume, network.url);
    const key = { storage: storage.copy() }; // what was there before the page was closed
    host.setState({ round: 2 });
    const guest = await world.join(host.room);
    host.close();
    assert.notEqual((await world.create(resume, network.url)).room, host.room, 'It had left');
    const back = await world.create({ resume: true, ...key }, network.url);
    assert.deepEqual([back.room, back.id, back.isHost], [host.room, 0, true]);
    assert.deepEqual(back.state, { round: 2 });
    back.closeRoom();
    await eventually(() => guest.status === 'closed', 'The end');
    assert.notEqual((await world.create({ resume: true, ...key }, network.url)).room, host.room);
  });

  it('of a host is waited for while its room is full', async () => {
    const storage = new Storage();
    const host = await world.create({ storage, maxClients: 2 });
    const guest = await world.join(host.room);
    const kept = storage.copy(); // by a page that is loaded again; who leaves keeps nothing
    host.close();
    await eventually(() => guest.peers.length === 0, 'The free seat');
    const other = await world.join(host.room);
    const again = { resume: true, storage: kept };
    await assert.rejects(world.create({ ...again, patience: 300 * slowness }), { code: 'room-full' });
    const resumed = world.create(again);
    setTimeout(() => other.close(), 1_500); // it has found the room full by then
    const { room, id } = await resumed;
    assert.deepEqual([room, id], [host.room, 0]);
  });

  it('of a screen is not that of a phone in the same page', async () => {
    const storage = new Storage();
    const screen = await world.create({ storage, clientId: 'a secret with spaces' });
    await world.join(screen.room); // or the room would end
    const phone = await world.join(screen.room, { storage });
    const kept = storage.copy();
    phone.close();
    screen.close();
    const screenAgain = await world.create({ resume: true, storage: kept });
    const phoneAgain = await world.join(screen.room, { storage: kept });
    assert.deepEqual([screenAgain.room, screenAgain.id], [screen.room, 0]);
    assert.equal(phoneAgain.id, phone.id);
  });

  it('is not taken by a second tab that has a copy of what the first one stored', async () => {
    const host = await world.create();
    const storage = new Storage();
    const first = await world.join(host.room, { storage });
    const events = record(first);
    const second = await world.join(host.room, { storage: storage.copy() });
    assert.notEqual(second.id, first.id);
    await first.ping();
    assert.deepEqual([first.status, named(events, 'closed')], ['connected', []]);
  });

  it('goes to one of two tabs that are opened at the same time', async () => {
    const host = await world.create();
    const storage = new Storage();
    const before = await world.join(host.room, { storage });
    before.close();
    const copies = [storage.copy(), storage.copy()];
    const tabs = await Promise.all(copies.map((copy) => world.join(host.room, { storage: copy })));
    assert.equal(tabs.filter(({ id }) => id === before.id).length, 1);
  });

  it('may be lost to who has its clientId: the one who comes later', async () => {
    const host = await world.create();
    const first = await world.join(host.room, { clientId: 'a secret of its own' });
    const events = record(first);
    const second = await world.join(host.room, { clientId: 'a secret of its own' });
    assert.equal(second.id, first.id);
    await told(events, 'closed', 1);
    assert.deepEqual(events, [['connection', 'closed'], ['closed', 'replaced']]);
  });
});
