// Every allocation of a scripted session fails once, the Nth of the process in the Nth run. The
// connection or request concerned may be refused; the process lives, and serves the next session as
// if nothing had been. A start without memory is one clear sentence.
//
// Needs the binary that fails on wish: build/asan/tests/party-sockets-faulty.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { continuation, opcodes, frame, ping } from '../support/frames.mjs';
import { request } from '../support/http.mjs';
import { Server } from '../support/server.mjs';

const workers = 4;
const notEnough = /^party-sockets: not enough memory, descriptors or threads to start\n/;

/** What everybody does in this session; whoever is refused or closed throws. */
async function play(server) {
  const page = await server.raw();
  page.write(request('/'), request('/health'));
  assert.equal((await page.readResponse()).status, 200);
  assert.equal((await page.readResponse()).status, 200);
  page.terminate();

  const host = await server.client();
  const room = await host.create('host');
  const guests = await server.clients(3);
  for (const [index, guest] of guests.entries()) await guest.join(`guest ${index}`, room);
  await host.take(3);
  guests[0].relay('small');
  guests[1].relay('x'.repeat(5_000));
  guests[2].relay('y'.repeat(300_000), 'host');
  for (const expected of ['small', 'x'.repeat(5_000), 'y'.repeat(300_000)]) {
    const { data } = await host.next();
    assert.ok(['small', 'x'.repeat(5_000), 'y'.repeat(300_000)].includes(data), expected.length);
  }

  const back = await server.rawWebSocket();
  back.write(frame(opcodes.text, '{"type":"join","clientId":"guest 1",', { final: false }), ping());
  await back.expectFrame(opcodes.pong);
  back.write(continuation(`"room":"${room}"}`));
  assert.equal((await back.readEvent()).type, 'joined');
  await guests[1].expectClosed(4000, 'replaced');
}

/** Plays, and does not mind who is lost on the way. */
async function playAsFarAsItGoes(server) {
  try {
    await play(server);
  } catch {
    // Somebody was refused, as may be.
  }
  await server.disconnectAll();
}

/**
 * One run in which the Nth allocation fails, if so many there are in the first sessions; the last
 * one must be whole. Returns how many there were, 0 for a failed start.
 */
async function run(failing, sessions, options) {
  const server = new Server({
    loops: 2,
    options,
    environment: { FAIL_ALLOCATION: `${failing}` },
  });
  try {
    await server.start();
  } catch {
    const { status, stderr } = await server.outcome();
    assert.equal(status, 1, `allocation ${failing}: ${stderr}`);
    assert.match(stderr, notEnough, `allocation ${failing}`);
    return 0;
  }
  try {
    for (let count = 1; count < sessions; count++) await playAsFarAsItGoes(server);
    await play(server).catch((error) => {
      throw new Error(`After allocation ${failing} had failed: ${error.stack}\n${server.stderr}`);
    });
    await server.stop();
    return Number(/(\d+) allocations/.exec(server.stderr)[1]);
  } finally {
    await server.disconnectAll();
    server.kill();
  }
}

describe('Allocations that fail', () => {
  it('Each of a session in its turn: the process lives, and the next session is whole', async (t) => {
    const total = await run(1_000_000, 1);
    assert.ok(total > 20, `${total} allocations`);
    let next = 1;
    let failedStarts = 0;
    const worker = async () => {
      while (next <= total) {
        const count = await run(next++, 3);
        if (count === 0) failedStarts++;
      }
    };
    await Promise.all(Array.from({ length: workers }, worker));
    assert.ok(failedStarts > 0 && failedStarts < total / 2, `${failedStarts} starts failed`);
    t.diagnostic(`${total} allocations failed one by one, ${failedStarts} of them at the start`);
  });
});
