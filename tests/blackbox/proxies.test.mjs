// Clients behind proxies: whose word about a client's address counts, and in which forms. That an
// address was understood shows in the limit of one connection an address: a second one gets 429.

import assert from 'node:assert/strict';
import { eventually, slowness } from './support/deadline.mjs';
import { freshLoopback, knock } from './support/entrance.mjs';
import { request, upgradeRequest } from './support/http.mjs';
import { proxyBinary, proxyExtra, proxyLine, proxyLocal } from './support/proxy.mjs';
import { describeAtOnce, describeWithOptions } from './support/suite.mjs';
import { it } from './support/testing.mjs';

const proxy = '127.0.0.2';
const introducer = '127.0.0.3'; // speaks the PROXY protocol
const addressEvent = 'refused: too many connections of one address';
const headerEvent = 'refused: bad PROXY header';

const range = (count) => Array.from({ length: count }, (_, index) => index);

let clientCount = 0;

/** Addresses of clients that no other test speaks of. */
function freshClient() {
  clientCount++;
  return `203.0.${113 + (clientCount >> 8)}.${clientCount & 255}`;
}

/** The beginning of an IPv6 address, up to its /64. */
function freshNetwork() {
  clientCount++;
  return `2001:db8:77:${clientCount.toString(16)}`;
}

/** A client that comes by a proxy which tells its address in this way. */
const by = {
  line: (client, localAddress = introducer) => ({ localAddress, prefix: proxyLine(client) }),
  binary: (client, localAddress = introducer) => ({ localAddress, prefix: proxyBinary(client) }),
  header: (forwarded, localAddress = proxy) => ({
    localAddress,
    headers: { 'X-Forwarded-For': forwarded },
  }),
};
const direct = (localAddress) => ({ localAddress });

async function expectStatus(server, visitor, status) {
  const answer = await knock(server, visitor);
  assert.equal(answer.status, status, JSON.stringify(visitor));
  return answer.connection;
}

/** The second of the two is the one too many of one address. */
async function expectOneAddress(server, first, second) {
  await expectStatus(server, first, 101);
  await expectStatus(server, second, 429);
}

async function expectTwoAddresses(server, first, second) {
  await expectStatus(server, first, 101);
  await expectStatus(server, second, 101);
}

/** They have no address that counts: any number of them may enter. */
async function expectNoAddress(server, visitor) {
  for (let count = 0; count < 3; count++) await expectStatus(server, visitor, 101);
}

const describeBehindProxies = describeWithOptions(
  ...['--trust-proxy', proxy],
  ...['--trust-proxy', '127.20.0.0/16'],
  ...['--trust-proxy', `proxy:${introducer},proxy:127.23.0.0/16`],
  ...['--trust-proxy', '198.51.100.0/24,2001:db8:99::/48'],
  ...['--max-connections-per-address', 1],
);

describeBehindProxies('X-Forwarded-For', (server) => {
  it('tells the address of the client', async () => {
    const client = freshClient();
    await expectOneAddress(server, by.header(client), by.header(client));
    await expectStatus(server, by.header(freshClient()), 101);
  });

  it('is the same address as that of a client who comes directly', async () => {
    const client = freshLoopback();
    await expectOneAddress(server, by.header(client), direct(client));
  });

  it('is nothing from a peer that is no trusted proxy', async () => {
    const peer = freshLoopback();
    await expectOneAddress(server, by.header(freshClient(), peer), by.header(freshClient(), peer));
  });

  it('takes nothing away from the address that an untrusted peer names', async () => {
    const client = freshClient();
    for (let count = 0; count < 3; count++)
      await expectStatus(server, by.header(client, freshLoopback()), 101);
    await expectStatus(server, by.header(client), 101);
  });

  it('is believed of every proxy of a range', async () => {
    const client = freshClient();
    await expectOneAddress(server, by.header(client), by.header(client, '127.20.255.255'));
  });

  it('is not believed of the address next to a range', async () => {
    const client = freshClient();
    await expectTwoAddresses(server, by.header(client), by.header(client, '127.21.0.0'));
  });

  it('counts the last address: what stands before it may be forged', async () => {
    const client = freshClient();
    const forged = () => by.header(`${freshClient()}, ${freshClient()}, ${client}`);
    await expectOneAddress(server, forged(), forged());
  });

  it('gives nobody another address than the last', async () => {
    const victim = freshClient();
    for (let count = 0; count < 3; count++)
      await expectStatus(server, by.header(`${victim}, ${freshClient()}`), 101);
    await expectStatus(server, by.header(victim), 101);
  });

  it('passes over the trusted proxies at its end', async () => {
    const client = freshClient();
    const chain = `${freshClient()}, ${client}, 127.20.1.2, 198.51.100.7, 2001:db8:99::1`;
    await expectOneAddress(server, by.header(client), by.header(chain));
  });

  it('ends at the first from the right that is not trusted, whatever is before it', async () => {
    const client = freshClient();
    const chain = `${freshClient()}, 198.51.100.7, ${client}, 198.51.100.8`;
    await expectOneAddress(server, by.header(chain), by.header(client));
  });

  it('of trusted addresses only tells the first of them', async () => {
    await expectOneAddress(
      server,
      by.header('198.51.100.20, 198.51.100.7'),
      by.header('198.51.100.20'),
    );
  });

  it('may come in several headers, which are one list', async () => {
    const client = freshClient();
    await expectOneAddress(
      server,
      by.header([freshClient(), `${freshClient()}, ${client}`]),
      by.header([freshClient(), client, '198.51.100.7', '127.20.0.1']),
    );
  });

  it('may come in many headers, and the last counts', async () => {
    const client = freshClient();
    const many = () => [...range(50).map(freshClient), client];
    await expectOneAddress(server, by.header(many()), by.header(many()));
  });

  const forms = {
    'with a port': (client) => `${client}:56324`,
    'with white space around it': (client) => ` \t${client}\t `,
    'with empty elements around it': (client) => `,, ${client} ,,`,
    'as IPv4 within IPv6': (client) => `::ffff:${client}`,
    'as IPv4 within IPv6, in brackets, with a port': (client) => `[::ffff:${client}]:443`,
  };
  for (const [what, write] of Object.entries(forms)) {
    it(`may tell the address ${what}`, async () => {
      const client = freshClient();
      await expectOneAddress(server, by.header(client), by.header(write(client)));
    });
  }

  it('may tell an IPv6 address with and without brackets and port', async () => {
    const client = `${freshNetwork()}::1`;
    await expectStatus(server, by.header(client), 101);
    for (const form of [client, `[${client}]`, `[${client}]:443`, client.toUpperCase()])
      await expectStatus(server, by.header(form), 429);
  });

  const noAddresses = ['unknown', '_hidden', '1.2.3', '1.2.3.4.5', '999.1.1.1', '[::1', '::1::2'];
  for (const word of [...noAddresses, '']) {
    it(`tells no address with \`${word}\` at its end, and makes nobody else's count`, async () => {
      const client = freshClient();
      await expectNoAddress(server, by.header(word ? `${client}, ${word}` : word));
      await expectStatus(server, by.header(client), 101);
    });
  }

  it('may be missing: the connections of a proxy itself are not counted', () =>
    expectNoAddress(server, direct(proxy)));

  it('is not counted for requests that are no upgrades', async () => {
    const client = freshClient();
    for (let count = 0; count < 3; count++) {
      const connection = await server.raw(undefined, { localAddress: proxy });
      connection.write(request('/health', { headers: { 'X-Forwarded-For': client } }));
      assert.equal((await connection.readResponse()).status, 200);
    }
    await expectStatus(server, by.header(client), 101);
  });

  it('is read anew for each request of a connection', async () => {
    const [one, other] = [freshClient(), freshClient()];
    await expectStatus(server, by.header(one), 101);
    const connection = await server.raw(undefined, { localAddress: proxy });
    connection.write(request('/health', { headers: { 'X-Forwarded-For': one } }));
    assert.equal((await connection.readResponse()).status, 200);
    connection.write(upgradeRequest('/', { headers: { 'X-Forwarded-For': other } }));
    assert.equal((await connection.readResponse()).status, 101);
    await expectStatus(server, by.header(other), 429);
  });

  it('above the limit is counted; the place is free again when its client leaves', async () => {
    // Each from an address of its own: none is one too many there.
    const count = async () => (await server.events({ localAddress: freshLoopback() }))[addressEvent];
    const before = (await count()) ?? 0;
    const client = freshClient();
    const inside = await expectStatus(server, by.header(client), 101);
    const outside = await expectStatus(server, by.header(client), 429);
    await outside.expectEnd();
    assert.equal(await count(), before + 1);
    inside.terminate();
    await eventually(async () => {
      const { status, connection } = await knock(server, by.header(client));
      if (status !== 101) connection.terminate();
      return status === 101;
    }, 'A place that is free again');
  });
});

describeBehindProxies('An IPv6 network', (server) => {
  for (const way of ['line', 'binary', 'header']) {
    it(`is one address up to its /64, told by ${way}`, async () => {
      const network = freshNetwork();
      await expectStatus(server, by[way](`${network}::1`), 101);
      for (const rest of [':0:0:0:1', ':ffff:ffff:ffff:ffff', '::2', ':8000::'])
        await expectStatus(server, by[way](`${network}${rest}`), 429);
    });

    it(`is another one beyond its /64, told by ${way}`, async () => {
      const [network, neighbour] = [freshNetwork(), freshNetwork()];
      await expectTwoAddresses(server, by[way](`${network}::1`), by[way](`${neighbour}::1`));
    });
  }

  it('is not what IPv4 addresses are: each of them counts for itself', async () => {
    const [one, other] = [freshClient(), freshClient()];
    await expectTwoAddresses(server, by.header(`::ffff:${one}`), by.header(`::ffff:${other}`));
  });
});

describeBehindProxies('A PROXY header', (server) => {
  for (const way of ['line', 'binary']) {
    it(`tells the address of the client (${way})`, async () => {
      const client = freshClient();
      await expectOneAddress(server, by[way](client), by[way](client));
      await expectStatus(server, by[way](freshClient()), 101);
    });

    it(`is the same address as that of a client who comes directly (${way})`, async () => {
      const client = freshLoopback();
      await expectOneAddress(server, by[way](client), direct(client));
    });

    it(`is believed of every proxy of a range, not of the address next to it (${way})`, async () => {
      const client = freshClient();
      await expectOneAddress(server, by[way](client, '127.23.3.4'), by[way](client));
      const { status } = await knock(server, by[way](freshClient(), '127.24.0.0'));
      assert.equal(status, 400);
    });

    it(`is no request from a peer that is no trusted proxy (${way})`, async () => {
      const peer = freshLoopback();
      const connection = await expectStatus(server, by[way](freshClient(), peer), 400);
      await connection.expectEnd();
    });

    it(`may come byte by byte, the request behind it too (${way})`, async () => {
      const client = freshClient();
      const connection = await server.raw(undefined, { localAddress: introducer });
      await connection.writeByteByByte(by[way](client).prefix, upgradeRequest());
      assert.equal((await connection.readResponse()).status, 101);
      await connection.create('slow');
      await expectStatus(server, by[way](client), 429);
    });

    it(`wins over X-Forwarded-For, which its client may have written (${way})`, async () => {
      const client = freshClient();
      const forged = () => ({ ...by.header(freshClient()), ...by[way](client) });
      await expectOneAddress(server, forged(), forged());
    });

    it(`about a trusted proxy leaves the word to X-Forwarded-For (${way})`, async () => {
      const client = freshClient();
      const chain = () => ({
        ...by.header(`${freshClient()}, ${client}`),
        ...by[way]('198.51.100.7'),
      });
      await expectOneAddress(server, chain(), chain());
      await expectStatus(server, by[way](client), 429);
    });

    it(`holds for the page and for health: each is answered (${way})`, async () => {
      const client = freshClient();
      await expectStatus(server, by[way](client), 101);
      for (const path of ['/health', '/']) {
        const connection = await server.raw(undefined, { localAddress: introducer });
        connection.write(by[way](client).prefix, request(path));
        assert.equal((await connection.readResponse()).status, 200);
      }
    });

    it(`is no request from a trusted proxy that is not said to send it (${way})`, async () => {
      for (const peer of [proxy, '127.20.3.4'])
        await expectStatus(server, by[way](freshClient(), peer), 400);
    });
  }

  const missing = {
    'a request': upgradeRequest(),
    'a request with X-Forwarded-For': upgradeRequest('/', {
      headers: { 'X-Forwarded-For': '203.0.112.7' },
    }),
    'the first bytes of TLS': Buffer.from([0x16, 0x03, 0x01, 0x00, 0x40, 0x01]),
    'one byte that is none of its own': 'G',
  };
  for (const [what, bytes] of Object.entries(missing)) {
    it(`that is missing ends the connection unanswered, and is counted: ${what}`, async () => {
      const { [headerEvent]: before = 0 } = await server.events();
      const connection = await server.raw(undefined, { localAddress: introducer });
      connection.write(bytes);
      await assert.rejects(connection.readResponse(), /^Error: (the end|read ECONNRESET)/);
      assert.equal((await server.events())[headerEvent], before + 1);
    });
  }

  const nobody = {
    'PROXY UNKNOWN': 'PROXY UNKNOWN\r\n',
    'PROXY UNKNOWN with anything behind it': 'PROXY UNKNOWN ffff::1 ffff::1 65535 65535\r\n',
    'a binary LOCAL': proxyLocal(),
    'a binary LOCAL with an address': proxyLocal('203.0.112.1'),
    'a binary header of no family': proxyBinary(undefined),
    'a binary header of a Unix socket': proxyBinary(undefined, {
      transport: 0x31,
      payload: Buffer.alloc(216),
    }),
  };
  for (const [what, prefix] of Object.entries(nobody)) {
    it(`tells of nobody: ${what}`, () =>
      expectNoAddress(server, { localAddress: introducer, prefix }));

    it(`that tells of nobody leaves the word to X-Forwarded-For: ${what}`, async () => {
      const client = freshClient();
      const visitor = { ...by.header(client, introducer), prefix };
      await expectOneAddress(server, visitor, visitor);
    });
  }

  it('LOCAL does not make its address count', async () => {
    const client = freshClient();
    await expectStatus(server, { localAddress: introducer, prefix: proxyLocal(client) }, 101);
    await expectStatus(server, by.binary(client), 101);
  });

  const right = {
    'a line of the greatest ports': (client) =>
      `PROXY TCP4 ${client} 192.0.2.1 65535 65535\r\n`,
    'a line of the smallest ports': (client) => `PROXY TCP4 ${client} 192.0.2.1 0 0\r\n`,
    'a binary header with extra fields': (client) =>
      proxyBinary(client, {
        extras: Buffer.concat([
          proxyExtra(0x02, Buffer.from('game.example')),
          proxyExtra(0x04, Buffer.alloc(300)),
        ]),
      }),
    'a binary header of datagrams': (client) => proxyBinary(client, { transport: 0x12 }),
  };
  for (const [what, write] of Object.entries(right)) {
    it(`is understood: ${what}`, async () => {
      const client = freshClient();
      const visitor = { localAddress: introducer, prefix: write(client) };
      await expectOneAddress(server, visitor, by.line(client));
    });
  }

  it('of the longest line is understood', async () => {
    const network = freshNetwork();
    const longest = network.split(':').map((group) => group.padStart(4, '0')).join(':');
    const [source, destination] = ['fffe', 'ffff'].map((end) => `${longest}:ffff:ffff:ffff:${end}`);
    const prefix = `PROXY TCP6 ${source} ${destination} 65535 65535\r\n`;
    await expectOneAddress(server, { localAddress: introducer, prefix }, by.binary(`${network}::1`));
  });

  const broken = {
    'a line that says nothing': 'PROXY \r\n',
    'a line of another family': 'PROXY TCP5 1.2.3.4 192.0.2.1 1 2\r\n',
    'a line in lower case': 'PROXY tcp4 1.2.3.4 192.0.2.1 1 2\r\n',
    'a line without addresses': 'PROXY TCP4\r\n',
    'a line that lacks a port': 'PROXY TCP4 1.2.3.4 192.0.2.1 1\r\n',
    'a line with a word too many': 'PROXY TCP4 1.2.3.4 192.0.2.1 1 2 3\r\n',
    'a line with two spaces': 'PROXY TCP4  1.2.3.4 192.0.2.1 1 2\r\n',
    'a line with a port too large': 'PROXY TCP4 1.2.3.4 192.0.2.1 65536 2\r\n',
    'a line with a port that is none': 'PROXY TCP4 1.2.3.4 192.0.2.1 -1 2\r\n',
    'a line with an address that is none': 'PROXY TCP4 1.2.3.256 192.0.2.1 1 2\r\n',
    'a line with a wrong destination': 'PROXY TCP4 1.2.3.4 192.0.2 1 2\r\n',
    'a line of TCP4 with IPv6': 'PROXY TCP4 ::1 ::2 1 2\r\n',
    'a line of TCP6 with IPv4': 'PROXY TCP6 1.2.3.4 192.0.2.1 1 2\r\n',
    'a line that ends without CR': 'PROXY TCP4 1.2.3.4 192.0.2.1 1 2\n',
    'a line that ends without LF': 'PROXY TCP4 1.2.3.4 192.0.2.1 1 2\r',
    'a line that is too long': `PROXY UNKNOWN ${'x'.repeat(92)}\r\n`,
    'a line without an end': `PROXY UNKNOWN ${'x'.repeat(200)}`,
    'a binary header of version 1': proxyBinary('1.2.3.4', { version: 1 }),
    'a binary header of version 3': proxyBinary('1.2.3.4', { version: 3 }),
    'a binary header of an unknown command': proxyBinary('1.2.3.4', { command: 2 }),
    'a binary header too short for IPv4': proxyBinary('1.2.3.4', { payload: Buffer.alloc(11) }),
    'a binary header too short for IPv6': proxyBinary('::1', { payload: Buffer.alloc(35) }),
    'a binary header of 64 KiB': proxyBinary('1.2.3.4', { length: 65535 }),
  };
  for (const [what, prefix] of Object.entries(broken)) {
    it(`that is broken ends the connection unanswered, and is counted: ${what}`, async () => {
      const { [headerEvent]: before = 0 } = await server.events();
      const connection = await server.raw(undefined, { localAddress: introducer });
      connection.write(prefix, upgradeRequest());
      await assert.rejects(connection.readResponse(), /^Error: (the end|read ECONNRESET)/);
      assert.equal((await server.events())[headerEvent], before + 1);
    });
  }

  it('is read once: a second one is no request', async () => {
    const client = freshClient();
    const prefix = proxyLine(client) + proxyLine(freshClient());
    await expectStatus(server, { localAddress: introducer, prefix }, 400);
  });

  const bytesReceived = async () => (await server.events())['bytes received'];

  /** Writes these bytes and waits until the server has read them, with nothing behind them. */
  async function writeAlone(connection, bytes) {
    const [first, second] = [await bytesReceived(), await bytesReceived()];
    const bytesOfAsking = second - first;
    connection.write(bytes);
    let expected = second + bytes.length;
    const isRead = async () => (await bytesReceived()) >= (expected += bytesOfAsking);
    await eventually(isRead, 'The bytes in the hands of the server');
  }

  const leavingTheWord = {
    'PROXY UNKNOWN': nobody['PROXY UNKNOWN'],
    'a binary LOCAL': nobody['a binary LOCAL'],
    'one about a trusted proxy': proxyLine('198.51.100.7'),
  };
  for (const [what, header] of Object.entries(leavingTheWord)) {
    it(`is read once, in whatever packets it comes: one behind ${what} is no request`, async () => {
      const victim = freshClient();
      const connection = await server.raw(undefined, { localAddress: introducer });
      await writeAlone(connection, header);
      connection.write(proxyLine(victim), upgradeRequest());
      assert.equal((await connection.readResponse()).status, 400);
      await expectStatus(server, by.line(victim), 101);
    });
  }
});

describeAtOnce('Proxies', (withServer) => {
  const trusting = (...options) => ({
    options: ['--trust-proxy', `${proxy},proxy:${introducer}`, ...options],
  });
  const limit = ['--max-connections-per-address', 1];

  it('None is trusted unless it is named', () =>
    withServer({ options: limit }, async (server) => {
      const peer = freshLoopback();
      const forged = () => by.header(freshClient(), peer);
      await expectOneAddress(server, forged(), forged());
      for (const way of ['line', 'binary'])
        await expectStatus(server, by[way](freshClient(), freshLoopback()), 400);
    }));

  it('A range of which a part introduces: there it must, and elsewhere it must not', () =>
    withServer(
      { options: ['--trust-proxy', '127.40.0.0/16,proxy:127.40.7.0/24', ...limit] },
      async (server) => {
        const client = freshClient();
        await expectOneAddress(server, by.line(client, '127.40.7.1'), by.header(client, '127.40.8.1'));
        await expectStatus(server, by.line(client, '127.40.8.1'), 400);
      },
    ));

  it('TRUST_PROXY is a list with commas', () =>
    withServer(
      { options: limit, environment: { TRUST_PROXY: `${proxy},127.30.0.0/16` } },
      async (server) => {
        const client = freshClient();
        await expectOneAddress(server, by.header(client), by.header(client, '127.30.4.5'));
        await expectStatus(server, by.header(client, '127.31.4.5'), 101);
      },
    ));

  it('--trust-proxy replaces TRUST_PROXY, it does not add to it', () =>
    withServer(
      { ...trusting(...limit), environment: { TRUST_PROXY: '127.30.0.0/16' } },
      async (server) => {
        const client = freshClient();
        await expectOneAddress(server, by.header(client), by.header(client));
        await expectStatus(server, by.header(client, '127.30.4.5'), 101);
      },
    ));

  const ranges = {
    '127.40.0.0/15': { inside: ['127.40.0.0', '127.41.255.255'], outside: ['127.42.0.0'] },
    '127.40.7.9/15': { inside: ['127.40.0.1', '127.41.0.1'], outside: ['127.39.255.255'] },
    '127.40.0.1/32': { inside: ['127.40.0.1'], outside: ['127.40.0.0', '127.40.0.2'] },
    '127.40.0.128/25': { inside: ['127.40.0.128'], outside: ['127.40.0.127'] },
    '0.0.0.0/0': { inside: ['127.40.0.1', '127.99.0.1'], outside: [] },
    '::ffff:127.40.0.0/112': { inside: ['127.40.0.0', '127.40.255.255'], outside: ['127.41.0.0'] },
  };
  for (const [trusted, { inside, outside }] of Object.entries(ranges)) {
    it(`The range ${trusted} means [${inside}] and not [${outside}]`, () =>
      withServer({ options: ['--trust-proxy', `proxy:${trusted}`, ...limit] }, async (server) => {
        const client = `${freshNetwork()}::1`;
        await expectStatus(server, by.line(client, inside[0]), 101);
        for (const peer of inside) await expectStatus(server, by.line(client, peer), 429);
        for (const peer of outside) await expectStatus(server, by.line(client, peer), 400);
      }));
  }

  it('A server that listens on IPv6 as well knows its IPv4 proxies', () =>
    withServer({ ...trusting(...limit), host: null }, async (server) => {
      const client = freshClient();
      await expectOneAddress(server, by.header(client), by.line(client));
    }));

  it('Who is told to be above the limit before anything else is refused as any other', () =>
    withServer(trusting(...limit), async (server) => {
      const client = freshClient();
      await expectStatus(server, by.line(client), 101);
      const waiting = await server.raw(undefined, { localAddress: introducer });
      await waiting.writeByteByByte(proxyLine(client));
      waiting.write(upgradeRequest());
      const { status, headers } = await waiting.readResponse();
      assert.equal(status, 429);
      assert.match(headers['retry-after'], /^[1-9]\d*$/);
    }));

  it('Half a header and then nothing is gone after --request-timeout', () =>
    withServer(trusting('--request-timeout', `${300 * slowness}ms`), async (server) => {
      const halves = [proxyLine('1.2.3.4').slice(0, 20), proxyBinary('1.2.3.4').subarray(0, 20)];
      for (const half of halves) {
        const connection = await server.raw(undefined, { localAddress: introducer });
        connection.write(half);
        await connection.whenGone();
      }
      assert.equal((await server.events())['requests timed out'], 2);
    }));

  it('A header alone and then the end leaves nothing behind', () =>
    withServer(trusting(...limit), async (server) => {
      const client = freshClient();
      for (const bytes of [proxyLine(client), proxyBinary(client), 'PROXY', '\r\n\r\n\0']) {
        const connection = await server.raw(undefined, { localAddress: introducer });
        connection.write(bytes);
        connection.halfClose();
        await connection.whenGone();
      }
      await eventually(async () => {
        const { status, connection } = await knock(server, by.line(client));
        if (status !== 101) connection.terminate();
        return status === 101;
      }, 'A place that is free again');
    }));

  it('Failed joins are counted by the address of the client, not of the proxy', () =>
    withServer(trusting('--max-failed-joins-per-address', 3), async (server) => {
      const notFound = { type: 'error', message: 'Room not found' };
      const guess = { type: 'join', clientId: 'guesser', room: 'ZZZZ' };
      const open = (visitor) => expectStatus(server, visitor, 101);
      const { code } = await server.room(['host']);
      const [guesser, innocent] = [freshClient(), freshClient()];

      for (const way of ['line', 'binary', 'header']) {
        const connection = await open(by[way](guesser));
        connection.send(guess);
        await connection.expect(notFound);
      }
      // All are there before: to open them may take a busy machine as long as the penalty.
      const punished = await open(by.header(guesser));
      const innocents = [];
      for (const way of ['line', 'binary', 'header']) innocents.push(await open(by[way](innocent)));
      const ownGuesses = await open(direct(proxy));
      let isOver = false;
      punished.send({ ...guess, room: code });
      const penalty = punished
        .expectClose(1013, 'too many attempts')
        .then(() => (isOver = true));
      for (const connection of innocents) {
        connection.send(guess);
        await connection.expect(notFound);
      }
      for (let count = 0; count < 10; count++) ownGuesses.send(guess);
      for (let count = 0; count < 10; count++) await ownGuesses.expect(notFound);
      assert.ok(!isOver, 'Answered at once');
      await penalty;
    }));
});
