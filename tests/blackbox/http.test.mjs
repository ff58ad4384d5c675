// HTTP on the same port: /health, the status page, rejections, and the WebSocket handshake.

import assert from 'node:assert/strict';
import { eventually } from './support/deadline.mjs';
import { json, opcodes, ping } from './support/frames.mjs';
import { request, sampleKey, upgradeRequest } from './support/http.mjs';
import { describeWithOptions, describeWithServer } from './support/suite.mjs';
import { it } from './support/testing.mjs';

const healthBody = '{"status":"ok"}';

/** The answer to these bytes, on a connection of its own. */
async function answer(server, bytes, options) {
  const connection = await server.raw();
  connection.write(bytes);
  const response = await connection.readResponse(options);
  connection.terminate();
  return response;
}

async function expectStatus(server, bytes, ...statuses) {
  const { status } = await answer(server, bytes);
  assert.ok(statuses.includes(status), `${status} for ${JSON.stringify(bytes)}`);
}

/** A valid request whose head, with its empty line, has this many bytes. */
function requestOfLength(length) {
  const shortest = request('/health', { headers: { 'X-Padding': '' } });
  return request('/health', { headers: { 'X-Padding': 'x'.repeat(length - shortest.length) } });
}

/** Requests whose head may have so many bytes, and none more. */
function itLimitsHeads(server, most) {
  it(`A request head of ${most} bytes is answered, one of a byte more gets 431`, async () => {
    assert.equal((await answer(server, requestOfLength(most))).body, healthBody);
    await expectStatus(server, requestOfLength(most + 1), 431);
    await expectStatus(server, requestOfLength(most + 100_000), 431);
  });

  it(`A head that never ends gets 431 as soon as it has more than ${most} bytes`, async () => {
    await expectStatus(server, `GET /${'x'.repeat(most)}`, 431);
    await expectStatus(server, `GET / HTTP/1.1\r\n${'A: b\r\n'.repeat(most / 6)}`, 431);
  });

  it('The longest subprotocol and the longest path that fit are given back as they are', async () => {
    const long = 'p'.repeat(most - upgradeRequest('/', { headers: { 'Sec-WebSocket-Protocol': '' } }).length);
    const connection = await server.raw();
    const { headers } = await connection.upgrade({ headers: { 'Sec-WebSocket-Protocol': long } });
    assert.equal(headers['sec-websocket-protocol'], long);
    const query = 'q'.repeat(most - request('/play?').length);
    const { status, headers: there } = await answer(server, request(`/play?${query}`));
    assert.deepEqual([status, there.location], [302, `play/?${query}`]);
  });
}

const withoutDate = ({ date, ...headers }) => headers;

describeWithServer('HTTP', (server) => {
  it('GET /health answers 200 with the JSON text that all is well', async () => {
    const { status, headers, body } = await answer(server, request('/health'));
    assert.equal(status, 200);
    assert.match(headers['content-type'], /^application\/json\b/);
    assert.equal(body, healthBody);
  });

  it('HEAD answers as GET does, without the body', async () => {
    const connection = await server.raw();
    connection.write(request('/health', { method: 'HEAD' }), request('/health'));
    const head = await connection.readResponse({ method: 'HEAD' });
    const { body, ...get } = await connection.readResponse();
    assert.equal(head.status, get.status);
    assert.deepEqual(withoutDate(head.headers), withoutDate(get.headers));
    assert.equal(body, healthBody);

    connection.write(request('/', { method: 'HEAD' }), request('/health'));
    const { status, headers } = await connection.readResponse({ method: 'HEAD' });
    assert.equal(status, 200);
    assert.match(headers['content-type'], /^text\/html\b/);
    assert.equal((await connection.readResponse()).body, healthBody);
  });

  for (const target of [
    '/',
    '/index.html',
    '/a/b/c',
    '/?a=b',
    '/healthy',
    '/health.html',
    '/%00',
    '//',
  ]) {
    it(`GET ${target} without an upgrade is the status page`, async () => {
      const { status, headers, body } = await answer(server, request(target));
      assert.equal(status, 200);
      assert.match(headers['content-type'], /^text\/html\b/);
      assert.match(body, /<html/i);
    });
  }

  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'get']) {
    it(`The method ${method} gets 405 and learns which are allowed`, async () => {
      for (const target of ['/health', '/', '/elsewhere']) {
        const { status, headers } = await answer(server, request(target, { method }));
        assert.equal(status, 405);
        assert.deepEqual(headers.allow.split(/ *, */).sort(), ['GET', 'HEAD']);
      }
    });
  }

  it('The body of a request is never taken for another request', async () => {
    const connection = await server.raw();
    const body = request('/health');
    connection.write(
      request('/', { method: 'POST', headers: { 'Content-Length': body.length }, body }),
    );
    connection.halfClose();
    const everything = (await connection.readRest()).toString();
    assert.match(everything, /^HTTP\/1\.1 405 /);
    assert.ok(!everything.includes('HTTP/1.1 200'), everything);
  });

  const malformed = {
    'has no Host': request('/health', { headers: { Host: null } }),
    'has two Hosts': request('/health', { headers: { Host: ['a', 'b'] } }),
    'is bare garbage': '\x00\x01\x02\xff garbage\r\n\r\n',
    'is one word': 'GET\r\n\r\n',
    'has no version': 'GET /health\r\nHost: a\r\n\r\n',
    'has no target': 'GET HTTP/1.1\r\nHost: a\r\n\r\n',
    'has another protocol': 'GET /health HTTQ/1.1\r\nHost: a\r\n\r\n',
    'has a broken version': 'GET /health HTTP/1.x\r\nHost: a\r\n\r\n',
    'has a space in its target': request('/health now'),
    'has a target that does not begin with a slash': request('health'),
    'has a control character in its target': request('/he\x01alth'),
    'has a header with a space before the colon': request('/health', {
      headers: { 'X-Space ': 'a' },
    }),
    'has a header with a space in its name': request('/health', { headers: { 'X Space': 'a' } }),
    'has a header without a name': request('/health', { headers: { '': 'a' } }),
    'has a header without a colon': 'GET /health HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n',
    'folds a header': 'GET /health HTTP/1.1\r\nHost: a\r\nX-Long: a\r\n b\r\n\r\n',
    'folds its first header': 'GET /health HTTP/1.1\r\n Host: a\r\n\r\n',
    'has U+0000 in a header': request('/health', { headers: { 'X-Zero': 'a\0b' } }),
  };
  for (const [fault, bytes] of Object.entries(malformed)) {
    it(`A request that ${fault} gets 400, then the connection ends`, async () => {
      const connection = await server.raw();
      connection.write(bytes);
      const { status } = await connection.readResponse();
      assert.equal(status, 400);
      await connection.expectEnd();
    });
  }

  itLimitsHeads(server, 16_384);

  it('A connection is kept for more requests, until one asks to close it', async () => {
    const connection = await server.raw();
    for (let count = 0; count < 3; count++) {
      connection.write(request('/health'));
      assert.equal((await connection.readResponse()).body, healthBody);
    }
    connection.write(request('/health', { headers: { Connection: 'close' } }));
    assert.equal((await connection.readResponse()).body, healthBody);
    await connection.expectEnd();
  });

  it('A request in HTTP/1.0 is answered, then the connection ends', async () => {
    const connection = await server.raw();
    connection.write(request('/health', { version: '1.0' }));
    assert.equal((await connection.readResponse()).body, healthBody);
    await connection.expectEnd();
  });

  it('50 requests written at once are answered in order', async () => {
    const connection = await server.raw();
    const kinds = [
      { target: '/health', method: 'GET', type: /json/ },
      { target: '/page', method: 'GET', type: /html/ },
      { target: '/health', method: 'HEAD', type: /json/ },
      { target: '/health', method: 'GET', type: /json/ },
      { target: '/', method: 'HEAD', type: /html/ },
    ];
    const requests = Array.from({ length: 50 }, (_, index) => kinds[index % kinds.length]);
    connection.write(...requests.map(({ target, method }) => request(target, { method })));
    for (const { method, type } of requests) {
      const { status, headers } = await connection.readResponse({ method });
      assert.equal(status, 200);
      assert.match(headers['content-type'], type);
    }
  });

  it('A request may arrive byte by byte', async () => {
    const connection = await server.raw();
    await connection.writeByteByByte(request('/health'), request('/'));
    assert.equal((await connection.readResponse()).body, healthBody);
    assert.match((await connection.readResponse()).headers['content-type'], /html/);
  });

  it('Names of headers are read in any case, values without the space around them', async () => {
    const connection = await server.raw();
    connection.write('GET /health HTTP/1.1\r\nhOST:\t localhost \t\r\nCONNECTION:CLOSE\r\n\r\n');
    assert.equal((await connection.readResponse()).body, healthBody);
    await connection.expectEnd();
  });
});

describeWithServer('The status page', (server) => {
  it('It holds no number and nothing that a client says: those are in /stats', async () => {
    const before = (await answer(server, request('/'))).body;
    const origin = 'https://<script>alert(1)</script>';
    await (await server.client({ origin })).create('host');
    const isCounted = async () => (await server.stats()).origins.some((it) => it.origin === origin);
    await eventually(isCounted, 'The origin in /stats');
    assert.equal((await answer(server, request('/'))).body, before);
  });

  it('/stats shows the live rooms and clients of an origin', async () => {
    const origin = 'https://party.example';
    for (let room = 0; room < 23; room++) {
      const host = await server.client({ origin });
      const code = await host.create('host');
      if (room < 18) await (await server.client({ origin })).join('guest', code);
    }
    const isUpToDate = async () => {
      const { rooms, clients, origins } = await server.stats();
      const [only] = origins;
      return rooms === 23 && clients === 41 && origins.length === 1 && only.origin === origin &&
        only.rooms === 23 && only.clients === 41;
    };
    await eventually(isUpToDate, 'The origin, 23 rooms and 41 clients');
  });

  it('It counts a message once, even if it moves its connection to another loop', async () => {
    const client = await server.client();
    const { 'messages received': before = 0 } = await server.events();
    const codes = [...'ABCDEFGH'].map((letter) => `ZZZ${letter}`); // of all loops in turn
    for (const room of codes) {
      client.send({ type: 'join', clientId: 'guest', room });
      await client.expectError('Room not found');
    }
    assert.equal((await server.events())['messages received'], before + codes.length);
  });
});

describeWithServer('The handshake', (server) => {
  const handshake = (options) => upgradeRequest('/', options);
  const withHeaders = (headers) => handshake({ headers });

  async function acceptedHeaders(headers) {
    const connection = await server.raw();
    const response = await connection.upgrade({ headers });
    connection.send({});
    await connection.expect({ type: 'error', message: 'Unknown message type' });
    return response.headers;
  }

  it('It is answered as RFC 6455 shows it', async () => {
    const headers = await acceptedHeaders();
    assert.equal(headers['sec-websocket-accept'], 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
    assert.equal(headers.upgrade.toLowerCase(), 'websocket');
    assert.equal(headers.connection.toLowerCase(), 'upgrade');
    assert.equal(headers['content-length'], undefined);
  });

  for (const target of ['/', '/ws', '/a/b/c?x=1&y=%20', '/?', '//', '/healthy', '/a?/health']) {
    it(`${target} upgrades, with or without an origin`, async () => {
      const [one, other] = [
        await server.client({ target }),
        await server.client({ target, origin: 'https://a.example' }),
      ];
      const room = await one.create('host');
      await other.join('guest', room);
    });
  }

  it('/health does not upgrade', async () => {
    const { status, body } = await answer(server, upgradeRequest('/health'));
    assert.deepEqual({ status, body }, { status: 200, body: healthBody });
  });

  it('The names in its headers are read in any case and out of lists', async () => {
    await acceptedHeaders({ Connection: 'keep-alive, UPGRADE', Upgrade: 'WebSocket' });
    await acceptedHeaders({ Connection: ['keep-alive', 'upgrade'] });
    await acceptedHeaders({
      Connection: null,
      connection: 'upgrade,x',
      Upgrade: null,
      uPGRADE: 'WEBSOCKET',
    });
  });

  for (const target of ['ws://localhost/', 'WSS://localhost/a?b', 'http://localhost', 'ws://localhost?a']) {
    it(`${target} is a target as good as a path`, async () => {
      const connection = await server.raw();
      await connection.upgrade({ target });
    });
  }

  const lacks = {
    'the header Upgrade: websocket': { headers: { Upgrade: null } },
    'the header Connection: Upgrade': { headers: { Connection: 'keep-alive' } },
    'the header Upgrade: websocket and the header Connection: Upgrade': {
      headers: { Connection: null, Upgrade: null },
    },
    'HTTP/1.1': { version: '1.0' },
    'HTTP/1.1 and the header Upgrade: websocket and the header Connection: Upgrade': {
      version: '1.0', headers: { Connection: 'close', Upgrade: null },
    },
  };
  for (const [what, options] of Object.entries(lacks)) {
    it(`One from which a proxy took ${what} gets 400 and is told so`, async () => {
      const connection = await server.raw();
      connection.write(upgradeRequest('/', options));
      const { status, headers, body } = await connection.readResponse();
      const text = `This WebSocket handshake lacks ${what}. A proxy on its way must pass that on\n`;
      assert.deepEqual([status, headers['content-type'], body], [400, 'text/plain; charset=utf-8', text]);
      await connection.expectEnd();
    });
  }

  it('Without a subprotocol offered, none is chosen', async () => {
    assert.equal((await acceptedHeaders())['sec-websocket-protocol'], undefined);
    assert.equal((await server.client()).socket.protocol, '');
  });

  const choices = [
    [['chat'], 'chat'],
    [['chat', 'superchat'], 'chat'],
    [['party-sockets.v1'], 'party-sockets.v1'],
    [['chat', 'party-sockets.v1', 'superchat'], 'party-sockets.v1'],
    [['party-sockets.v10', 'party-sockets'], 'party-sockets'],
    [['PARTY-SOCKETS.V1'], 'PARTY-SOCKETS.V1'],
  ];
  for (const [protocols, chosen] of choices) {
    it(`Of the subprotocols ${protocols.join(', ')}, ${chosen} is chosen`, async () => {
      const client = await server.client({ protocols });
      assert.equal(client.socket.protocol, chosen);
      await client.create('host');
    });
  }

  for (const offer of ['party-sockets.v4', 'party-sockets.v10, party-sockets.v4', 'party-sockets.', 'party-sockets.V1']) {
    it(`Of ${offer} none is chosen: it is ours, in a version that is not spoken`, async () => {
      const headers = await acceptedHeaders({ 'Sec-WebSocket-Protocol': offer });
      assert.equal(headers['sec-websocket-protocol'], undefined);
      await assert.rejects(server.client({ protocols: offer.split(', ') }), /no subprotocol/);
    });
  }

  it('Subprotocols may be offered in several headers', async () => {
    const chosen = async (...offers) =>
      (await acceptedHeaders({ 'Sec-WebSocket-Protocol': offers }))['sec-websocket-protocol'];
    assert.equal(await chosen('chat', 'superchat'), 'chat');
    assert.equal(await chosen('chat , superchat', 'other,\tparty-sockets.v1'), 'party-sockets.v1');
  });

  it('No extension is negotiated', async () => {
    const offer = 'permessage-deflate; client_max_window_bits, x-other';
    const headers = await acceptedHeaders({ 'Sec-WebSocket-Extensions': offer });
    assert.equal(headers['sec-websocket-extensions'], undefined);
    const client = await server.client({ perMessageDeflate: true });
    assert.equal(client.socket.extensions, '');
    await client.create('host');
  });

  for (const version of ['12', '8', '0', '14', '113', '1', 'x']) {
    it(`The WebSocket version "${version}" gets 426 and learns that it is 13`, async () => {
      const { status, headers } = await answer(
        server,
        withHeaders({ 'Sec-WebSocket-Version': version }),
      );
      assert.equal(status, 426);
      assert.equal(headers['sec-websocket-version'], '13');
    });
  }

  const rejected = {
    'in HTTP/1.0': handshake({ version: '1.0' }),
    'without a Host': withHeaders({ Host: null }),
    'without a key': withHeaders({ 'Sec-WebSocket-Key': null }),
    'with an empty key': withHeaders({ 'Sec-WebSocket-Key': '' }),
    'with a key of 15 bytes': withHeaders({
      'Sec-WebSocket-Key': Buffer.alloc(15).toString('base64'),
    }),
    'with a key of 17 bytes': withHeaders({
      'Sec-WebSocket-Key': Buffer.alloc(17).toString('base64'),
    }),
    'with a key that is not base64': withHeaders({
      'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25j!Q==',
    }),
    'with a repeated key': withHeaders({ 'Sec-WebSocket-Key': [sampleKey, sampleKey] }),
    'with Upgrade, but without Connection': withHeaders({ Connection: null }),
    'with Upgrade, but another Connection': withHeaders({ Connection: 'keep-alive' }),
  };
  for (const [fault, bytes] of Object.entries(rejected)) {
    it(`A handshake ${fault} gets 400`, () => expectStatus(server, bytes, 400));
  }

  it('A handshake with another method than GET is rejected', async () => {
    for (const method of ['POST', 'PUT'])
      await expectStatus(server, handshake({ method }), 400, 405);
  });

  it('A handshake without a version is rejected', async () => {
    await expectStatus(server, withHeaders({ 'Sec-WebSocket-Version': null }), 400, 426);
  });

  it('Frames in the packet of the request are handled', async () => {
    const connection = await server.raw();
    const create = json({ type: 'create', clientId: 'host', maxClients: 2 });
    const note = json({ type: 'send', data: 'note', to: 'host' });
    await connection.upgrade({ bytes: Buffer.concat([create, ping('hi'), note]) });
    const { type } = await connection.readEvent();
    assert.equal(type, 'created');
    await connection.expectFrame(opcodes.pong, 'hi');
    await connection.expect({ type: 'message', from: 'host', data: 'note' });
  });

  it('A handshake may follow other requests, in the same packet even', async () => {
    const connection = await server.raw();
    connection.write(request('/health'), request('/health'), upgradeRequest(), json({}));
    for (let count = 0; count < 2; count++)
      assert.equal((await connection.readResponse()).body, healthBody);
    assert.equal((await connection.readResponse()).status, 101);
    await connection.expect({ type: 'error', message: 'Unknown message type' });
  });

  it('A handshake and frames may arrive byte by byte', async () => {
    const connection = await server.raw();
    await connection.writeByteByByte(upgradeRequest(), json({}), ping('slow'));
    assert.equal((await connection.readResponse()).status, 101);
    await connection.expect({ type: 'error', message: 'Unknown message type' });
    await connection.expectFrame(opcodes.pong, 'slow');
  });
});

for (const most of [1_024, 65_536]) {
  describeWithOptions('--max-request-bytes', most)(`--max-request-bytes ${most}`, (server) =>
    itLimitsHeads(server, most),
  );
}
