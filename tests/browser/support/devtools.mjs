// Chromium over its own protocol, for what Playwright does not let happen: that a page is hidden and
// frozen, as on a phone that is locked. https://chromedevtools.github.io/devtools-protocol/

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { eventually } from '../../blackbox/support/deadline.mjs';
import { flags } from './browser.mjs';

export class Devtools {
  #process;
  #folder = mkdtempSync(path.join(os.tmpdir(), 'party-sockets-'));
  #commands = 0;
  #waiting = new Map();

  static start() {
    const devtools = new Devtools();
    const sandbox = process.getuid() === 0 ? ['--no-sandbox'] : []; // which it refuses to root
    const own = ['--headless', `--user-data-dir=${devtools.#folder}`, '--remote-debugging-pipe'];
    const stdio = ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'];
    devtools.#process = spawn('/usr/bin/chromium', [...flags, ...sandbox, ...own], { stdio });
    devtools.#listen(devtools.#process.stdio[4]);
    return devtools;
  }

  /** Messages end with a zero. */
  #listen(stream) {
    let text = '';
    stream.setEncoding('utf8').on('data', (chunk) => {
      const messages = (text + chunk).split('\0');
      text = messages.pop();
      for (const message of messages) this.#receive(JSON.parse(message));
    });
  }

  #receive({ id, result, error }) {
    const { resolve, reject } = this.#waiting.get(id) ?? {};
    this.#waiting.delete(id);
    if (error) reject?.(new Error(error.message));
    else resolve?.(result);
  }

  send(method, params = {}, sessionId = undefined) {
    const id = ++this.#commands;
    this.#process.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  async open(url) {
    const { targetId } = await this.send('Target.createTarget', { url });
    const { sessionId } = await this.send('Target.attachToTarget', { targetId, flatten: true });
    return new Page(this, targetId, sessionId);
  }

  /** False while there is somebody left who writes into it. */
  #removeFolder() {
    try {
      rmSync(this.#folder, { recursive: true, force: true });
      return true;
    } catch (error) {
      if (error.code !== 'ENOTEMPTY') throw error;
      return false;
    }
  }

  async stop() {
    const ended = once(this.#process, 'exit');
    this.#process.kill();
    await ended;
    await eventually(() => this.#removeFolder(), "The end of Chromium's other processes");
  }
}

class Page {
  #devtools;
  #targetId;
  #sessionId;

  constructor(devtools, targetId, sessionId) {
    this.#devtools = devtools;
    this.#targetId = targetId;
    this.#sessionId = sessionId;
  }

  #send(method, params) {
    return this.#devtools.send(method, params, this.#sessionId);
  }

  async evaluate(expression) {
    const params = { expression, returnByValue: true, awaitPromise: true };
    const { result, exceptionDetails } = await this.#send('Runtime.evaluate', params);
    if (exceptionDetails) throw new Error(exceptionDetails.exception.description);
    return result.value;
  }

  /** Until the expression is true. Else the error tells what the page has kept of its party. */
  async waitFor(expression) {
    try {
      await eventually(() => this.evaluate(`Boolean(${expression})`), expression);
    } catch (error) {
      const kept = await this.evaluate('JSON.stringify([document.visibilityState, window.events])');
      throw new Error(`${error.message} ${kept}`, { cause: error });
    }
  }

  /** Another page comes to the front. */
  async hide() {
    const other = await this.#devtools.open('about:blank');
    await this.#devtools.send('Target.activateTarget', { targetId: other.#targetId });
    await this.waitFor('document.hidden');
  }

  /** Its time stands still; it must be hidden. */
  freeze() {
    return this.#send('Page.setWebLifecycleState', { state: 'frozen' });
  }

  thaw() {
    return this.#send('Page.setWebLifecycleState', { state: 'active' });
  }

  async show() {
    await this.#devtools.send('Target.activateTarget', { targetId: this.#targetId });
    await this.waitFor('!document.hidden');
  }
}
