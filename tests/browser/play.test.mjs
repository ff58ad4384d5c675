// The game at /play, played by a screen and phones over the real relay. Each screen is looked at in
// the sizes that it is made for, and a picture of it is kept in build/screenshots.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../blackbox/support/deadline.mjs';
import { Server } from '../blackbox/support/server.mjs';
import {
  describeWithBrowser, desktop, findFonts, findOverflow, phone as common, takeScreenshot,
} from './support/browser.mjs';

const calm = { reducedMotion: 'reduce' }; // which is quicker, too: nothing has to be drawn anew
const phone = { ...common, ...calm, viewport: { width: 390, height: 844 }, deviceScaleFactor: 1 };
const smallPhone = { width: 360, height: 640 };
const lying = [[568, 320], [667, 375], [844, 390]].map(([width, height]) => ({ width, height }));
const television = { width: 1920, height: 1080 };
const red = [255, 107, 107]; // the first player's

const origin = (server) => `http://127.0.0.1:${server.port}`;
const screen = (page, name) => page.waitForSelector(`#${name}:not([hidden])`);
const text = (page, selector) => page.locator(selector).innerText();
const pointsIn = (line) => Number(/\d+$/.exec(line));
const nameIn = (line) => line.replace(/ \d+$/, '');
const flat = (string) => string.replace(/\s+/g, ' ').trim();

/** In one step: lists are made anew at any time. */
async function lines(page, selector) {
  const read = (found) => [...document.querySelectorAll(found)].map((line) => line.innerText);
  return (await page.evaluate(read, selector)).map(flat);
}

function becomes(page, selector, expected) {
  const read = async () => flat(await text(page, selector)) === expected;
  return eventually(read, `“${expected}” in ${selector}`);
}

/** Nothing is cut off, nothing scrolls, all fonts are chosen; once in each size. */
async function look(page, name, ...otherSizes) {
  const size = page.viewportSize();
  for (const viewport of [size, ...otherSizes]) {
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
  const host = await browser.page(origin(server), { ...desktop, ...calm });
  await host.addInitScript(() => {
    window.realRandom = Math.random;
    Math.random = () => 0.5; // stars and worms are in one place: somebody has points at once
    window.frames = window.wakeLocks = 0;
    const askForFrame = requestAnimationFrame;
    window.requestAnimationFrame = (callback) => askForFrame(callback, window.frames++);
    const lock = { release: () => window.wakeLocks-- };
    const wakeLock = { request: async () => (window.wakeLocks++, lock) };
    Object.defineProperty(navigator, 'wakeLock', { value: wakeLock });
  });
  await host.goto(`${origin(server)}/play/?seconds=${seconds}`);
  await host.click('#host');
  await screen(host, 'lobby');
  const code = await eventually(() => text(host, '.how .room-code'), 'The code'); // when the relay has answered
  assert.match(code, /^[B-DF-HJ-NP-TV-XZ]{4,12}$/);
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

/** A member without a page. */
async function joinSilent(server, code, name) {
  const member = await server.member({ protocols: ['party-sockets.v3'] });
  const [clientId, session] = [`the long secret of ${name}`, 'a page of its own'];
  member.send({ type: 'join', clientId, session, attempt: 1, room: code });
  assert.equal((await member.next()).type, 'joined');
  return member;
}

/** A member that says what a phone does, and no more. */
async function joinPlain(server, code, name) {
  const member = await joinSilent(server, code, name);
  member.relay({ type: 'hello', name }, 0);
  return member;
}

/** The next states that a member hears of, until one that satisfies `isLast`. */
async function statesUntil(member, isLast) {
  const states = [];
  do {
    const { type, data } = await member.next();
    if (type === 'state') states.push(data);
  } while (states.length === 0 || !isLast(states.at(-1)));
  return states;
}

async function closeRoom(host) {
  await host.click('section:not([hidden]) .end');
  await host.click('text=Really close?');
  await becomes(host, '#notice-title', 'The party is over');
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
    await look(ada, 'name', smallPhone, ...lying);
    await introduce(ada, 'Ada');
    await screen(ada, 'status');
    let ben = await join(browser, server, code, '<b>Ben</b>');
    const cem = await join(browser, server, code, 'Ada');
    await look(cem, 'lobby', smallPhone);
    await ada.click('#ready');
    await ben.click('#ready');
    await becomes(ben, '#status-text', 'Waiting for Ada 2.');
    await look(ben, 'ready', smallPhone, ...lying);
    assert.equal(await text(ben, '#ready'), 'I’m ready', 'aria-pressed says the rest');
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
    await look(ada2, 'results', smallPhone, ...lying);

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
    await lost.goto(`${origin(server)}/play/?room=${'W'.repeat(200)}`);
    await screen(lost, 'notice');
    await look(lost, 'long-code', smallPhone);
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
    await host.goto('about:blank');
    await becomes(patient, '#banner', 'The big screen is away. Waiting for it …');
    await introduce(patient, 'Ben'); // which nobody hears, and is told again
    await host.goBack();
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

    // Seats are for eight; who stands before a full room may try again, and takes not the screen's.
    const fillers = [];
    for (const name of 'CDEFGH') fillers.push(await joinPlain(server, code, name));
    await host.waitForSelector('#lobby-players li:nth-child(8)');
    const ninth = await openPhone(browser, server, code);
    await becomes(ninth, '#notice-title', 'The room is full');
    await look(ninth, 'full', smallPhone);
    await host.goto('about:blank');
    await Promise.all([ninth.waitForEvent('load'), ninth.click('#notice-button')]);
    await becomes(ninth, '#notice-title', 'The room is full');
    const present = async () => JSON.parse((await server.get(`/room/${code}`)).body).clients;
    await eventually(async () => (await present()) === 8, 'The spare seat');
    const rude = await joinPlain(server, code, 'R'); // which stays
    await host.goBack();
    await screen(host, 'lobby');
    assert.equal(await text(host, '.how .room-code'), code);
    const names = ['Ada', 'Ben', ...'CDEFGH'];
    assert.deepEqual(await lines(host, '#lobby-players li:not(.away) .name'), names);
    await rude.terminate();
    await fillers[0].terminate();
    await eventually(async () => {
      if (await ninth.isVisible('#notice')) await ninth.click('#notice-button');
      return ninth.isVisible('#name');
    }, 'A seat');
    assert.equal(await ninth.locator('#colors :enabled').count(), 1);
    await introduce(ninth, 'I');
    await screen(ninth, 'status');
    assert.equal(await host.locator('#lobby-players li').count(), 8);

    assert.equal(await host.evaluate('wakeLocks'), 1);
    await closeRoom(host);
    const framesIn = async (milliseconds) => {
      const before = window.frames;
      await new Promise((resolve) => setTimeout(resolve, milliseconds));
      return window.frames - before;
    };
    await eventually(async () => (await host.evaluate(framesIn, 100)) === 0, 'An end of frames');
    assert.equal(await host.evaluate('wakeLocks'), 0);
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
    const dark = { ...desktop, ...calm, colorScheme: 'dark' };
    const host = await browser.open(`${origin(server)}/play/#host`, dark);
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
    await tab.keyboard.down('ArrowLeft');
    assert.equal(await tab.locator('.held').count(), 0, 'who types does not steer');
    await tab.keyboard.up('ArrowLeft');
    await introduce(tab, 'Ada');
    await screen(tab, 'status');
    const focused = () => document.activeElement.id;
    assert.equal(await tab.evaluate(focused), 'status-title');
    await look(host, 'lobby-dark');
    const animations = () => document.getAnimations().length;
    assert.equal(await host.evaluate(animations), 0);

    // One alone can play, too: with arrow keys, and when somebody presses start.
    await tab.click('#ready');
    await becomes(tab, '#status-text', 'Wait for friends, or press Start on the big screen.');
    await tab.click('#change');
    await screen(tab, 'name');
    await host.click('#lobby .start');
    await screen(host, 'countdown');
    await becomes(tab, '#status-title', 'Look up!');
    await host.click('#skip');
    await screen(tab, 'pad');
    const isHeldByClick = () => {
      document.getElementById('right').click(); // as by Enter, or by what reads the page
      return document.getElementById('right').matches('.held');
    };
    assert.ok(await tab.evaluate(isHeldByClick));
    await tab.waitForSelector('#right:not(.held)');
    await tab.evaluate(() => (Element.prototype.setPointerCapture = () => {})); // of no real finger
    for (const pointerId of [7, 8]) await tab.dispatchEvent('#right', 'pointerdown', { pointerId });
    await tab.dispatchEvent('#right', 'lostpointercapture', { pointerId: 7 });
    assert.ok(await tab.isVisible('#right.held'), 'The other finger still holds it');
    await tab.dispatchEvent('#right', 'lostpointercapture', { pointerId: 8 });
    assert.ok(await tab.isHidden('#right.held'));
    await tab.keyboard.down('ArrowLeft');
    await eventually(() => tab.isVisible('#left.held'), 'A button that is held');
    await eventually(async () => (await heightOf(host, red)) > 120, 'A turn of the worm');
    assert.equal(await text(host, '#arena .room-code'), code);
    await closeAll(browser, server);
  });

  test('what phones can do to the screen, and a game that nobody plays', async (context) => {
    const { server, host, code } = await openRoom(browser, context);
    const watcher = await joinSilent(server, code, 'a watcher');
    const [ada, ben, cem] = [
      await joinPlain(server, code, 'Ada'),
      await joinPlain(server, code, 'Ben'),
      await joinPlain(server, code, 'Cem'),
    ];

    // Who goes does not start it.
    for (const member of [ada, ben]) member.relay({ type: 'ready', isReady: true }, 0);
    const areBothReady = ({ players }) => players[0]?.isReady && players[1]?.isReady;
    await statesUntil(watcher, areBothReady);
    await cem.terminate();
    const [gone] = (await statesUntil(watcher, ({ players }) => players[2]?.isAway)).slice(-1);
    assert.equal(gone.phase, 'lobby');

    // Many messages are few states, and what changes nothing is none.
    const begunAt = performance.now();
    const states = [];
    for (let i = 1; i <= 300; i++) {
      ben.relay({ type: 'hello', name: `Ben ${i}` }, 0);
      if (i % 50 > 0) continue;
      states.push(...(await statesUntil(watcher, ({ players }) => players[1].name === `Ben ${i}`)));
    }
    const milliseconds = performance.now() - begunAt;
    assert.ok(states.length <= milliseconds / 100 + 2, `${states.length} in ${milliseconds} ms`);
    for (let i = 0; i < 30; i++) ben.relay({ type: 'hello', name: 'Ben 300' }, 0);
    ben.relay({ type: 'hello', name: 'Ben' }, 0);
    const [next] = await statesUntil(watcher, () => true);
    assert.equal(next.players[1].name, 'Ben');

    // Time goes on in the state, for a screen that is loaded again.
    ben.relay({ type: 'ready', isReady: true }, 0);
    await screen(host, 'countdown');
    for (const member of [ada, ben]) await member.terminate();
    const areAllAway = async () => (await host.locator('#arena-players .away').count()) === 3;
    await eventually(areAllAway, 'Nobody who is here');
    await host.click('#skip');
    const isLater = ({ phase, secondsLeft }) => phase === 'round' && secondsLeft < 59;
    const seconds = (await statesUntil(watcher, isLater)).map(({ secondsLeft }) => secondsLeft);
    assert.deepEqual([...new Set(seconds)].slice(-3), [60, 59, 58]);

    // All are away until the end, and somebody comes late.
    for (const round of [2, 3]) {
      await host.click('#skip');
      await becomes(host, '#round-number', `Round ${round} of 3`);
      await host.click('#skip');
      await host.waitForSelector('#countdown', { state: 'hidden' });
    }
    const late = await join(browser, server, code, 'Late');
    await becomes(late, '#status-text', 'The last round is under way. Play again is next.');
    await host.click('#skip');
    await screen(host, 'results');
    await becomes(late, '#status-text', 'You did not play this time.');
    assert.equal(await text(host, '#winner'), 'Nobody scored.');
    assert.equal((await lines(host, '#results-players li')).at(-1), 'Late new here');
    await closeAll(browser, server);
  });
});
