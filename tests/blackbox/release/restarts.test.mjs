// A hundred restarts in a row on one port: the next process starts as soon as the one before has
// ended, by SIGTERM or by SIGKILL, alone or with two hundred clients. While it stops somebody knocks
// all the time: once that is refused, nobody is let in before the next start. Who had connected and
// waited in the kernel's backlog when the listener was closed is reset, which is counted apart.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { createInterface } from 'node:readline';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { withDeadline } from '../support/deadline.mjs';
import { request, upgradeRequest } from '../support/http.mjs';
import { binary, Server } from '../support/server.mjs';

const restarts = 100;
const startMilliseconds = 3_000;
const stopMilliseconds = 1_500; // one second, and what a busy machine takes
const host = '127.0.0.1';

/** A port that nobody has. */
async function freePort() {
  const listener = net.createServer().listen({ port: 0, host });
  await once(listener, 'listening');
  const { port } = listener.address();
  listener.close();
  await once(listener, 'close');
  return port;
}

/** The server under a program that starts it again at once when it has ended. */
class Restarted {
  #lines = [];
  #wake = () => {};
  #restarter;
  #pid;

  constructor(port) {
    const restarter = fileURLToPath(new URL('restarter.py', import.meta.url));
    const poller = process.env.POLLER_UNDER_TEST ?? 'auto';
    const options = ['--port', port, '--host', host, '--loops', 2, '--poller', poller];
    this.#restarter = spawn(restarter, [port, binary, ...options].map(String), {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    createInterface({ input: this.#restarter.stdout }).on('line', (line) => {
      this.#lines.push({ line, at: performance.now() });
      this.#wake();
    });
  }

  /** The next line that matches: its groups, and when it came. */
  async line(pattern) {
    for (;;) {
      for (let next = this.#lines.shift(); next !== undefined; next = this.#lines.shift()) {
        const { groups } = pattern.exec(next.line) ?? {};
        if (groups) return { ...groups, at: next.at };
        assert.doesNotMatch(next.line, /^ended/, 'A start failed');
      }
      const news = new Promise((resolve) => (this.#wake = resolve));
      await withDeadline(news, `A line like ${pattern}`);
    }
  }

  /** Its process id, once it listens, and when that was. */
  async started() {
    this.#pid = Number((await this.line(/^pid (?<pid>\d+)$/)).pid);
    const { at } = await this.line(/ (?<listening>listening) on /);
    return { pid: this.#pid, at };
  }

  ended() {
    return this.line(/^ended (?<status>-?\d+) (?<port>free|taken) (?<time>\d+)$/);
  }

  /** Ends the restarter first, so that nothing is started again. */
  async end() {
    const gone = once(this.#restarter, 'exit');
    this.#restarter.kill('SIGKILL');
    await withDeadline(gone, 'The end of the restarter');
    try {
      process.kill(this.#pid, 'SIGKILL');
    } catch {} // it has ended by itself
  }
}

/** A WebSocket that ends when the server does; nothing of it is looked at. */
async function openClient(port) {
  const socket = net.connect({ port, host });
  socket.on('error', () => {});
  socket.write(upgradeRequest());
  const [head] = await withDeadline(once(socket, 'data'), 'The handshake');
  assert.match(head.toString('latin1'), /^HTTP\/1.1 101 /);
  socket.resume();
  return socket;
}

/** One attempt to be served: `refused`, `reset` (nothing was said), or `answered`. */
function knock(port) {
  return new Promise((resolve) => {
    let outcome = 'reset';
    const socket = net.connect({ port, host });
    socket.on('connect', () =>
      socket.write(request('/health', { headers: { Connection: 'close' } })),
    );
    socket.on('data', () => (outcome = 'answered'));
    socket.on('error', ({ code, syscall }) => {
      if (syscall === 'connect' && code === 'ECONNREFUSED') outcome = 'refused';
    });
    socket.on('close', () => resolve(outcome));
  });
}

/** Knocks as long as `isWanted`: outcomes, in order, and when they came. */
async function knockWhile(isWanted, port) {
  const knocks = [];
  do {
    const outcome = await withDeadline(knock(port), 'The outcome of a connection');
    knocks.push({ outcome, at: process.hrtime.bigint() });
  } while (isWanted());
  return knocks;
}

/** From the first refusal until `end` there must be only refusals. */
function expectShut(knocks, end) {
  const stopping = knocks.filter(({ at }) => at < end).map(({ outcome }) => outcome);
  const first = stopping.indexOf('refused');
  const late = first < 0 ? [] : stopping.slice(first).filter((outcome) => outcome !== 'refused');
  assert.deepEqual(late, [], 'Somebody was let in after the listener was closed');
}

class Tally {
  #counts = { refused: 0, reset: 0, answered: 0 };

  add(knocks) {
    for (const { outcome } of knocks) this.#counts[outcome]++;
  }

  toString() {
    const { refused, reset, answered } = this.#counts;
    return `of those who knocked ${refused} were refused, ${reset} reset, ${answered} answered`;
  }
}

describe('A hundred restarts in a row', () => {
  for (const [signal, clientCount] of [
    ['SIGTERM', 0],
    ['SIGTERM', 200],
    ['SIGKILL', 0],
    ['SIGKILL', 200],
  ]) {
    it(`by ${signal} with ${clientCount} clients`, async (t) => {
      const port = await freePort();
      const server = new Restarted(port);
      const times = [];
      const tally = new Tally();
      let taken = 0;
      try {
        let run = await server.started();
        for (let count = 0; count < restarts; count++) {
          const opening = Array.from({ length: clientCount }, () => openClient(port));
          const clients = await Promise.all(opening);
          let isStopping = true;
          process.kill(run.pid, signal);
          const knocking = knockWhile(() => isStopping, port);
          const ended = await server.ended();
          isStopping = false;
          if (signal === 'SIGTERM') assert.equal(ended.status, '0');
          if (ended.port === 'taken') taken++;
          for (const client of clients) client.destroy();
          run = await server.started();
          times.push(run.at - ended.at);
          const knocks = await knocking;
          if (signal === 'SIGTERM') expectShut(knocks, BigInt(ended.time));
          tally.add(knocks);
        }
      } finally {
        await server.end();
      }
      times.sort((a, b) => a - b);
      t.diagnostic(
        `starts took ${times[restarts / 2].toFixed(0)} ms (median), ${times.at(-1).toFixed(0)} ms ` +
          `at most; at ${taken} of ${restarts} ends the port was still taken; ${tally}`,
      );
      assert.ok(times.at(-1) < startMilliseconds, `${times.at(-1)} ms`);
      if (signal === 'SIGTERM') assert.equal(taken, 0, 'The port is free at once');
    });
  }
});

describe('While the server stops', () => {
  it('newcomers are refused at once, and a peer that ignores its close has one second', async (t) => {
    const server = await Server.start({ loops: 2 });
    try {
      const deaf = await server.rawWebSocket(); // answers no close, and does not end its side
      const outcome = server.outcome();
      let isStopping = true;
      void outcome.then(() => (isStopping = false));
      const begin = performance.now();
      server.signal('SIGTERM');
      const knocks = await knockWhile(() => isStopping, server.port);
      const milliseconds = performance.now() - begin;
      const tally = new Tally();
      tally.add(knocks);
      t.diagnostic(`${milliseconds.toFixed(0)} ms; ${tally}`);
      expectShut(knocks, process.hrtime.bigint());
      assert.ok(knocks.filter(({ outcome }) => outcome === 'refused').length > 10);
      assert.equal((await outcome).status, 0);
      await deaf.expectClose(1001);
      assert.ok(milliseconds < stopMilliseconds, `${milliseconds} ms`);
    } finally {
      server.kill();
    }
  });
});
