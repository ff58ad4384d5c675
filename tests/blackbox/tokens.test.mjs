// --token-key: who has no token that is valid now creates no room of protocol 3.

import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after } from 'node:test';
import { describeWithOptions } from './support/suite.mjs';
import { it } from './support/testing.mjs';

const folder = mkdtempSync(path.join(tmpdir(), 'tokens-'));
after(() => rmSync(folder, { recursive: true }));

const base64 = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const secret = 'a-secret-of-32-characters-or-more';
const { publicKey, privateKey } = generateKeyPairSync('ed25519');

function tokenOf(alg, claims) {
  const text = `${base64({ alg, typ: 'JWT' })}.${base64(claims)}`;
  const signature =
    alg === 'HS256' ? createHmac('sha256', secret).update(text).digest() : sign(null, Buffer.from(text), privateKey);
  return `${text}.${signature.toString('base64url')}`;
}

/** The token with one bit of its signature changed. */
function forged(token) {
  const [header, claims, signature] = token.split('.');
  const bytes = Buffer.from(signature, 'base64url');
  bytes[0] ^= 1;
  return `${header}.${claims}.${bytes.toString('base64url')}`;
}

const inSeconds = (seconds) => Math.floor(Date.now() / 1000) + seconds;
let numbers = 0;

function itChecksTokens(server, alg, otherAlg) {
  async function create(fields, headers) {
    const client = await server.member({ protocols: 'party-sockets.v3', headers });
    client.send({ type: 'create', clientId: `the host number ${numbers++}`, session: 'a session', maxClients: 9, ...fields });
    return { client, event: await client.next() };
  }

  async function expectRefusal(code, fields, headers) {
    const { event } = await create(fields, headers);
    assert.equal(event.type, 'error');
    assert.equal(event.code, code);
    assert.equal(event.of, 'create');
  }

  const valid = () => tokenOf(alg, { exp: inSeconds(60) });

  it('A token that is valid now creates a room', async () => {
    const { event } = await create({ token: valid() });
    assert.equal(event.type, 'created');
  });

  it('None, or one that is not signed with the key, does not', async () => {
    await expectRefusal('token-required', {});
    await expectRefusal('token-invalid', { token: 1 });
    await expectRefusal('token-invalid', { token: '' });
    await expectRefusal('token-invalid', { token: forged(valid()) });
    await expectRefusal('token-invalid', { token: tokenOf(otherAlg, { exp: inSeconds(60) }) });
    await expectRefusal('token-invalid', { token: `${base64({ alg: 'none' })}.${base64({ exp: inSeconds(60) })}.` });
    await expectRefusal('token-invalid', { token: tokenOf(alg, {}) });
  });

  it('nor one that is over, or not valid yet', async () => {
    await expectRefusal('token-expired', { token: tokenOf(alg, { exp: inSeconds(-1) }) });
    await expectRefusal('token-expired', { token: tokenOf(alg, { exp: inSeconds(60), nbf: inSeconds(30) }) });
  });

  it('It may bound the room', async () => {
    const { event } = await create({ token: tokenOf(alg, { exp: inSeconds(60), maxClients: 1 }) });
    const guest = await server.member({ protocols: 'party-sockets.v3' });
    guest.send({ type: 'join', clientId: 'a guest of the room', session: 'a session', attempt: 1, room: event.room });
    assert.equal((await guest.next()).code, 'room-full');
  });

  it('and the origin of the page', async () => {
    const token = tokenOf(alg, { exp: inSeconds(60), origin: 'https://game.example' });
    const { event } = await create({ token }, { origin: 'https://game.example' });
    assert.equal(event.type, 'created');
    await expectRefusal('token-origin', { token }, { origin: 'https://other.example' });
    await expectRefusal('token-origin', { token });
  });

  it('Protocol 2 has no tokens, and needs none', async () => {
    const host = await server.member({ protocols: 'party-sockets.v2' });
    host.send({ type: 'create', clientId: 'host', maxClients: 2 });
    assert.equal((await host.next()).type, 'created');
  });
}

const secretFile = path.join(folder, 'secret');
writeFileSync(secretFile, `${secret}\n`);
const publicFile = path.join(folder, 'public.pem');
writeFileSync(publicFile, publicKey.export({ type: 'spki', format: 'pem' }));

describeWithOptions('--token-key', secretFile)('Tokens by a secret', (server) => itChecksTokens(server, 'HS256', 'EdDSA'));
describeWithOptions('--token-key', publicFile)('Tokens by a public key', (server) =>
  itChecksTokens(server, 'EdDSA', 'HS256'),
);
