// A player: a small client on top of `ws`, without extensions. It queues what arrives, so that a
// test reads events in order with `next` and `expect`, each within a deadline.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import WebSocket from 'ws';
import { withDeadline } from './deadline.mjs';
import { Inbox } from './inbox.mjs';

export { WebSocket };

export class Client {
  #inbox = new Inbox();
  #closed;
  #readsBinary;

  /** With `readsBinary`, a binary message is read as a text such as `binary 00 ff`. */
  constructor(url, { protocols = [], readsBinary = false, ...options } = {}) {
    this.#readsBinary = readsBinary;
    this.socket = new WebSocket(url, protocols, { perMessageDeflate: false, ...options });
    this.socket.on('message', (bytes, isBinary) => this.#receive(bytes, isBinary));
    this.socket.on('error', (error) => this.#inbox.end(`The connection failed: ${error.message}`));
    this.#closed = new Promise((resolve) => {
      this.socket.on('close', (code, reason) => {
        this.#inbox.end(`The connection closed with ${code} ${reason}`);
        resolve({ code, reason: reason.toString() });
      });
    });
  }

  static async open(url, options) {
    const client = new this(url, options);
    await withDeadline(once(client.socket, 'open'), 'Opening a WebSocket');
    return client;
  }

  get isOpen() {
    return this.socket.readyState === WebSocket.OPEN;
  }

  #receive(bytes, isBinary) {
    if (!isBinary) this.#inbox.push(bytes.toString());
    else if (this.#readsBinary) this.#inbox.push(`binary ${bytes.toString('hex').replace(/..(?!$)/g, '$& ')}`);
    else this.#inbox.end('The server sent a binary message');
  }

  sendText(text) {
    this.socket.send(text, { binary: false });
  }

  sendBinary(bytes) {
    this.socket.send(bytes, { binary: true });
  }

  send(message) {
    this.sendText(JSON.stringify(message));
  }

  /** Sends `data` to everyone else, or to the one member that is named. */
  relay(data, to) {
    this.send({ type: 'send', data, to });
  }

  /** Creates a room and returns its code. */
  async create(clientId, maxClients = 100) {
    this.send({ type: 'create', clientId, maxClients });
    const { room, ...rest } = await this.next();
    assert.deepEqual(rest, { type: 'created' });
    assert.match(room, /^[A-HJ-NP-Z2-9]{4}$/);
    return room;
  }

  /** Joins a room and returns the ids of its members. */
  async join(clientId, room) {
    this.send({ type: 'join', clientId, room });
    const { clients, ...rest } = await this.next();
    assert.deepEqual(rest, { type: 'joined', room: room.toUpperCase() });
    assert.ok(clients.includes(clientId));
    return clients;
  }

  nextText() {
    return this.#inbox.next();
  }

  async next() {
    return JSON.parse(await this.nextText());
  }

  async take(count) {
    const events = [];
    while (events.length < count) events.push(await this.next());
    return events;
  }

  async expect(...events) {
    for (const event of events) assert.deepEqual(await this.next(), event);
  }

  async expectMessage(from, data) {
    await this.expect({ type: 'message', from, data });
  }

  async expectError(message) {
    await this.expect({ type: 'error', message });
  }

  /**
   * Proves that nothing was sent to this client that is unread, and that all it sent so far has
   * been handled: the answer to a message that is wrong in any state must be the next to arrive.
   */
  async expectSilence() {
    this.send({ type: 'is anything before this?' });
    await this.expectError('Unknown message type');
  }

  whenClosed() {
    return withDeadline(this.#closed, 'Closing of a WebSocket');
  }

  async expectClosed(code, reason) {
    assert.deepEqual(await this.whenClosed(), { code, reason });
  }

  close(code, reason) {
    this.socket.close(code, reason);
    return this.whenClosed();
  }

  terminate() {
    this.socket.terminate();
    return this.whenClosed();
  }

  // `ws` offers neither of the next two, so they reach for its TCP socket.

  reset() {
    this.socket._socket.resetAndDestroy();
    return this.whenClosed();
  }

  halfClose() {
    this.socket._socket.end();
  }
}
