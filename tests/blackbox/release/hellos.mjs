// A process of its own that keeps a server busy with TLS handshakes: `node hellos.mjs PORT COUNT`. It
// has one hello, which it has got from a client of its own, and says it on so many connections at
// once; whoever is answered comes anew. So the server signs, and this process does nothing for it.
// Prints `ready` when all have said it.

import { once } from 'node:events';
import net from 'node:net';
import { recordHello } from '../support/hello.mjs';

const [port, count] = process.argv.slice(2).map(Number);
const host = '127.0.0.1';

const hello = await recordHello();
const connect = () => net.connect({ port, host });

function come(socket) {
  socket.on('error', () => {});
  socket.on('data', () => socket.destroy());
  socket.on('close', () => {
    const next = connect();
    next.write(hello);
    come(next);
  });
}

const sockets = Array.from({ length: count }, connect);
await Promise.all(sockets.map((socket) => once(socket, 'connect')));
for (const socket of sockets) {
  come(socket);
  socket.write(hello);
}
console.log('ready');
