// A web server for the pages of a game, as its developer has one beside the relay.

import { once } from 'node:events';
import http from 'node:http';

const types = { html: 'text/html', js: 'text/javascript', css: 'text/css' };

export class Pages {
  #server;

  /** `read(name)` is the text of the file of this name, or nothing. `headers` go with each of them. */
  static async start(read, headers = {}) {
    const pages = new Pages();
    pages.#server = http.createServer(({ url }, response) => {
      const name = new URL(url, 'http://localhost').pathname.slice(1) || 'index.html';
      const text = read(name);
      const type = { 'Content-Type': `${types[name.split('.').at(-1)] ?? 'text/plain'}; charset=utf-8` };
      const missing = name === 'favicon.ico' ? 204 : 404; // every browser asks for that one
      response.writeHead(text === undefined ? missing : 200, { ...type, ...headers });
      response.end(text);
    });
    await once(pages.#server.listen(0, '127.0.0.1'), 'listening');
    pages.origin = `http://127.0.0.1:${pages.#server.address().port}`;
    return pages;
  }

  close() {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
