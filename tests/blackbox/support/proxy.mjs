// PROXY protocol headers, versions 1 and 2, right ones and (by the caller's choice) wrong ones:
// https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt

import net from 'node:net';

const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const destinations = { 4: '192.0.2.1', 6: '2001:db8:ffff::1' };

/** `PROXY TCP4 source destination port port`, or TCP6. */
export function proxyLine(source) {
  const family = net.isIP(source);
  return `PROXY TCP${family} ${source} ${destinations[family]} 56324 443\r\n`;
}

/** A version 2 header about `source`; everything that it is made of may be replaced. */
export function proxyBinary(source, options = {}) {
  const family = source ? net.isIP(source) : 0;
  const { version = 2, command = 1, extras = Buffer.alloc(0) } = options;
  const { transport = { 0: 0x00, 4: 0x11, 6: 0x21 }[family] } = options;
  const addresses = family ? [octets(source), octets(destinations[family]), ports] : [];
  const { payload = Buffer.concat([...addresses, extras]) } = options;
  const { length = payload.length } = options;
  const kind = Buffer.from([(version << 4) | command, transport, length >> 8, length & 255]);
  return Buffer.concat([signature, kind, payload]);
}

/** What a proxy says of its own connections, health checks for example. */
export const proxyLocal = (source) => proxyBinary(source, { command: 0 });

/** An extra field of a version 2 header. */
export function proxyExtra(type, value) {
  return Buffer.concat([Buffer.from([type, value.length >> 8, value.length & 255]), value]);
}

const ports = Buffer.from([0xdc, 0x04, 0x01, 0xbb]);

function octets(address) {
  if (net.isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  const [head, tail] = address.split('::').map((half) => half.split(':').filter(Boolean));
  const groups = tail
    ? [...head, ...Array(8 - head.length - tail.length).fill('0'), ...tail]
    : head;
  return Buffer.from(groups.map((group) => group.padStart(4, '0')).join(''), 'hex');
}
