// The recipes for frameworks in the SDK's README, each in a page of its own: built, and run in a browser. A page
// mounts and unmounts a component that shows what the recipe gives it.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { buildPage, recipes } from '../blackbox/sdk/recipes.mjs';
import { record, World } from '../blackbox/sdk/world.mjs';
import { eventually } from '../blackbox/support/deadline.mjs';
import { describeWithBrowser } from './support/browser.mjs';

const names = ['follow-party', 'react', 'svelte', 'vue'];
const frame = '<!doctype html><link rel="icon" href="data:,"><body><script type="module" src="main.js"></script>';
const linesMax = 15; // of a recipe, blank ones apart

describe('The recipes', () => {
  it('are all there, and short', () => {
    assert.deepEqual(Object.keys(recipes), names);
    for (const [name, { code, usage }] of Object.entries(recipes)) {
      const lines = code.split('\n').filter(Boolean);
      assert.ok(lines.length <= linesMax, `${name}: ${lines.length} lines`);
      assert.equal(usage.split('\n').filter(Boolean).length, 1, usage);
    }
  });
});

describeWithBrowser('A recipe', (browser) => {
  let world;
  let root;
  let server;
  let origin;
  before(async () => {
    world = await World.start();
    root = mkdtempSync(path.join(os.tmpdir(), 'party-sockets-'));
    for (const name of names) assert.deepEqual(await buildPage(path.join(root, name), name), []);
    server = http.createServer(({ url }, response) => {
      const [, name, file] = new URL(url, 'http://page').pathname.split('/');
      const isScript = file === 'main.js';
      response.writeHead(200, { 'Content-Type': isScript ? 'text/javascript' : 'text/html' });
      response.end(isScript ? readFileSync(path.join(root, name, 'dist/main.js')) : frame);
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    origin = `http://127.0.0.1:${server.address().port}`;
  });
  after(async () => {
    await world.stop();
    rmSync(root, { recursive: true });
    server?.close();
    server?.closeAllConnections();
  });

  /** A page that has not mounted anything. */
  async function open(name, code) {
    const page = await browser.page(origin);
    await page.addInitScript(([relay, code]) => Object.assign(globalThis, { relay, code }), [world.url, code]);
    await page.goto(`${origin}/${name}/`);
    await page.waitForFunction(() => globalThis.mount);
    return page;
  }

  const mount = (page) => page.evaluate(() => mount());
  const unmount = (page) => page.evaluate(() => unmount());
  const see = (page) => page.evaluate(() => JSON.parse(document.querySelector('output').textContent || '{}'));

  /** Waits until the page shows this, whatever else it shows. */
  async function shows(page, expected) {
    let seen;
    try {
      await eventually(async () => {
        seen = await see(page);
        return Object.entries(expected).every(([name, value]) => JSON.stringify(seen[name]) === JSON.stringify(value));
      }, 'The view');
    } catch (error) {
      assert.deepEqual(seen, expected, error.message);
    }
  }

  for (const name of ['react', 'vue']) it(`goes to another room when the code is another one: ${name}`, async () => {
    const [host, other] = [await world.create(), await world.create()];
    const page = await open(name, host.room);
    await mount(page);
    await shows(page, { room: host.room, status: 'connected' });
    await page.evaluate(() => {
      globalThis.rooms = [];
      const note = () => rooms.push(JSON.parse(document.querySelector('output').textContent || '{}').room);
      new MutationObserver(note).observe(document.querySelector('output'), { characterData: true, subtree: true });
    });
    await page.evaluate((code) => go(code), other.room);
    await shows(page, { room: other.room, status: 'connected' });
    assert.equal((await page.evaluate(() => rooms))[0] ?? null, null); // nothing of the old room meanwhile
    await eventually(() => host.away.length === 1, 'The old seat is away');
  });

  for (const name of names) {
    it(`shows the room, and follows what changes: ${name}`, async () => {
      const host = await world.create();
      const page = await open(name, host.room);
      await mount(page);
      await shows(page, { room: host.room, id: 1, peers: [0], status: 'connected' });
      await host.setState({ round: 1 });
      await shows(page, { state: { round: 1 }, peers: [0] });
      const guest = await world.join(host.room);
      await shows(page, { peers: [0, 2] });
      guest.leave();
      await shows(page, { peers: [0] });
      host.closeRoom();
      await shows(page, { status: 'closed', why: 'room-closed' });
    });

    it(`has one seat, and has it again when it is shown again: ${name}`, async () => {
      const host = await world.create();
      const events = record(host);
      const page = await open(name, host.room);
      await mount(page);
      await shows(page, { id: 1, status: 'connected' });
      await host.ping();
      assert.deepEqual([host.peers, host.away], [[1], []]);
      if (name === 'react') assert.equal(await page.evaluate(() => effects), 2); // of strict mode
      await unmount(page);
      await eventually(() => host.away.length === 1, 'The seat is away');
      assert.deepEqual(await see(page), {});
      await mount(page);
      await shows(page, { id: 1, status: 'connected' });
      await eventually(() => host.peers.length === 1, 'The seat is taken again');
      await page.evaluate(() => [unmount(), mount()]); // as after a hot reload
      await shows(page, { id: 1, status: 'connected' });
      assert.ok(await host.ping());
      const seats = events.filter(([event]) => ['join', 'away', 'back', 'leave'].includes(event));
      assert.deepEqual(seats, [['join', 1], ['away', 1], ['back', 1]]);
    });

    it(`gives the seat up when the player leaves, and takes a new one when it is shown again: ${name}`, async () => {
      const host = await world.create();
      const events = record(host);
      const page = await open(name, host.room);
      await mount(page);
      await shows(page, { id: 1, status: 'connected' });
      await page.evaluate(() => party.leave());
      await shows(page, { status: 'closed', why: 'left' });
      await unmount(page);
      await mount(page);
      await shows(page, { peers: [0], status: 'connected' });
      await eventually(() => host.peers.length === 1, 'The new seat');
      const seats = events.filter(([event]) => ['join', 'away', 'back', 'leave'].includes(event));
      assert.deepEqual(seats, [['join', 1], ['leave', 1, 'left'], ['join', host.peers[0]]]);
    });

    it(`says why there is no party: ${name}`, async () => {
      const page = await open(name, 'BCDFGH');
      await mount(page);
      await shows(page, { error: 'room-not-found', status: undefined });
      await unmount(page);
    });
  }
});
