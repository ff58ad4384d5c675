// The quiz in examples/quiz, as its README says: pages of a web server of their own, beside the relay.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { after, before, it } from 'node:test';
import { eventually } from '../blackbox/support/deadline.mjs';
import { Server } from '../blackbox/support/server.mjs';
import { describeWithBrowser, desktop, phone as phoneSize, takeScreenshot } from './support/browser.mjs';
import { Pages } from './support/pages.mjs';

const linesMax = 90;
const folder = new URL('../../examples/quiz/', import.meta.url);
const names = readdirSync(folder).filter((name) => name !== 'README.md');
const read = (name) => readFileSync(new URL(name, folder), 'utf8');

let server;
let pages;
before(async () => {
  server = await Server.start();
  const find = (name) => (names.includes(name) ? read(name).replaceAll(':3000', `:${server.port}`) : undefined);
  pages = await Pages.start(find);
});
after(async () => {
  pages.close();
  await server.stop();
});

describeWithBrowser('The quiz', (browser) => {
  const becomes = async (page, selector, pattern) => {
    let text;
    const matches = async () => pattern.test((text = await page.locator(selector).innerText()));
    await eventually(matches, `${pattern} in ${selector}`).catch((error) => {
      throw new Error(`${error.message}: ${text}`);
    });
  };

  /** A page, and all that came to it over its sockets. */
  async function open(address, options) {
    browser.expectFaults(new RegExp(`a request to http://127.0.0.1:${server.port}/(party-|room/)`)); // the relay's
    const page = await browser.page(pages.origin, { locale: 'en', reducedMotion: 'reduce', ...options });
    const frames = [];
    page.on('websocket', (socket) => socket.on('framereceived', ({ payload }) => frames.push(payload)));
    await page.goto(address);
    return { page, frames };
  }

  async function join(code, name) {
    const phone = await open(`${pages.origin}/phone.html?room=${code}`, phoneSize);
    await phone.page.fill('#name', name);
    await phone.page.click('#form button');
    await phone.page.waitForSelector('[phase=lobby]');
    return phone;
  }

  const choose = (page, answer) => page.click(`#options button:text-is("${answer}")`);

  it('has at most so many lines of its own', () => {
    const lines = names.map((name) => read(name).split('\n').length - 1);
    const sum = lines.reduce((one, other) => one + other);
    assert.ok(sum <= linesMax, `${sum} lines`);
    assert.equal(names.length, 3);
    for (const name of names) for (const line of read(name).split('\n')) assert.ok(line.length <= 120, line);
  });

  it('is played through, with reloads, and no phone hears the right answer before its time', async () => {
    const { page: screen } = await open(pages.origin, desktop);
    await screen.waitForSelector('[phase=lobby]');
    await screen.fill('#questions', 'First? / alpha / beta / gamma\nSecond? / delta / epsilon');
    const code = await screen.locator('#room').innerText();
    assert.equal(await screen.locator('#link').getAttribute('href'), `${pages.origin}/phone.html?room=${code}`);
    const ada = await join(code, 'Ada');
    const eve = await join(code, 'Eve');
    await becomes(screen, '#players', /Ada[^]*Eve/);
    await takeScreenshot(screen, 'quiz-lobby');
    await screen.click('#start');

    for (const { page } of [ada, eve]) await becomes(page, '#question', /First\?/);
    await takeScreenshot(ada.page, 'quiz-phone');
    await choose(ada.page, 'alpha');
    await becomes(screen, '#hint', /1 answered/);
    await screen.reload(); // the field has its first text again, so the questions are those of the private state
    await becomes(screen, '#question', /First\?/);
    await becomes(screen, '#hint', /1 answered/);
    await ada.page.reload();
    await becomes(ada.page, '#hint', /Wait for the others/);
    await becomes(eve.page, '#hint', /What do you say/);
    const isTold = (frame) => /"right"|"answers"|"questions"|private_state/.test(frame);
    for (const { frames } of [ada, eve]) {
      assert.ok(frames.some((frame) => frame.includes('First?')));
      assert.deepEqual(frames.filter(isTold), []);
    }
    await choose(eve.page, 'beta');
    await becomes(ada.page, '#hint', /Right!/);
    await becomes(eve.page, '#hint', /No: it is alpha/);
    await becomes(screen, '#scores', /Ada: 1 · Eve: 0/);
    await takeScreenshot(screen, 'quiz-answer');

    for (const { frames } of [ada, eve]) assert.equal(frames.splice(0).filter(isTold).length, 1);
    await screen.click('#next');
    for (const { page } of [ada, eve]) await becomes(page, '#question', /Second\?/);
    await choose(eve.page, 'delta');
    await becomes(screen, '#hint', /1 answered/);
    for (const { frames } of [ada, eve]) assert.deepEqual(frames.filter(isTold), []);
    await screen.click('#next'); // without Ada
    await becomes(ada.page, '#hint', /No: it is delta/);
    await becomes(screen, '#scores', /Ada: 1 · Eve: 1/);
    await screen.click('#next');
    for (const page of [screen, ada.page, eve.page]) await page.waitForSelector('[phase=lobby]');

    assert.equal(await screen.locator('#final').innerText(), 'Ada: 1 · Eve: 1');

    const validity = () => screen.evaluate(() => document.getElementById('questions').validationMessage);
    await screen.fill('#questions', `Long? / ${'ü'.repeat(7_600)} / no`); // two bytes each
    assert.match(await validity(), /Too long: 15\d{3} bytes/);
    await screen.click('#start');
    await screen.waitForSelector('[phase=lobby]');
    assert.ok(await screen.isVisible('#questions'));
    await screen.fill('#questions', 'Third? / zeta / eta'); // a new game
    await screen.click('#start');
    await becomes(ada.page, '#question', /Third\?/);
    await becomes(screen, '#scores', /Ada: 0 · Eve: 0/);
  });
});
