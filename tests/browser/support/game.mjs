// The game at /play for tests: a screen and phones, over the real relay, and what to do with their pages. Each
// screen is looked at in the sizes that it is made for, and a picture of it is kept in build/screenshots.

import assert from 'node:assert/strict';
import { eventually } from '../../blackbox/support/deadline.mjs';
import { Server } from '../../blackbox/support/server.mjs';
import { unpack } from '../../../web/play/state.js';
import { colors } from '../../../web/play/teams.js';
import { desktop, findFonts, findOverflow, phone as common, takeScreenshot } from './browser.mjs';
import { findFaint } from './contrast.mjs';

export const calm = { reducedMotion: 'reduce' }; // which is quicker, too: nothing has to be drawn anew
export const phone = { ...common, ...calm, viewport: { width: 390, height: 844 }, deviceScaleFactor: 1 };
export const smallPhone = { width: 360, height: 640 };
export const tinyPhone = { width: 320, height: 720 };
export const laptop = { width: 1280, height: 720 };
export const lying = [[568, 320], [667, 375], [844, 390]].map(([width, height]) => ({ width, height }));
export const television = { width: 1920, height: 1080 };
export const red = [255, 107, 107]; // the first player's
export const leastContrast = 4.5; // of any text, whatever its size
export const paints = { names: ['--color'], values: colors.map(({ value }) => value) };

export const origin = (server) => `http://127.0.0.1:${server.port}`;
/** Views of the lobby's elements, beside sections of the game. */
const views = {
  choose: 'party-phone.start[phase=over]',
  end: 'party-phone[phase=over]:not(.start)',
  name: 'party-phone[phase=name]',
  lobby: 'party-screen[phase=lobby]:not(.results)',
  results: 'party-screen.results[phase=lobby]',
  status: '#status:not([hidden]):has(#status-title:not(:empty))', // the screen knows the player
};
export const screen = (page, name) => page.waitForSelector(views[name] ?? `#${name}:not([hidden])`);
/**
 * Ends the countdown of a screen, unless it has ended by itself: it takes a few seconds, and a slow machine may need
 * them to find the button. Looking and pressing are one step of the page, so the round is not ended instead.
 */
export async function endCountdown(host) {
  await host.evaluate(() => {
    if (!document.getElementById('countdown').hidden) document.getElementById('skip').click();
  });
  await host.waitForSelector('#countdown', { state: 'hidden' });
}

/** Ends the round of a screen, and the countdown after it. Then round `number` is played, from 1. */
export async function skipToRound(host, number) {
  await host.click('#skip');
  await screen(host, 'countdown');
  await becomes(host, '#round-number', `Round ${number} of 3`);
  await endCountdown(host);
}

export const text = (page, selector) => page.locator(selector).innerText();
export const pointsIn = (line) => Number(/\d+$/.exec(line));
export const nameIn = (line) => line.replace(/ \d+$/, '');
export const flat = (string) => string.replace(/\s+/g, ' ').trim();

/** In one step, since lists change at any time; without the button that throws out. */
export async function lines(page, selector) {
  const read = (found) => found.map((line) => line.innerText);
  return (await page.locator(selector).evaluateAll(read)).map((line) => flat(line).replace(/ [×✕]$/, ''));
}

export function haveLines(page, selector, ...expected) {
  const read = async () => (await lines(page, selector)).join('\n') === expected.join('\n');
  return eventually(read, `“${expected}” in ${selector}`);
}

export function becomes(page, selector, expected) {
  const read = async () => flat(await text(page, selector)) === expected;
  return eventually(read, `“${expected}” in ${selector}`);
}

/** Nothing is cut off, nothing scrolls, all fonts are chosen, once in each size; and all text is easy to read. */
export async function look(page, name, ...otherSizes) {
  const size = page.viewportSize();
  for (const viewport of [size, ...otherSizes]) {
    await page.setViewportSize(viewport);
    await takeScreenshot(page, `play-${name}-${viewport.width}x${viewport.height}`);
    const wide = await findOverflow(page, 'input, #news, #who, #pad .tag');
    assert.deepEqual(wide, [], `${name}: too wide`);
    const isTall = () => document.querySelector('main').scrollHeight > innerHeight;
    assert.equal(await page.evaluate(isTall), false, `${name}: too tall`);
    for (const font of await findFonts(page)) assert.match(font, /^ui-(rounded|monospace), /);
  }
  await page.setViewportSize(size);
  assert.deepEqual(await findFaint(page, leastContrast, paints), [], `${name}: hard to read`);
}

/** The relay, which may be there already, and a screen in its lobby: `{ server, host, code }`. */
export async function openRoom(browser, context, seconds = 60, server = undefined) {
  server ??= await Server.start();
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
  const code = await eventually(() => text(host, '#room'), 'The code'); // when the relay has answered
  assert.match(code, /^[B-DF-HJ-NP-TV-XZ]{4,12}$/);
  await host.waitForFunction(() => document.querySelector('party-screen').at.qr.naturalWidth > 0);
  await becomes(host, '#link', `127.0.0.1:${server.port}/play/?room=${code}`); // which the picture says
  return { server, host, code };
}

export async function closeAll(browser, server) {
  await browser.closePages();
  await server.stop();
}

export async function openPhone(browser, server, code) {
  const context = await browser.context(origin(server), phone);
  const page = await context.newPage();
  await page.goto(`${origin(server)}/play/${code ? `?room=${code}` : ''}`);
  return page;
}

export async function introduce(page, name) {
  await screen(page, 'name');
  await page.fill('#name', name);
  await page.click('#form button[part="button "]');
}

export async function join(browser, server, code, name) {
  const page = await openPhone(browser, server, code);
  await introduce(page, name);
  await screen(page, 'status');
  return page;
}

/** A member without a page. */
export async function joinSilent(server, code, name) {
  const member = await server.member({ protocols: ['party-sockets.v3'] });
  const [clientId, session] = [`the long secret of ${name}`, 'a page of its own'];
  member.send({ type: 'join', clientId, session, attempt: 1, room: code });
  assert.equal((await member.next()).type, 'joined');
  return member;
}

/** A member that says what a phone does, and no more. */
export async function joinPlain(server, code, name) {
  const member = await joinSilent(server, code, name);
  member.relay({ $lobby: { name } }, 0);
  return member;
}

/** The next states that a member hears of, until one that satisfies `isLast`. */
export async function statesUntil(member, isLast) {
  const states = [];
  do {
    const { type, data } = await member.next();
    if (type === 'state') states.push(unpack(data));
  } while (states.length === 0 || !isLast(states.at(-1)));
  return states;
}

export async function closeRoom(host) {
  await host.click('#end');
  await host.click('button:text("Really close?")');
  await becomes(host, '#title', 'The party is over.');
}

/** The page believes that another one is in front of it. */
export const hide = (page) =>
  page.evaluate(() => Object.defineProperty(document, 'visibilityState', { value: 'hidden' }));

export const throwOutButton = (host, name) => host.getByRole('button', { name: new RegExp(`^Throw out ${name}\\??$`) });

/** The first press asks, the second one acts: a machine may be too slow to press twice in time. */
export function throwOut(host, name, press = (button) => button.click({ timeout: 1000 })) {
  const button = throwOutButton(host, name);
  const isGone = async () => {
    if ((await button.count()) === 0) return true;
    await press(button).catch(() => {}); // it may be gone now
    return false;
  };
  return eventually(isGone, `${name} thrown out`);
}

export const isLockShown = (page, isLocked) =>
  page.waitForSelector(`:is(#locked, .view:not([hidden]) .locked)${isLocked ? ':not([hidden])' : '[hidden]'}`, {
    state: 'attached',
  });

/** Another page of the same phone. */
export async function reopen(page, code) {
  const another = await page.context().newPage();
  await another.goto(`${new URL(page.url()).origin}/play/?room=${code}`);
  return another;
}

/** How high the part of the field with this colour is; a worm crawls level at first. */
export function heightOf(host, color) {
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

export async function holdLeft(page) {
  const box = await page.locator('#left').boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await page.mouse.down();
}
