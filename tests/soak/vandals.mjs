// Connections that do what no player should, each kind with the answer that it must get. They have
// no part in anybody's room, apart from asking to be let in.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import * as frames from '../blackbox/support/frames.mjs';
import { request, upgradeRequest } from '../blackbox/support/http.mjs';
import { RawConnection } from '../blackbox/support/raw.mjs';
import { badUtf8 } from '../blackbox/support/utf8.mjs';
import { crowd } from './plan.mjs';

const badJson = [
  '',
  '{',
  '{"type":"send"',
  "{'type':'send'}",
  '[1,]',
  'nul',
  '"\u0001"',
  '\ufeff{}',
  '01',
];
const unknownTypes = ['null', '1', '[]', '"send"', '{}', '{"type":"leave"}', '{"type":1}'];
const pages = ['/', '/health', '/anything?x=1', '/stats', '/play/', '/party-sockets.js'];

const badHeads = [
  'GET\r\n\r\n',
  'GET / HTTP/1.1\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n',
  'GET / HTTP/1.1\r\nno colon\r\n\r\n',
  `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
];
const impossibleCode = '0OI1';
const tlsHello = [0x16, 3, 1, 0, 5, 1, 0, 0, 1, 3];

async function webSocket(raw) {
  await raw.upgrade();
  return raw;
}

/** Each gets an open TCP connection, and what else it needs; it fails by throwing. */
const kinds = {
  async 'bad JSON'(raw, { random }) {
    await webSocket(raw);
    const text = random.pick(badJson);
    raw.write(random.below(2) ? frames.text(text) : frames.frame(frames.opcodes.binary, text));
    await raw.expect({ type: 'error', message: 'Invalid JSON' });
    raw.write(frames.text(random.pick(unknownTypes)));
    await raw.expect({ type: 'error', message: 'Unknown message type' });
    raw.write(frames.close(1000));
    await raw.expectClose(1000);
  },

  async 'bad UTF-8'(raw, { random }) {
    await webSocket(raw);
    const bytes = random.pick(Object.values(badUtf8));
    raw.write(frames.text(bytes));
    await raw.expectClose(1007);
  },

  async 'wrong frames'(raw, { random }) {
    await webSocket(raw);
    const wrong = [
      () => frames.text('x', { reserved: 1 + random.below(7) }),
      () => frames.text('x', { masked: false }),
      () => frames.frame(random.pick([3, 7, 11, 15]), 'x'),
      () => frames.continuation('x'),
      () => frames.ping('x', { final: false }),
      () => frames.text('x', { lengthForm: 16 }),
      () => frames.close(1005),
    ];
    raw.write(random.pick(wrong)());
    await raw.expectClose(1002);
  },

  async 'huge announced length'(raw, { random }) {
    await webSocket(raw);
    const length = random.pick([2 ** 24 + 1, 2 ** 32, 2 ** 52]);
    raw.write(frames.text('x', { length, lengthForm: 64 }));
    await raw.expectClose(1009);
  },

  async 'half a frame, then nothing'(raw, { random }) {
    await webSocket(raw);
    const frame = frames.text('x'.repeat(random.pick([10, 1000, 100_000])));
    raw.write(frame.subarray(0, 1 + random.below(frame.length - 1)));
    await raw.whenGone();
  },

  async 'a long message announced, then reset'(raw, { random }) {
    await webSocket(raw);
    raw.write(frames.text('x'.repeat(random.below(300_000)), { length: 2 ** 24, lengthForm: 64 }));
    await pause(random.below(300));
    raw.reset();
  },

  async 'HTTP junk'(raw, { random }) {
    raw.write(random.pick(badHeads));
    const { status } = await raw.readResponse();
    assert.ok(status === 400 || status === 431 || status === 505, `status ${status}`);
    await raw.expectEnd();
  },

  async 'TLS, unasked for'(raw) {
    raw.write(tlsHello, '\r\n\r\n');
    await raw.whenGone();
  },

  async 'half an HTTP head'(raw, { random }) {
    const head = upgradeRequest();
    raw.write(head.slice(0, random.below(head.length - 1)));
    await raw.whenGone();
  },

  async 'wrong method or version'(raw, { random }) {
    const isPost = random.below(2) === 0;
    raw.write(
      isPost
        ? request('/', { method: 'POST' })
        : upgradeRequest('/', { headers: { 'Sec-WebSocket-Version': 12 } }),
    );
    assert.equal((await raw.readResponse()).status, isPost ? 405 : 426);
  },

  async 'pages, many on one connection'(raw, { random }) {
    for (let count = random.below(5); count >= 0; count--) {
      raw.write(request(random.pick(pages)));
      assert.equal((await raw.readResponse()).status, 200);
    }
    raw.terminate();
  },

  async 'page asked for, then reset'(raw) {
    raw.write(request('/stats'));
    raw.reset();
  },

  async 'connected, then reset'(raw) {
    raw.reset();
  },

  async 'connected, then nothing'(raw) {
    await raw.whenGone();
  },

  async 'upgraded, then reset'(raw) {
    raw.write(upgradeRequest());
    raw.reset();
  },

  async 'room created, then reset'(raw, { random, liveCodes }) {
    await webSocket(raw);
    const code = await raw.create('vandal');
    liveCodes.add(code);
    await pause(random.below(100));
    raw.reset();
  },

  async 'joined a room that is not there'(raw, { random, liveCodes }) {
    await webSocket(raw);
    let code = 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789'[random.below(32)].repeat(4);
    if (liveCodes.has(code)) code = impossibleCode;
    raw.send({ type: 'join', clientId: 'vandal', room: random.pick([code, impossibleCode]) });
    await expectRefusal(raw, 'Room not found');
  },

  async 'joined a room that is full'(raw, { random, fullRooms }) {
    await webSocket(raw);
    const { code } = random.pick(fullRooms);
    raw.send({
      type: 'join',
      clientId: 'vandal',
      room: random.below(2) ? code : code.toLowerCase(),
    });
    await expectRefusal(raw, 'Room is full');
  },

  async 'written byte by byte'(raw) {
    await raw.writeByteByByte(upgradeRequest());
    assert.equal((await raw.readResponse()).status, 101);
    await raw.writeByteByByte(frames.json({ type: 'send', data: 'x' }));
    await raw.expect({ type: 'error', message: 'Not in a room' });
    raw.halfClose();
    await raw.whenGone();
  },
};

/** The error; or, when many joins have failed, a late end with 1008. */
async function expectRefusal(raw, message) {
  const { opcode, payload } = await raw.readFrame();
  if (opcode === frames.opcodes.text)
    assert.deepEqual(JSON.parse(payload), { type: 'error', message });
  else assert.equal(payload.readUInt16BE(), 1008);
  raw.terminate();
}

const failingJoins = Object.keys(kinds).filter((name) => name.startsWith('joined a room'));
const failingJoinsPerMinuteMax = 150;

export class Vandals {
  counts = Object.fromEntries(Object.keys(kinds).map((name) => [name, 0]));
  fullRooms = [];
  #running = new Set();
  #failingJoinTimes = [];

  constructor(world) {
    this.world = world;
  }

  get running() {
    return this.#running.size;
  }

  /** Lets one loose, if not too many are. */
  let() {
    const name = this.world.random.pick(Object.keys(kinds));
    if (this.#running.size >= crowd.vandalsAtOnce) return;
    if (failingJoins.includes(name) && !this.#mayFailToJoin()) return;
    const run = this.#run(name).finally(() => this.#running.delete(run));
    this.#running.add(run);
  }

  async finish() {
    await Promise.all(this.#running);
  }

  #mayFailToJoin() {
    const now = Date.now();
    this.#failingJoinTimes = this.#failingJoinTimes.filter((time) => time > now - 60_000);
    if (this.#failingJoinTimes.length >= failingJoinsPerMinuteMax) return false;
    this.#failingJoinTimes.push(now);
    return true;
  }

  async #run(name) {
    const { port, random, liveCodes, ledger } = this.world;
    let raw;
    this.counts[name]++;
    try {
      raw = await RawConnection.open(port);
      await kinds[name](raw, { random, liveCodes, fullRooms: this.fullRooms });
    } catch (error) {
      ledger.report('garbage', `${name}: ${error.message.split('\n').slice(0, 4).join(' ')}`);
    } finally {
      raw?.terminate();
    }
  }
}
