// The snippet of docs/protocol.md, extracted and run as it stands, against a real server.

import assert from 'node:assert/strict';
import { webcrypto } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, before } from 'node:test';
import vm from 'node:vm';
import WebSocket from 'ws';
import { eventually } from './support/deadline.mjs';
import { Server } from './support/server.mjs';
import { describe, it } from './support/testing.mjs';

const document = readFileSync(new URL('../../docs/protocol.md', import.meta.url), 'utf8');
const [, snippet] = /## Without the SDK.*```js\n(.*?)```/s.exec(document);

/** Runs the snippet in a page-like world; every socket it opens is kept. */
function runSnippet(port, protocol) {
  const world = { sockets: [], lines: [] };
  class PageWebSocket extends WebSocket {
    constructor(url, subprotocol) {
      super(url.replace(':3000', `:${port}`), subprotocol);
      world.sockets.push(this);
    }
  }
  const console = { log: (...words) => world.lines.push(words) };
  world.page = vm.createContext({
    ...{ WebSocket: PageWebSocket, console, setTimeout, Math, JSON },
    crypto: webcrypto,
  });
  assert.match(snippet, /^const protocol = 'party-sockets.v2';/);
  vm.runInContext(snippet.replace('party-sockets.v2', protocol), world.page);
  return world;
}

describe('The player in forty lines', () => {
  let server;
  before(async () => (server = await Server.start({ loops: 2 })));
  after(() => server.stop());

  for (const [protocol, code] of [
    ['party-sockets.v2', /^[1-9A-HJ-NP-Za-km-z]{6}$/],
    ['party-sockets.v1', /^[A-HJ-NP-Z2-9]{4}$/],
  ]) {
    it(`creates, joins, sends, and comes back after a cut, as ${protocol}`, () =>
      playSnippet(server.port, protocol, code));
  }
});

async function playSnippet(port, protocol, codePattern) {
  const world = runSnippet(port, protocol);
  const said = (count) => () => world.lines.length >= count;
  await eventually(said(1), 'The code');
  const [words, code] = world.lines[0];
  assert.equal(words, 'Join with the code');
  assert.match(code, codePattern);

  const phone = vm.runInContext(`joinParty('${code}', 'ada')`, world.page);
  await eventually(said(2), "The phone's message");
  assert.equal(JSON.stringify(world.lines[1]), '["ada","says","hello"]');

  world.sockets[1].terminate();
  await eventually(said(3), 'The message after the way back');
  assert.equal(JSON.stringify(world.lines[2]), '["ada","says","hello"]');
  assert.equal(world.sockets.length, 3);

  phone.leave();
  // The screen's page is closed: its timer would open a new socket for ever.
  world.page.WebSocket = class {};
  world.sockets[0].terminate();
}
