// A TLS hello of Node's own client, as bytes: whoever says it makes a server sign, and has no work itself.

import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';

/** `options` are those of tls.connect. */
export async function recordHello(options = {}) {
  const host = '127.0.0.1';
  const listener = net.createServer().listen({ port: 0, host });
  await once(listener, 'listening');
  const client = tls.connect({ port: listener.address().port, host, ...options });
  client.on('error', () => {});
  const [socket] = await once(listener, 'connection');
  const [hello] = await once(socket, 'data');
  client.destroy();
  socket.destroy();
  listener.close();
  return hello;
}
