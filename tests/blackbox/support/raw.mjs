// A bare TCP or TLS connection: writes any bytes, all at once or one at a time, and reads what
// comes back as HTTP responses, as WebSocket frames or up to the end. What the server sends is
// checked to be well-formed: unmasked frames, the shortest length form, no reserved bit.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import tls from 'node:tls';
import { withDeadline } from './deadline.mjs';
import { closePayload, json, opcodes } from './frames.mjs';
import { parseResponseHead, upgradeRequest } from './http.mjs';

export class RawConnection {
  #received = Buffer.alloc(0);
  #end;
  #wakeReader = () => {};

  /** `options` are those of net.connect; with `secure`, options of tls.connect, it speaks TLS. */
  constructor(port, host, { secure, ...options } = {}) {
    const target = { port, host, allowHalfOpen: true, noDelay: true, ...options };
    this.socket = secure ? tls.connect({ ...target, ...secure }) : net.connect(target);
    this.socket.on('data', (bytes) => this.#changed(bytes));
    this.socket.on('end', () => this.#changed(undefined, 'the end of the stream'));
    this.socket.on('error', (error) => this.#changed(undefined, error.message));
    this.socket.on('close', () => this.#changed(undefined, 'the end of the connection'));
  }

  static async open(port, host = '127.0.0.1', options = {}) {
    const connection = new RawConnection(port, host, options);
    const opened = once(connection.socket, options.secure ? 'secureConnect' : 'connect');
    await withDeadline(opened, 'Connecting');
    return connection;
  }

  /** Opens a WebSocket; `bytes` go out in the same packet as the request. */
  async upgrade({ target, bytes = '', ...options } = {}) {
    this.write(upgradeRequest(target, options), bytes);
    const response = await this.readResponse();
    assert.equal(response.status, 101);
    return response;
  }

  write(...parts) {
    this.socket.write(Buffer.concat(parts.map((part) => Buffer.from(part))));
  }

  async writeByteByByte(...parts) {
    for (const byte of Buffer.concat(parts.map((part) => Buffer.from(part)))) {
      this.write([byte]);
      await nextTurn();
    }
  }

  send(...messages) {
    this.write(...messages.map((message) => json(message)));
  }

  async create(clientId, maxClients = 100) {
    this.send({ type: 'create', clientId, maxClients });
    return (await this.readEvent()).room;
  }

  async join(clientId, room) {
    this.send({ type: 'join', clientId, room });
    return (await this.readEvent()).clients;
  }

  async readResponse({ method = 'GET' } = {}) {
    const head = parseResponseHead((await this.#readThrough('\r\n\r\n')).toString('latin1'));
    const hasBody = method !== 'HEAD' && head.status >= 200 && ![204, 304].includes(head.status);
    const bodyLength = hasBody ? Number(head.headers['content-length']) : 0;
    assert.ok(Number.isInteger(bodyLength), 'The response gives the length of its body');
    return { ...head, body: (await this.#read(bodyLength)).toString() };
  }

  async readFrame() {
    const [first, second] = await this.#read(2);
    assert.equal(first & 0x70, 0, 'No reserved bit is set');
    assert.equal(second & 0x80, 0, 'A server does not mask');
    const payload = await this.#read(await this.#readLength(second));
    return { opcode: first & 0x0f, final: first >= 0x80, payload };
  }

  async expectFrame(opcode, payload = '') {
    const expected = { opcode, final: true, payload: Buffer.from(payload) };
    assert.deepEqual(await this.readFrame(), expected);
  }

  async readEvent() {
    const { opcode, final, payload } = await this.readFrame();
    assert.deepEqual({ opcode, final }, { opcode: opcodes.text, final: true });
    return JSON.parse(payload);
  }

  async expect(...events) {
    for (const event of events) assert.deepEqual(await this.readEvent(), event);
  }

  /** A close frame of that code, its reason too if one is given, then the end of the stream. */
  async expectClose(code, reason) {
    const { opcode, payload } = await this.readFrame();
    assert.equal(opcode, opcodes.close, `A close frame, not ${payload}`);
    const codeLength = reason === undefined ? 2 : payload.length;
    assert.deepEqual(payload.subarray(0, codeLength), closePayload(code, reason));
    await this.expectEnd();
  }

  async expectEnd() {
    assert.equal((await this.readRest()).toString(), '');
  }

  async readRest() {
    await this.whenGone();
    assert.equal(this.#end, 'the end of the stream');
    return this.#take(this.#received.length);
  }

  /** Waits for the end of the connection, whatever comes before it and however it ends. */
  async whenGone() {
    await this.#until(() => this.#end);
  }

  /** Waits until the server has closed the connection, without having closed it here. */
  async whenClosed() {
    // The peer's reset, or a write that finds nobody there.
    const { socket } = this;
    const closed = new Promise((resolve) => socket.once('close', resolve));
    const timer = setInterval(() => socket.write('?'), 50);
    try {
      await withDeadline(closed, 'The end of the connection');
    } finally {
      clearInterval(timer);
    }
  }

  /** Closes the sending direction only. */
  halfClose() {
    this.socket.end();
  }

  reset() {
    this.socket.resetAndDestroy();
  }

  terminate() {
    this.socket.destroy();
  }

  #changed(bytes, end) {
    if (bytes) this.#received = Buffer.concat([this.#received, bytes]);
    this.#end ??= end;
    this.#wakeReader();
  }

  async #until(isReady) {
    while (!isReady()) {
      if (this.#end) throw new Error(`${this.#end} after ${JSON.stringify(`${this.#received}`)}`);
      await withDeadline(new Promise((resolve) => (this.#wakeReader = resolve)), 'Next bytes');
    }
  }

  #take(count) {
    const bytes = this.#received.subarray(0, count);
    this.#received = this.#received.subarray(count);
    return bytes;
  }

  async #read(count) {
    await this.#until(() => this.#received.length >= count);
    return this.#take(count);
  }

  async #readThrough(delimiter) {
    await this.#until(() => this.#received.includes(delimiter));
    return this.#take(this.#received.indexOf(delimiter) + delimiter.length);
  }

  async #readLength(indicator) {
    if (indicator < 126) return indicator;
    const is16Bit = indicator === 126;
    const field = await this.#read(is16Bit ? 2 : 8);
    const length = is16Bit ? field.readUInt16BE() : Number(field.readBigUInt64BE());
    assert.ok(length > (is16Bit ? 125 : 65535), 'The length has its shortest form');
    return length;
  }
}
