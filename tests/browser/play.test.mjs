// The game at /play, played by a screen and phones over the real relay.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../blackbox/support/deadline.mjs';
import { Server } from '../blackbox/support/server.mjs';
import { playersMax } from '../../web/play/game.js';
import { colors } from '../../web/play/teams.js';
import { describeWithBrowser, desktop } from './support/browser.mjs';
import {
  becomes, calm, closeAll, closeRoom, endCountdown, haveLines, heightOf, hide, holdLeft, introduce,
  isLockShown, join, joinPlain, joinSilent, laptop, lines, look, lying, nameIn, openPhone,
  openRoom, origin, phone, pointsIn, red, reopen, screen, skipToRound, smallPhone, statesUntil,
  television, text, throwOut, throwOutButton, tinyPhone,
} from './support/game.mjs';

describeWithBrowser('The game', (browser) => {
  test('a whole game of a screen and three phones, and another one', async (context) => {
    browser.expectFaults(/ERR_INTERNET_DISCONNECTED/); // of the phone that is taken off the network
    const { server, host, code } = await openRoom(browser, context);
    await look(host, 'lobby-empty', laptop);

    // The lobby: one types the code, others follow the link.
    const ada = await openPhone(browser, server);
    await screen(ada, 'choose');
    await look(ada, 'choose', smallPhone, tinyPhone);
    await ada.setViewportSize(desktop.viewport);
    await look(ada, 'choose');
    await ada.setViewportSize(phone.viewport);
    await ada.fill('#code', ` ${code.slice(0, 1)} ${code.slice(1, 2)}-${code.slice(2).toLowerCase()} `);
    assert.match(await ada.inputValue('#code'), /^ . .-[a-z]{2,} $/, 'nothing is cut off');
    await ada.click('#again');
    await screen(ada, 'name');
    await look(ada, 'name', smallPhone, tinyPhone, ...lying);
    await introduce(ada, 'Ada');
    await screen(ada, 'status');
    let ben = await join(browser, server, code, '<b>Ben</b>');
    const cem = await join(browser, server, code, 'Ada');
    await look(cem, 'lobby', smallPhone, tinyPhone);
    await ada.click('#ready');
    await ben.click('#ready');
    await becomes(ben, '#status-text', 'Waiting for Ada 2.');
    await look(ben, 'ready', smallPhone, ...lying);
    assert.equal(await text(ben, '#ready'), 'I’m ready', 'aria-pressed says the rest');
    const players = await lines(host, '#players li');
    assert.deepEqual(players, ['Ada ready', '<b>Ben</b> ready', 'Ada 2 not ready']);
    await look(host, 'lobby', television, laptop);
    await host.setViewportSize(phone.viewport);
    const heightAt = async (selector) => (await host.locator(selector).boundingBox()).y;
    assert.ok((await heightAt('#players')) < (await heightAt('#start')), 'who is here comes first, on a phone, too');
    await host.setViewportSize(desktop.viewport);
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
    await endCountdown(host);
    await Promise.all([ada2, ben, cem, dia].map((page) => screen(page, 'pad')));
    await ben.context().setOffline(true);
    await ben.evaluate(() => dispatchEvent(new Event('pageshow'))); // it wakes up, and is offline
    await becomes(ben, '#banner', 'Reconnecting …');
    await look(ben, 'reconnecting', smallPhone);
    await ben.context().setOffline(false);
    await ben.waitForSelector('#banner', { state: 'hidden' });
    await screen(ben, 'pad');
    assert.equal(await text(ben, '#pad .own-name'), '<b>Ben</b>');
    await look(host, 'round', television, laptop);
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
    await endCountdown(host);
    await Promise.all([ada2, ben, cem, dia].map((page) => screen(page, 'pad')));

    await host.click('#skip');

    // Round 3: one leaves for good, and nobody waits for them.
    await screen(host, 'countdown');
    await becomes(host, '#round-number', 'Round 3 of 3');
    await endCountdown(host);
    await screen(ada2, 'pad');
    await cem.close();
    await host.click('#skip');
    await screen(host, 'results');
    await eventually(() => host.isVisible('#results-players .away'), 'Somebody who is away');
    const results = await lines(host, '#results-players li');
    assert.match(results.join(), /Ada 2 \d+ points?, away/);
    const place = /(\d+)\. Ada \d/.exec(results.join())[1];
    await becomes(ada2, '#status-title', place === '1' ? 'You win!' : `Place ${place}`);
    await look(host, 'results', television, laptop);
    await look(ada2, 'results', smallPhone, tinyPhone, ...lying);

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
    await becomes(lost, '#title', 'No such room. Is each letter right?');
    await look(lost, 'wrong-code', smallPhone);
    await lost.goto(`${origin(server)}/play/?room=${'W'.repeat(200)}`);
    await screen(lost, 'end');
    await look(lost, 'long-code', smallPhone);
    await lost.fill('#code', code);
    await lost.click('#again');
    await introduce(lost, 'Ada');
    await screen(lost, 'status');

    // Another tab has the seat; the first one says so, and can have it back.
    await hide(lost);
    const second = await reopen(lost, code);
    await screen(second, 'status');
    await becomes(lost, '#title', 'The party goes on in another tab.');
    await look(lost, 'replaced', smallPhone);
    await hide(second);
    await lost.click('#again');
    await screen(lost, 'status');
    await becomes(second, '#title', 'The party goes on in another tab.');
    assert.deepEqual(await lines(host, '#players bdi'), ['Ada']);
    await second.close();

    // For this one time flies.
    const patient = await browser.page(origin(server), phone);
    await patient.clock.install();
    await patient.goto(`${origin(server)}/play/?room=${code}`);
    await host.goto('about:blank');
    await becomes(patient, '#banner', 'The big screen is away …');
    await introduce(patient, 'Ben'); // which nobody hears, and is told again
    await host.goBack();
    await screen(patient, 'status');
    await patient.context().setOffline(true);
    await patient.evaluate(() => dispatchEvent(new Event('pageshow')));
    await patient.clock.fastForward(2_000);
    await becomes(patient, '#banner', 'Reconnecting …');
    await eventually(async () => {
      await patient.clock.fastForward(30_000);
      return patient.isVisible("party-phone[phase=over]");
    }, 'An end of the patience');
    assert.equal(await text(patient, '#title'), 'No connection. Is this the right network?');
    await look(patient, 'gave-up', smallPhone);
    await patient.context().setOffline(false);
    await patient.click('#again');
    await screen(patient, 'status');
    assert.equal(await text(patient, '#status .own-name'), 'Ben');

    // Seats are for thirty, and who is away keeps one. One more may watch, until the host throws somebody out.
    const others = Array.from({ length: playersMax - 2 }, (_, i) => `P${i + 3}`);
    const fillers = [];
    for (const name of others) fillers.push(await joinPlain(server, code, name));
    await host.waitForSelector(`#players li:nth-child(${playersMax})`);
    await look(host, 'lobby-full', laptop);
    const late = await openPhone(browser, server, code);
    await becomes(late, '#title', 'The room is full.');
    await look(late, 'full', smallPhone, tinyPhone);
    await host.goto('about:blank');
    await late.click('#again');
    await becomes(late, '#title', 'The room is full.');
    await host.goBack();
    await screen(host, 'lobby');
    assert.equal(await text(host, '#room'), code);
    const names = ['Ada', 'Ben', ...others];
    assert.deepEqual(await lines(host, '#players li:not([part~=away]) bdi'), names);
    await late.click('#just-watch');
    await screen(late, 'watch');
    await fillers[0].terminate();
    await haveLines(host, '#players [part~=away]', 'P3 away');
    await haveLines(late, '#watch-players .away', 'P3 away');
    await late.click('#play-along');
    await becomes(late, '#title', 'The room is full.');
    await throwOut(host, 'P3');
    await host.waitForSelector(`#players li:nth-child(${playersMax})`, { state: 'detached' });
    await late.click('#again');
    await screen(late, 'name');
    assert.equal(await late.locator('#colors :enabled').count(), colors.length, 'of teams');
    await introduce(late, 'Late');
    await screen(late, 'status');
    await haveLines(host, '#players bdi', 'Ada', 'Ben', ...others.slice(1), 'Late');

    assert.equal(await host.evaluate('wakeLocks'), 1);
    await closeRoom(host);
    const framesIn = async (milliseconds) => {
      const before = window.frames;
      await new Promise((resolve) => setTimeout(resolve, milliseconds));
      return window.frames - before;
    };
    await eventually(async () => (await host.evaluate(framesIn, 100)) === 0, 'An end of frames');
    assert.equal(await host.evaluate('wakeLocks'), 0);
    await becomes(late, '#title', 'The party is over.');
    await look(host, 'closed');
    await look(late, 'closed', smallPhone);
    await host.click('#again');
    await screen(host, 'lobby');
    assert.notEqual(await text(host, '#room'), code);
    await closeAll(browser, server);
  });

  test('the host throws players out, and locks the room', async (context) => {
    browser.expectFaults(/ERR_INTERNET_DISCONNECTED/);
    const { server, host, code } = await openRoom(browser, context);
    const ada = await join(browser, server, code, 'Ada');
    const ben = await join(browser, server, code, 'Ben');
    const cem = await join(browser, server, code, 'Cem');
    const dia = await openPhone(browser, server, code);
    await screen(dia, 'name');
    await haveLines(
      host, '#players li', 'Ada not ready', 'Ben not ready', 'Cem not ready', 'Player 4 no name yet',
    );

    // By keyboard: the first press asks, and the button keeps the focus while the list changes.
    await throwOutButton(host, 'Ben').focus();
    await host.keyboard.press('Enter');
    await becomes(host, '#players li:nth-child(2) button', 'Throw out Ben?');
    await look(host, 'throw-out', laptop);
    await ada.click('#ready');
    await haveLines(host, '#players [part~=ready]', 'Ada ready');
    assert.deepEqual((await lines(host, '#players bdi')).slice(0, 2), ['Ada', 'Ben']);
    const focused = () => document.activeElement.shadowRoot.activeElement.ariaLabel;
    assert.equal(await host.evaluate(focused), 'Throw out Ben?');
    await throwOut(host, 'Ben', (button) => button.press('Enter', { timeout: 1000 }));
    await becomes(ben, '#title', 'The host has thrown you out.');
    await look(ben, 'thrown-out', smallPhone, tinyPhone);
    const others = ['Ada ready', 'Cem not ready', 'Player 4 no name yet'];
    await haveLines(host, '#players li', ...others);

    // Who is asked for nothing more has changed nothing.
    await throwOutButton(host, 'Ada').click();
    await becomes(host, '#players li:nth-child(1) button', 'Throw out Ada?');
    await host.click('.logo');
    await becomes(host, '#players li:nth-child(1) button', '✕');
    assert.deepEqual(await lines(host, '#players li'), others);

    // Nobody comes back without wanting to: neither a page that wakes up, nor one that was offline.
    await ben.evaluate(() => dispatchEvent(new Event('pageshow')));
    await ben.reload(); // as browsers do with hidden pages
    await becomes(ben, '#title', 'The host has thrown you out.');
    await cem.context().setOffline(true);
    await cem.evaluate(() => dispatchEvent(new Event('pageshow')));
    await becomes(cem, '#banner', 'Reconnecting …');
    await throwOut(host, 'Cem');
    await haveLines(host, '#players li', 'Ada ready', 'Player 4 no name yet');
    await cem.context().setOffline(false);
    await becomes(cem, '#title', 'The host has thrown you out.');
    await throwOut(host, 'Player 4');
    await becomes(dia, '#title', 'The host has thrown you out.');
    await haveLines(host, '#players li', 'Ada ready');

    // Everybody sees the lock. It keeps newcomers out, and nobody else.
    assert.equal(await host.getAttribute('#lock', 'aria-pressed'), 'false');
    await isLockShown(ada, false);
    await host.click('#lock');
    await isLockShown(host, true);
    await isLockShown(ada, true);
    await look(host, 'locked', laptop);
    await look(ada, 'locked', smallPhone, tinyPhone);
    const eve = await openPhone(browser, server, code);
    await becomes(eve, '#title', 'The room is locked. Nobody new gets in.');
    assert.ok(await eve.isHidden('#just-watch'), 'the lock is for the audience, too');
    await look(eve, 'locked-out', smallPhone, tinyPhone);
    for (const [page, view] of [[ada, 'status'], [host, 'lobby']]) {
      await page.reload();
      await screen(page, view);
      await isLockShown(page, true);
    }
    assert.equal(await host.getAttribute('#lock', 'aria-pressed'), 'true');
    await haveLines(host, '#players bdi', 'Ada');
    await host.click('#lock');
    await isLockShown(host, false);
    await isLockShown(ada, false);
    await eve.click('#again');
    await introduce(eve, 'Eve');
    await screen(eve, 'status');

    // The same in the midst of a game.
    await host.click('#start');
    await screen(host, 'countdown');
    await endCountdown(host);
    await screen(ada, 'pad');
    await host.click('#arena-lock');
    await host.waitForSelector('#arena-lock[aria-pressed=true]');
    await throwOut(host, 'Ada');
    await becomes(ada, '#title', 'The host has thrown you out.');
    await haveLines(host, '#arena-players .name', 'Eve');
    assert.ok(await eve.isVisible('#pad'));
    await closeAll(browser, server);
  });

  test('who watches has no seat, and sees what goes on', async (context) => {
    const { server, host, code } = await openRoom(browser, context);
    const wide = 'W'.repeat(16);
    const [ada, ben] = [await join(browser, server, code, 'Ada'), await join(browser, server, code, wide)];
    const eve = await openPhone(browser, server, code);
    await screen(eve, 'name');
    await eve.click('#just-watch');
    await screen(eve, 'watch');
    await haveLines(eve, '#watch-players li', 'Ada not ready', `${wide} not ready`);
    await becomes(host, 'party-screen > .audience', '1 watching');
    await haveLines(host, '#players li', 'Ada not ready', `${wide} not ready`);
    assert.ok(await eve.isHidden('#banner'));
    await look(eve, 'watch-lobby', smallPhone, tinyPhone);
    await look(host, 'watched', laptop);
    const fay = await openPhone(browser, server, code);
    await fay.click('#just-watch');
    await becomes(host, 'party-screen > .audience', '2 watching');
    await host.reload();
    await becomes(host, 'party-screen > .audience', '2 watching');
    await fay.close();
    await becomes(host, 'party-screen > .audience', '1 watching');

    // Round and scores.
    await ada.click('#ready');
    await haveLines(eve, '#watch-players .ready', 'Ada ready');
    await ben.click('#ready');
    await becomes(eve, '#watch-title', 'Warm-up');
    await becomes(eve, '#watch-text', 'Round 1 of 3 begins. Grab stars. Bump into nobody.');
    await endCountdown(host);
    await eventually(async () => / 5\d s left$/.test(await text(eve, '#watch-text')), 'Seconds that go by');
    await eventually(async () => {
      const scores = await lines(host, '#arena-players .detail');
      const seen = await lines(eve, '#watch-players .detail');
      return scores.some(Number) && seen.map((line) => parseInt(line)).sort().join() === scores.sort().join();
    }, 'The scores of the screen');
    await look(eve, 'watch-round', smallPhone, tinyPhone);
    await look(host, 'watched-round', laptop);
    await host.click('#arena-lock');
    await isLockShown(eve, true);
    await host.click('#arena-lock');
    await isLockShown(eve, false);

    // The end, and a seat after all.
    for (const round of [2, 3]) await skipToRound(host, round);
    await host.click('#skip');
    await screen(host, 'results');
    await becomes(eve, '#watch-title', await text(host, '#winner'));
    assert.deepEqual(await lines(eve, '#watch-players li'), await lines(host, '#results-players li'));
    await look(eve, 'watch-results', smallPhone, tinyPhone);
    await eve.click('#play-along');
    await introduce(eve, 'Eve');
    await screen(eve, 'status');
    await host.waitForSelector('party-screen > .audience', { state: 'hidden' });
    await eve.reload(); // and it is a seat
    await screen(eve, 'status');
    await closeAll(browser, server);
  });

  test('a screen that is closed and opened again has its room, and the game', async (context) => {
    const { server, host, code } = await openRoom(browser, context);
    const ada = await join(browser, server, code, 'Ada');
    await host.click('#start');
    await screen(host, 'countdown');
    await endCountdown(host);
    await screen(ada, 'pad');
    await eventually(async () => pointsIn((await lines(host, '#arena-players li'))[0]) > 0, 'Points');
    await host.close();
    await becomes(ada, '#banner', 'The big screen is away …');
    const score = parseInt(await text(ada, '#pad .own-score'));
    const again = await host.context().newPage();
    await again.goto(`${origin(server)}/play/`);
    await again.click('#host');
    await screen(again, 'countdown');
    assert.equal(await text(again, '#arena .room-code'), code);
    await haveLines(again, '#arena-players .name', 'Ada');
    assert.ok(Number(await text(again, '#arena-players .detail')) >= score);
    await ada.waitForSelector('#banner', { state: 'hidden' });
    await endCountdown(again);
    await screen(ada, 'pad');
    await closeAll(browser, server);
  });

  test('in the dark, and without motion', async (context) => {
    const server = await Server.start();
    context.after(() => server.kill());
    const dark = { ...desktop, ...calm, colorScheme: 'dark' };
    const host = await browser.open(`${origin(server)}/play/#host`, dark);
    await screen(host, 'lobby');
    const code = await text(host, '#room');
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
    await host.click('#start');
    await screen(host, 'countdown');
    await becomes(tab, '#status-title', 'Look up!');
    await endCountdown(host);
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

    // Another tab of this kind is another player, though the first one is behind it.
    await hide(tab);
    const another = await host.context().newPage();
    await another.goto(tab.url());
    await screen(another, 'name');
    assert.ok(await tab.isVisible('#pad'));
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
    ada.relay({ $lobby: { name: 'Ada', isReady: true } }, 0);
    ben.relay({ $lobby: { name: 'Ben', isReady: true } }, 0);
    const areBothReady = ({ players }) => players[0]?.isReady && players[1]?.isReady;
    await statesUntil(watcher, areBothReady);
    await cem.terminate();
    const [gone] = (await statesUntil(watcher, ({ players }) => players[2]?.isAway)).slice(-1);
    assert.equal(gone.phase, 'lobby');

    // Many messages are few states, and what changes nothing is none.
    const begunAt = performance.now();
    const states = [];
    for (let i = 1; i <= 300; i++) {
      ben.relay({ $lobby: { name: `Ben ${i}` } }, 0);
      if (i % 50 > 0) continue;
      states.push(...(await statesUntil(watcher, ({ players }) => players[1].name === `Ben ${i}`)));
    }
    const milliseconds = performance.now() - begunAt;
    assert.ok(states.length <= milliseconds / 100 + 2, `${states.length} in ${milliseconds} ms`);
    for (let i = 0; i < 30; i++) ben.relay({ $lobby: { name: 'Ben 300' } }, 0);
    ben.relay({ $lobby: { name: 'Ben' } }, 0);
    const [next] = await statesUntil(watcher, () => true);
    assert.equal(next.players[1].name, 'Ben');

    // Time goes on in the state, for a screen that is loaded again.
    ben.relay({ $lobby: { name: 'Ben', isReady: true } }, 0);
    await screen(host, 'countdown');
    for (const member of [ada, ben]) await member.terminate();
    const areAllAway = async () => (await host.locator('#arena-players .away').count()) === 3;
    await eventually(areAllAway, 'Nobody who is here');
    await endCountdown(host);
    const isLater = ({ phase, secondsLeft }) => phase === 'round' && secondsLeft < 59;
    const seconds = (await statesUntil(watcher, isLater)).map(({ secondsLeft }) => secondsLeft);
    assert.deepEqual([...new Set(seconds)].slice(-3), [60, 59, 58]);

    // All are away until the end, and somebody comes late.
    for (const round of [2, 3]) await skipToRound(host, round);
    const late = await join(browser, server, code, 'Late');
    await becomes(late, '#status-text', 'The last round is under way. Play again is next.');
    await host.click('#skip');
    await screen(host, 'results');
    await becomes(late, '#status-text', 'You did not play this time.');
    assert.equal(await text(host, '#winner'), 'Nobody scored.');
    const results = await lines(host, '#results-players li');
    assert.deepEqual(results.slice(-2), ['Late new here', 'Player 1 no name yet']);
    await closeAll(browser, server);
  });
});
