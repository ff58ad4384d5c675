// A TCP proxy that counts connections, and can hold back all bytes, both ways: those come late, not never.

import { once } from 'node:events';
import net from 'node:net';

export class Cable {
  #listener;
  #sockets = new Set();
  #isHeld = false;
  /** Of all that have come so far. */
  connections = 0;

  static async open(port) {
    const cable = new Cable();
    cable.#listener = net.createServer({ noDelay: true }, (near) => {
      cable.connections++;
      const far = net.connect({ port, host: '127.0.0.1', noDelay: true });
      cable.#pass(near, far);
      cable.#pass(far, near);
    });
    await once(cable.#listener.listen(0, '127.0.0.1'), 'listening');
    cable.#listener.unref();
    return cable;
  }

  get port() {
    return this.#listener.address().port;
  }

  #pass(from, to) {
    this.#sockets.add(from);
    from.on('data', (bytes) => to.write(bytes));
    from.on('error', () => {});
    from.on('close', () => {
      this.#sockets.delete(from);
      to.destroy();
    });
    if (this.#isHeld) from.pause();
  }

  hold() {
    this.#isHeld = true;
    for (const socket of this.#sockets) socket.pause();
  }

  release() {
    this.#isHeld = false;
    for (const socket of this.#sockets) socket.resume();
  }
}
