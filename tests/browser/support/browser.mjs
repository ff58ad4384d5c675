// Debian's Chromium, headless. A group of tests shares one browser; each test opens contexts of its
// own, which are closed after it. A test fails on any error in a page's console (violations of the
// Content-Security-Policy among them), on any uncaught exception, and on any request to elsewhere.

import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { after, afterEach, before, describe } from 'node:test';
import { chromium } from 'playwright-core';
import { deadlineMilliseconds } from '../../blackbox/support/deadline.mjs';

const screenshots = new URL('../../../build/screenshots/', import.meta.url);

/** What Chromium would do of its own accord is of no use here, and asks for hosts elsewhere. */
export const flags = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export const desktop = { viewport: { width: 1280, height: 800 } };
export const phone = {
  viewport: { width: 360, height: 740 },
  deviceScaleFactor: 2,
  isMobile: true,
  hasTouch: true,
};

class Browser {
  #chromium;
  #contexts = [];
  #faults = [];
  #expected = [];

  async start() {
    this.#chromium = await chromium.launch({
      executablePath: '/usr/bin/chromium',
      chromiumSandbox: process.getuid() !== 0, // which Chromium refuses to root
      args: flags,
    });
  }

  async stop() {
    await this.#chromium?.close();
  }

  /** A context whose pages may ask `origin` alone for anything. `options` are Playwright's. */
  async context(origin, options = {}) {
    const context = await this.#chromium.newContext({ ...desktop, ...options });
    this.#contexts.push(context);
    context.setDefaultTimeout(deadlineMilliseconds);
    context.on('console', (message) => {
      if (message.type() === 'error') this.#report(`console: ${message.text()}`);
    });
    context.on('weberror', (error) => this.#report(`uncaught: ${error.error().stack}`));
    context.on('request', (request) => {
      const url = new URL(request.url());
      if (!['data:', 'blob:'].includes(url.protocol) && url.origin !== origin)
        this.#report(`a request to ${url}`);
    });
    return context;
  }

  /** An empty page in such a context of its own. */
  async page(origin, options) {
    return (await this.context(origin, options)).newPage();
  }

  /** A page at this address, in a context of its own. */
  async open(address, options) {
    const page = await this.page(new URL(address).origin, options);
    await page.goto(address);
    return page;
  }

  /** Faults that match are no failures in this test. */
  expectFaults(pattern) {
    this.#expected.push(pattern);
  }

  /**
   * Closes all pages, before their server goes for example. A request that a test answers may be on
   * its way: that it fails by this is no fault of the test, and would be one of the whole file.
   */
  async closePages() {
    const contexts = this.#contexts.splice(0);
    const routing = contexts.flatMap((context) => [context, ...context.pages()]);
    await Promise.all(routing.map((owner) => owner.unrouteAll({ behavior: 'ignoreErrors' })));
    await Promise.all(contexts.map((context) => context.close()));
  }

  /** Closes what a test has opened, and fails if something went wrong in it. */
  async finishTest() {
    await this.closePages();
    const faults = this.#faults.splice(0);
    this.#expected = [];
    assert.deepEqual(faults, []);
  }

  #report(fault) {
    if (!this.#expected.some((pattern) => pattern.test(fault))) this.#faults.push(fault);
  }
}

/** A group of tests with a browser: `body(browser)`. */
export function describeWithBrowser(subject, body) {
  describe(subject, () => {
    const browser = new Browser();
    before(() => browser.start());
    afterEach(() => browser.finishTest());
    after(() => browser.stop());
    body(browser);
  });
}

/** Keeps a picture of the whole page under build/screenshots. */
export async function takeScreenshot(page, name) {
  const path = fileURLToPath(new URL(`${name}.png`, screenshots));
  await page.screenshot({ path, fullPage: true, animations: 'disabled' });
}

/**
 * What does not fit: elements that reach beyond the window, and text that is wider than what it is
 * in. Those that scroll by themselves (`scrolling`, a selector) may hold more than they show.
 */
export function findOverflow(page, scrolling = 'input') {
  return page.evaluate((selector) => {
    const found = [];
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth > width) found.push('the page');
    const below = (root) => [...root.querySelectorAll('*:not(svg, svg *)')].flatMap(
      (element) => [element, ...(element.shadowRoot ? below(element.shadowRoot) : [])],
    );
    for (const element of below(document.body)) {
      if (element.closest(selector)) continue;
      const box = element.getBoundingClientRect();
      const isBeyond = box.width > 0 && (box.left < 0 || box.right > width + 0.5);
      if (isBeyond || (element.clientWidth > 0 && element.scrollWidth > element.clientWidth + 1))
        found.push(element.outerHTML.slice(0, 100));
    }
    return found;
  }, scrolling);
}

/** The fonts that are asked for by elements with text in them, each once. */
export function findFonts(page) {
  return page.evaluate(() => {
    const hasText = (element) => [...element.childNodes].some(({ nodeValue }) => nodeValue?.trim());
    const below = (root) => [...root.querySelectorAll('*')].flatMap(
      (element) => [element, ...(element.shadowRoot ? below(element.shadowRoot) : [])],
    );
    const elements = below(document.body).filter((element) => hasText(element) || element.matches('input'));
    const fonts = elements.map((element) => getComputedStyle(element).fontFamily);
    return [...new Set(fonts)].filter(Boolean); // what stands in for a slot that is filled has none
  });
}
