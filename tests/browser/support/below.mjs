// A proxy that has the relay below a path, as a site does that has other pages: it takes the path off,
// and tells it or not.

import { once } from 'node:events';
import http from 'node:http';

export class Below {
  #server;

  /** `prefix` is the path, `isTold` whether X-Forwarded-Prefix says so. */
  static async start(port, { prefix, isTold }) {
    const below = new Below();
    const server = (below.#server = http.createServer());
    const told = isTold && { 'X-Forwarded-For': '127.0.0.1', 'X-Forwarded-Prefix': prefix };
    const inner = ({ url, method, headers }) => {
      const path = url.startsWith(`${prefix}/`) ? url.slice(prefix.length) : '/outside';
      return http.request({ port, host: '127.0.0.1', method, path, headers: { ...headers, ...told } });
    };
    server.on('request', (request, response) => {
      inner(request)
        .on('response', (answer) => {
          response.writeHead(answer.statusCode, answer.headers);
          answer.pipe(response);
        })
        .on('error', () => response.destroy())
        .end();
    });
    server.on('upgrade', (request, socket) => {
      inner(request)
        .on('upgrade', ({ headers }, relay) => {
          const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
          socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('')}\r\n`);
          socket.pipe(relay).pipe(socket);
          for (const [one, other] of [[socket, relay], [relay, socket]])
            one.on('error', () => {}).on('close', () => other.destroy());
        })
        .on('error', () => socket.destroy())
        .end();
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    below.origin = `http://127.0.0.1:${server.address().port}`;
    below.url = `${below.origin}${prefix}`;
    return below;
  }

  close() {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
