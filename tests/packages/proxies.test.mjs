// The relay behind each of the proxies in ops/proxies: what docs/proxies.md says of them.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { after, afterEach, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Party } from '../../client/party-sockets.js';
import { Client, WebSocket } from '../blackbox/support/client.mjs';
import { eventually, slowness, withDeadline } from '../blackbox/support/deadline.mjs';
import { freshLoopback } from '../blackbox/support/entrance.mjs';
import { request, upgradeRequest } from '../blackbox/support/http.mjs';
import { Member, peerJoined, state } from '../blackbox/support/member.mjs';
import { RawConnection } from '../blackbox/support/raw.mjs';
import { Server } from '../blackbox/support/server.mjs';
import { checkExamples, proxies, secure } from './support/proxies.mjs';

/** The proxy's, in tests of that; the relay pings much oftener, or much more seldom. */
const idleSeconds = 2 * slowness;
const pingingOften = ['--ping-interval', '200ms', '--idle-timeout', `${idleSeconds}s`];
const pingingSeldom = ['--ping-interval', '10m', '--idle-timeout', '20m'];

const idle = `${idleSeconds}s`;

/** Where browsers are sent: without /stats the status page would have nothing to show. */
const game = 'https://relay.example.com/play/';

/** Other ways to write what is private; the relay may know them, or not. */
const privateSpellings = (origin) =>
  ['metrics', 'stats'].flatMap((name) => [
    `${origin}/${name}`,
    `//${name}`,
    `/./${name}`,
    `/play/../${name}`,
    `/${name}/`,
    `/%${name.charCodeAt(0).toString(16)}${name.slice(1)}`,
    `/${name.toUpperCase()}`,
  ]);

const running = new Set();

after(() => running.forEach((one) => one.kill()));

async function startRelay(kind, ...options) {
  const proxy = kind.isHttp ? '127.0.0.1' : 'proxy:127.0.0.1';
  const all = [...(kind.relayOptions ?? []), '--trust-proxy', proxy, ...options];
  const relay = new Server({ options: all });
  running.add(relay);
  await relay.start();
  return relay;
}

async function startFront(kind, settings) {
  const proxy = await kind.start(settings);
  running.add(proxy);
  return new Front(proxy);
}

/** A relay behind a proxy: `work(front)`, then both must end well. */
async function withRelay(kind, { options = [], ...settings } = {}, work) {
  const relay = await startRelay(kind, ...options);
  const front = await startFront(kind, { relayPort: relay.port, ...settings });
  await work(front);
  await front.stop();
  await relay.stop();
}

/** For the SDK, which gives a WebSocket no options. */
class SecureWebSocket extends WebSocket {
  constructor(url, protocols) {
    super(url, protocols, secure);
  }
}

/** How clients come to the proxy. */
class Front {
  #connections = [];
  #parties = [];

  constructor(proxy) {
    this.proxy = proxy;
  }

  client(options) {
    return this.#player(Client, options);
  }

  /** A client of protocol 2. */
  member(options) {
    return this.#player(Member, options);
  }

  async #player(Kind, options) {
    const url = `wss://${this.proxy.address}/some/path?of=the+game`;
    const client = await Kind.open(url, { ...secure, ...options });
    this.#connections.push(client);
    return client;
  }

  async raw(options) {
    const { host, port } = this.proxy;
    const connection = await RawConnection.open(port, host, { secure, ...options });
    this.#connections.push(connection);
    return connection;
  }

  async get(target, { headers, localAddress } = {}) {
    const connection = await this.raw({ localAddress });
    connection.write(request(target, { headers }));
    return connection.readResponse();
  }

  /** The status that an upgrade is answered with, of somebody who then stays. */
  async knock(localAddress, headers) {
    const connection = await this.raw({ localAddress });
    connection.write(upgradeRequest('/', { headers }));
    return (await connection.readResponse()).status;
  }

  /** A host and a guest in a room, both through the proxy. */
  async room() {
    const [host, guest] = await Promise.all([this.client(), this.client()]);
    const code = await host.create('host');
    await guest.join('guest', code);
    await host.expect({ type: 'peer_joined', clientId: 'guest' });
    return { host, guest, code };
  }

  /** A host and a guest of the SDK, who have a state. */
  async party() {
    const url = `wss://${this.proxy.address}`;
    const host = await Party.create(url, { WebSocket: SecureWebSocket });
    const guest = await Party.join(url, host.room, { WebSocket: SecureWebSocket });
    this.#parties.push(host, guest);
    host.setState({ round: 3 });
    await host.ping();
    return { host, guest };
  }

  async disconnectAll() {
    for (const party of this.#parties.splice(0)) party.close();
    await Promise.all(this.#connections.splice(0).map((connection) => connection.terminate()));
  }

  async stop() {
    await this.disconnectAll();
    await this.proxy.stop();
  }
}

/** Whether an open client goes on to be heard by another. */
async function expectToPlay(from, to, data) {
  from.relay(data);
  await to.expectMessage('host', data);
}

/** One relay and one proxy for all of these, one after the other. */
function describeTraffic(name, kind) {
  describe(`${name}, traffic`, { concurrency: 1 }, () => {
    let relay;
    let front;
    before(async () => {
      relay = await startRelay(kind, '--dashboard-url', game);
      front = await startFront(kind, { relayPort: relay.port });
    });
    afterEach(() => front.disconnectAll());
    after(() => front.stop());

    it('passes WebSockets with all that belongs to them', async () => {
      const { host, guest, code } = await front.room();
      await expectToPlay(host, guest, 'x'.repeat(1_000_000));

      const pong = once(host.socket, 'pong');
      host.socket.ping('are you there?');
      const [payload] = await withDeadline(pong, 'A pong');
      assert.equal(`${payload}`, 'are you there?');

      const successor = await front.client();
      await successor.join('guest', code);
      assert.equal((await guest.whenClosed()).code, 4000);
      successor.terminate();
      await host.expect({ type: 'peer_left', clientId: 'guest' });
    });

    it('passes the subprotocol', async () => {
      const client = await front.client({ protocols: ['party-sockets.v2'] });
      assert.equal(client.socket.protocol, 'party-sockets.v2');
    });

    it('passes the paths of HTTP, and the answers', async () => {
      const { code } = await front.room();
      const health = await front.get('/health');
      assert.deepEqual([health.status, health.body], [200, '{"status":"ok"}']);
      assert.equal((await front.get(`/room/${code}`)).status, 200);
      assert.equal((await front.get('/room/ZZZZ')).status, 404);
      const page = await front.get('/play/', { headers: { Accept: 'text/html' } });
      assert.match(page.headers['content-type'], /^text\/html/);
    });

    const shows = kind.isHttp ? 'keeps the numbers of the relay from' : 'shows the numbers of the relay to';
    it(`${shows} the world, and sends browsers to the game`, async () => {
      const expected = kind.isHttp ? 404 : 200;
      for (const target of ['/metrics', '/stats', '/metrics?x', '/stats?x'])
        assert.equal((await front.get(target)).status, expected, target);
      const origin = `https://${front.proxy.address}`;
      for (const target of privateSpellings(origin)) {
        const { body } = await front.get(target);
        if (kind.isHttp) assert.doesNotMatch(body, /party_sockets_|"rooms"/, target);
      }
      const { status, headers } = await front.get('/', { headers: { Accept: 'text/html' } });
      assert.deepEqual([status, headers.location], [302, game]);
    });

    if (kind.isHttp) {
      it('sends plain HTTP to HTTPS', async () => {
        const connection = await RawConnection.open(front.proxy.plainPort, front.proxy.host);
        connection.write(request('/play?room=ABCD'));
        const { status, headers } = await connection.readResponse();
        connection.terminate();
        assert.equal(status, 308);
        assert.match(headers.location, /^https:\/\/localhost(:\d+)?\/play\?room=ABCD$/);
      });
    }

    const keeps = kind.isKeptByReload ? 'keeps' : 'closes';
    it(`${keeps} WebSockets when it is reloaded, and lets new ones in`, async () => {
      const { host, guest, code } = await front.room();
      await front.proxy.reload();
      if (kind.isKeptByReload) {
        const late = await eventually(() => front.client().catch(() => null), 'A new client');
        await late.join('late', code);
        await host.expect({ type: 'peer_joined', clientId: 'late' });
        await guest.expect({ type: 'peer_joined', clientId: 'late' });
        await expectToPlay(host, guest, 'still here');
      } else {
        // The proxy tells both sides 1001, and the relay may be first to answer that.
        for (const client of [host, guest])
          assert.ok([1001, 1002].includes((await client.whenClosed()).code));
        await front.room();
      }
    });

    it('is reloaded, and the room of an SDK goes on, with its seats and state', async () => {
      const { host, guest } = await front.party();
      const statuses = [];
      for (const party of [host, guest])
        party.on('connection', (status) => statuses.push(status));
      await front.proxy.reload();
      const expected = kind.isKeptByReload ? 0 : 2; // those who are cut off
      const areBack = () => statuses.filter((status) => status === 'connected').length === expected;
      await eventually(areBack, 'The way back');
      const heard = new Promise((resolve) => guest.on('message', (...values) => resolve(values)));
      await eventually(() => host.peers.length === 1, 'The guest');
      host.broadcast('still here');
      assert.deepEqual(await withDeadline(heard, 'The message'), ['still here', 0]);
      const late = await Party.join(`wss://${front.proxy.address}`, host.room, {
        WebSocket: SecureWebSocket,
      });
      assert.deepEqual([host.id, guest.id, late.id, late.state], [0, 1, 2, { round: 3 }]);
      late.close();
    });

    it('is reloaded, and who speaks the bare protocol 2 finds its seat and the state', async () => {
      const [host, guest] = await Promise.all([front.member(), front.member()]);
      const code = await host.create('host');
      await guest.join('guest', code);
      await host.expect(peerJoined(1));
      host.setState({ round: 3 });
      await guest.expect(state({ round: 3 }));
      await front.proxy.reload();
      if (!kind.isKeptByReload) await Promise.all([host.whenClosed(), guest.whenClosed()]);
      const newcomer = () => eventually(() => front.member().catch(() => null), 'A new client');
      const [hostAgain, guestAgain] = [await newcomer(), await newcomer()];
      assert.equal((await hostAgain.join('host', code)).index, 0);
      assert.deepEqual(await guestAgain.join('guest', code), { index: 1, peers: [0] });
      await guestAgain.expect(state({ round: 3 }));
    });

    it('passes the end of the relay on', async () => {
      const { host } = await front.room();
      relay.signal('SIGTERM');
      await eventually(async () => (await front.get('/ready')).status === 503, 'Draining');
      relay.signal('SIGTERM');
      assert.deepEqual(await host.whenClosed(), { code: 1001, reason: 'server is stopping' });
      await relay.ended();
    });
  });
}

/** The relay's `/` is the site's `/relay/`. */
function describeBelow(name, kind) {
  describe(`${name}, below a path`, () => {
    it('has pages, game, library, rooms and their pictures there, and nothing private', () =>
      withRelay(kind, { isBelow: true }, async (front) => {
        const base = new URL(`https://${front.proxy.address}/relay/`);
        const get = (target) => front.get(target.pathname, { headers: { Host: base.host } });
        assert.match((await front.get('/relay')).headers.location, /\/relay\/$/);
        const redirected = await get(new URL('play', base));
        assert.equal(redirected.status, 302);
        const play = new URL(redirected.headers.location, new URL('play', base));
        assert.equal(play.href, `${base}play/`);
        const page = await get(play);
        assert.equal(page.status, 200);
        const [, main] = /<script[^>]* src="([^"]+)"/.exec(page.body);
        const script = await get(new URL(main, play));
        assert.equal(script.status, 200);
        const [, lobby] = /import '([^']*party-lobby\.js)'/.exec(script.body);
        assert.equal(new URL(lobby, play).href, `${base}party-lobby.js`);
        const elements = await get(new URL(lobby, play));
        const [, library] = /from '([^']*party-sockets\.js)'/.exec(elements.body);
        assert.equal((await get(new URL(library, new URL(lobby, play)))).status, 200);

        const url = base.href.replace('https', 'wss');
        const party = await Party.create(url, { WebSocket: SecureWebSocket });
        const guest = await Party.join(url, party.room, { WebSocket: SecureWebSocket });
        assert.deepEqual(guest.peers, [0]);
        assert.equal((await get(new URL(`room/${party.room}`, base))).status, 200);
        const { body } = await get(new URL(`room/${party.room}/qr.svg`, base));
        assert.ok(body.includes(`<title>${play}?room=${party.room}</title>`), body.slice(0, 300));
        guest.close();
        party.close();
        for (const name of ['metrics', 'stats'])
          assert.equal((await get(new URL(name, base))).status, 404);
      }));
  });
}

/** These need settings of their own. */
function describeSettings(name, kind) {
  describe(`${name}, silence and addresses`, { concurrency: true }, () => {
    it("passes the relay's pings: who answers is kept, who vanishes is found out", () =>
      withRelay(kind, { options: pingingOften }, async (front) => {
        const { host, guest } = await front.room();
        for (let count = 0; count < 3; count++)
          await withDeadline(once(host.socket, 'ping'), 'A ping');
        guest.socket.pause(); // it reads nothing more, and so answers nothing more
        await host.expect({ type: 'peer_left', clientId: 'guest' });
      }));

    it("keeps a silent WebSocket beyond its own timeout, for the relay's pings", () =>
      withRelay(kind, { options: pingingOften, idle }, async (front) => {
        const { host, guest } = await front.room();
        await pause(2 * idleSeconds * 1000);
        await expectToPlay(host, guest, 'still here');
      }));

    const cuts = kind.isIdleCut ? 'cuts' : 'does not cut';
    it(`${cuts} a WebSocket that is silent without them for longer than that`, () =>
      withRelay(kind, { options: pingingSeldom, idle }, async (front) => {
        const begin = Date.now();
        const { host, guest } = await front.room();
        if (kind.isIdleCut) {
          await Promise.all([host.whenClosed(), guest.whenClosed()]);
          assert.ok(Date.now() - begin >= idleSeconds * 1000);
        } else {
          await pause(2 * idleSeconds * 1000);
          await expectToPlay(host, guest, 'still here');
        }
      }));

    it("tells the relay the client's address, and nothing that the client says of it", () =>
      withRelay(kind, { options: ['--max-connections-per-address', 1] }, async (front) => {
        const [one, other, third] = [freshLoopback(), freshLoopback(), freshLoopback()];
        assert.equal(await front.knock(one), 101);
        assert.equal(await front.knock(one), 429);
        const headers = {
          'X-Forwarded-For': third,
          Forwarded: `for=${third}`,
          'X-Real-IP': third,
        };
        assert.equal(await front.knock(one, headers), 429, 'A forged address is not believed');
        assert.equal(await front.knock(other, headers), 101, 'but that of the connection is');
        assert.equal(await front.knock(other), 429);
        assert.equal(await front.knock(third), 101, 'and nobody took the place of who was named');
      }));

    if (!kind.isHttp) return; // it tells nothing in headers
    it('tells under which scheme and host the browser came', async (test) => {
      const seen = [];
      const server = http.createServer((message, response) => {
        seen.push(message.headers);
        response.end('seen');
      });
      await once(server.listen(0, '127.0.0.1'), 'listening');
      test.after(() => {
        server.close();
        server.closeAllConnections();
      });
      const front = await startFront(kind, { relayPort: server.address().port });
      const host = `localhost:${front.proxy.port}`;
      const forged = { 'X-Forwarded-Proto': 'ftp', 'X-Forwarded-Host': 'evil.example' };
      const answer = await front.get('/', { headers: { Host: host, ...forged } });
      assert.deepEqual([answer.status, answer.body], [200, 'seen']);
      const [headers] = seen;
      assert.equal(headers.host, host);
      assert.equal(headers['x-forwarded-host'], host);
      assert.equal(headers['x-forwarded-proto'], 'https');
      await front.stop();
    });
  });
}

it('Caddy and HAProxy take the examples to the letter', () => checkExamples());

// They mostly wait, so two of them wait together.
describe('Behind', { concurrency: 2 }, () => {
  for (const [name, kind] of Object.entries(proxies)) {
    describeTraffic(name, kind);
    describeSettings(name, kind);
    if (kind.isHttp) describeBelow(name, kind);
  }
});
