// GET /room/:code: whether there is such a room, for rooms of both protocols.

import assert from 'node:assert/strict';
import { eventually, slowness } from './support/deadline.mjs';
import { freshLoopback, privateBudgets } from './support/entrance.mjs';
import { request, upgradeRequest } from './support/http.mjs';
import { peerLeft } from './support/member.mjs';
import { describeAtOnce, describeWithServer, describeWithSettings } from './support/suite.mjs';
import { it } from './support/testing.mjs';

const range = (count) => Array.from({ length: count }, (_, index) => index);
const notFoundBody = '{"error":"Room not found"}';
const manyEnoughForAnyLoop = 16;

const found = ({ clients, maxClients, origin = 'unknown', url }) =>
  JSON.stringify({ clients, maxClients, origin, url });

/** Asks from connections that come to any loop, and expects this body of all. */
async function expectFound(server, code, room) {
  const answers = range(manyEnoughForAnyLoop).map(() => server.get(`/room/${code}`));
  for (const { status, body } of await Promise.all(answers))
    assert.deepEqual({ status, body }, { status: 200, body: found(room) });
}

async function expectNotFound(server, target) {
  const { status, headers, body } = await server.get(target);
  assert.deepEqual({ status, body }, { status: 404, body: notFoundBody }, target);
  assert.match(headers['content-type'], /^application\/json\b/);
  assert.equal(headers['access-control-allow-origin'], '*');
}

const percentEncoded = (text) =>
  [...text].map((letter) => `%${letter.charCodeAt(0).toString(16)}`).join('');

describeWithServer('GET /room/:code', (server) => {
  const origin = 'https://game.example';

  it('It tells of a room of protocol 2, from whichever loop answers', async () => {
    const host = await server.member({ origin });
    const code = await host.create('host', { maxClients: 4, url: 'https://game.example/{room}' });
    const url = `https://game.example/${code}`;
    await expectFound(server, code, { clients: 1, maxClients: 4, origin, url });
    const guest = await server.member({ origin: 'https://other.example' });
    await guest.join('guest', code);
    await expectFound(server, code, { clients: 2, maxClients: 4, origin, url });
  });

  it('It tells of a room of protocol 1, whose code may be typed in any case', async () => {
    const host = await server.client({ origin });
    const code = await host.create('host', 4);
    const room = { clients: 1, maxClients: 4, origin };
    await expectFound(server, code, room);
    await expectFound(server, code.toLowerCase(), room);
    await expectFound(server, code.slice(0, 2).toLowerCase() + code.slice(2), room);
  });

  it('The fields have their order, and only they are there', async () => {
    const host = await server.member({ origin });
    const code = await host.create('host', { maxClients: 2, url: 'https://a.example/' });
    const expected =
      '{"clients":1,"maxClients":2,"origin":"https://game.example","url":"https://a.example/"}';
    assert.equal((await server.get(`/room/${code}`)).body, expected);
  });

  it('The origin is `unknown` where the creator sent none, whatever joiners send', async () => {
    const { code } = await server.party(['host'], { maxClients: 3 });
    await (await server.member({ origin })).join('guest', code);
    await expectFound(server, code, { clients: 2, maxClients: 3 });
  });

  it('It counts the connected only', async () => {
    const { code, members } = await server.party(['host', 'zoe', 'adam'], { maxClients: 9 });
    await members[1].close();
    for (const member of [members[0], members[2]]) await member.expect(peerLeft(1));
    await expectFound(server, code, { clients: 2, maxClients: 9 });
    await members[0].close();
    await members[2].expect(peerLeft(0));
    await expectFound(server, code, { clients: 1, maxClients: 9 });
    await (await server.member()).join('zoe', code);
    await expectFound(server, code, { clients: 2, maxClients: 9 });
  });

  it('A room that is gone is not found, from any loop', async () => {
    const { code, members } = await server.party(['host', 'zoe']);
    const one = await server.room(['host']);
    members[0].closeRoom();
    await members[1].whenClosed();
    for (let count = 0; count < manyEnoughForAnyLoop; count++)
      await expectNotFound(server, `/room/${code}`);
    await one.members[0].close();
    const isGone = async () => (await server.get(`/room/${one.code}`)).status === 404;
    await eventually(isGone, 'The end of the room');
  });

  it('It is for pages of any origin, never HTML, and names the instance, here none', async () => {
    const { code } = await server.party(['host']);
    for (const target of [`/room/${code}`, '/room/OOOOOO']) {
      const { headers } = await server.get(target, { headers: { Accept: 'text/html' } });
      assert.match(headers['content-type'], /^application\/json\b/);
      assert.equal(headers['access-control-allow-origin'], '*');
      assert.equal(headers['x-instance-id'], '');
    }
  });

  it('HEAD answers as GET does, without the body', async () => {
    const { code } = await server.party(['host']);
    for (const target of [`/room/${code}`, '/room/OOOOOO']) {
      const get = await server.get(target);
      const head = await server.get(target, { method: 'HEAD' });
      const { date, ...headers } = get.headers;
      const { date: headDate, ...headHeaders } = head.headers;
      assert.equal(typeof date, typeof headDate);
      assert.deepEqual([head.status, headHeaders], [get.status, headers]);
      assert.equal(head.body, '');
    }
  });

  it('Other methods get 405', async () => {
    const { code } = await server.party(['host']);
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS'])
      assert.equal((await server.get(`/room/${code}`, { method })).status, 405);
  });

  it('Many requests on one connection are answered in order', async () => {
    const rooms = await Promise.all(range(8).map(() => server.party(['host'], { maxClients: 7 })));
    const connection = await server.raw();
    const targets = range(40).map((number) =>
      number % 3 ? `/room/${rooms[number % 8].code}` : '/room/OOOO',
    );
    connection.write(...targets.map((target) => request(target)), upgradeRequest());
    for (const target of targets) {
      const { status, body } = await connection.readResponse();
      const expected = found({ clients: 1, maxClients: 7 });
      if (target === '/room/OOOO') assert.deepEqual([status, body], [404, notFoundBody]);
      else assert.deepEqual([status, body], [200, expected]);
    }
    assert.equal((await connection.readResponse()).status, 101);
    connection.send({ type: 'send' });
    await connection.expect({ type: 'error', message: 'Not in a room' });
  });

  it('Asking and leaving before the answer disturbs nobody', async () => {
    const { code, members } = await server.party(['host']);
    for (let count = 0; count < 50; count++) {
      const connection = await server.raw();
      connection.write(request(`/room/${code}`), request(`/room/${code}`));
      if (count % 2) connection.reset();
      else connection.terminate();
    }
    await expectFound(server, code, { clients: 1, maxClients: 100 });
    await members[0].expectSilence();
  });

  it('Percent-escapes are decoded, a query is ignored', async () => {
    const two = await server.party(['host'], { maxClients: 5 });
    const one = await server.room(['host'], 5);
    const room = { clients: 1, maxClients: 5 };
    for (const { code } of [one, two]) {
      await expectFound(server, percentEncoded(code), room);
      await expectFound(server, code.slice(0, 2) + percentEncoded(code.slice(2)), room);
      await expectFound(server, `${code}?`, room);
      await expectFound(server, `${code}?instance=other&x=%zz`, room);
    }
    await expectFound(server, percentEncoded(one.code.toLowerCase()).toUpperCase(), room);
  });

  it('What no code is, bad percent-escapes too, is not found', async () => {
    const { code } = await server.party(['host']);
    const wrong = [
      '%', '%zz', '%ff', '%00', '%2', '%c3%28', '%ed%a0%80', '%f0%9f%98%80', '%2f', '%25',
      `${code}%`, `${code}%0`, `${code}%00`, `%00${code}`, `${code}%20`, `${code}%0a`, `${code}1`,
      `${code.slice(0, 5)}`, `${code.slice(0, 5)}%`, `${code.slice(0, 5)}%zz`, `${code}%2f`,
      'OOOO', 'OOOOOO', 'zzzzzy', '1', '..', '__proto__', 'constructor', 'x'.repeat(5_000),
      '%41'.repeat(2_000), '{"a":1}', "'--", '<script>',
    ];
    for (const text of wrong) await expectNotFound(server, `/room/${text}`);
  });

  it('A path below it upgrades as any other', async () => {
    const { code, members } = await server.party(['host']);
    for (const target of [`/room/${code}`, '/room/OOOOOO', '/room/%zz', '/metrics']) {
      const guest = await server.member({ target });
      await guest.join(`guest by ${target}`, code);
    }
    await members[0].take(4);
  });

  const hostileOrigins = [
    'null',
    'https://<script>alert(1)</script>',
    'https://"quoted"\\u0022\\',
    'https://a","clients":99,"x":"',
    'https://caf\u00e9.example',
    `https://${'a'.repeat(200)}.example`,
  ];
  for (const hostile of hostileOrigins) {
    it(`The origin ${hostile.slice(0, 40)} stays one string`, async () => {
      const host = await server.rawWebSocket({ headers: { Origin: hostile } });
      const code = await host.create('host', 4);
      const { body } = await server.get(`/room/${code}`);
      assert.equal(body, JSON.stringify({ clients: 1, maxClients: 4, origin: hostile }));
    });
  }

  it('An origin that is not UTF-8 makes no text that is not', async () => {
    const host = await server.raw();
    host.write('GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n');
    host.write('Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n');
    host.write('Origin: https://a', [0xff, 0xc3, 0x41, 0xed, 0xa0, 0x80], '\r\n\r\n');
    assert.equal((await host.readResponse()).status, 101);
    const code = await host.create('host');
    const connection = await server.raw();
    connection.write(request(`/room/${code}`, { headers: { Connection: 'close' } }));
    const text = new TextDecoder('utf-8', { fatal: true }).decode(await connection.readRest());
    const { clients, origin: told } = JSON.parse(text.split('\r\n\r\n')[1]);
    assert.deepEqual([clients, typeof told], [1, 'string']);
  });
});

describeWithSettings({ environment: { INSTANCE_ID: 'm-1_a.b' } })(
  'GET /room/:code of an instance',
  (server) => {
    it('It names the instance, found or not', async () => {
      const { code } = await server.party(['host']);
      for (const target of [`/room/${code}`, '/room/OOOOOO', '/room/%']) {
        for (const method of ['GET', 'HEAD']) {
          const { headers } = await server.get(target, { method });
          assert.equal(headers['x-instance-id'], 'm-1_a.b');
        }
      }
    });
  },
);

describeAtOnce('Guessing codes by GET /room', (withServer) => {
  const penaltyMilliseconds = 3_000;
  const limited = (perAddress) => ({
    options: ['--max-failed-joins-per-address', perAddress],
  });

  /** A look-up beyond the budget: its answer comes late, and is the last. */
  async function expectPenalty(server, localAddress, options = {}) {
    const { method = 'GET', target = '/room/ZZZZ' } = options;
    const { connection = await server.raw(undefined, { localAddress }) } = options;
    const begin = Date.now();
    connection.write(request(target, { method }));
    const { status } = await connection.readResponse({ method });
    const elapsed = Date.now() - begin;
    assert.equal(status, 429);
    assert.ok(elapsed >= penaltyMilliseconds - 150, `The answer came after ${elapsed} ms`);
    assert.ok(elapsed < penaltyMilliseconds + 2_000 * slowness, `It came after ${elapsed} ms`);
    await connection.expectEnd();
  }

  /** All that an address of this machine has when the limit is 1, or another number of misses. */
  async function expectMisses(server, localAddress, count = privateBudgets) {
    await expectMissesOn(await server.raw(undefined, { localAddress }), count);
  }

  /** All at once: a budget that is spent slowly has come back in part, a tenth of it in six seconds. */
  async function expectMissesOn(connection, count = privateBudgets) {
    connection.write(...range(count).map((number) => request(`/room/ZZZ${'ABCDEFGH'[number % 8]}`)));
    for (const _ of range(count)) assert.equal((await connection.readResponse()).status, 404);
  }

  it('Beyond the budget of the address the answer is 429, late, and the last', () =>
    withServer(limited(1), async (server) => {
      const localAddress = freshLoopback();
      await expectMisses(server, localAddress);
      await expectPenalty(server, localAddress);
    }));

  it('Bad percent-escapes, HEAD and codes that can not be count as well', () =>
    withServer(limited(1), async (server) => {
      const localAddress = freshLoopback();
      await expectMisses(server, localAddress, privateBudgets - 3);
      assert.equal((await server.get('/room/%zz', { localAddress })).status, 404);
      assert.equal((await server.get('/room/Z', { localAddress })).status, 404);
      const head = await server.get('/room/ZZZZ', { localAddress, method: 'HEAD' });
      assert.equal(head.status, 404);
      await Promise.all([
        expectPenalty(server, localAddress, { method: 'HEAD' }),
        expectPenalty(server, localAddress, { target: '/room/%' }),
      ]);
    }));

  it('Joins and look-ups share the budget', () =>
    withServer(limited(1), async (server) => {
      const localAddress = freshLoopback();
      const guesser = await server.member({ localAddress });
      await expectMisses(server, localAddress, privateBudgets - 2);
      for (const room of ['OOOOOO', 'ZZZZ']) {
        guesser.send({ type: 'join', clientId: 'guesser', room });
        await guesser.expectError('Room not found');
      }
      const begin = Date.now();
      guesser.send({ type: 'join', clientId: 'guesser', room: 'OOOOOO' });
      await Promise.all([
        expectPenalty(server, localAddress),
        guesser.expectClosed(1013, 'too many attempts'),
      ]);
      assert.ok(Date.now() - begin >= penaltyMilliseconds - 150);
    }));

  it('Beyond it rooms that exist are not told either, but to others, and other pages are', () =>
    withServer(limited(1), async (server) => {
      const { code } = await server.party(['host'], { maxClients: 3 });
      const localAddress = freshLoopback();
      const open = (localAddress) => server.raw(undefined, { localAddress });
      const targets = ['/room/ZZZZ', `/room/${code}`, `/room/${code}/qr.svg`];
      // All are there before: to open them may take a busy machine as long as the penalty.
      const punished = await Promise.all(targets.map(() => open(localAddress)));
      const [visitor, guesser, other] = await Promise.all([freshLoopback(), freshLoopback(), localAddress].map(open));
      await expectMisses(server, localAddress);
      let isOver = false;
      const penalties = Promise.all(
        targets.map((target, index) => expectPenalty(server, localAddress, { target, connection: punished[index] })),
      ).finally(() => (isOver = true));
      visitor.write(request(`/room/${code}`));
      const { status, body } = await visitor.readResponse();
      assert.deepEqual([status, body], [200, found({ clients: 1, maxClients: 3 })]);
      await expectMissesOn(guesser);
      other.write(request('/health'));
      assert.equal((await other.readResponse()).status, 200);
      assert.ok(!isOver, 'Answered at once');
      await penalties;
    }));

  it('64 of an address wait for their 429, those above have it at once', () =>
    withServer(limited(1), async (server) => {
      const localAddress = freshLoopback();
      const connections = await Promise.all(range(100).map(() => server.raw(undefined, { localAddress })));
      await expectMisses(server, localAddress);
      const ask = async (connection) => {
        const begin = Date.now();
        connection.write(request('/room/ZZZZ'));
        const { status } = await connection.readResponse();
        assert.equal(status, 429);
        await connection.expectEnd();
        return Date.now() - begin;
      };
      const elapsed = await Promise.all(connections.map(ask));
      const late = elapsed.filter((milliseconds) => milliseconds >= penaltyMilliseconds - 150);
      assert.equal(late.length, 64);
    }));

  it('Asking for rooms that exist spends none of the budget', () =>
    withServer(limited(1), async (server) => {
      const { code } = await server.party(['host']);
      const localAddress = freshLoopback();
      for (let count = 0; count < 20; count++)
        assert.equal((await server.get(`/room/${code}`, { localAddress })).status, 200);
      await expectMisses(server, localAddress);
    }));

  it('They are counted however many connections the address has', () => {
    const options = ['--max-failed-joins-per-address', 1, '--max-connections-per-address', 2];
    return withServer({ options }, async (server) => {
      const localAddress = freshLoopback();
      await Promise.all([server.client({ localAddress }), server.client({ localAddress })]);
      const ask = () => server.get('/room/ZZZZ', { localAddress });
      for (const { status } of await Promise.all(range(privateBudgets).map(ask))) assert.equal(status, 404);
      await expectPenalty(server, localAddress);
    });
  });

  it('Behind a proxy they are counted where they come from, and nowhere else', () => {
    const options = [
      ...['--max-failed-joins-per-address', 3, '--max-connections-per-address', 1],
      ...['--trust-proxy', '127.0.0.1'],
    ];
    return withServer({ options }, async (server) => {
      const connection = await server.raw();
      const ask = async (forwarded, code = 'ZZZZ') => {
        const headers = { 'X-Forwarded-For': forwarded };
        connection.write(request(`/room/${code}`, { headers }));
        return (await connection.readResponse()).status;
      };
      // More than a connection of its own may have, each from somebody else.
      for (let number = 1; number < 60; number++) assert.equal(await ask(`192.0.2.${number}`), 404);
      // Asking holds no connection of the address.
      const headers = { 'X-Forwarded-For': '192.0.2.1' };
      const host = await server.member({ headers });
      await host.create('host');
      for (let count = 1; count < 3; count++) assert.equal(await ask('192.0.2.1'), 404);
      assert.equal(await ask('192.0.2.1'), 429);
      await connection.expectEnd();
    });
  });

  it('Without a limit nobody is made to wait', () =>
    withServer(limited(0), async (server) => {
      const localAddress = freshLoopback();
      for (let round = 0; round < 50; round++) await expectMisses(server, localAddress, 8);
    }));
});
