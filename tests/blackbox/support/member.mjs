// A player of protocol 2: known to the others by its index, while its clientId is between it and
// the server. `create` and `join` check the exact fields of the answer, in their order.

import assert from 'node:assert/strict';
import { Client } from './client.mjs';

export const peerJoined = (index) => ({ type: 'peer_joined', index });
export const peerLeft = (index) => ({ type: 'peer_left', index });
export const state = (data) => ({ type: 'state', data });

/** How connections are closed: `expectClosed(...replaced)`. */
export const replaced = [4000, 'replaced'];
export const roomClosed = [4001, 'room closed'];

/** Proves that these have read all that was sent to them. */
export const expectSilence = (...clients) =>
  Promise.all(clients.map((client) => client.expectSilence()));

const codePattern = /^[1-9A-HJ-NP-Za-km-z]{6}$/;

export class Member extends Client {
  constructor(url, { protocols = ['party-sockets.v2'], ...options } = {}) {
    super(url, { protocols, ...options });
  }

  /** Creates a room and returns its code; `fields` are those of `create` beside `clientId`. */
  async create(clientId, fields = {}) {
    this.send({ type: 'create', clientId, maxClients: 100, ...fields });
    return (await this.#entered('created', ['room', 'instance', 'region', 'index'])).room;
  }

  /** Joins a room and returns what it is told: `{ index, peers }`. */
  async join(clientId, room) {
    this.send({ type: 'join', clientId, room });
    const joined = await this.#entered('joined', ['room', 'index', 'peers']);
    assert.equal(joined.room, room);
    return { index: joined.index, peers: joined.peers };
  }

  setState(data) {
    this.send({ type: 'set_state', data });
  }

  closeRoom() {
    this.send({ type: 'close_room' });
  }

  /** The event that answers `create` or `join`. It stays here, for whoever wants more of it. */
  async #entered(type, fields) {
    const event = await this.next();
    const url = 'url' in event ? ['url'] : [];
    assert.deepEqual(Object.keys(event), ['type', ...fields, ...url], JSON.stringify(event));
    assert.equal(event.type, type);
    assert.match(event.room, codePattern);
    this.entry = event;
    return event;
  }
}
