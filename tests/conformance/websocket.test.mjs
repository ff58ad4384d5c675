// The WebSocket layer against RFC 6455: each case of the folder `websocket`, through the echo server that
// is built from it, at once and in pieces. POLLER_UNDER_TEST says over which poller.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { withDeadline } from '../blackbox/support/deadline.mjs';
import { close, closePayload, opcodes } from '../blackbox/support/frames.mjs';
import { RawConnection } from '../blackbox/support/raw.mjs';
import { sections } from './cases.mjs';

const poller = process.env.POLLER_UNDER_TEST ?? 'epoll';
const program =
  process.env.WS_ECHO ?? fileURLToPath(new URL('../../build/asan/tests/ws_echo', import.meta.url));
const slowBytesMost = 2_000; // what is longer comes in larger pieces
const pieceBytes = 4_093;

class EchoServer {
  #process;
  #errors = '';

  async start() {
    this.#process = spawn(program, ['--port', '0', '--poller', poller]);
    process.once('exit', () => this.#process.kill());
    this.#process.stderr.on('data', (text) => (this.#errors += text));
    const [line] = await withDeadline(once(this.#process.stdout, 'data'), 'The echo server');
    this.port = Number(/:(\d+)\n$/.exec(line)[1]);
  }

  async stop() {
    const ended = once(this.#process, 'exit');
    this.#process.kill();
    const [status, signal] = await withDeadline(ended, 'The end of the echo server');
    assert.deepEqual({ status, signal, errors: this.#errors }, { status: null, signal: 'SIGTERM', errors: '' });
  }
}

async function writeInPieces(connection, bytes) {
  if (bytes.length <= slowBytesMost) {
    await connection.writeByteByByte(bytes);
    return;
  }
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    connection.write(bytes.subarray(at, at + pieceBytes));
    await nextTurn();
  }
}

const writeAtOnce = (connection, bytes) => connection.write(bytes);

/** What is sent without waiting for an answer is written together. */
function inGoes(steps) {
  const goes = [];
  for (const step of steps) {
    const last = goes.at(-1);
    if (step.bytes && last?.bytes && last.isWithRequest === step.isWithRequest)
      last.bytes = Buffer.concat([last.bytes, step.bytes]);
    else goes.push({ ...step });
  }
  return goes;
}

async function play(port, steps, write) {
  const goes = inGoes(steps);
  const connection = await RawConnection.open(port);
  try {
    if (goes[0].isWithRequest) await connection.upgrade({ bytes: goes.shift().bytes });
    else await connection.upgrade();
    for (const { bytes, opcode, payload } of goes) {
      if (bytes) await write(connection, bytes);
      else await connection.expectFrame(opcode, payload);
    }
    if (goes.at(-1).opcode !== opcodes.close) {
      connection.write(close(1000));
      await connection.expectFrame(opcodes.close, closePayload(1000));
    }
    await connection.expectEnd();
  } finally {
    connection.terminate();
  }
}

const server = new EchoServer();
before(() => server.start());
after(() => server.stop());

for (const { section, cases } of sections) {
  describe(`RFC 6455, ${section}, over ${poller}`, { concurrency: 8 }, () => {
    for (const { title, steps } of cases) {
      it(title, () => play(server.port, steps, writeAtOnce));
      it(`${title}; in pieces`, () => play(server.port, steps, writeInPieces));
    }
  });
}
