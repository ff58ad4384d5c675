// A relay, parties in it, and what they were told; all of it is closed at the end of a test.

import WebSocket from 'ws';
import { Party } from '../../../client/party-sockets.js';
import { eventually } from '../support/deadline.mjs';
import { Server } from '../support/server.mjs';
import { Network } from './network.mjs';

const eventNames = [
  'join', 'away', 'back', 'leave', 'host', 'room', 'audience', 'message', 'state', 'connection', 'error', 'closed',
];

/** Everything that a party tells from now on: `[['join', 1], ['message', data, from], ...]`. */
export function record(party) {
  const events = [];
  const isSaid = (value) => value !== undefined;
  for (const name of eventNames) party.on(name, (...values) => events.push([name, ...values.filter(isSaid)]));
  return events;
}

/** A WebSocket for an SDK, and the codes that it was closed with by this side. */
export function closeRecorder() {
  const codes = [];
  class Recorder extends WebSocket {
    close(code) {
      codes.push(code);
      super.close(code);
    }
  }
  return { Recorder, codes };
}

export const named = (events, name) => events.filter(([other]) => other === name);

export class World {
  #parties = [];
  #networks = [];

  /** `protocol` is what its parties speak, unless they are told otherwise. */
  static async start({ protocol, ...settings } = {}) {
    const world = new World();
    world.protocol = protocol;
    world.server = await Server.start(settings);
    return world;
  }

  get url() {
    return `ws://127.0.0.1:${this.server.port}`;
  }

  async create(options, url = this.url) {
    return this.#keep(await Party.create(url, { WebSocket, protocol: this.protocol, ...options }));
  }

  async join(code, options, url = this.url) {
    return this.#keep(await Party.join(url, code, { WebSocket, protocol: this.protocol, ...options }));
  }

  /** A room of a host and one guest, who comes through a network of its own. */
  async pair(guestOptions, hostOptions) {
    const host = await this.create(hostOptions);
    const network = await this.network();
    const guest = await this.join(host.room, guestOptions, network.url);
    await eventually(() => host.peers.length === 1, 'The guest');
    return { host, guest, network };
  }

  async network() {
    const network = await Network.to(this.server.port);
    this.#networks.push(network);
    return network;
  }

  #keep(party) {
    this.#parties.push(party);
    return party;
  }

  async stop() {
    for (const party of this.#parties.splice(0)) party.close();
    for (const network of this.#networks.splice(0)) network.close();
    await this.server.stop();
  }
}

/** What sessionStorage is to a page. */
export class Storage {
  #items = new Map();

  /** As a tab that was duplicated has it. */
  copy() {
    const copy = new Storage();
    for (const [key, value] of this.#items) copy.setItem(key, value);
    return copy;
  }

  getItem(key) {
    return this.#items.get(key) ?? null;
  }

  setItem(key, value) {
    this.#items.set(key, value);
  }

  removeItem(key) {
    this.#items.delete(key);
  }
}
