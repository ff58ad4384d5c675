// Every allocation of a scripted session fails once, the Nth of the process in the Nth run. The
// connection or request concerned may be refused; the process lives, and serves the next session as
// if nothing had been. A start without memory is one clear sentence.
//
// Needs the binary that fails on wish: build/asan/tests/party-sockets-faulty.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { selfSigned } from '../support/certificates.mjs';
import { continuation, opcodes, frame, ping } from '../support/frames.mjs';
import { request } from '../support/http.mjs';
import { peerJoined, peerLeft } from '../support/member.mjs';
import { Server } from '../support/server.mjs';

const workers = 4;
const runsWithTls = Number(process.env.TLS_ALLOCATIONS ?? 150);
const oneSentence = /^party-sockets: [^\n]+\n(faults: .*\n)?$/;

/** What a host and two guests do in protocol 2. */
async function playParty(server) {
  const [host, zoe, adam] = await server.members(3);
  const code = await host.create('host', { url: 'https://game.example/{room}' });
  const { status, body } = await server.get(`/room/${code}`);
  assert.deepEqual([status, JSON.parse(body).clients], [200, 1]);
  assert.equal((await server.get('/metrics')).status, 200);
  host.send({ type: 'set_state', data: 'x'.repeat(5_000) });
  zoe.send({ type: 'join', clientId: 'zoe', room: code });
  assert.equal((await zoe.next()).index, 1);
  assert.equal((await zoe.next()).data.length, 5_000);
  adam.send({ type: 'join', clientId: 'adam', room: code });
  await adam.take(2);
  await zoe.terminate();
  await adam.expect(peerLeft(1));
  const back = await server.member();
  back.send({ type: 'join', clientId: 'zoe', room: code });
  assert.equal((await back.next()).index, 1);
  await adam.expect(peerJoined(1));
  host.send({ type: 'close_room' });
  await adam.expectClosed(4001, 'room closed');
}

/** What everybody does in this session; whoever is refused or closed throws. */
async function play(server) {
  await playParty(server);
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
async function run(failing, sessions, settings) {
  const server = new Server({
    loops: 2,
    ...settings,
    environment: { FAIL_ALLOCATION: `${failing}`, ...settings.environment },
  });
  try {
    await server.start();
  } catch {
    const { status, stderr } = await server.outcome();
    assert.ok(status === 1 || status === 2, `allocation ${failing}: ${status} ${stderr}`);
    assert.match(stderr, oneSentence, `allocation ${failing}`);
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

/** Every allocation of a session fails in its turn, or so many of them, evenly spread. */
async function failEach(settings, most, t) {
  const total = await run(1_000_000, 1, settings);
  assert.ok(total > 20, `${total} allocations`);
  const step = Math.max(1, total / most);
  let next = 1;
  let runs = 0;
  let failedStarts = 0;
  const worker = async () => {
    while (next <= total) {
      const failing = Math.floor(next);
      next += step;
      runs++;
      if ((await run(failing, 3, settings)) === 0) failedStarts++;
    }
  };
  await Promise.all(Array.from({ length: workers }, worker));
  assert.ok(failedStarts > 0 && failedStarts < runs, `${failedStarts} of ${runs} starts failed`);
  t.diagnostic(
    `${runs} of ${total} allocations failed one by one, ${failedStarts} of them at the start`,
  );
}

describe('Allocations that fail', () => {
  it('Each of a session in its turn: the process lives, and the next session is whole', (t) =>
    failEach({}, Infinity, t));

  it('The same over TLS, every so many of the library’s', async (t) => {
    const { secure, options } = await selfSigned('allocations');
    // OpenSSL leaks some bytes when it fails to allocate, which is no fault of the server's.
    const environment = { ASAN_OPTIONS: 'detect_leaks=0' };
    await failEach({ secure, options, environment }, runsWithTls, t);
  });
});
