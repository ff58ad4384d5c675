// The SDK in a browser: pages that are reloaded, duplicated, frozen and offline. They are the
// relay's own, so that they may import the SDK and connect without asking for more permission.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { Network } from '../blackbox/sdk/network.mjs';
import { slowness } from '../blackbox/support/deadline.mjs';
import { peerJoined, peerLeft } from '../blackbox/support/member.mjs';
import { Server } from '../blackbox/support/server.mjs';
import { describeWithBrowser } from './support/browser.mjs';
import { Devtools } from './support/devtools.mjs';

/** What the page does, whenever it is loaded: it keeps what its party tells, for the test to see. */
async function play() {
  if (location.protocol === 'about:') return;
  const { Party } = await import('/party-sockets.js');
  const code = new URL(location).searchParams.get('room');
  const options = { resume: true, maxClients: 8 };
  window.events = [];
  window.party = await (code ? Party.join(undefined, code, options) : Party.create(undefined, options));
  for (const name of ['join', 'away', 'back', 'leave', 'message', 'state', 'connection', 'error', 'closed'])
    party.on(name, (...values) => events.push([name, ...values, performance.now()]));
}

const wakingMilliseconds = 2_000;
const cutOff = /ERR_(CONNECTION_REFUSED|CONNECTION_RESET|EMPTY_RESPONSE|INTERNET_DISCONNECTED|CONNECTION_CLOSED)/;

let server;
const networks = [];
before(async () => (server = await Server.start({ host: null })));
afterEach(() => {
  for (const network of networks.splice(0)) network.close();
});
after(() => server.stop());

/** A host's or a guest's address; any of the relay's own pages will do. */
const pageAt = (origin, room) => `${origin}/health${room ? `?room=${room}` : ''}`;

async function openNetwork() {
  const network = await Network.to(server.port);
  networks.push(network);
  network.origin = network.url.replace('ws:', 'http:');
  return network;
}

const inRoom = (page) => page.waitForFunction(() => window.party);
const look = (page) =>
  page.evaluate(() => ({ room: party.room, id: party.id, peers: party.peers, status: party.status }));
const told = (page, name, count = 1) =>
  page.waitForFunction(
    ([name, count]) => events.filter(([other]) => other === name).length >= count,
    [name, count],
  );

describeWithBrowser('The SDK in Chromium', (browser) => {
  /** A page with a party, in a context of its own, as on a device of its own. */
  async function openPage(origin, room) {
    const context = await browser.context(origin);
    await context.addInitScript(play);
    const page = await context.newPage();
    await page.goto(pageAt(origin, room));
    await inRoom(page);
    return page;
  }

  /** A host, and a guest behind a network of its own. */
  async function openPair() {
    const host = await openPage(`http://127.0.0.1:${server.port}`);
    const { room } = await look(host);
    const network = await openNetwork();
    return { host, guest: await openPage(network.origin, room), room, network };
  }

  it('has its seat back after a reload, as host and as guest', async () => {
    const { host, guest, room } = await openPair();
    await host.evaluate(() => party.setState({ round: 3 }));
    const before = [await look(host), await look(guest)];
    await guest.reload();
    await inRoom(guest);
    await host.reload();
    await inRoom(host);
    assert.deepEqual([await look(host), await look(guest)], before);
    assert.deepEqual(await host.evaluate(() => party.state), { round: 3 });
    assert.equal(before[0].room, room);
  });

  it('has its room back after a reload of a screen that is alone in it', async () => {
    const host = await openPage(`http://127.0.0.1:${server.port}`);
    const { room } = await look(host);
    await host.evaluate(() => party.setState({ round: 3 }));
    for (let times = 0; times < 2; times++) {
      await host.reload();
      await inRoom(host);
      assert.deepEqual(await look(host), { room, id: 0, peers: [], status: 'connected' });
      assert.deepEqual(await host.evaluate(() => party.state), { round: 3 });
    }
  });

  it('gives a duplicated tab a seat of its own, and leaves the first one alone', async () => {
    const { guest } = await openPair();
    const opened = guest.context().waitForEvent('page');
    await guest.evaluate(() => void window.open(location.href)); // copies sessionStorage
    const second = await opened;
    await second.waitForLoadState();
    await second.evaluate(play); // a window that was opened by another has had its script already
    assert.notEqual((await look(second)).id, (await look(guest)).id);
    assert.ok((await guest.evaluate(() => party.ping())) > 0);
    assert.equal((await look(guest)).status, 'connected');
  });

  it('comes back when the network does, and sends what has waited', async () => {
    browser.expectFaults(cutOff);
    const { host, guest, network } = await openPair();
    await guest.context().setOffline(true);
    network.fail();
    await told(guest, 'connection');
    const sent = guest.evaluate(() => Promise.all([party.broadcast('one'), party.send(0, 'two')]));
    await told(host, 'away');
    network.restore();
    await guest.context().setOffline(false);
    assert.deepEqual(await sent, ['delivered', 'delivered']);
    await told(host, 'message', 2);
    const heard = await host.evaluate(() => events.filter(([name]) => name === 'message'));
    assert.deepEqual(heard.map(([, data, from]) => [data, from]), [['one', 1], ['two', 1]]);
  });

  it('tries at once when the browser says that it is online', async () => {
    browser.expectFaults(cutOff);
    const { guest, network } = await openPair();
    await guest.context().setOffline(true);
    network.fail();
    await told(guest, 'connection');
    // Long enough for the backoff to have grown to seconds.
    await guest.evaluate(() => new Promise((resolve) => setTimeout(resolve, 3_000)));
    network.restore();
    await guest.context().setOffline(false);
    const begun = performance.now();
    await told(guest, 'connection', 2);
    const milliseconds = performance.now() - begun;
    assert.ok(milliseconds < 500 * slowness, `${milliseconds} ms`);
  });

  it('tells that the room is gone after a restart of the relay', async () => {
    browser.expectFaults(cutOff);
    const own = await Server.start();
    const { port } = own;
    const page = await openPage(`http://127.0.0.1:${port}`);
    own.kill();
    await own.outcome();
    await told(page, 'connection');
    const next = await Server.start({ port });
    await told(page, 'closed');
    const [, reason] = await page.evaluate(() => events.at(-1));
    assert.equal(reason, 'room-gone');
    await next.stop();
  });

  it('works for pages that came by http:// from another machine, which may do less', async () => {
    const addresses = Object.values(os.networkInterfaces()).flat();
    const own = addresses.find(({ family, internal }) => family === 'IPv4' && !internal);
    const page = await openPage(`http://${own?.address ?? '127.0.0.1'}:${server.port}`);
    assert.equal(await page.evaluate(() => isSecureContext), !own);
    const { id, room } = await look(page);
    await page.reload();
    await inRoom(page);
    assert.deepEqual([(await look(page)).id, id, room.length], [0, 0, 6]);
  });
});

/** Pages by https have locks; those that came by http:// from another machine do without. */
for (const hasLocks of [true, false])
  describeWithBrowser(`A seat among tabs ${hasLocks ? 'with' : 'without'} locks`, (browser) => {
    const withoutLocks = () => Object.defineProperty(Navigator.prototype, 'locks', { value: undefined });
    const hide = (page) =>
      page.evaluate(() => Object.defineProperty(document, 'visibilityState', { value: 'hidden' }));

    /** What opens pages of one browser, each with a party in this room. */
    async function device(room) {
      const context = await browser.context(`http://127.0.0.1:${server.port}`);
      if (!hasLocks) await context.addInitScript(withoutLocks);
      await context.addInitScript(play);
      return async () => {
        const page = await context.newPage();
        await page.goto(pageAt(`http://127.0.0.1:${server.port}`, room));
        await inRoom(page);
        return page;
      };
    }

    /** A room of this process, and what opens tabs of a phone in it. */
    async function openRoom() {
      const host = await server.member({ protocols: ['party-sockets.v3'] });
      host.send({ type: 'create', clientId: 'the secret of a host', session: 'of a host', maxClients: 8 });
      const { room } = await host.next();
      return { room, open: await device(room) };
    }

    const idOf = async (page) => (await look(page)).id;
    const reasonOf = (page) => page.evaluate(() => events.find(([name]) => name === 'closed')?.[1]);

    it('comes back when the tab was closed and the code scanned again', async () => {
      const { open } = await openRoom();
      const first = await open();
      const id = await idOf(first);
      await first.close();
      assert.equal(await idOf(await open()), id);
    });

    it('of a host does, too, with its state, and belongs to one tab alone', async () => {
      const open = await device();
      const first = await open();
      const { room } = await look(first);
      await first.evaluate(() => party.setState({ round: 3 }));
      const other = await open(); // both are visible
      assert.notEqual((await look(other)).room, room);
      await other.evaluate(() => party.closeRoom());
      await told(other, 'closed');
      await first.reload(); // which has a memory of its own
      await inRoom(first);
      const { id, status } = await look(first);
      assert.deepEqual([(await look(first)).room, id, status], [room, 0, 'connected']);
      assert.deepEqual(await first.evaluate(() => party.state), { round: 3 });
    });

    it('is kept by a visible tab: another one is another player, also after a reload', async () => {
      const { open } = await openRoom();
      const [first, second] = [await open(), await open()];
      const ids = [await idOf(first), await idOf(second)];
      assert.notEqual(ids[0], ids[1]);
      for (const page of [first, second]) {
        await page.reload();
        await inRoom(page);
      }
      assert.deepEqual([await idOf(first), await idOf(second)], ids);
      for (const page of [first, second]) await page.close();
      assert.equal(await idOf(await open()), ids[0]); // of two, the first one is that of the device
    });

    it('is given away by a hidden tab', async () => {
      const { open } = await openRoom();
      const first = await open();
      const id = await idOf(first);
      await hide(first);
      const second = await open();
      assert.equal(await idOf(second), id);
      await told(first, 'closed');
      assert.equal(await reasonOf(first), 'replaced');
      assert.equal(await second.evaluate(() => party.send('host', 'here')), 'delivered');
    });

    it('is lost by a tab that does not answer', async () => {
      const { open } = await openRoom();
      const first = await open();
      const id = await idOf(first);
      await first.evaluate(() => (BroadcastChannel.prototype.postMessage = () => {}));
      const second = await open();
      assert.equal(await idOf(second), id);
      await told(first, 'closed');
      assert.equal(await reasonOf(first), 'replaced');
    });

    it('is asked for when its page is shown again', async () => {
      const { open } = await openRoom();
      const first = await open();
      const id = await idOf(first);
      const turn = (page, name) => page.evaluate((name) => dispatchEvent(new Event(name)), name);
      await turn(first, 'pagehide');
      await turn(first, 'pageshow');
      await told(first, 'connection', 2);
      assert.equal(await idOf(first), id);
      await turn(first, 'pagehide');
      const second = await open();
      assert.equal(await idOf(second), id);
      await turn(first, 'pageshow');
      await told(first, 'closed');
      assert.equal(await reasonOf(first), 'replaced');
      assert.deepEqual((await look(second)).status, 'connected');
    });
  });

describe('The SDK in a page that sleeps', () => {
  let devtools;
  before(() => (devtools = Devtools.start()));
  after(() => devtools.stop());

  /** A guest behind a network of its own, whose host stays awake. */
  async function open() {
    const host = await server.member();
    const room = await host.create('host', { maxClients: 4 });
    const network = await openNetwork();
    const page = await devtools.open(pageAt(network.origin, room));
    await page.waitFor(`location.protocol === 'http:' && document.readyState === 'complete'`);
    await page.evaluate(`(${play})()`);
    return { host, page, network };
  }

  /**
   * That it is back in its seat, and when it was lost and back, in ms since it woke up. It may have been
   * lost again meanwhile: on a busy machine an answer takes longer than a page that was shown waits for it.
   */
  async function timesSince(page, woken) {
    await page.waitFor(`events.some(([name, status]) => name === 'connection' && status === 'connected')`);
    const [lost, back] = await page.evaluate('events');
    assert.deepEqual([lost[1], back[1]], ['reconnecting', 'connected']);
    assert.equal(await page.evaluate('party.id'), 1);
    return [lost.at(-1) - woken, back.at(-1) - woken];
  }

  it('replaces a socket that has died while it was hidden, within two seconds', async () => {
    const { page, network } = await open();
    await page.hide();
    network.silence();
    const woken = await page.evaluate('performance.now()');
    await page.show();
    const [lost, back] = await timesSince(page, woken);
    assert.ok(lost < wakingMilliseconds, `${lost} ms`);
    assert.ok(back < wakingMilliseconds + 200 * slowness, `${back} ms`);
  });

  it('keeps a socket that has lived on', async () => {
    const { page, network } = await open();
    const { attempts } = network;
    await page.hide();
    await page.show();
    assert.ok((await page.evaluate('party.ping()')) > 0);
    assert.deepEqual([await page.evaluate('events'), network.attempts], [[], attempts]);
  });

  it('has its seat back when it was frozen, which closes its socket', async () => {
    const { page } = await open();
    await page.hide();
    await page.freeze();
    await page.thaw();
    const woken = await page.evaluate('performance.now()');
    await page.show();
    const [, back] = await timesSince(page, woken);
    assert.ok(back < wakingMilliseconds, `${back} ms`);
  });
});

/** Chromium keeps such a page, and answers pings for it, while another one is shown in its tab. */
describe('The SDK in a page that is left by a link', () => {
  let devtools;
  before(() => (devtools = Devtools.start()));
  after(() => devtools.stop());

  it('leaves its seat, and has it again when its player comes back', async () => {
    const origin = `http://127.0.0.1:${server.port}`;
    const host = await server.member();
    const room = await host.create('host', { maxClients: 4 });
    const page = await devtools.open(`${origin}/play/?room=none`); // of the relay, and may be kept
    await page.waitFor(`location.pathname === '/play/' && document.readyState === 'complete'`);
    const joined = `Party.join(undefined, '${room}').then((party) => (window.party = party))`;
    await page.evaluate(`import('/party-sockets.js').then(({ Party }) => ${joined})`);
    await host.expect(peerJoined(1));
    await page.evaluate(`window.events = []; party.on('connection', (status) => {
      events.push(status);
      if (status === 'reconnecting') party.broadcast('left in between');
    })`);
    await page.evaluate(`window.addEventListener('pageshow', ({ persisted }) => events.push(persisted))`);
    await page.evaluate(`location.assign('/health')`);
    await host.expect(peerLeft(1)); // at once, and not when pings are unanswered
    await page.waitFor(`location.pathname === '/health'`);
    await page.evaluate('history.back()');
    await page.waitFor(`location.pathname === '/play/'`);
    await host.expect(peerJoined(1));
    await host.expectMessage(1, 'left in between');
    await page.waitFor(`events.length === 3`);
    assert.deepEqual(await page.evaluate('events'), ['reconnecting', true, 'connected']);
    assert.equal(await page.evaluate('party.id'), 1);
  });
});

describeWithBrowser("The README's page", (browser) => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const [, html] = /```html\n(.*?)```/s.exec(readme);

  /** Until the page has told these lines, and no others; but the relay may notice, or not, who is away. */
  const tells = (page, ...lines) =>
    page.waitForFunction((expected) => {
      const told = document.querySelector('#news').textContent.split('\n').slice(0, -1);
      return told.filter((line) => !/away|back/.test(line)).join('\n') === expected;
    }, lines.join('\n'));

  /** The page, saved as a file and opened in two windows of one browser: the screen, and a second player. */
  async function open() {
    browser.expectFaults(/a request to file:/);
    const file = path.join(mkdtempSync(path.join(os.tmpdir(), 'party-sockets-')), 'page.html');
    writeFileSync(file, html.replaceAll(':3000', `:${server.port}`));
    const context = await browser.context(`http://localhost:${server.port}`);
    const first = await context.newPage();
    await first.goto(pathToFileURL(file).href);
    await first.waitForFunction(() => document.querySelector('#room').textContent);
    const opened = context.waitForEvent('page');
    await first.click('#room');
    const second = await opened;
    await tells(first, '1: join');
    return { file, first, second };
  }

  it('plays with itself from a file, in two windows', async () => {
    const { file, first, second } = await open();
    await second.click('#buzz');
    await tells(first, '1: join', '1: Buzz 1');
    await tells(second, 'Buzz 1 …', 'Buzz 1 delivered');
    await first.reload(); // back in the same room
    await second.click('#buzz');
    await tells(first, '1: Buzz 2');
    browser.expectFaults(/Room not found/); // said by the page, and by the console
    await second.goto(`${pathToFileURL(file).href}#zzzzzz`);
    await second.reload();
    await tells(second, 'Room not found');
  });

  it('loses nothing when somebody pulls the plug', async () => {
    browser.expectFaults(cutOff);
    const { first, second } = await open();
    const network = await second.context().newCDPSession(second);
    await network.send('Network.enable');
    const setOffline = (offline) =>
      network.send('Network.emulateNetworkConditions', {
        offline, latency: 0, downloadThroughput: -1, uploadThroughput: -1,
      });
    await setOffline(true); // as by the developer tools, for this window alone
    await tells(second, 'reconnecting');
    const numbers = [1, 2, 3, 4, 5];
    for (const _ of numbers) await second.click('#buzz');
    const waiting = ['reconnecting', ...numbers.map((number) => `Buzz ${number} …`)];
    await tells(second, ...waiting);
    await tells(first, '1: join');
    await setOffline(false);
    await tells(second, ...waiting, 'connected', ...numbers.map((number) => `Buzz ${number} delivered`));
    await tells(first, '1: join', ...numbers.map((number) => `1: Buzz ${number}`));
  });
});
