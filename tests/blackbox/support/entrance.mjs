// Asking to be let in.

import { once } from 'node:events';
import net from 'node:net';
import { upgradeRequest } from './http.mjs';

/**
 * Asks for an upgrade: `{ status, headers, connection }`. The connection stays open. `prefix` are
 * bytes that go before the request, in the same packet.
 */
export async function knock(server, { localAddress, prefix = '', target, headers } = {}) {
  const connection = await server.raw(undefined, { localAddress });
  connection.write(prefix, upgradeRequest(target, { headers }));
  const response = await connection.readResponse();
  return { ...response, connection };
}

/** How often addresses of this machine and of private networks have the budget of misses. */
export const privateBudgets = 10;

let addressCount = 0;

/** A loopback address that nobody else has come from: a client may bind any of 127.0.0.0/8. */
export function freshLoopback() {
  addressCount++;
  return `127.7.${addressCount >> 8}.${addressCount & 255}`;
}

/**
 * A port of this address that nobody had a moment ago, for programs that can't tell which one the kernel gave
 * them. With an address that nobody else has, nobody takes it meanwhile.
 */
export async function freePort(host) {
  const listener = net.createServer();
  await once(listener.listen(0, host), 'listening');
  const { port } = listener.address();
  await new Promise((resolve) => listener.close(resolve));
  return port;
}
