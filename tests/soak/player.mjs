// One connection of a player, and the ways it behaves: talking, stalling, and all the ways to end.
// Who is in the room, and whether what it hears is right, is its party's business.

import { createRequire } from 'node:module';
import * as frames from '../blackbox/support/frames.mjs';
import { composeSend, readEvent } from './payloads.mjs';
import { unsentBytesMax } from './plan.mjs';

// `ws` is installed for the black box tests.
const require = createRequire(new URL('../blackbox/package.json', import.meta.url));
const WebSocket = require('ws');

let connectionCount = 0;

const faults = [
  { code: 1002, bytes: () => frames.text('reserved bit', { reserved: 4 }) },
  { code: 1002, bytes: () => frames.text('not masked', { masked: false }) },
  { code: 1002, bytes: () => frames.frame(3, 'unknown opcode') },
  { code: 1002, bytes: () => frames.continuation('of nothing') },
  { code: 1002, bytes: () => frames.ping('x'.repeat(126)) },
  { code: 1002, bytes: () => frames.text('x', { length: 5, lengthForm: 64 }) },
  { code: 1007, bytes: () => frames.text([0xc0, 0xaf]) },
  { code: 1009, bytes: () => frames.text('too long', { length: 2 ** 40, lengthForm: 64 }) },
];

export class Player {
  /** `opening`, `joining`, `inside`, `ending` (it has said goodbye in some way), `gone` */
  state = 'opening';
  isStalled = false;
  isUnresponsive = false; // vanished or stuck: it will never read again
  isVanished = false;
  isStuck = false;
  isReplacementExpected = false;
  isDisturbed = false; // its own doing may have cost it messages at the end
  expectedCloseCode = null;
  mayBeDroppedUntil = 0;

  constructor(world, party, id) {
    this.world = world;
    this.party = party;
    this.id = id;
    this.number = ++connectionCount;
    world.totals.clients++;
    this.socket = new WebSocket(world.url, { perMessageDeflate: false, autoPong: false });
    this.socket.on('open', () => this.#onOpen());
    // After a half-close there is no way to answer.
    this.socket.on('ping', (payload) => this.state !== 'ending' && this.socket.pong(payload));
    this.socket.on('message', (bytes, isBinary) => this.#onMessage(bytes, isBinary));
    this.socket.on('error', () => {}); // `close` follows
    this.socket.on('close', (code) => this.#onClose(code));
  }

  get isInside() {
    return this.state === 'inside';
  }

  /** Whether it is inside, reads, and can be relied on to hear everything. */
  get isSteady() {
    return this.isInside && !this.isUnresponsive;
  }

  get canTalk() {
    return this.isInside && !this.isVanished && this.socket.bufferedAmount < unsentBytesMax;
  }

  #onOpen() {
    if (this.state !== 'opening') return;
    this.state = 'joining';
    this.sendJSON(this.party.entranceOf(this));
  }

  #onMessage(bytes, isBinary) {
    const { totals, ledger, fillers } = this.world;
    totals.bytes += bytes.length;
    if (isBinary) ledger.report('replies', 'a binary message came');
    let event;
    try {
      event = readEvent(bytes, fillers);
    } catch (error) {
      ledger.report('intact', `${this.id} in ${this.party.code} got no JSON: ${error.message}`);
      return;
    }
    if (event.type === 'created' || event.type === 'joined') this.state = 'inside';
    this.party.onEvent(this, event);
  }

  #onClose(code) {
    const { totals } = this.world;
    totals.closes[code] = (totals.closes[code] ?? 0) + 1;
    const before = this.state;
    this.state = 'gone';
    clearInterval(this.mutterTimer);
    if (!this.#isCloseExpected(code, before)) {
      const text = `${this.id} (${before}) in ${this.party.code} was closed with ${code}`;
      this.world.ledger.report('closes', text);
      this.isDisturbed = true;
    }
    this.party.onClose(this);
  }

  #isCloseExpected(code, before) {
    if (this.isUnresponsive) return true;
    if (code === 4000) return this.isReplacementExpected;
    const isPlanned = this.expectedCloseCode === null || code === this.expectedCloseCode;
    if (before === 'ending' && isPlanned) return true;
    const mayBeDropped = Date.now() < this.mayBeDroppedUntil || this.party.buriedIds.has(this.id);
    const isTooSlow = mayBeDropped && (code === 1013 || code === 1006);
    if (isTooSlow) {
      this.isDisturbed = true;
      this.world.totals.tooSlow++;
    }
    return isTooSlow;
  }

  sendJSON(message) {
    this.socket.send(JSON.stringify(message));
  }

  /** Says something to everyone else, or to one. */
  say(to, filler = this.world.fillers.pick(this.world.random)) {
    const { random, fillers, totals } = this.world;
    const head = this.speech.next(this.party.code, filler, to);
    const message = composeSend(random, head, fillers.text(filler), to);
    totals.messages++;
    const way = random.below(20);
    if (way === 0) {
      const half = random.below(message.length);
      this.socket.send(message.subarray(0, half), { binary: false, fin: false });
      this.socket.send(message.subarray(half), { binary: false });
    } else {
      this.socket.send(message, { binary: way === 1 });
    }
  }

  // Ways to be slow.

  stall(milliseconds) {
    this.isStalled = true;
    this.mayBeDroppedUntil = Infinity;
    this.socket.pause();
    setTimeout(() => this.resume(), milliseconds);
    // A word now and then, or the server would take it for dead.
    this.mutterTimer ??= setInterval(() => this.isStalled && this.#mutter(), 1500);
  }

  resume() {
    if (!this.isStalled) return;
    this.isStalled = false;
    clearInterval(this.mutterTimer);
    this.mutterTimer = undefined;
    if (this.state === 'gone') return;
    // It may have been given up already, and hears of it only behind what is still in its way.
    this.mayBeDroppedUntil = Date.now() + 10_000;
    this.socket.resume();
  }

  #mutter() {
    if (this.isInside) this.say(undefined, this.world.fillers.pickOf('short', this.world.random));
  }

  /** Stops reading for good, but stays and talks, so that it is not taken for dead. */
  getStuck() {
    this.resume();
    this.isUnresponsive = this.isDisturbed = this.isStuck = true;
    this.socket.pause();
    this.mutterTimer ??= setInterval(() => this.#mutter(), 1500);
  }

  /** Neither reads nor answers nor says anything any more. */
  vanish() {
    this.resume();
    this.isUnresponsive = this.isDisturbed = this.isVanished = true;
    this.vanishedAt = Date.now();
    this.socket.pause();
  }

  // Ways to end. After a proper goodbye everything that is under way still arrives, both ways.

  #end(expectedCloseCode) {
    this.resume();
    this.state = 'ending';
    this.expectedCloseCode = expectedCloseCode;
  }

  close() {
    const code = this.world.random.pick([1000, 1001, 3000, 4999]);
    this.#end(code);
    this.socket.close(code, 'bye');
  }

  halfClose() {
    this.#end(null); // the server ends the connection too, in whichever way
    this.socket._socket.end();
  }

  misbehave() {
    const { code, bytes } = this.world.random.pick(faults);
    this.#end(code);
    this.socket._socket.write(bytes());
    this.world.totals.faults++;
  }

  reset() {
    this.#end(1006);
    this.isDisturbed = true;
    this.world.totals.resets++;
    this.socket._socket.resetAndDestroy();
  }

  terminate() {
    this.#end(null);
    this.isDisturbed = true;
    this.socket.terminate();
  }
}
