// What a page needs from a party besides messages: links, one seat for several components, one event for views.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import WebSocket from 'ws';
import { Party } from '../../../client/party-sockets.js';
import { eventually } from '../support/deadline.mjs';
import { closeRecorder, named, record, Storage, World } from './world.mjs';

let world;
before(async () => (world = await World.start()));
after(() => world.stop());

describe('A link', () => {
  const page = 'http://192.168.1.2:8000/game/index.html?screen#top';
  before(() => (globalThis.location = { href: page, protocol: 'http:', hostname: '192.168.1.2' }));
  after(() => delete globalThis.location);

  it('may be relative to the page, or a URL, and its braces are the ones that the relay fills in', async () => {
    const links = [
      ['?room={room}', 'http://192.168.1.2:8000/game/index.html?room=CODE'],
      ['join/{room}', 'http://192.168.1.2:8000/game/join/CODE'],
      ['#{room}', 'http://192.168.1.2:8000/game/index.html?screen#CODE'],
      [new URL('?room={room}', page), 'http://192.168.1.2:8000/game/index.html?room=CODE'],
      [new URL('?room={room}', page).href, 'http://192.168.1.2:8000/game/index.html?room=CODE'],
      ['https://{room}.game.example/', 'https://CODE.game.example/'],
      ['https://game.example/%7broom%7d', 'https://game.example/CODE'],
    ];
    for (const [joinUrl, expected] of links) {
      const { room, joinUrl: link } = await world.create({ joinUrl });
      assert.equal(link, expected.replace('CODE', room));
    }
  });

  it('that has no place for the code is an error', async () => {
    for (const joinUrl of ['https://game.example/', '/play', new URL(page), '{code}', ''])
      await assert.rejects(world.create({ joinUrl }), { name: 'TypeError', message: /joinUrl needs \{room\}/ });
  });

  it('is in a picture that the page can show, with words for who does not see it', async () => {
    const host = await world.create({ joinUrl: '?room={room}' });
    const { src, alt, link } = host.qr();
    assert.deepEqual([alt, link], [`QR code to join room ${host.room}: ${host.joinUrl}`, host.joinUrl]);
    const response = await fetch(src);
    assert.deepEqual([response.status, response.headers.get('content-type')], [200, 'image/svg+xml']);
    assert.match(await response.text(), new RegExp(`<title>.*room=${host.room}`));
    const plain = await world.create();
    assert.deepEqual([plain.qr().alt, plain.qr().link], [`QR code to join room ${plain.room}`, undefined]);
  });
});

describe('What a view shows', () => {
  it('changes its identity when it changes, and at no other time, and cannot be changed', async () => {
    const host = await world.create();
    const { peers, away, settings } = host;
    for (const part of [peers, away, settings]) assert.ok(Object.isFrozen(part));
    const guest = await world.join(host.room);
    await eventually(() => host.peers.length === 1, 'The guest');
    assert.deepEqual([peers, host.peers], [[], [1]]);
    assert.ok(Object.isFrozen(host.peers));
    assert.equal(host.away, away);
    const before = host.peers;
    await host.lock();
    await eventually(() => host.settings.locked, 'The lock');
    assert.ok(Object.isFrozen(host.settings));
    assert.equal(host.peers, before);
    await guest.toHost('hello');
    assert.equal(guest.peers, guest.peers);
  });

  it('is told by one event: what happens together is told once', async () => {
    const host = await world.create();
    const seen = [];
    host.on('change', () => seen.push([host.peers.length, host.settings.locked, host.state]));
    host.setState('one');
    host.setState('two');
    await host.ping();
    assert.deepEqual(seen, [[0, false, 'two']]);
    const guest = await world.join(host.room);
    await eventually(() => host.peers.length === 1, 'The guest');
    await host.lock();
    await eventually(() => host.settings.locked, 'The lock');
    assert.deepEqual(seen.slice(1), [[1, false, 'two'], [1, true, 'two']]);
    const ends = [];
    for (const name of ['change', 'closed'])
      guest.on(name, () => ends.push([name, guest.status, guest.closeReason]));
    assert.equal(guest.closeReason, undefined);
    host.closeRoom();
    await eventually(() => guest.status === 'closed', 'The end');
    assert.deepEqual(ends, [['change', 'closed', 'room-closed'], ['closed', 'closed', 'room-closed']]);
  });

  it('is told of the private state, to a new listener too', async () => {
    const network = await world.network();
    const options = { clientId: 'the secret of a screen' };
    const host = await world.create(options, network.url);
    await world.join(host.room);
    await host.setState({ answer: 42 }, { private: true });
    network.fail();
    const again = await world.join(host.room, options);
    const heard = [];
    again.on('private_state', (state) => heard.push(state));
    await eventually(() => heard.length === 1, 'The private state');
    assert.deepEqual([heard, again.privateState, again.isHost], [[{ answer: 42 }], { answer: 42 }, true]);
  });

  it('knows the private state at once when the host is back', async () => {
    const options = { clientId: 'the secret of a screen that is loaded again' };
    const host = await world.create(options);
    await host.setState('only the screen', { private: true });
    /** Gets one message after the other, as over a slow network. */
    class Slow extends WebSocket {
      #last = Promise.resolve();

      set onmessage(hear) {
        super.onmessage = (event) => (this.#last = this.#last.then(() => pause(20)).then(() => hear(event)));
      }
    }
    const again = await world.join(host.room, { ...options, WebSocket: Slow });
    assert.deepEqual([again.isHost, again.state, again.privateState], [true, undefined, 'only the screen']);
  });

  it('is not told of the lobby’s messages, which have an event of their own', async () => {
    const { host, guest } = await world.pair();
    const [messages, lobby] = [[], []];
    host.on('message', (...said) => messages.push(said));
    host.on('lobby', (...said) => lobby.push(said));
    guest.toHost({ $lobby: { name: 'Ada' } });
    await guest.toHost('hello');
    await eventually(() => messages.length === 1, 'The message');
    assert.deepEqual([messages, lobby], [[['hello', 1]], [[{ name: 'Ada' }, 1]]]);
  });
});

describe('A message for the host', () => {
  it('is kept for a host that is away, in every protocol that has one', async () => {
    for (const protocol of [2, 3]) {
      const network = await world.network();
      const host = await world.create({ protocol }, network.url);
      const guest = await world.join(host.room, { protocol, queueLength: 3 });
      await world.join(host.room, { protocol }); // or the room of protocol 2 would end
      await eventually(() => host.peers.length === 2, 'The guests');
      const heard = [];
      host.on('message', (data) => heard.push(data));
      network.fail();
      await eventually(() => !guest.peers.includes(0), 'The loss');
      const sent = ['one', 'two'].map((data) => guest.toHost(data));
      assert.equal(await guest.send(2, 'to another one'), protocol === 3 ? 'delivered' : 'sent');
      if (protocol === 2) {
        sent.push(guest.send(0, 'three'));
        assert.equal(await guest.toHost('too many'), 'dropped');
      }
      network.restore();
      const expected = ['one', 'two', 'three'].slice(0, sent.length);
      assert.deepEqual(await Promise.all(sent), expected.map(() => (protocol === 3 ? 'delivered' : 'sent')));
      await eventually(() => heard.length === sent.length, 'The messages');
      assert.deepEqual(heard, expected);
    }
  });
});

describe('Components of one page', () => {
  beforeEach(() => {
    globalThis.window = { sessionStorage: new Storage(), localStorage: new Storage() };
  });
  afterEach(() => delete globalThis.window);

  it('that join at once share one seat, and the last one that lets go keeps it for whoever comes next', async () => {
    const host = await world.create({ storage: null });
    const events = record(host);
    const { Recorder, codes } = closeRecorder();
    const join = () => world.join(host.room, { WebSocket: Recorder });
    const [one, two] = await Promise.all([join(), join()]);
    await host.ping();
    assert.deepEqual([one.id, two.id, host.peers], [1, 1, [1]]);
    for (let count = 0; count < 2; count++) one.detach(); // the second time is none
    assert.ok(one instanceof Party);
    assert.equal(await two.toHost('still here'), 'delivered');
    const late = [];
    two.on('closed', (reason) => late.push(reason));
    two.detach();
    await eventually(() => host.away.length === 1, 'The seat is away');
    assert.deepEqual([two.status, two.closeReason, late], ['closed', undefined, []]);
    assert.deepEqual([...new Set(codes)], [4100]);
    const again = await join();
    await eventually(() => host.peers.length === 1, 'The seat is taken again');
    assert.deepEqual([again.id, host.peers, host.away], [1, [1], []]);
    assert.deepEqual(named(events, 'join'), [['join', 1]]);
  });

  it('that mount, unmount and mount again, as in strict mode, have one seat', async () => {
    const host = await world.create({ storage: null });
    const first = new AbortController();
    const second = new AbortController();
    const attempts = [first, second].map(({ signal }) => Party.join(world.url, host.room, { WebSocket, signal }));
    first.abort(new Error('unmounted'));
    await assert.rejects(attempts[0], { message: 'unmounted' });
    const party = await attempts[1];
    await host.ping();
    assert.deepEqual([host.peers, host.away, party.status], [[1], [], 'connected']);
    second.abort();
    assert.equal(party.status, 'connected'); // once it is there, the signal is over
    party.leave();
  });

  it('that abort at the moment of the welcome let go once, and take nothing from others', async () => {
    const host = await world.create({ storage: null });
    const reason = new Error('unmounted');
    const outcomes = new Set();
    for (let microtasks = 0; microtasks < 8; microtasks++) {
      const controller = new AbortController();
      class Punctual extends WebSocket {
        set onmessage(listener) {
          super.onmessage = async (event) => {
            listener(event);
            for (let count = 0; count < microtasks; count++) await null;
            controller.abort(reason);
          };
        }
      }
      const join = (options) => Party.join(world.url, host.room, { WebSocket: Punctual, ...options });
      const [one, two] = await Promise.allSettled([join({ signal: controller.signal }), join()]);
      outcomes.add(one.reason ?? 'entered');
      one.value?.detach();
      await host.ping(); // whoever lets go does it by then
      assert.equal(two.value.status, 'connected', `after ${microtasks} microtasks`);
      two.value.detach();
      await eventually(() => two.value.status === 'closed', 'The end');
    }
    assert.deepEqual(outcomes, new Set([reason, 'entered']));
  });

  it('that abort while nobody else waits leave nothing behind', async () => {
    const network = await world.network();
    network.silence({ all: true });
    const reason = new Error('enough');
    for (const enter of [() => Party.join, () => Party.create]) {
      const controller = new AbortController();
      const parameters = enter() === Party.join ? ['BCDF'] : [];
      const options = { WebSocket, signal: controller.signal };
      const entering = enter()(network.url, ...parameters, options);
      setTimeout(() => controller.abort(reason), 50);
      await assert.rejects(entering, reason);
      await assert.rejects(enter()(network.url, ...parameters, options), reason);
    }
    await eventually(async () => (await network.players) === 0, 'All connections are closed');
  });

  it('that create at once make one room, and later ones make another', async () => {
    const [one, two] = await Promise.all([world.create(), world.create()]);
    const three = await world.create();
    assert.equal(one.room, two.room);
    assert.notEqual(one.room, three.room);
    const [four, five] = await Promise.all([1, 2].map(() => world.create({ resume: true })));
    assert.equal(four.room, five.room);
    assert.equal((await world.create({ resume: true })).room, four.room);
    const others = await Promise.all([3, 4].map((maxClients) => world.create({ maxClients })));
    assert.deepEqual(others.map(({ settings }) => settings.maxClients), [3, 4]);
    assert.notEqual((await world.create()).room, four.room);
    for (const party of [one, three, four]) party.leave();
    const next = await world.create({ resume: true });
    assert.notEqual(next.room, four.room);
    next.leave();
  });

  it('with ids of their own have seats of their own', async () => {
    const host = await world.create({ storage: null });
    const [one, two] = await Promise.all([1, 2].map(() => world.join(host.room, { storage: new Storage() })));
    assert.notEqual(one.id, two.id);
  });

  it('find the room again: of this browser, or of this tab alone', async () => {
    const { localStorage } = window;
    const newTab = () => (globalThis.window = { sessionStorage: new Storage(), localStorage });
    for (const [resume, comesBack] of [[true, true], ['tab', false]]) {
      const host = await world.create({ resume });
      await world.join(host.room, { storage: null });
      host.detach();
      await eventually(() => host.status === 'closed', 'The reload');
      const reloaded = await world.create({ resume });
      assert.equal(reloaded.room, host.room);
      reloaded.detach();
      await eventually(() => reloaded.status === 'closed', 'The end of the tab');
      newTab();
      const again = await world.create({ resume });
      assert.equal(again.room === host.room, comesBack);
      again.leave();
    }
  });
});

describe('What answers in place of a relay', () => {
  it('is named, with the whole address', async () => {
    const server = http.createServer((request, response) => response.writeHead(404).end());
    server.on('upgrade', (request, socket) => socket.destroy());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `ws://127.0.0.1:${server.address().port}/assets/`;
    await assert.rejects(Party.create(url, { WebSocket, patience: 1 }), {
      code: 'unreachable',
      message: `No relay answers at ${url}, but something speaks HTTP there (status 404)`,
    });
    server.close();
    server.closeAllConnections?.();
    await assert.rejects(Party.create(url, { WebSocket, patience: 1 }), {
      message: `No relay answers at ${url}`,
    });
  });
});
