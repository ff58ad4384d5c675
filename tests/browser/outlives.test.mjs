// A game in three windows outlives its process: the program is replaced under it, and then killed.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { eventually } from '../blackbox/support/deadline.mjs';
import { runToEnd, Server } from '../blackbox/support/server.mjs';
import { describeWithBrowser, takeScreenshot } from './support/browser.mjs';
import { closeAll, heightOf, holdLeft, join, openRoom, red, screen, text } from './support/game.mjs';

describeWithBrowser('A game outlives its process', (browser) => {
  test('replaced, nobody notices; killed, everybody is back in the same round', async (context) => {
    browser.expectFaults(/WebSocket connection to .* failed|ERR_CONNECTION_REFUSED/); // while there is no process
    const directory = mkdtempSync(path.join(os.tmpdir(), 'party-outlives-'));
    context.after(() => rmSync(directory, { recursive: true }));
    const options = ['--state-dir', directory];
    const { server, host, code } = await openRoom(browser, context, 60, await Server.start({ options }));
    const ada = await join(browser, server, code, 'Ada');
    const ben = await join(browser, server, code, 'Ben');
    await ada.click('#ready');
    await ben.click('#ready');
    await Promise.all([ada, ben].map((page) => screen(page, 'pad')));
    await takeScreenshot(host, 'outlives-1-playing');

    /** A phone's thumb reaches the screen: the worm turns, and is somewhere else then. */
    async function steers() {
      const before = await heightOf(host, red);
      await holdLeft(ada);
      await eventually(async () => Math.abs((await heightOf(host, red)) - before) > 20, 'The worm turns');
      await ada.mouse.up();
    }
    await steers();

    const asked = await runToEnd(['--upgrade', server.pid]);
    assert.deepEqual([asked.status, asked.stderr], [0, ''], server.stderr);
    await steers();
    await takeScreenshot(host, 'outlives-2-replaced');
    const { body } = await server.get('/metrics');
    const opened = Array.from(body.matchAll(/^party_sockets_connections_total\{.*\} (\d+)$/gm), ([, count]) => +count);
    assert.equal(opened.reduce((sum, count) => sum + count, 0), 0, 'no page has connected anew');
    assert.equal(await host.isVisible('#arena-players .away'), false);

    // What the room has is stored within half a second.
    await eventually(
      async () => /^party_sockets_store_pending_records\{.*\} 0$/m.test((await server.get('/metrics')).body),
      'The store has everything',
    );
    server.kill();
    await server.outcome();
    const next = new Server({ port: server.port, options });
    context.after(() => next.kill());
    await next.start();
    assert.match(next.stdout, /has 1 room of /);
    await eventually(() => host.isHidden('#arena-players .away'), 'Everybody is back');
    await eventually(async () => /clients":3/.test((await next.get(`/room/${code}`)).body), 'All three are in the room');
    await steers();
    await takeScreenshot(host, 'outlives-3-killed-and-back');
    await takeScreenshot(ada, 'outlives-4-phone');
    assert.equal(await text(ada, '#pad .own-name'), 'Ada');
    await closeAll(browser, next);
  });
});
