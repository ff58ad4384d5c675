// TLS hellos that wait until their loop has time. With a key of RSA 4096 each takes milliseconds, and while somebody
// plays, the loop has a third of its time for them: so some wait for longer than --request-timeout.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach } from 'node:test';
import { selfSigned } from './support/certificates.mjs';
import { slowness, withDeadline } from './support/deadline.mjs';
import { recordHello } from './support/hello.mjs';
import { patience, Server } from './support/server.mjs';
import { describe, it } from './support/testing.mjs';

const crowd = 40 + 20 * slowness; // a slow server takes longer for each of them anyway
const requestTimeout = 200 * slowness; // milliseconds
const slow = await selfSigned('slow', 'rsa:4096');
const hello = await recordHello({ ecdhCurve: 'X25519:P-256' });

/** The key share of a hello for a group that no server knows: it has to ask for another (RFC 8446 4.1.4). */
function withUnknownGroup() {
  const [x25519, p256, unknown] = ['001d', '0017', 'fafa'];
  const text = hello.toString('hex');
  const groups = `000a00060004${x25519}${p256}`;
  const share = new RegExp(`(0033....00..)${x25519}(0020)`);
  assert.ok(text.includes(groups) && share.test(text));
  return Buffer.from(text.replace(groups, `000a00060004${unknown}${x25519}`).replace(share, `$1${unknown}$2`), 'hex');
}
const retryRandom = Buffer.from('cf21ad74e59a6111be1d8c021e65b891', 'hex'); // of a HelloRetryRequest, its first half

/** Says a hello: `answered` is what comes next. It is an error when the server ends the connection before. */
function say(connection, bytes) {
  const { socket } = connection;
  connection.answered = new Promise((resolve, reject) => {
    socket.once('data', resolve);
    socket.once('close', () => reject(new Error('The server closed a connection whose hello waited')));
  });
  connection.answered.catch(() => {}); // who leaves does not wait for it
  connection.write(bytes);
  return connection;
}

const come = async (server, bytes = hello) => say(await server.tcp(), bytes);

/** Milliseconds until somebody is answered who comes now. */
async function wait(server) {
  const begin = performance.now();
  await withDeadline((await come(server)).answered, 'The answer to a newcomer');
  return performance.now() - begin;
}

describe('TLS hellos that wait', () => {
  const options = [...slow.options, ...patience, '--request-timeout', `${requestTimeout}ms`];
  const server = new Server({ secure: slow.secure, options }); // with one loop
  const sayAll = () => Promise.all(Array.from({ length: crowd }, () => come(server)));
  before(() => server.start());
  beforeEach(() => server.room(['host'])); // somebody plays
  afterEach(() => server.disconnectAll());
  after(() => server.kill());

  it('are all answered, though some wait longer than --request-timeout', async () => {
    const begin = performance.now();
    const connections = await sayAll();
    await withDeadline(Promise.all(connections.map(({ answered }) => answered)), 'The answers');
    const took = performance.now() - begin;
    assert.ok(took > 1.5 * requestTimeout, `${took} ms: nobody waited`);
  });

  it('are answered after a second hello, too', async () => {
    const connections = await sayAll();
    const asked = await come(server, withUnknownGroup());
    const first = await withDeadline(asked.answered, 'The answer to the first hello');
    assert.ok(first.includes(retryRandom), first.toString('hex'));
    const second = await withDeadline(say(asked, hello).answered, 'The answer to the second hello');
    assert.ok(second.length > 500, second.toString('hex')); // it has the certificate
    for (const connection of connections) connection.terminate();
  });

  it('cost nothing when the client has left', async () => {
    const present = await sayAll();
    const behindPresent = await wait(server);
    for (const connection of present) connection.terminate();
    const gone = await sayAll();
    for (const connection of gone) connection.terminate();
    const behindGone = await wait(server);
    assert.ok(behindGone < behindPresent / 2, `${behindGone} ms behind those who left, ${behindPresent} ms behind others`);
  });

  it('leave nothing behind: the server stops', () => server.stop());
});
