// Who may see the relay's numbers: /metrics, /stats and what the page shows of them. And which answers
// pages of other origins may read.

import assert from 'node:assert/strict';
import http from 'node:http';
import { freshLoopback } from './support/entrance.mjs';
import { proxyLine, proxyLocal } from './support/proxy.mjs';
import { request } from './support/http.mjs';
import { describeAtOnce, describeWithServer } from './support/suite.mjs';
import { runToEnd } from './support/server.mjs';
import { it } from './support/testing.mjs';

const numbers = ['/metrics', '/stats'];
const sentence = /^The relay tells its numbers to its own network only, or where --admin-listen says\n$/;

async function expectTold(server, options) {
  for (const path of numbers) {
    const { status, body, headers } = await server.get(path, options);
    assert.equal(status, 200, JSON.stringify([path, options]));
    assert.match(body, /party_sockets_rooms|"rooms":/);
    assert.equal(headers['access-control-allow-origin'], undefined);
  }
}

async function expectRefused(server, options) {
  for (const path of numbers) {
    for (const method of ['GET', 'HEAD']) {
      const { status, body, headers } = await server.get(path, { ...options, method });
      assert.equal(status, 403, JSON.stringify([path, options]));
      assert.match(body, method === 'GET' ? sentence : /^$/);
      assert.equal(headers['access-control-allow-origin'], undefined);
    }
  }
  for (const path of ['/health', '/ready', '/', '/play/', '/party-sockets.js'])
    assert.equal((await server.get(path, options)).status, 200, path);
}

describeAtOnce('Numbers', (withServer) => {
  it('are told to this machine', () =>
    withServer({}, async (server) => {
      await expectTold(server);
      await expectTold(server, { localAddress: freshLoopback() });
    }));

  const forwarding = {
    'X-Forwarded-For': '127.0.0.1',
    'X-Forwarded-Host': 'localhost',
    'X-Forwarded-Proto': 'http',
    'X-Real-IP': '127.0.0.1',
    Forwarded: 'for=127.0.0.1',
    Via: '1.1 inner',
  };
  for (const [name, value] of Object.entries(forwarding)) {
    it(`are refused to who forwards and is not trusted: ${name}`, () =>
      withServer({}, (server) => expectRefused(server, { headers: { [name]: value } })));
  }

  const addresses = {
    told: ['127.0.0.1', '10.1.2.3', '172.31.0.1', '192.168.1.20', '::1', 'fd00::7', '[fe80::1]:80'],
    refused: ['203.0.113.7', '172.32.0.1', '2001:db8::1', 'unknown', '192.168.1.20, 203.0.113.7'],
  };
  it("are told by a trusted proxy's word about private addresses, and no others", () =>
    withServer({ options: ['--trust-proxy', '127.0.0.1'] }, async (server) => {
      const from = (address) => ({ headers: { 'X-Forwarded-For': address } });
      for (const address of addresses.told) await expectTold(server, from(address));
      for (const address of addresses.refused) await expectRefused(server, from(address));
      await expectTold(server); // the proxy itself, or who is on its machine
      await expectRefused(server, { headers: { 'X-Real-IP': '127.0.0.1' } }); // which is not its word
    }));

  it('are told by what a PROXY header says', () =>
    withServer({ options: ['--trust-proxy', 'proxy:127.0.0.1'] }, async (server) => {
      const statusOf = async (prefix) => {
        const connection = await server.raw();
        connection.write(prefix, request('/stats'));
        return (await connection.readResponse()).status;
      };
      assert.equal(await statusOf(proxyLine('192.168.1.20')), 200);
      assert.equal(await statusOf(proxyLine('203.0.113.7')), 403);
      assert.equal(await statusOf(proxyLocal()), 200);
    }));

  /** The second address that the server prints. */
  const adminUrl = (server) => /metrics and status: (http:\S+)/.exec(server.stdout)[1];

  const ask = (url, headers = {}) =>
    new Promise((resolve, reject) => {
      const asking = http.get(url, { agent: false, headers }, (response) => {
        let body = '';
        response.on('data', (bytes) => (body += bytes));
        response.on('end', () => resolve({ status: response.statusCode, body }));
      });
      asking.on('error', reject);
    });

  for (const [what, listen] of Object.entries({ IPv4: '127.0.0.1:0', IPv6: '[::1]:0' })) {
    it(`are at --admin-listen, and nowhere else (${what})`, () =>
      withServer({ options: ['--admin-listen', listen] }, async (server) => {
        await expectRefused(server);
        const url = adminUrl(server);
        for (const path of [...numbers, '/', '/health', '/ready'])
          assert.equal((await ask(url + path)).status, 200, path);
      }));
  }

  it('are at --admin-listen for whoever comes there, whatever it forwards, and beside TLS', async () => {
    const { selfSigned } = await import('./support/certificates.mjs');
    const { options, secure } = await selfSigned('numbers');
    await withServer({ secure, options: [...options, '--admin-listen', '127.0.0.1:0'] }, async (server) => {
      await expectRefused(server);
      const forwarding = { 'X-Forwarded-For': '203.0.113.7' };
      assert.equal((await ask(`${adminUrl(server)}/metrics`, forwarding)).status, 200);
      assert.equal(server.stderr, '');
    });
  });

  it('have no port that another program has', () =>
    withServer({}, async ({ port }) => {
      const { status, stderr } = await runToEnd([
        ...['--port', 0, '--host', '127.0.0.1'],
        ...['--admin-listen', `127.0.0.1:${port}`],
      ]);
      assert.deepEqual([status, stderr], [1, `party-sockets: port ${port} is in use by another program\n`]);
    }));

  it('are told over many connections, and the port is free when the relay has ended', () =>
    withServer({ options: ['--admin-listen', '127.0.0.1:0'] }, async (server) => {
      const url = adminUrl(server);
      const answers = await Promise.all(Array.from({ length: 50 }, () => ask(`${url}/stats`)));
      for (const { status } of answers) assert.equal(status, 200);
      server.signal('SIGTERM');
      await server.ended();
      await assert.rejects(ask(`${url}/stats`), { code: 'ECONNREFUSED' });
    }));
});

describeWithServer('Pages of other origins may read', (server) => {
  const origin = async (path, options) =>
    (await server.get(path, options)).headers['access-control-allow-origin'];

  for (const path of ['/health', '/room/zzzzzz', '/room/zzzzzz/qr.svg', '/party-sockets.js'])
    it(path, async () => assert.equal(await origin(path), '*'));

  it('/room/ of a room that is there, and its picture', async () => {
    const { code } = await server.party(['host']);
    for (const path of [`/room/${code}`, `/room/${code}/qr.svg`])
      assert.equal(await origin(path), '*');
  });

  for (const path of ['/', '/play', '/play/', '/play/main.js', '/ready', '/metrics', '/stats', '/any'])
    it(`and not ${path}`, async () => assert.equal(await origin(path), undefined));

  it('and no error', async () => {
    assert.equal(await origin('/', { method: 'POST' }), undefined);
    assert.equal(await origin('/', { headers: { Upgrade: 'websocket', Connection: 'Upgrade' } }), undefined);
  });
});
