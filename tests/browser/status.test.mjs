// The status page in a browser: what it shows, how it looks, and that it goes on.

import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { eventually } from '../blackbox/support/deadline.mjs';
import { Server } from '../blackbox/support/server.mjs';
import {
  describeWithBrowser, desktop, findFonts, findOverflow, phone, takeScreenshot,
} from './support/browser.mjs';

const views = { desktop, phone };
const addressOf = (server) => `http://127.0.0.1:${server.port}/`;
const textOf = (page, selector) => page.locator(selector).innerText();
const numberOf = async (page, id) =>
  Number((await textOf(page, `#${id} .value`)).replaceAll(',', ''));
const isLive = (page) => page.locator('#health.up').waitFor();

/** Rooms with three members each, the last of whom says something to all now and then. */
async function startParties(server, count, origin) {
  const parties = Array.from({ length: count }, async () => {
    const members = await Promise.all([1, 2, 3].map(() => server.member({ origin })));
    const code = await members[0].create('host');
    for (const [index, member] of members.entries()) if (index) await member.join(`${index}`, code);
    return members;
  });
  const all = await Promise.all(parties);
  const speaking = setInterval(() => {
    for (const members of all) members[2].send({ type: 'send', data: 'hello' });
  }, 100);
  return () => clearInterval(speaking);
}

describeWithBrowser('The status page', (browser) => {
  const server = new Server({ loops: 2 });
  let stopSpeaking;
  before(async () => {
    await server.start();
    stopSpeaking = await startParties(server, 4, 'https://game.example');
    await startParties(server, 2, 'https://quiz.example').then((stop) => stop());
  });
  after(async () => {
    stopSpeaking();
    await server.stop().finally(() => server.kill());
  });

  async function expectView(name, view) {
    const page = await browser.open(addressOf(server), view);
    await isLive(page);
    await page.locator('#trip', { hasText: / ms$/ }).waitFor();
    await eventually(async () => (await numberOf(page, 'messages')) > 20, 'Forty a second');
    assert.ok((await numberOf(page, 'rooms')) >= 6);
    assert.ok((await numberOf(page, 'clients')) >= 18);
    const { poller, version } = await server.stats();
    const facts = await textOf(page, '#facts');
    for (const fact of [/Event loops\s+2\b/, /Default protocol\s+1\b/, /Uptime\s+\d/])
      assert.match(facts, fact);
    for (const fact of [poller, version]) assert.ok(facts.includes(fact), fact);
    assert.match(await textOf(page, '#origins'), /https:\/\/game\.example\s+4\s+12/);
    assert.deepEqual(await findOverflow(page), []);
    for (const font of await findFonts(page)) assert.match(font, /^(system-ui|ui-monospace), /);
    await takeScreenshot(page, `status-${name}`);
  }

  it('It fits and shows what there is, on a desk and on a phone, in light and dark', async () => {
    const opened = Object.entries(views).flatMap(([name, view]) =>
      ['light', 'dark'].map((colorScheme) =>
        expectView(`${name}-${colorScheme}`, { ...view, colorScheme }),
      ),
    );
    await Promise.all(opened);
  });

  async function expectCharts(page) {
    for (const id of ['rooms', 'clients', 'messages', 'deliveries']) {
      const curve = await page.locator(`#${id} path:not(.area)`).getAttribute('d');
      const numbers = curve.match(/-?[\d.]+/g).map(Number);
      const times = numbers.filter((_, index) => index % 2 === 0);
      assert.ok(times.length >= 2, `Points of ${id}`);
      assert.equal(times.at(-1), 294, 'The last point is now');
      assert.deepEqual(times, [...times].sort((a, b) => a - b));
    }
  }

  it('The numbers change when somebody comes and goes', async () => {
    const page = await browser.open(addressOf(server));
    await page.locator('#trip', { hasText: / ms$/ }).waitFor(); // its own room comes and goes
    const shows = (rooms, clients) => async () =>
      (await numberOf(page, 'rooms')) === rooms && (await numberOf(page, 'clients')) === clients;
    await eventually(shows(6, 18), 'Those of before');
    const [host, guest] = [await server.member(), await server.member()];
    await guest.join('guest', await host.create('host'));
    await eventually(shows(7, 20), 'Those who came');
    assert.match(await textOf(page, '#origins'), /unknown\s+1\s+2/);
    await Promise.all([host.close(), guest.close()]);
    await eventually(shows(6, 18), 'Those who stayed');
    await expectCharts(page);
  });

  it('Hostile origins are texts', async () => {
    const hostile = [
      'https://<script>alert(1)</script>', '"><img src=x onerror=alert(1)>', '{{rooms}}',
      `https://${'long-and-without-end-'.repeat(10)}.example`,
    ];
    const turned = Buffer.from('\u202Ehttps://moc.elgoog').toString('latin1'); // as it is on the wire
    const guests = await Promise.all(
      [...hostile, turned].map((origin) => server.member({ origin })),
    );
    const page = await browser.open(addressOf(server), phone);
    for (const origin of [...hostile, '\\u{202e}https://moc.elgoog'])
      await page.locator('#origins td', { hasText: origin }).first().waitFor();
    assert.equal(await page.locator('#origins').locator('script, img').count(), 0);
    assert.deepEqual(await findOverflow(page), []);
    await takeScreenshot(page, 'status-phone-hostile');
    await Promise.all(guests.map((guest) => guest.terminate()));
  });

  /** Opens the page where the relay's numbers have these of a cluster, too. */
  async function openNode(cluster, view) {
    const page = await browser.page(new URL(addressOf(server)).origin, view);
    await page.route('**/stats', async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, json: { ...(await response.json()), cluster } });
    });
    await page.goto(addressOf(server));
    await page.locator('#nodes tr').first().waitFor();
    return page;
  }

  it('A node of a cluster shows all nodes, and another relay shows no such list', async () => {
    const longest = 'node-with-a-name-as-long-as-can-';
    const nodes = [
      { name: 'b', state: 'here', rooms: 3, clients: 12, roundTripMs: null },
      { name: longest, state: 'serving', rooms: 1234, clients: 56789, roundTripMs: 0.412 },
      { name: 'c', state: 'silent', rooms: 1, clients: 2, roundTripMs: null },
      { name: 'a', state: 'leaving', rooms: 0, clients: 0, roundTripMs: 0.012 },
    ];
    for (const [name, view] of Object.entries(views)) {
      const page = await openNode({ slices: 256, peers: 3, connected: true, nodes }, view);
      assert.deepEqual(await page.locator('#nodes tr').allInnerTexts(), [
        'a\tleaving\t0\t0\t< 0.1 ms', 'b\there\t3\t12\t–', 'c\tsilent\t1\t2\t–', `${longest}\tserving\t1,234\t56,789\t0.4 ms`,
      ]);
      assert.equal(await page.locator('#apart').isVisible(), false);
      assert.deepEqual(await findOverflow(page), []);
      await takeScreenshot(page, `status-${name}-cluster`);
    }
    const apart = await openNode({ slices: 0, peers: 0, connected: false, nodes: nodes.slice(0, 1) });
    await apart.locator('#apart').waitFor();
    const alone = await browser.open(addressOf(server));
    await isLive(alone);
    assert.equal(await alone.locator('#cluster').isVisible(), false);
  });

  it('The round trip is measured again by the button', async () => {
    const page = await browser.open(addressOf(server));
    const trip = page.locator('#trip', { hasText: /^(< 0\.1|[\d.]+) ms$/ });
    await trip.waitFor();
    const { messages: before } = await server.stats();
    await page.getByRole('button', { name: 'Measure again' }).click();
    await page.locator('#trip', { hasText: '…' }).waitFor({ state: 'detached' });
    await trip.waitFor();
    assert.ok((await server.stats()).messages - before >= 11, 'A room and ten messages');
  });

  it('The URL is there to be copied, and how to use it, whatever the relay is called', async () => {
    const host = `localhost:${server.port}`;
    const url = `ws://${host}`;
    const options = { permissions: ['clipboard-read'] };
    const page = await browser.open(`http://${host}/anything?x#y`, options);
    await page.locator('#trip', { hasText: / ms$/ }).waitFor();
    assert.equal(await page.locator('#url').inputValue(), url);
    await page.getByRole('button', { name: 'Copy' }).click();
    await page.getByRole('button', { name: 'Copied' }).waitFor();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), url);
    const code = await textOf(page, '#code');
    assert.ok(code.includes(`from 'http://${host}/party-sockets.js';`), code);
    assert.ok(code.includes(`const url = '${url}';`), code);
    assert.equal(await page.getByRole('link', { name: 'Play' }).getAttribute('href'), '/play/');
  });

  it('A hidden tab asks nothing, until it is seen again', async () => {
    const page = await browser.page(new URL(addressOf(server)).origin);
    const asked = [];
    page.on('request', (request) => asked.push(new URL(request.url()).pathname));
    const count = () => asked.filter((path) => path === '/stats').length;
    const hide = (isHidden) =>
      page.evaluate((value) => {
        Object.defineProperty(document, 'hidden', { value, configurable: true });
        document.dispatchEvent(new Event('visibilitychange'));
      }, isHidden);
    await page.clock.install();
    await page.goto(addressOf(server));
    await isLive(page);
    const first = count();
    await page.clock.runFor(2_000);
    await eventually(() => count() === first + 1, 'The next question');
    await page.waitForLoadState('networkidle');
    await hide(true);
    await page.clock.runFor(60_000);
    assert.equal(count(), first + 1);
    await hide(false);
    await eventually(() => count() === first + 2, 'The question of a tab that is seen again');
  });

  it('Without JavaScript it says what it needs', async () => {
    const page = await browser.open(addressOf(server), { javaScriptEnabled: false });
    assert.match(await textOf(page, 'noscript'), /needs JavaScript/);
  });
});

describeWithBrowser('The status page of a relay that', (browser) => {
  async function withServer(settings, work) {
    const server = await Server.start(settings);
    try {
      await work(server);
      await browser.closePages();
      await server.stop();
    } finally {
      server.kill();
    }
  }

  it('is stopped and started again goes on', async () => {
    let page;
    let port;
    browser.expectFaults(/ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE/);
    const first = await Server.start();
    try {
      ({ port } = first);
      page = await browser.open(addressOf(first));
      await isLive(page);
      await first.stop();
    } finally {
      first.kill();
    }
    await page.getByText('The relay is not reachable').waitFor();
    await takeScreenshot(page, 'status-desktop-unreachable');
    await withServer({ port }, async (successor) => {
      await isLive(page);
      await (await successor.member()).create('host');
      await eventually(async () => (await numberOf(page, 'rooms')) === 1, 'The new room');
    });
  });

  it('refuses the measurement says so', () =>
    withServer({ options: ['--allow-origin', 'https://game.example'] }, async (server) => {
      browser.expectFaults(/WebSocket connection to .* failed: .*403/);
      const page = await browser.open(addressOf(server));
      await page.locator('#trip-note', { hasText: 'The relay refused the connection.' }).waitFor();
      assert.equal(await textOf(page, '#trip'), '–');
    }));

  it('makes no more rooms says why', () =>
    withServer({ options: ['--max-rooms', 1] }, async (server) => {
      await (await server.member()).create('host');
      const page = await browser.open(addressOf(server));
      await page.locator('#trip-note', { hasText: 'The relay refused: Too many rooms.' }).waitFor();
    }));

  it('says where the numbers are to whom they are not told, and asks no more', async (t) => {
    browser.expectFaults(/403/);
    const own = await Server.start({ options: ['--admin-listen', '127.0.0.1:0'] });
    t.after(() => own.kill()); // or it would keep this process after a failure
    for (const [name, view] of Object.entries(views)) {
      const page = await browser.open(addressOf(own), view);
      await isLive(page);
      await page.locator('#refusal', { hasText: /--admin-listen/ }).waitFor();
      let requests = 0;
      page.on('request', (request) => (requests += request.url().endsWith('/stats') ? 1 : 0));
      await page.locator('#trip', { hasText: / ms$/ }).waitFor();
      assert.deepEqual([await page.locator('.numbers:visible').count(), requests], [0, 0]);
      assert.deepEqual(await findOverflow(page), []);
      await takeScreenshot(page, `status-refused-${name}`);
      await page.close();
    }
    const [, address] = /metrics and status: (\S+)/.exec(own.stdout);
    const page = await browser.open(`${address}/`);
    await isLive(page);
    await page.locator('#facts', { hasText: 'Event loops' }).waitFor();
    await browser.closePages();
    await own.stop();
  });
});
