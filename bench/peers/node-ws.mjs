// A relay for protocol 1 as somebody would write it in an afternoon, on npm's `ws`. bench/versus
// compares the relay with it. It has no limits and no pings, and answers few errors. See
// docs/protocol.md for what a real relay does. `scripts/setup test` installs `ws`.
//
//     bench/versus "node bench/peers/node-ws.mjs {port}"
//     bench/versus "node bench/peers/node-ws.mjs {port} {cert} {key}"    over TLS
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer as createPlain } from 'node:http';
import { createServer as createSecure } from 'node:https';
import { createRequire } from 'node:module';

const fromTests = createRequire(new URL('../../tests/blackbox/package.json', import.meta.url));
const { WebSocketServer } = fromTests('ws');

const LETTERS = 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789';
const rooms = new Map(); // code -> { maxClients, members: Map of clientId -> socket }

const newCode = () => Array.from({ length: 4 }, () => LETTERS[randomInt(LETTERS.length)]).join('');

const tell = (socket, event) => socket.send(JSON.stringify(event));

function tellOthers(socket, event) {
  const text = JSON.stringify(event);
  for (const member of socket.room.members.values()) if (member !== socket) member.send(text);
}

function enter(socket, code, clientId) {
  Object.assign(socket, { code, clientId, room: rooms.get(code) });
  socket.room.members.set(clientId, socket);
}

function leave(socket) {
  const { room, code, clientId } = socket;
  if (!room || room.members.get(clientId) !== socket) return;
  tellOthers(socket, { type: 'peer_left', clientId });
  room.members.delete(clientId);
  if (room.members.size === 0) rooms.delete(code);
}

const handlers = {
  create(socket, { clientId, maxClients }) {
    let code = newCode();
    while (rooms.has(code)) code = newCode();
    rooms.set(code, { maxClients, members: new Map() });
    enter(socket, code, clientId);
    tell(socket, { type: 'created', room: code });
  },

  join(socket, { clientId, room: code }) {
    const room = rooms.get(code);
    if (!room) return tell(socket, { type: 'error', message: 'Room not found' });
    const isFull = room.members.size >= room.maxClients && !room.members.has(clientId);
    if (isFull) return tell(socket, { type: 'error', message: 'Room is full' });
    room.members.get(clientId)?.close(4000, 'replaced');
    enter(socket, code, clientId);
    tell(socket, { type: 'joined', room: code, clients: [...room.members.keys()] });
    tellOthers(socket, { type: 'peer_joined', clientId });
  },

  send(socket, { data, to }) {
    if (!socket.room) return tell(socket, { type: 'error', message: 'Not in a room' });
    const event = { type: 'message', from: socket.clientId, data };
    if (to === undefined) return tellOthers(socket, event);
    const target = socket.room.members.get(to);
    tell(target ?? socket, target ? event : { type: 'error', message: 'Target client not found' });
  },
};

function receive(socket, text) {
  let message;
  try {
    message = JSON.parse(text);
  } catch {
    return tell(socket, { type: 'error', message: 'Invalid JSON' });
  }
  const handle = Object.hasOwn(handlers, message?.type) ? handlers[message.type] : null;
  if (handle) handle(socket, message);
  else tell(socket, { type: 'error', message: 'Unknown message type' });
}

const [port = '8080', cert, key] = process.argv.slice(2);
const http = cert ? createSecure({ cert: readFileSync(cert), key: readFileSync(key) }) : createPlain();
const server = new WebSocketServer({ server: http, perMessageDeflate: false });
http.listen(Number(port));
server.on('connection', (socket) => {
  socket.on('message', (text) => receive(socket, text));
  socket.on('close', () => leave(socket));
  socket.on('error', () => {}); // `close` follows
});
