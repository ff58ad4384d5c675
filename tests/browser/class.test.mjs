// The game at /play in a class: thirty players in teams, pauses, phones that go back, and listeners.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually, slowness } from '../blackbox/support/deadline.mjs';
import { playersMax } from '../../web/play/game.js';
import { pack } from '../../web/play/state.js';
import { colors, soloMax, teamCount } from '../../web/play/teams.js';
import { describeWithBrowser, takeScreenshot } from './support/browser.mjs';
import {
  becomes, closeAll, closeRoom, endCountdown, haveLines, heightOf, introduce, join, joinPlain,
  laptop, lines, look, lying, openPhone, openRoom, origin, red, screen, skipToRound, smallPhone,
  statesUntil, television, text, throwOut, tinyPhone,
} from './support/game.mjs';

const frameMilliseconds = 1000 / 60;
const slowest = 6; // frames a second with which the field keeps up with the time

/**
 * Frames that a page draws in a second, and the milliseconds of a core that its thread works for one: script, layout
 * and painting. What else the machine does changes the former much, and the latter little.
 */
async function measureFrames(page) {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Performance.enable', { timeDomain: 'threadTicks' });
  const read = async () => {
    const { metrics } = await devtools.send('Performance.getMetrics');
    const work = metrics.find(({ name }) => name === 'TaskDuration').value;
    return { work, frames: await page.evaluate('frames'), at: performance.now() };
  };
  const before = await read();
  await framesLater(page, 120);
  const after = await read();
  await devtools.detach();
  const count = after.frames - before.frames;
  const perSecond = (count * 1000) / (after.at - before.at);
  return { perSecond, milliseconds: ((after.work - before.work) * 1000) / count };
}

const framesLater = (page, count) =>
  page.evaluate(async (wanted) => {
    const end = window.frames + wanted;
    while (window.frames < end) await new Promise((resolve) => setTimeout(resolve, 5));
  }, count);

const colorsOf = (page, selector) =>
  page.locator(selector).evaluateAll((items) => items.map((item) => item.style.getPropertyValue('--color')));

/** To the results, from the middle of round 1. */
async function skipToResults(host) {
  for (const round of [2, 3]) await skipToRound(host, round);
  await host.click('#skip');
  await screen(host, 'results');
}

/** From now on, keeps what this page says in its live regions. */
async function listen(page) {
  await page.evaluate(() => {
    window.heard = [];
    const region = document.querySelector('party-screen, party-phone').at.news;
    if (region.getAttribute('role') !== 'status') throw new Error('no live region');
    new MutationObserver(() => window.heard.push(region.textContent)).observe(region, { childList: true });
  });
}

const hears = (page, pattern) =>
  eventually(async () => {
    const heard = await page.evaluate(() => window.heard);
    return heard.find((line) => pattern.test(line));
  }, `${pattern}`);

describeWithBrowser('The game in a class', (browser) => {
  test('thirty players in teams of colours', async (context) => {
    const { server, host, code } = await openRoom(browser, context);
    await host.evaluate(() => (Math.random = window.realRandom));
    const members = [];
    for (let i = 1; i <= soloMax; i++) members.push(await joinPlain(server, code, `Player ${i}`));
    await host.waitForSelector(`#players li:nth-child(${soloMax})`);
    const ada = await openPhone(browser, server, code);
    await screen(ada, 'name');
    await becomes(ada, '#colors-title', 'The team you would like');
    assert.equal(await ada.locator('#colors :enabled').count(), colors.length);
    await introduce(ada, 'Ada');
    await becomes(ada, '#status-text', 
      'Your worm turns while you hold left or right. So many play in teams of a colour.');
    for (let i = soloMax + 2; i <= playersMax; i++)
      members.push(await joinPlain(server, code, `Charlotte ${i}`));
    await host.waitForSelector(`#players li:nth-child(${playersMax})`);
    await look(host, 'class-lobby', television, laptop);
    await ada.click('#ready');
    const others = playersMax - 1;
    await becomes(ada, '#status-text', `Waiting for Player 1, Player 2, Player 3 and ${others - 3} more.`);
    await look(ada, 'class-ready', smallPhone, tinyPhone);
    const eve = await openPhone(browser, server, `${code}&watch`);
    await screen(eve, 'watch');

    // A game: the teams share colours.
    await host.click('#start');
    await screen(host, 'countdown');
    assert.match(await text(ada, '#status-text'), /^You are in Team \w+\. A round is about to begin/);
    const teams = await lines(host, '#arena-teams li');
    assert.equal(teams.length, teamCount(playersMax));
    await look(host, 'class-countdown', television, laptop);
    await endCountdown(host);
    await screen(ada, 'pad');
    const turns = members.map((member) => {
      const turn = () => member.relay({ type: 'turn', turn: Math.floor(Math.random() * 3) - 1, held: 400 }, 0);
      return setInterval(turn, 400);
    });
    context.after(() => turns.forEach(clearInterval)); // if the test fails
    const hasPoints = async () => (await lines(host, '#arena-teams .detail')).some(Number);
    await eventually(hasPoints, 'Points of a team');
    await eventually(async () => /^Team \w+: \d+$/.test(await text(ada, '#pad .team-score')), 'Points of the own team');
    await look(ada, 'class-pad', smallPhone, tinyPhone);
    await look(host, 'class-round', television, laptop);

    // It is drawn as often as a screen shows it, and tells phones little.
    const { perSecond, milliseconds } = await measureFrames(host);
    context.diagnostic(`${perSecond.toFixed(1)} frames a second, ${milliseconds.toFixed(2)} ms each`);
    assert.ok(milliseconds < frameMilliseconds * slowness, `${milliseconds} ms for a frame`);
    assert.ok(perSecond > slowest, `${perSecond} frames a second`);
    const watcher = await server.member({ protocols: ['party-sockets.v3'] });
    const identity = { clientId: 'the long secret of a watcher', session: 'a page of its own', attempt: 1 };
    watcher.send({ type: 'join', ...identity, room: code, role: 'audience' });
    const [first] = await statesUntil(watcher, () => true);
    const begunAt = performance.now();
    const states = await statesUntil(watcher, ({ secondsLeft }) => secondsLeft <= first.secondsLeft - 3);
    const seconds = (performance.now() - begunAt) / 1000;
    const bytes = states.map((state) => Buffer.byteLength(JSON.stringify(pack(state))));
    context.diagnostic(`${(states.length / seconds).toFixed(1)} states a second, of up to ${Math.max(...bytes)} bytes`);
    assert.ok(states.length <= seconds * 10 + 2, `${states.length} states in ${seconds} s`);
    assert.ok(Math.max(...bytes) < 1500, `${Math.max(...bytes)} bytes`);

    // A pause has the names, and the buttons to throw somebody out.
    await host.keyboard.press('p');
    await host.waitForSelector(`#pause-players li:nth-child(${playersMax})`);
    await becomes(ada, '#status-title', 'Pause');
    await becomes(eve, '#watch-title', 'Pause');
    await look(host, 'class-pause', television, laptop);
    await throwOut(host, 'Player 5');
    await host.waitForSelector(`#pause-players li:nth-child(${playersMax})`, { state: 'detached' });
    await host.click('#go-on');
    await screen(ada, 'pad');

    // Results: of teams, and of each worm.
    await skipToResults(host);
    turns.forEach(clearInterval);
    assert.match(await text(host, '#winner'), /^Team .* (wins|share it)!$/);
    assert.equal((await lines(host, '#results-teams li')).length, teams.length);
    assert.equal((await lines(host, '#results-players li')).length, playersMax - 1);
    await eventually(async () => /^Your team/.test(await text(ada, '#status-title')), 'The result of the own team');
    assert.match(await text(ada, '#status .team-score'), /^Team \w+: \d+$/);
    await look(host, 'class-results', television, laptop);
    await look(ada, 'class-results-phone', smallPhone, tinyPhone, ...lying);
    await becomes(eve, '#watch-title', await text(host, '#winner'));
    assert.deepEqual(await lines(eve, '#watch-teams li'), await lines(host, '#results-teams li'));
    await takeScreenshot(eve, 'play-class-watch');
    await closeAll(browser, server);
  });

  test('the ninth comes and goes', async (context) => {
    const { server, host, code } = await openRoom(browser, context);
    for (let i = 1; i < soloMax; i++) await joinPlain(server, code, `P${i}`);
    const last = await joinPlain(server, code, 'P8');
    await host.waitForSelector('#players li:nth-child(8)');
    const ninth = await openPhone(browser, server, code);
    await screen(ninth, 'name');
    await ninth.check('#colors [value="0"]');
    await introduce(ninth, 'Nina');
    await screen(ninth, 'status');
    await host.waitForSelector('#players li:nth-child(9)');
    assert.equal(new Set(await colorsOf(host, '#players li')).size, soloMax);

    // One of nine goes: eight colours again, and no teams.
    last.send({ type: 'leave' });
    await last.terminate();
    await throwOut(host, 'P8');
    await host.waitForSelector('#players li:nth-child(8)');
    assert.equal(new Set(await colorsOf(host, '#players li')).size, soloMax);
    await host.click('#start');
    await haveLines(host, '#arena-players .name', ...'1234567'.replace(/./g, 'P$& ').trim().split(' '), 'Nina');
    await endCountdown(host);
    await screen(ninth, 'pad');

    // One more comes during this game, which has no colour left, and plays in the next one.
    const tom = await join(browser, server, code, 'Tom');
    await becomes(
      tom, '#status-text', 'A game for eight is under way. You play in the next one, in teams.',
    );
    await look(tom, 'class-next-game', smallPhone, tinyPhone);
    await skipToRound(host, 2);
    assert.ok(await tom.isVisible('#status'));
    await skipToRound(host, 3);
    await host.click('#skip');
    await becomes(tom, '#status-text', 'You did not play this time.');
    assert.match(await text(host, '#winner'), /^(P\d|Nina|Nobody)/);
    await host.click('#start');
    await host.waitForSelector('#arena-teams li:nth-child(3)');
    await endCountdown(host);
    await screen(tom, 'pad');
    await closeAll(browser, server);
  });

  test('a pause: time stands still, phones see it, and a reload changes nothing', async (context) => {
    const { server, host, code } = await openRoom(browser, context);
    const ada = await join(browser, server, code, 'Ada');
    await host.keyboard.press('p');
    assert.ok(await host.isVisible('party-screen[phase=lobby]'), 'between games there is none');
    await host.click('#start');
    await screen(host, 'countdown');
    await endCountdown(host);
    await screen(ada, 'pad');
    await ada.keyboard.down('ArrowLeft');
    await host.keyboard.press('Control+p');
    assert.ok(await host.isHidden('#pause'));
    await host.click('#pause-game');
    await becomes(ada, '#status-title', 'Pause');
    await look(host, 'pause', laptop);
    await look(ada, 'pause-phone', smallPhone, tinyPhone);
    await haveLines(host, '#pause-players .name', '1. Ada');
    assert.equal(await host.evaluate(() => document.activeElement.id), 'go-on');
    assert.ok(await host.isDisabled('#skip'));
    const look1 = [await text(host, '#arena-time'), await heightOf(host, red)];
    await framesLater(host, 90);
    assert.deepEqual([await text(host, '#arena-time'), await heightOf(host, red)], look1);
    await host.keyboard.press('P');
    await screen(ada, 'pad');
    assert.equal(await ada.locator('.held').count(), 0, 'thumbs begin anew');
    await eventually(async () => (await text(host, '#arena-time')) !== look1[0], 'Time that goes on');

    // A reload keeps the pause, and what was left of the round.
    await host.keyboard.press('p');
    await host.waitForSelector('#pause:not([hidden])');
    await becomes(ada, '#status-title', 'Pause');
    const left = Number(await text(host, '#arena-time'));
    await host.reload();
    await host.waitForSelector('#pause:not([hidden])');
    assert.equal(await text(host, '#arena .room-code'), code);
    await framesLater(host, 60);
    assert.ok(await ada.isVisible('#status'));
    await host.click('#go-on');
    await screen(host, 'countdown');
    await endCountdown(host);
    await screen(ada, 'pad');
    const seconds = Number(await text(host, '#arena-time'));
    assert.ok(seconds <= left && seconds > left - 5, `${seconds} s of ${left}`);
    await closeAll(browser, server);
  });

  test('a phone that was in a room is offered the way back, as long as there is one', async (context) => {
    browser.expectFaults(/404/); // of the room that is gone
    const { server, host, code } = await openRoom(browser, context);
    const start = `${origin(server)}/play/`;
    const ada = await openPhone(browser, server);
    await screen(ada, 'choose');
    assert.ok(await ada.isHidden('#return'), 'nobody was anywhere');
    await ada.goto(`${start}?room=${code}`);
    await introduce(ada, 'Ada');
    await screen(ada, 'status');
    await ada.goto(start);
    await becomes(ada, '#return-button', `Back to room ${code} as Ada`);
    await look(ada, 'return', smallPhone, tinyPhone);
    await ada.click('#return-button');
    await screen(ada, 'status');
    await haveLines(host, '#players li', 'Ada not ready');
    assert.equal(new URL(ada.url()).searchParams.get('room'), code);

    // Neither who was thrown out, nor a tab with a seat of its own, is asked.
    const remembered = (page) => page.evaluate(() => document.querySelector('party-phone').known.room || undefined);
    const ben = await join(browser, server, code, 'Ben');
    assert.equal(await remembered(ben), code);
    await throwOut(host, 'Ben');
    await becomes(ben, '#title', 'The host has thrown you out.');
    assert.equal(await remembered(ben), undefined);
    const tab = await openPhone(browser, server, `${code}&own-tab`);
    await screen(tab, 'name');
    const keys = await tab.evaluate(() => Object.keys(localStorage).filter((key) => key === 'party-phone'));
    assert.deepEqual(keys, []);

    // The room is gone while nobody looks.
    await ada.goto(start);
    await ada.waitForSelector('#return:not([hidden])');
    await closeRoom(host);
    await ada.reload();
    await eventually(async () => (await remembered(ada)) === undefined, 'A room that is forgotten');
    assert.ok(await ada.isHidden('#return'));
    await ada.evaluate(() => localStorage.setItem('party-phone', 'null'));
    await ada.reload();
    await screen(ada, 'choose');
    await closeAll(browser, server);
  });

  test('the address #host hosts, and the way back leads back', async (context) => {
    const { server, host, code } = await openRoom(browser, context);
    await host.goBack();
    await screen(host, 'choose');
    await host.goForward();
    await screen(host, 'lobby');
    assert.equal(await text(host, '#room'), code);
    await host.goBack();
    await screen(host, 'choose');
    await host.evaluate(() => (location.hash = 'else'));
    assert.ok(await host.isVisible('party-phone.start'));
    await host.evaluate(() => (location.hash = 'host')); // as somebody types it
    await screen(host, 'lobby');
    await eventually(async () => (await text(host, '#room')) === code, 'The same room');
    const ada = await join(browser, server, code, 'Ada');
    await ada.evaluate(() => (location.hash = 'host'));
    assert.ok(await ada.isVisible('#status'), 'a phone is a phone');
    await throwOut(host, 'Ada');
    await becomes(ada, '#title', 'The host has thrown you out.');
    await ada.evaluate(() => (location.hash = 'else'));
    assert.ok(await ada.isVisible('#code'), 'also one that was thrown out');
    await closeAll(browser, server);
  });

  test('who listens hears the code, the start, scores now and then, and the end', async (context) => {
    const { server, host, code } = await openRoom(browser, context, 12);
    const link = `http://127.0.0.1:${server.port}/play/?room=${code}`;
    const picture = host.getByRole('img', { name: `Scan, or open ${link}`, exact: true });
    assert.ok(await picture.isVisible());
    const ada = await join(browser, server, code, 'Ada');
    await becomes(host, '#news', 'Ada: here');
    for (const page of [host, ada]) await listen(page);
    await host.click('#start');
    await hears(host, /^Round 1 of 3: Warm-up\. Grab stars\. Bump into nobody\.$/);
    await hears(ada, /^Look up!/);
    await endCountdown(host);
    await hears(host, /^Go!$/);
    await hears(ada, /^Go!$/);
    await hears(host, /^10 seconds left\. Ada \d+ points?\.$/);
    await hears(ada, /^10 seconds left\. You have \d+ points?\.$/);
    await eventually(async () => Number(await text(host, '#arena-time')) < 8, 'Seconds that go by');
    assert.equal((await host.evaluate(() => window.heard)).length, 3, 'not more often');
    await host.keyboard.press('p');
    await hears(host, /^Pause\.$/);
    await hears(ada, /^Pause/);
    await host.keyboard.press('p');
    await skipToResults(host);
    await hears(host, /^The game is over\. Ada wins! Ada \d+ points?\.$/);
    await hears(ada, /^You win! You have \d+ points?\./);
    await closeAll(browser, server);
  });
});
