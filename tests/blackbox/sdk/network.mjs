// The network between a player and the relay: a TCP proxy that may be cut, be out of reach, or
// swallow everything without a word, as a phone's does that left the Wi-Fi.

import { once } from 'node:events';
import net from 'node:net';

export class Network {
  /** How many connections have come through, or tried. */
  attempts = 0;
  /** How many bytes of the relay were lost by `hush()`. */
  hushed = 0;
  #server;
  #pairs = new Set();
  #isOut = false;
  #isSilent = false;

  static async to(port) {
    const network = new Network();
    network.#server = net.createServer((client) => network.#connect(client, port));
    network.#server.listen(0, '127.0.0.1');
    await once(network.#server, 'listening');
    network.url = `ws://127.0.0.1:${network.#server.address().port}`;
    return network;
  }

  /** How many connections players have to it. */
  get players() {
    return new Promise((resolve, reject) => {
      this.#server.getConnections((error, count) => (error ? reject(error) : resolve(count)));
    });
  }

  #connect(client, port) {
    this.attempts++;
    client.on('error', () => {});
    if (this.#isOut) {
      client.destroy();
      return;
    }
    const relay = net.connect(port, '127.0.0.1');
    relay.on('error', () => {});
    const pair = { client, relay, isSilent: this.#isSilent, held: null };
    this.#pairs.add(pair);
    const pass = (from, to) => {
      from.on('data', (bytes) => {
        if (pair.isSilent) return;
        if (pair.isHushed && from === relay) {
          this.hushed += bytes.length;
          return;
        }
        if (pair.held) {
          pair.held.push(() => to.write(bytes));
          return;
        }
        to.write(bytes);
        if (!pair.bytesPerSecond || from === relay) return;
        from.pause();
        setTimeout(() => from.resume(), (bytes.length / pair.bytesPerSecond) * 1_000);
      });
      from.on('close', () => {
        if (pair.isSilent && from === relay) return;
        const end = () => {
          this.#pairs.delete(pair);
          to.destroySoon();
        };
        if (pair.held) pair.held.push(end);
        else end();
      });
    };
    pass(client, relay);
    pass(relay, client);
  }

  /** Connections end, and new ones are possible at once. */
  cut() {
    for (const { client, relay } of this.#pairs) {
      client.destroy();
      relay.destroy();
    }
  }

  /** Connections end, and there are no new ones. */
  fail() {
    this.#isOut = true;
    this.cut();
  }

  /** What the relay says over present connections is lost from now on. */
  hush() {
    for (const pair of this.#pairs) pair.isHushed = true;
  }

  /** Those that there are stay open, and nothing comes through any more; `all`: nor in new ones. */
  silence({ all = false } = {}) {
    this.#isSilent = all;
    for (const pair of this.#pairs) pair.isSilent = true;
  }

  /** What is said in those that there are arrives at `deliver()`, as when packets vanish and TCP repeats them. */
  hold() {
    for (const pair of this.#pairs) pair.held ??= [];
  }

  deliver() {
    for (const pair of [...this.#pairs]) {
      const { held } = pair;
      pair.held = null;
      for (const go of held ?? []) go();
    }
  }

  /** There are no new connections, and nothing happens to those that there are. */
  refuse() {
    this.#isOut = true;
  }

  /** From now on so many bytes come through in a second, from the player to the relay. */
  throttle(bytesPerSecond) {
    for (const pair of this.#pairs) pair.bytesPerSecond = bytesPerSecond;
  }

  /** Nothing is taken from the player any more, as by a network that is slow. */
  stall() {
    for (const { client } of this.#pairs) client.pause();
  }

  restore() {
    this.#isOut = false;
    this.#isSilent = false;
  }

  close() {
    this.cut();
    this.#server.close();
  }
}
