// Who may use a nats-server with JWTs: an operator vouches for accounts, and an account for a user, each with an
// Ed25519 key. NATS has a tool for that, nsc, which Debian lacks; a test needs one user.

import { createHash, generateKeyPairSync, sign } from 'node:crypto';

const kinds = { operator: 14 << 3, account: 0, user: 20 << 3 };
const seedKind = 18 << 3;
const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** RFC 4648, without padding. */
function base32(bytes) {
  let text = '';
  let bits = 0;
  let count = 0;
  for (const byte of bytes) {
    bits = (bits << 8) | byte;
    count += 8;
    for (; count >= 5; count -= 5) text += letters[(bits >> (count - 5)) & 31];
    bits &= 31;
  }
  return count > 0 ? text + letters[(bits << (5 - count)) & 31] : text;
}

/** CRC-16/XMODEM, the low byte first. */
function checksum(bytes) {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff;
  }
  return [crc & 255, crc >> 8];
}

const encoded = (...bytes) => base32([...bytes, ...checksum(bytes)]);

/** A key of this kind: `publicKey` and `seed` as NATS writes them, and `sign`. */
function makeKey(kind) {
  const { privateKey } = generateKeyPairSync('ed25519');
  const { d, x } = privateKey.export({ format: 'jwk' });
  const prefix = kinds[kind];
  return {
    publicKey: encoded(prefix, ...Buffer.from(x, 'base64url')),
    seed: encoded(seedKind | (prefix >> 5), (prefix & 31) << 3, ...Buffer.from(d, 'base64url')),
    sign: (text) => sign(null, Buffer.from(text), privateKey),
  };
}

/** What the issuer says of the subject. */
function token(issuer, subject, type, nats = {}) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = { iat: Math.floor(Date.now() / 1000), iss: issuer.publicKey, name: type, sub: subject.publicKey };
  const jti = base32(createHash('sha256').update(JSON.stringify(claims)).digest());
  const said = `${part({ typ: 'JWT', alg: 'ed25519-nkey' })}.${part({ ...claims, jti, nats: { ...nats, type, version: 2 } })}`;
  return `${said}.${issuer.sign(said).toString('base64url')}`;
}

const unlimited = (...names) => Object.fromEntries(names.map((name) => [name, -1]));
const limits = {
  ...unlimited('subs', 'data', 'payload', 'imports', 'exports', 'conn', 'leaf', 'streams', 'consumer'),
  ...unlimited('mem_storage', 'disk_storage'),
  wildcards: true,
};

/** An operator with an account: `{ configuration, credentials() }`, the text of a user's file for each call. */
export function makeOperator() {
  const operator = makeKey('operator');
  const [account, system] = [makeKey('account'), makeKey('account')];
  const preload = [account, system].map(
    (one) => `${one.publicKey}: "${token(operator, one, 'account', one === account ? { limits } : {})}"`,
  );
  return {
    configuration: [
      `operator: "${token(operator, operator, 'operator')}"`,
      `system_account: ${system.publicKey}`,
      'resolver: MEMORY',
      `resolver_preload: {\n${preload.join('\n')}\n}`,
    ].join('\n'),
    credentials() {
      const user = makeKey('user');
      const jwt = token(account, user, 'user', { pub: {}, sub: {}, ...unlimited('subs', 'data', 'payload') });
      return [
        `-----BEGIN NATS USER JWT-----\n${jwt}\n------END NATS USER JWT------\n`,
        `-----BEGIN USER NKEY SEED-----\n${user.seed}\n------END USER NKEY SEED------\n`,
      ].join('\n');
    },
  };
}
