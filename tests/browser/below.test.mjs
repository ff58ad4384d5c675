// The relay below a path of a proxy: pages, game and library find all that they need.

import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { Server } from '../blackbox/support/server.mjs';
import { Below } from './support/below.mjs';
import { describeWithBrowser } from './support/browser.mjs';

const prefix = '/fun/relay';
const ways = {
  'told by a trusted proxy': { isTold: true, options: ['--trust-proxy', '127.0.0.1'] },
  'told by an option': { isTold: false, options: ['--path-prefix', prefix] },
};

for (const [way, { isTold, options }] of Object.entries(ways)) {
  describeWithBrowser(`Below a path, ${way}`, (browser) => {
    let server;
    let below;
    before(async () => {
      server = await Server.start({ options });
      below = await Below.start(server.port, { prefix, isTold });
    });
    after(async () => {
      below.close();
      await server.stop();
    });

    for (const path of ['/', '/any/other/page']) {
      it(`the status page shows its numbers, and how to connect: ${path}`, async () => {
        const page = await browser.open(`${below.url}${path}`);
        await page.locator('#health.up').waitFor();
        await page.locator('#trip', { hasText: / ms$/ }).waitFor();
        await page.locator('#facts', { hasText: 'Event loops' }).waitFor();
        const address = below.url.replace('http', 'ws');
        assert.equal(await page.inputValue('#url'), address);
        const code = await page.locator('#code').innerText();
        assert.ok(code.includes(`from '${below.url}/party-sockets.js'`), code);
        await page.click('#play');
        await page.waitForURL(`${below.url}/play/`);
      });
    }

    it('the game is hosted and joined, by the link of its QR code', async () => {
      const host = await browser.open(`${below.url}/play`);
      assert.equal(host.url(), `${below.url}/play/`);
      await host.click('#host');
      const alt = await host.waitForSelector('#qr[alt*=http]', { state: 'attached' });
      const [address] = /http[^,]*/.exec(await alt.getAttribute('alt'));
      assert.match(address, new RegExp(`^${below.url}/play/\\?room=[B-Z]{4,12}$`));
      const phone = await browser.open(address);
      await phone.fill('#name', 'Ada');
      await phone.click('#form button[part="button "]');
      await host.locator('#players', { hasText: 'Ada' }).waitFor();
      await host.reload();
      await host.locator('#players', { hasText: 'Ada' }).waitFor();
    });

    it('the library is asked for by pages, and finds its own relay', async () => {
      const page = await browser.open(`${below.url}/play/?room=none`);
      const room = await page.evaluate(async () => {
        const { Party } = await import('../party-sockets.js');
        const host = await Party.create();
        const guest = await Party.join(undefined, host.room);
        const isThere = guest.peers.length === 1;
        guest.close();
        host.close();
        return isThere;
      });
      assert.equal(room, true);
    });
  });
}
