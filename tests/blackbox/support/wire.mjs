// A TCP proxy between a client and the server, in the test's hands: it cuts what the client sends
// into small writes, adds bytes of its own, stops forwarding, or keeps the end of the stream back.

import { once } from 'node:events';
import net from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { withDeadline } from './deadline.mjs';

export class Wire {
  #listener;
  #pieceLength;
  #forwardsEnd;
  #sockets = [];

  /** `pieceLength`: the most bytes of a write to the server; `forwardsEnd`: if it hears FIN. */
  constructor(serverPort, { pieceLength = Infinity, forwardsEnd = true } = {}) {
    this.#pieceLength = pieceLength;
    this.#forwardsEnd = forwardsEnd;
    this.#listener = net.createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
      const target = { port: serverPort, host: '127.0.0.1' };
      /** The connection to the server; of several, the last. */
      this.far = net.connect({ ...target, allowHalfOpen: true, noDelay: true });
      this.#join(near, this.far);
    });
  }

  static async open(serverPort, options) {
    const wire = new Wire(serverPort, options);
    wire.#listener.listen(0, '127.0.0.1');
    await withDeadline(once(wire.#listener, 'listening'), 'A port for the wire');
    return wire;
  }

  get port() {
    return this.#listener.address().port;
  }

  #join(near, far) {
    let written = Promise.resolve();
    this.#sockets.push(near, far);
    near.on('data', (bytes) => (written = written.then(() => this.#forward(bytes, far))));
    near.on('end', () => this.#forwardsEnd && written.then(() => far.end()));
    far.on('data', (bytes) => near.write(bytes));
    far.on('end', () => near.end());
    near.on('error', () => far.destroy());
    far.on('error', () => near.destroy());
  }

  async #forward(bytes, far) {
    for (let start = 0; start < bytes.length && !far.destroyed; start += this.#pieceLength) {
      far.write(bytes.subarray(start, start + this.#pieceLength));
      await nextTurn();
    }
  }

  /** Bytes to the server that the client has not sent. */
  inject(bytes) {
    this.far.write(bytes);
  }

  close() {
    this.#listener.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}
