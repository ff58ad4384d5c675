// The game at /play, played by a screen and phones over the real relay. Each screen is looked at in
// the sizes that it is made for, and a picture of it is kept in build/screenshots.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../blackbox/support/deadline.mjs';
import { Server } from '../blackbox/support/server.mjs';
import {
  describeWithBrowser, desktop, findFonts, findOverflow, phone as common, takeScreenshot,
} from './support/browser.mjs';

const phone = { ...common, viewport: { width: 390, height: 844 }, deviceScaleFactor: 1 };
const smallPhone = { width: 360, height: 640 };
const television = { width: 1920, height: 1080 };
const red = [255, 107, 107]; // the first player's

const origin = (server) => `http://127.0.0.1:${server.port}`;
const screen = (page, name) => page.waitForSelector(`#${name}:not([hidden])`);
const text = (page, selector) => page.locator(selector).innerText();
const lines = async (page, selector) => (await page.locator(selector).allInnerTexts()).map(flat);
const pointsIn = (line) => Number(/\d+$/.exec(line));
const nameIn = (line) => line.replace(/ \d+$/, '');
const flat = (string) => string.replace(/\s+/g, ' ').trim();

function becomes(page, selector, expected) {
  const read = async () => flat(await text(page, selector)) === expected;
  return eventually(read, `“${expected}” in ${selector}`);
}

/** Nothing is cut off, nothing scrolls, all fonts are chosen; once in each size. */
async function look(page, name, otherSize) {
  const size = page.viewportSize();
  for (const viewport of [size, otherSize].filter(Boolean)) {
    await page.setViewportSize(viewport);
    await takeScreenshot(page, `play-${name}-${viewport.width}x${viewport.height}`);
    const wide = await findOverflow(page, 'input, .for-ears, #pad .tag');
    assert.deepEqual(wide, [], `${name}: too wide`);
    const isTall = () => document.querySelector('main').scrollHeight > innerHeight;
    assert.equal(await page.evaluate(isTall), false, `${name}: too tall`);
    for (const font of await findFonts(page)) assert.match(font, /^ui-(rounded|monospace), /);
  }
  await page.setViewportSize(size);
}

/** The relay and a screen in its lobby: `{ server, host, code }`. */
async function openRoom(browser, context, seconds = 60) {
  const server = await Server.start();
  context.after(() => server.kill()); // if the test fails
  const host = await browser.page(origin(server), desktop);
  await host.addInitScript(() => {
    window.realRandom = Math.random;
    Math.random = () => 0.5; // stars and worms are in one place: somebody has points at once
  });
  await host.goto(`${origin(server)}/play/?seconds=${seconds}`);
  await host.click('#host');
  await screen(host, 'lobby');
  const code = await text(host, '.how .room-code');
  assert.match(code, /^\w{6}$/);
  await host.waitForSelector('#qr svg');
  const address = `127.0.0.1:${server.port}/play/`;
  assert.equal(await host.locator('#qr title').textContent(), `http://${address}?room=${code}`);
  assert.equal(await text(host, '#address'), address);
  return { server, host, code };
}

async function closeAll(browser, server) {
  await browser.closePages();
  await server.stop();
}

async function openPhone(browser, server, code) {
  const context = await browser.context(origin(server), phone);
  const page = await context.newPage();
  await page.goto(`${origin(server)}/play/${code ? `?room=${code}` : ''}`);
  return page;
}

async function introduce(page, name) {
  await screen(page, 'name');
  await page.fill('[name=name]', name);
  await page.click('#name-form button');
}

async function join(browser, server, code, name) {
  const page = await openPhone(browser, server, code);
  await introduce(page, name);
  await screen(page, 'status');
  return page;
}

/** Another page of the same phone. */
async function reopen(page, code) {
  const another = await page.context().newPage();
  await another.goto(`${new URL(page.url()).origin}/play/?room=${code}`);
  return another;
}

/** How high the part of the field with this colour is; a worm crawls level at first. */
function heightOf(host, color) {
  return host.evaluate((wanted) => {
    const canvas = document.getElementById('field');
    const { data, width } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const isWanted = (i) =>
      data[i + 3] > 100 && wanted.every((value, part) => Math.abs(data[i + part] - value) < 8);
    const rows = [];
    for (let i = 0; i < data.length; i += 4) if (isWanted(i)) rows.push(Math.floor(i / 4 / width));
    return rows.length > 0 ? ((rows.at(-1) - rows[0]) * 1600) / width : 0;
  }, color);
}

async function holdLeft(page) {
  const box = await page.locator('#left').boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await page.mouse.down();
}

describeWithBrowser('The game', (browser) => {
  test('a whole game of a screen and three phones, and another one', async (context) => {
    browser.expectFaults(/ERR_INTERNET_DISCONNECTED/); // of the phone that is taken off the network
    const { server, host, code } = await openRoom(browser, context);
    await look(host, 'lobby-empty');

    // The lobby: one types the code, others follow the link.
    const ada = await openPhone(browser, server);
    await screen(ada, 'choose');
    await look(ada, 'choose', smallPhone);
    await ada.setViewportSize(desktop.viewport);
    await look(ada, 'choose');
    await ada.setViewportSize(phone.viewport);
    await ada.fill('#choose [name=room]', code);
    await ada.click('#choose form button');
    await screen(ada, 'name');
    await look(ada, 'name', smallPhone);
    await introduce(ada, 'Ada');
    await screen(ada, 'status');
    let ben = await join(browser, server, code, '<b>Ben</b>');
    const cem = await join(browser, server, code, 'Ada');
    await look(cem, 'lobby', smallPhone);
    await ada.click('#ready');
    await ben.click('#ready');
    await becomes(ben, '#status-text', 'Waiting for Ada 2.');
    await look(ben, 'ready', smallPhone);
    const players = await lines(host, '#lobby-players li');
    assert.deepEqual(players, ['Ada ready', '<b>Ben</b> ready', 'Ada 2 not ready']);
    await look(host, 'lobby', television);
    await cem.click('#ready');
    await screen(host, 'countdown');
    await screen(cem, 'status');
    await becomes(cem, '#status-title', 'Look up!');
    await look(host, 'countdown');
    await look(cem, 'countdown', smallPhone);

    // Round 1: somebody steers and has points, closes the tab, and is back; somebody is late.
    await Promise.all([ada, ben, cem].map((page) => screen(page, 'pad')));
    assert.ok((await heightOf(host, red)) < 60);
    await holdLeft(ada);
    await eventually(async () => (await heightOf(host, red)) > 120, 'A turn of the first worm');
    await look(ada, 'pad-held', smallPhone);
    await ada.mouse.up();
    await eventually(async () => /[1-9]/.test(await text(ada, '#pad .own-score')), 'Points');
    const dia = await openPhone(browser, server, code);
    await introduce(dia, 'Dia');
    await becomes(dia, '#status-text', 'A round is under way. You play in the next one.');
    await look(dia, 'late', smallPhone);
    await ada.close();
    await eventually(() => host.isVisible('#arena-players .away'), 'Somebody who is away');
    const ada2 = await reopen(ada, code);
    await screen(ada2, 'pad');
    assert.equal(await text(ada2, '#pad .own-name'), 'Ada');
    await eventually(() => host.isHidden('#arena-players .away'), 'Nobody who is away');
    await eventually(async () => {
      const score = Number(await text(host, '#arena-players li:first-child .detail'));
      return score > 0 && (await text(ada2, '#pad .own-score')) === `${score} points`;
    }, 'The score of before, on the screen and on the phone');
    await host.click('#skip');

    // Round 2: the late one plays; one has no network for a while, and the screen is loaded again.
    await screen(host, 'countdown');
    await look(host, 'break');
    await host.evaluate(() => (Math.random = window.realRandom));
    await host.click('#skip');
    await Promise.all([ada2, ben, cem, dia].map((page) => screen(page, 'pad')));
    await ben.context().setOffline(true);
    await ben.evaluate(() => dispatchEvent(new Event('pageshow'))); // it wakes up, and is offline
    await becomes(ben, '#banner', 'Reconnecting …');
    await look(ben, 'reconnecting', smallPhone);
    await ben.context().setOffline(false);
    await ben.waitForSelector('#banner', { state: 'hidden' });
    await screen(ben, 'pad');
    assert.equal(await text(ben, '#pad .own-name'), '<b>Ben</b>');
    await look(host, 'round', television);
    const before = await lines(host, '#arena-players li');
    await host.reload();
    await screen(host, 'countdown');
    assert.equal(await text(host, '#arena-round'), 'Rush hour');
    assert.equal(await text(host, '#arena .room-code'), code);
    assert.equal(await text(host, '#round-number'), 'Round 2 of 3');
    const after = await lines(host, '#arena-players li');
    assert.deepEqual(after.map(nameIn), before.map(nameIn));
    after.forEach((line, i) => assert.ok(pointsIn(line) >= pointsIn(before[i]), line));
    await host.evaluate(() => (Math.random = window.realRandom));
    await host.click('#skip');
    await Promise.all([ada2, ben, cem, dia].map((page) => screen(page, 'pad')));

    await host.click('#skip');

    // Round 3: one leaves for good, and nobody waits for them.
    await screen(host, 'countdown');
    await becomes(host, '#round-number', 'Round 3 of 3');
    await host.click('#skip');
    await screen(ada2, 'pad');
    await cem.close();
    await host.click('#skip');
    await screen(host, 'results');
    await eventually(() => host.isVisible('#results-players .away'), 'Somebody who is away');
    const results = await lines(host, '#results-players li');
    assert.match(results.join(), /Ada 2 \d+ points?, away/);
    const place = /(\d+)\. Ada \d/.exec(results.join())[1];
    await becomes(ada2, '#status-title', place === '1' ? 'You win!' : `Place ${place}`);
    await look(host, 'results', television);
    await look(ada2, 'results', smallPhone);

    // And again, in the same room.
    for (const page of [ada2, ben, dia]) await page.click('#ready');
    await screen(host, 'countdown');
    assert.equal(await text(host, '#round-number'), 'Round 1 of 3');
    assert.equal(await text(host, '#arena .room-code'), code);
    assert.deepEqual(await lines(host, '#arena-players .detail'), ['0', '0', '0', '0']);
    await closeAll(browser, server);
  });

  test('wrong codes, full rooms, second tabs, no network for long, the end', async (context) => {
    browser.expectFaults(/ERR_INTERNET_DISCONNECTED/);
    const { server, host, code } = await openRoom(browser, context);
    const lost = await openPhone(browser, server, 'AAAAAA');
    await becomes(lost, '#notice-title', 'No such room');
    await look(lost, 'wrong-code', smallPhone);
    await lost.fill('#notice-code [name=room]', code);
    await lost.click('#notice-code button');
    await introduce(lost, 'Ada');
    await screen(lost, 'status');

    // A second tab has the seat; the first one says so, and can have it back.
    const second = await reopen(lost, code);
    await screen(second, 'status');
    await becomes(lost, '#notice-title', 'Playing elsewhere');
    await look(lost, 'replaced', smallPhone);
    await lost.click('#notice-button');
    await screen(lost, 'status');
    await becomes(second, '#notice-title', 'Playing elsewhere');
    assert.deepEqual(await lines(host, '#lobby-players .name'), ['Ada']);
    await second.close();

    // For this one time flies.
    const patient = await browser.page(origin(server), phone);
    await patient.clock.install();
    await patient.goto(`${origin(server)}/play/?room=${code}`);
    await introduce(patient, 'Ben');
    await screen(patient, 'status');
    await patient.context().setOffline(true);
    await patient.evaluate(() => dispatchEvent(new Event('pageshow')));
    await patient.clock.fastForward(2_000);
    await becomes(patient, '#banner', 'Reconnecting …');
    await eventually(async () => {
      await patient.clock.fastForward(30_000);
      return patient.isVisible('#notice');
    }, 'An end of the patience');
    assert.equal(await text(patient, '#notice-title'), 'Connection lost');
    await look(patient, 'gave-up', smallPhone);
    await patient.context().setOffline(false);
    await patient.click('#notice-button');
    await screen(patient, 'status');
    assert.equal(await text(patient, '#status .own-name'), 'Ben');

    // Seats are for eight; who stands before a full room may try again.
    const fillers = await Promise.all(Array.from({ length: 6 }, () => server.member()));
    for (const [i, filler] of fillers.entries()) await filler.join(`filler ${i}`, code);
    const ninth = await openPhone(browser, server, code);
    await becomes(ninth, '#notice-title', 'The room is full');
    await look(ninth, 'full', smallPhone);
    await fillers[0].terminate();
    await eventually(async () => {
      if (await ninth.isVisible('#notice')) await ninth.click('#notice-button');
      return ninth.isVisible('#name');
    }, 'A seat');

    await host.click('#end');
    await becomes(host, '#notice-title', 'The party is over');
    await becomes(ninth, '#notice-title', 'The party is over');
    await look(host, 'closed');
    await look(ninth, 'closed', smallPhone);
    await host.click('#notice-button');
    await screen(host, 'lobby');
    assert.notEqual(await text(host, '.how .room-code'), code);
    await closeAll(browser, server);
  });

  test('in the dark, and without motion', async (context) => {
    const server = await Server.start();
    context.after(() => server.kill());
    const dark = { colorScheme: 'dark', reducedMotion: 'reduce' };
    const host = await browser.open(`${origin(server)}/play/#host`, { ...desktop, ...dark });
    await screen(host, 'lobby');
    const code = await text(host, '.how .room-code');
    const [tab] = await Promise.all([
      host.context().waitForEvent('page'),
      host.click('#this-screen'), // for who has no phone at hand
    ]);
    await tab.setViewportSize(phone.viewport);
    await screen(tab, 'name');
    await look(tab, 'name-dark');
    await introduce(tab, '');
    await introduce(tab, 'Ada');
    await screen(tab, 'status');
    await look(host, 'lobby-dark');
    const animations = () => document.getAnimations().length;
    assert.equal(await host.evaluate(animations), 0);

    // One alone can play, too: with arrow keys, and when somebody presses start.
    await tab.click('#ready');
    await becomes(tab, '#status-text', 'Wait for friends, or press Start on the big screen.');
    await host.click('#lobby .start');
    await screen(host, 'countdown');
    await host.click('#skip');
    await screen(tab, 'pad');
    await tab.keyboard.down('ArrowLeft');
    await eventually(() => tab.isVisible('#left.held'), 'A button that is held');
    await eventually(async () => (await heightOf(host, red)) > 120, 'A turn of the worm');
    assert.equal(await text(host, '#arena .room-code'), code);
    await closeAll(browser, server);
  });
});
