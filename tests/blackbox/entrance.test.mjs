// Who may enter: origins, and limits on connections, rooms, members, ids and failed joins.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { eventually, slowness } from './support/deadline.mjs';
import { freshLoopback, knock, privateBudgets } from './support/entrance.mjs';
import { json, opcodes } from './support/frames.mjs';
import { request, upgradeRequest } from './support/http.mjs';
import { stopping } from './support/server.mjs';
import { describeAtOnce, describeWithOptions, describeWithServer } from './support/suite.mjs';
import { it } from './support/testing.mjs';

const range = (count) => Array.from({ length: count }, (_, index) => index);
const countOf = (items, wanted) => items.filter((item) => item === wanted).length;

async function expectCount(server, event, count) {
  assert.equal((await server.events())[event] ?? 0, count, event);
}

/** What this connection is answered when it asks for a path without an upgrade. */
async function statusOf(connection, path) {
  connection.write(request(path));
  return (await connection.readResponse()).status;
}

const statusesOf = async (knocks) => (await Promise.all(knocks)).map(({ status }) => status);
const fromOrigin = (server, origin) => knock(server, { headers: { Origin: origin } });

async function expectEntry(server, origin, status) {
  assert.equal((await fromOrigin(server, origin)).status, status, `${origin}`);
}

/** Repeats until somebody gets in: what the server hears of a closed connection takes a moment. */
function eventuallyEnters(server, options) {
  return eventually(async () => {
    const { status, connection } = await knock(server, options);
    if (status !== 101) connection.terminate();
    return status === 101 && connection;
  }, 'A place that is free again');
}

describeWithOptions(
  ...['--allow-origin', 'https://game.example'],
  ...['--allow-origin', 'https://*.party.example'],
  ...['--allow-origin', 'http://localhost:8080,http://[::1]:8080'],
  ...['--allow-origin', 'https://*.ports.example:8443'],
)('A list of origins', (server) => {
  const allowed = [
    'https://game.example',
    'https://GAME.example',
    'HTTPS://game.example',
    'https://www.party.example',
    'https://a.b.party.example',
    'https://WWW.Party.Example',
    'https://xn--bcher-kva.party.example',
    'http://localhost:8080',
    'http://[::1]:8080',
    'https://a.ports.example:8443',
  ];
  for (const origin of allowed)
    it(`${origin} may enter`, () => expectEntry(server, origin, 101));

  const refused = {
    'null, which is no origin that was listed': 'null',
    'one that is not listed': 'https://other.example',
    'the listed host by another scheme': 'http://game.example',
    'the listed host at another port': 'https://game.example:8443',
    'a listed origin with a slash behind it': 'https://game.example/',
    'a listed origin with a path': 'https://game.example/game',
    'a host that goes on behind the listed one': 'https://game.example.evil.example',
    'a host that begins before the listed one': 'https://evilgame.example',
    'a subdomain of a host listed without a pattern': 'https://www.game.example',
    'the listed host as a user name': 'https://game.example@evil.example',
    'the host alone': 'game.example',
    'two origins in one line': 'https://game.example https://evil.example',
    'two origins, the listed one last': 'https://evil.example, https://game.example',
    'the domain of a pattern without a subdomain': 'https://party.example',
    'the domain of a pattern with an empty subdomain': 'https://.party.example',
    'a lookalike of a pattern, without the dot': 'https://evilparty.example',
    'a host that goes on behind the domain': 'https://www.party.example.evil.example',
    'a subdomain by another scheme': 'http://www.party.example',
    'a subdomain at another port': 'https://www.party.example:8443',
    'a path that ends as the pattern does': 'https://evil.example/.party.example',
    'a query that ends as the pattern does': 'https://evil.example?.party.example',
    'a fragment that ends as the pattern does': 'https://evil.example#.party.example',
    'a user name before a subdomain': 'https://evil.example@www.party.example',
    'a backslash before the domain': 'https://evil.example\\.party.example',
    'a star taken literally': 'https://*.party.example',
    'another port than that of the pattern': 'https://a.ports.example',
    'a port that goes on': 'http://localhost:80801',
    'a listed origin without its port': 'http://localhost',
    'another host, whose port ends as the pattern does': 'https://evil.example:443.party.example',
    'an address that goes on as the pattern does': 'https://[::1].party.example',
  };
  for (const [what, origin] of Object.entries(refused))
    it(`${origin} gets 403: ${what}`, () => expectEntry(server, origin, 403));

  it('Two Origin headers do not enter by the better one, whichever comes first', async () => {
    const [listed, other] = ['https://game.example', 'https://other.example'];
    for (const origins of [
      [other, listed],
      [listed, other],
    ])
      assert.notEqual((await fromOrigin(server, origins)).status, 101);
  });

  it('A client without Origin may enter', () => expectEntry(server, null, 101));

  it('A refused connection is closed after its answer, and is counted', async () => {
    const event = 'refused: origin';
    const { [event]: before = 0 } = await server.events();
    const { status, connection } = await fromOrigin(server, 'https://other.example');
    assert.equal(status, 403);
    await connection.expectEnd();
    await expectCount(server, event, before + 1);
    await expectEntry(server, 'https://game.example', 101);
    await expectCount(server, event, before + 1);
  });

  it('Health and the status page are for every origin', async () => {
    for (const path of ['/health', '/ready', '/']) {
      const connection = await server.raw();
      connection.write(request(path, { headers: { Origin: 'https://other.example' } }));
      assert.equal((await connection.readResponse()).status, 200, path);
    }
  });
});

describeWithOptions(
  ...['--allow-origin', 'https://game.example:443,http://game.example:80,https://*.party.example:443'],
  ...['--allow-origin', 'file://', '--allow-origin', 'capacitor://localhost,tauri://localhost'],
  ...['--allow-origin', 'chrome-extension://abcdefghijklmnop'],
)('A list with the ports of schemes, files and apps', (server) => {
  const allowed = [
    'https://game.example',
    'http://game.example',
    'https://www.party.example',
    'file://',
    'capacitor://localhost',
    'tauri://localhost',
    'chrome-extension://abcdefghijklmnop',
  ];
  for (const origin of allowed)
    it(`${origin} may enter`, () => expectEntry(server, origin, 101));

  const refused = [
    'https://game.example:80',
    'http://game.example:443',
    'ionic://localhost',
    'http://localhost',
    'null',
    'file:///home/me/game.html',
    'chrome-extension://other',
  ];
  for (const origin of refused)
    it(`${origin} gets 403`, () => expectEntry(server, origin, 403));
});

describeWithServer('Without a list of origins', (server) => {
  for (const origin of ['https://any.example', 'null', 'http://localhost', null])
    it(`${origin ?? 'a client without Origin'} may enter`, () => expectEntry(server, origin, 101));
});

describeWithOptions('--require-origin')('--require-origin', (server) => {
  it('A client without Origin gets 403, and is counted', async () => {
    const before = (await server.events())['refused: origin'] ?? 0;
    await expectEntry(server, null, 403);
    await expectEntry(server, '', 403);
    await expectCount(server, 'refused: origin', before + 2);
  });

  it('Without a list, a client with any Origin may enter', async () => {
    for (const origin of ['https://any.example', 'null']) await expectEntry(server, origin, 101);
  });
});

describeAtOnce('Options about origins', (withServer) => {
  it('--require-origin and a list: only who has a listed one may enter', () =>
    withServer(
      { options: ['--require-origin', '--allow-origin', 'https://game.example'] },
      async (server) => {
        await expectEntry(server, 'https://game.example', 101);
        await expectEntry(server, 'https://other.example', 403);
        await expectEntry(server, null, 403);
      },
    ));

  it('`null` may enter when it is listed', () =>
    withServer({ options: ['--allow-origin', 'null'] }, async (server) => {
      await expectEntry(server, 'null', 101);
      await expectEntry(server, 'https://null', 403);
    }));

  it('ALLOW_ORIGIN is a list with commas', () =>
    withServer(
      { environment: { ALLOW_ORIGIN: 'https://a.example,https://*.b.example' } },
      async (server) => {
        await expectEntry(server, 'https://a.example', 101);
        await expectEntry(server, 'https://www.b.example', 101);
        await expectEntry(server, 'https://c.example', 403);
        await expectEntry(server, null, 101);
      },
    ));

  it('--allow-origin replaces ALLOW_ORIGIN, it does not add to it', () =>
    withServer(
      {
        options: ['--allow-origin', 'https://b.example', '--allow-origin', 'https://c.example'],
        environment: { ALLOW_ORIGIN: 'https://a.example' },
      },
      async (server) => {
        await expectEntry(server, 'https://a.example', 403);
        await expectEntry(server, 'https://b.example', 101);
        await expectEntry(server, 'https://c.example', 101);
      },
    ));

  for (const [value, status] of Object.entries({ true: 403, 1: 403, false: 101, 0: 101 })) {
    it(`REQUIRE_ORIGIN=${value} means ${status} for a client without Origin`, () =>
      withServer({ environment: { REQUIRE_ORIGIN: value } }, (server) =>
        expectEntry(server, null, status),
      ));
  }

  it('--require-origin=false wins over REQUIRE_ORIGIN=true', () =>
    withServer(
      { options: ['--require-origin=false'], environment: { REQUIRE_ORIGIN: 'true' } },
      (server) => expectEntry(server, null, 101),
    ));
});

describeAtOnce('A limit on connections', (withServer) => {
  const limited = (limit, ...options) => ({ options: ['--max-connections', limit, ...options] });
  const fullEvent = 'refused: too many connections';

  it('An upgrade above it gets 503 with Retry-After, and is counted', () =>
    withServer(limited(4), async (server) => {
      assert.deepEqual(await statusesOf(range(4).map(() => knock(server))), Array(4).fill(101));
      const { status, headers, connection } = await knock(server);
      assert.equal(status, 503);
      assert.match(headers['retry-after'], /^[1-9]\d*$/);
      await connection.expectEnd();
      const { [fullEvent]: count } = await server.events();
      assert.equal(count, 2, 'The upgrade, and the connection that asks');
    }));

  it('Health, readiness and the page are answered above it', () =>
    withServer(limited(1), async (server) => {
      await server.client();
      for (const path of ['/health', '/ready', '/'])
        assert.equal(await statusOf(await server.raw(), path), 200, path);
    }));

  it('A connection above it is closed after one answer', () =>
    withServer(limited(1), async (server) => {
      await server.client();
      const connection = await server.raw();
      assert.equal(await statusOf(connection, '/health'), 200);
      await connection.expectEnd();
    }));

  it('Who is refused disturbs nobody who is in', () =>
    withServer(limited(2), async (server) => {
      const { members } = await server.room(['host', 'zoe']);
      for (let count = 0; count < 5; count++) assert.equal((await knock(server)).status, 503);
      members[0].relay('still here');
      await members[1].expectMessage('host', 'still here');
    }));

  it('It recovers when somebody leaves, however many were refused before', () =>
    withServer(limited(2), async (server) => {
      const [first, second] = await server.clients(2);
      for (let count = 0; count < 5; count++) {
        const { status, connection } = await knock(server);
        assert.equal(status, 503);
        connection.terminate();
      }
      await first.close();
      await eventuallyEnters(server);
      assert.equal((await knock(server)).status, 503);
      await second.terminate();
      await eventuallyEnters(server);
      assert.equal((await knock(server)).status, 503);
    }));

  it('Every way to leave gives the place back', () =>
    withServer(limited(1), async (server) => {
      const ways = [
        (connection) => connection.reset(),
        (connection) => connection.terminate(),
        (connection) => connection.halfClose(),
        (connection) => connection.write('\xff'.repeat(20)),
      ];
      for (const leave of [...ways, ...ways]) {
        const connection = await eventuallyEnters(server);
        leave(connection);
        await connection.whenGone();
      }
      await eventuallyEnters(server);
    }));

  it('It is exact however many come at the same time', () =>
    withServer(limited(10), async (server) => {
      const statuses = await statusesOf(range(40).map(() => knock(server)));
      assert.equal(countOf(statuses, 101), 10);
      assert.equal(countOf(statuses, 503), 30);
    }));

  it('64 above it may wait for their refusal; more are closed at once, with 503 at best', () =>
    withServer(limited(2, '--request-timeout', '5m'), async (server) => {
      const members = (await server.room(['host', 'zoe'])).members;
      const waiting = await Promise.all(range(64).map(() => server.raw()));
      for (let count = 0; count < 10; count++) {
        const surplus = await server.raw();
        assert.match((await surplus.readRest()).toString(), /^(HTTP\/1\.1 503 .*|)$/s);
      }
      assert.equal(await statusOf(waiting[0], '/health'), 200);
      await waiting[0].expectEnd();
      waiting[1].write(upgradeRequest());
      assert.equal((await waiting[1].readResponse()).status, 503);
      waiting[1].terminate();
      await eventually(async () => {
        const probe = await server.raw();
        return statusOf(probe, '/health').catch(() => false);
      }, 'A place to ask for /health');
      members[0].relay('still here');
      await members[1].expectMessage('host', 'still here');
    }));

  it('Those who wait for their refusal without a word are gone after --request-timeout', () =>
    withServer(limited(1, '--request-timeout', `${500 * slowness}ms`), async (server) => {
      await server.client();
      const waiting = await Promise.all(range(5).map(() => server.raw()));
      for (const connection of waiting) await connection.whenGone();
    }));

  it('Those who wait for their refusal take nobody the place that is free again', () =>
    withServer(limited(2, '--request-timeout', '5m'), async (server) => {
      const [first] = await server.clients(2);
      const waiting = await Promise.all(range(5).map(() => server.raw()));
      await first.close();
      await eventuallyEnters(server);
      assert.equal((await knock(server)).status, 503);
      for (const connection of waiting) assert.equal(await statusOf(connection, '/health'), 200);
    }));

  it('MAX_CONNECTIONS is used when the option is not given', () =>
    withServer({ environment: { MAX_CONNECTIONS: '1' } }, async (server) => {
      await server.client();
      assert.equal((await knock(server)).status, 503);
    }));
});

describeAtOnce('A limit on the connections of one address', (withServer) => {
  const limited = (limit, ...options) => ({
    options: ['--max-connections-per-address', limit, ...options],
  });
  const addressEvent = 'refused: too many connections of one address';

  it('There is none unless it is asked for: a party shares one address', () =>
    withServer({}, async (server) => {
      const localAddress = freshLoopback();
      const knocks = range(60).map(() => knock(server, { localAddress }));
      assert.deepEqual(await statusesOf(knocks), Array(60).fill(101));
    }));

  it('An upgrade above it gets 429 with Retry-After, and is counted', () =>
    withServer(limited(2), async (server) => {
      const localAddress = freshLoopback();
      for (const expected of [101, 101, 429, 429]) {
        const { status, headers, connection } = await knock(server, { localAddress });
        assert.equal(status, expected);
        if (status === 101) continue;
        assert.match(headers['retry-after'], /^[1-9]\d*$/);
        await connection.expectEnd();
      }
      await expectCount(server, addressEvent, 2);
    }));

  it('Other addresses are not concerned', () =>
    withServer(limited(1), async (server) => {
      const [one, other] = [freshLoopback(), freshLoopback()];
      for (const [localAddress, expected] of [
        [one, 101],
        [one, 429],
        [other, 101],
        [other, 429],
      ])
        assert.equal((await knock(server, { localAddress })).status, expected);
    }));

  it('IPv4 addresses are told apart by a server that listens on IPv6 as well', () =>
    withServer({ ...limited(1), host: null }, async (server) => {
      for (let count = 0; count < 3; count++) {
        const localAddress = freshLoopback();
        assert.equal((await knock(server, { localAddress })).status, 101);
        assert.equal((await knock(server, { localAddress })).status, 429);
      }
    }));

  it('Health and the page are answered above it', () =>
    withServer(limited(1), async (server) => {
      const localAddress = freshLoopback();
      await knock(server, { localAddress });
      for (const path of ['/health', '/'])
        assert.equal(await statusOf(await server.raw(undefined, { localAddress }), path), 200);
    }));

  it('It recovers when somebody leaves, however many were refused before', () =>
    withServer(limited(2), async (server) => {
      const localAddress = freshLoopback();
      const [first] = await Promise.all(range(2).map(() => knock(server, { localAddress })));
      for (let count = 0; count < 5; count++) {
        const { status, connection } = await knock(server, { localAddress });
        assert.equal(status, 429);
        connection.terminate();
      }
      first.connection.terminate();
      await eventuallyEnters(server, { localAddress });
      assert.equal((await knock(server, { localAddress })).status, 429);
    }));

  it('Those who wait for their refusal take nobody the place that is free again', () =>
    withServer(limited(2, '--request-timeout', '5m'), async (server) => {
      const localAddress = freshLoopback();
      const [first] = await Promise.all(range(2).map(() => server.client({ localAddress })));
      await Promise.all(range(5).map(() => server.raw(undefined, { localAddress })));
      await first.close();
      await eventuallyEnters(server, { localAddress });
      assert.equal((await knock(server, { localAddress })).status, 429);
    }));

  it('It is exact however many come at the same time', () =>
    withServer(limited(5), async (server) => {
      const addresses = range(4).map(freshLoopback);
      const knocks = addresses.map((localAddress) =>
        statusesOf(range(15).map(() => knock(server, { localAddress }))),
      );
      for (const statuses of await Promise.all(knocks)) {
        assert.equal(countOf(statuses, 101), 5);
        assert.equal(countOf(statuses, 429), 10);
      }
    }));

  it('Both limits hold together', () =>
    withServer(limited(2, '--max-connections', 3), async (server) => {
      const [one, other] = [freshLoopback(), freshLoopback()];
      const statuses = [];
      for (const localAddress of [one, one, other, other])
        statuses.push((await knock(server, { localAddress })).status);
      assert.deepEqual(statuses, [101, 101, 101, 503]);
    }));
});

describeAtOnce('A limit on rooms', (withServer, loops) => {
  const limited = (limit) => ({ options: ['--max-rooms', limit] });
  const tryToCreate = async (client, clientId) => {
    client.send({ type: 'create', clientId, maxClients: 10 });
    return client.next();
  };
  const tooMany = { type: 'error', message: 'Too many rooms' };

  it('`Too many rooms` above it, on whatever loop, and the connection goes on', () =>
    withServer(limited(3), async (server) => {
      const hosts = await server.clients(3);
      const codes = [];
      for (const [index, host] of hosts.entries()) codes.push(await host.create(`host-${index}`));
      for (const surplus of await server.clients(2 * loops)) {
        assert.deepEqual(await tryToCreate(surplus, 'late'), tooMany);
        await surplus.expectSilence();
      }
      const guest = await server.client();
      assert.deepEqual(await tryToCreate(guest, 'guest'), tooMany);
      await guest.join('guest', codes[0]);
      await hosts[0].expect({ type: 'peer_joined', clientId: 'guest' });
    }));

  it('It recovers when the last member of a room is gone', () =>
    withServer(limited(1), async (server) => {
      const { code, members } = await server.room(['host', 'zoe']);
      const next = await server.client();
      await members[0].close();
      await members[1].expect({ type: 'peer_left', clientId: 'host' });
      assert.deepEqual(await tryToCreate(next, 'next'), tooMany);
      const again = await server.client();
      await again.join('zoe', code);
      await members[1].expectClosed(4000, 'replaced');
      assert.deepEqual(await tryToCreate(next, 'next'), tooMany);
      await again.close();
      await eventually(
        async () => (await tryToCreate(next, 'next')).type === 'created',
        'A room that is free again',
      );
      const last = await server.client();
      assert.deepEqual(await tryToCreate(last, 'last'), tooMany);
    }));

  it('It is exact however many create at the same time', () =>
    withServer(limited(10), async (server) => {
      const creators = await server.clients(40);
      const answers = await Promise.all(
        creators.map((client, index) => tryToCreate(client, `host-${index}`)),
      );
      assert.equal(answers.filter(({ type }) => type === 'created').length, 10);
      assert.equal(answers.filter(({ message }) => message === tooMany.message).length, 30);
    }));

  it('It is the last error of a create', () =>
    withServer(limited(1), async (server) => {
      const { members } = await server.room(['host']);
      const client = await server.client();
      for (const [message, error] of [
        [{ type: 'create' }, 'clientId is required'],
        [{ type: 'create', clientId: 'a' }, 'maxClients must be a positive number'],
        [{ type: 'create', clientId: 'a', maxClients: 1 }, tooMany.message],
      ]) {
        client.send(message);
        await client.expectError(error);
      }
      members[0].send({ type: 'create', clientId: 'a', maxClients: 1 });
      await members[0].expectError('Already in a room');
    }));
});

describeWithOptions('--max-clients-per-room', 3)('A limit on the members of a room', (server) => {
  for (const maxClients of [3, 4, 100, 1e300]) {
    it(`\`Room is full\` above it, with maxClients ${maxClients} too`, async () => {
      const { code } = await server.room(['host', 'zoe', 'adam'], maxClients);
      const surplus = await server.client();
      surplus.send({ type: 'join', clientId: 'late', room: code });
      await surplus.expectError('Room is full');
    });
  }

  it('A member may come back to a room that is full', async () => {
    const { code, members } = await server.room(['host', 'zoe', 'adam'], 100);
    const again = await server.client();
    assert.deepEqual(await again.join('zoe', code), ['host', 'zoe', 'adam']);
    await members[1].expectClosed(4000, 'replaced');
  });

  it('A lower maxClients still counts', async () => {
    const { code } = await server.room(['host', 'zoe'], 2);
    const surplus = await server.client();
    surplus.send({ type: 'join', clientId: 'late', room: code });
    await surplus.expectError('Room is full');
  });

  it('It is free again when a member leaves', async () => {
    const { code, members } = await server.room(['host', 'zoe', 'adam'], 100);
    await members[2].close();
    await members[0].expect({ type: 'peer_left', clientId: 'adam' });
    const next = await server.client();
    assert.deepEqual(await next.join('next', code), ['host', 'zoe', 'next']);
  });

  it('It is exact however many join at the same time', async () => {
    const { code } = await server.room(['host'], 100);
    const guests = await server.clients(20);
    guests.forEach((guest, index) =>
      guest.send({ type: 'join', clientId: `guest-${index}`, room: code }),
    );
    const answers = await Promise.all(guests.map((guest) => guest.next()));
    assert.equal(answers.filter(({ type }) => type === 'joined').length, 2);
    assert.equal(answers.filter(({ message }) => message === 'Room is full').length, 18);
  });
});

const idOptions = ['--max-client-id-bytes', 8];
describeWithOptions(...idOptions)('A limit on the length of a clientId', (server) => {
  const longest = { 'eight letters': 'abcdefgh', 'four of two bytes': 'éééé', 'two emoji': '🎲🎉' };
  for (const [what, clientId] of Object.entries(longest)) {
    it(`${what} are not too long`, async () => {
      const { code } = await server.room([clientId]);
      const guest = await server.client();
      await guest.join(`${clientId.slice(0, -2)}`, code);
    });
  }

  const tooLong = {
    'nine letters': 'abcdefghi',
    'five of two bytes': 'ééééé',
    'three emoji': '🎲🎉🎲',
  };
  for (const [what, clientId] of Object.entries(tooLong)) {
    it(`\`clientId is too long\`: ${what}, to create and to join`, async () => {
      const { code } = await server.room(['host']);
      const client = await server.client();
      client.send({ type: 'create', clientId, maxClients: 1 });
      await client.expectError('clientId is too long');
      client.send({ type: 'join', clientId, room: code });
      await client.expectError('clientId is too long');
      await client.join('ok', code);
    });
  }

  it('Escapes are counted as what they mean', async () => {
    const { code, members } = await server.room(['host']);
    const guest = await server.client();
    const escaped = [...'abcdefgh'].map((c) => `\\u00${c.charCodeAt(0).toString(16)}`).join('');
    guest.sendText(`{"type":"join","clientId":"${escaped}","room":"${code}"}`);
    await guest.expect({ type: 'joined', room: code, clients: ['host', 'abcdefgh'] });
    await members[0].expect({ type: 'peer_joined', clientId: 'abcdefgh' });
  });

  it('It comes after `clientId is required`, before what is wrong with other fields', async () => {
    const client = await server.client();
    for (const [message, error] of [
      [{ type: 'join', clientId: '' }, 'clientId is required'],
      [{ type: 'join', clientId: 'abcdefghi' }, 'clientId is too long'],
      [{ type: 'create', clientId: 'abcdefghi', maxClients: 0 }, 'clientId is too long'],
    ]) {
      client.send(message);
      await client.expectError(error);
    }
  });

  it('`to` may be longer: it names nobody', async () => {
    const { members } = await server.room(['host']);
    members[0].relay('hello', 'abcdefghi');
    await members[0].expectError('Target client not found');
  });
});

describeAtOnce('Guessing codes', (withServer) => {
  const penaltyMilliseconds = 3_000;
  const notFound = { type: 'error', message: 'Room not found' };
  const penaltyEvent = 'closed for failed joins';
  const alphabet = 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789';
  const limited = (perConnection, perAddress) => ({
    options: [
      ...['--max-failed-joins', perConnection],
      ...['--max-failed-joins-per-address', perAddress],
    ],
  });

  /** Codes of rooms on every loop, none of which exists unless a code was just drawn by chance. */
  const codes = (count) =>
    range(count).map((number) => `ZZ${alphabet[number % 7]}${alphabet[number % 32]}`);
  const guess = (room) => ({ type: 'join', clientId: 'guesser', room });

  /** All at once: a budget that is spent slowly has come back in part, a tenth of it in six seconds. */
  async function expectAnsweredGuesses(client, count) {
    for (const code of codes(count)) client.send(guess(code));
    await client.expect(...range(count).map(() => notFound));
  }

  /** A guess beyond the budget: its answer comes late, and is the last. */
  async function expectPenalty(client, code = 'ZZZZ') {
    const begin = Date.now();
    client.send(guess(code));
    await client.expect(notFound);
    const elapsed = Date.now() - begin;
    assert.ok(elapsed >= penaltyMilliseconds - 150, `The answer came after ${elapsed} ms`);
    await client.expectClosed(1008, 'too many failed joins');
    assert.ok(Date.now() - begin < 5_000 * slowness);
  }

  /** All guesses that an address of this machine has when the limit is 1. */
  const spendBudget = (client) => expectAnsweredGuesses(client, privateBudgets);

  /** A join beyond the budget of its address: late, and without a word of the room. */
  async function expectTurnedAway(client, room = 'ZZZZ', clientId = 'guesser') {
    const begin = Date.now();
    client.send({ type: 'join', clientId, room });
    await client.expectClosed(1013, 'too many attempts');
    const elapsed = Date.now() - begin;
    assert.ok(elapsed >= penaltyMilliseconds - 150, `The answer came after ${elapsed} ms`);
    assert.ok(elapsed < 5_000 * slowness);
  }

  /**
   * Does `work` while a join is being turned away, and proves that it was done before its end. Its connections are
   * there before: to open them may take a busy machine as long as the penalty.
   */
  async function duringPenalty(client, work) {
    let isOver = false;
    const penalty = expectTurnedAway(client).finally(() => (isOver = true));
    try {
      await work();
      assert.ok(!isOver, 'Answered at once');
    } finally {
      await penalty;
    }
  }

  it('One connection: within the budget answered at once, beyond it late, then closed', () =>
    withServer(limited(5, 0), async (server) => {
      const client = await server.client();
      await expectAnsweredGuesses(client, 5);
      await expectCount(server, penaltyEvent, 0);
      await expectPenalty(client);
      await expectCount(server, penaltyEvent, 1);
    }));

  it('Joins to rooms of other loops count, and so do codes that no room can have', () =>
    withServer(limited(6, 0), async (server) => {
      const client = await server.client();
      await expectAnsweredGuesses(client, 3);
      for (const code of ['0000', 'nonsense', 'zzzz']) {
        client.send(guess(code));
        await client.expect(notFound);
      }
      await expectPenalty(client);
    }));

  it('A valid join within the budget is answered at once, and its game goes on as any other', () =>
    withServer(limited(5, 0), async (server) => {
      const { code, members } = await server.room(['host']);
      const client = await server.client();
      await expectAnsweredGuesses(client, 5);
      await client.join('player', code);
      await members[0].expect({ type: 'peer_joined', clientId: 'player' });
      for (let count = 0; count < 20; count++) {
        client.send(guess('ZZZZ'));
        await client.expectError('Already in a room');
      }
      for (const data of range(20)) client.relay(data);
      for (const data of range(20)) await members[0].expectMessage('player', data);
      await client.expectSilence();
      await expectCount(server, penaltyEvent, 0);
    }));

  it('Other errors of a join are no guesses', () =>
    withServer(limited(2, 2), async (server) => {
      const { code } = await server.room(['host'], 1);
      const client = await server.client();
      for (let count = 0; count < 10; count++) {
        client.send(guess(code));
        await client.expectError('Room is full');
        client.send({ type: 'join', clientId: 'guesser' });
        await client.expectError('room is required');
      }
      await expectAnsweredGuesses(client, 2);
    }));

  it('Who resets when its late answer is due takes nobody along', () =>
    withServer(limited(1, 0), async (server) => {
      const { members } = await server.room(['host', 'guest']);
      const guessers = await Promise.all(range(400).map(() => server.rawWebSocket()));
      for (const socket of guessers) socket.write(...codes(2).map((code) => json(guess(code))));
      await pause(penaltyMilliseconds - 10);
      // Many at once, while the answers of all become due one after the other.
      for (const part of range(10)) {
        guessers.filter((_, number) => number % 10 === part).forEach((socket) => socket.reset());
        await pause(5);
      }
      members[0].relay('still here');
      await members[1].expectMessage('host', 'still here');
    }));

  it('What is sent behind a guess too many is not answered', () =>
    withServer(limited(1, 0), async (server) => {
      const { code, members } = await server.room(['host']);
      const socket = await server.rawWebSocket();
      socket.write(
        ...codes(3).map((one) => json(guess(one))),
        json(guess(code)),
        json({ type: 'create', clientId: 'a', maxClients: 1 }),
      );
      await socket.expect(notFound, notFound);
      await socket.expectClose(1008, 'too many failed joins');
      await members[0].expectSilence();
    }));

  it('One address: the budget is for all its connections together', () =>
    withServer(limited(0, 1), async (server) => {
      const localAddress = freshLoopback();
      const open = () => server.client({ localAddress });
      const clients = await Promise.all(range(5).map(open));
      const others = await Promise.all(range(2).map(open));
      for (const [index, client] of clients.entries()) {
        await expectAnsweredGuesses(client, 2);
        if (index % 2) void client.close();
      }
      await Promise.all(others.map((other) => expectTurnedAway(other)));
      await expectCount(server, penaltyEvent, 2);
    }));

  it('Who left and comes back from the same address has no new budget', () =>
    withServer(limited(0, 1), async (server) => {
      const localAddress = freshLoopback();
      const client = await server.client({ localAddress });
      const begin = Date.now();
      await spendBudget(client);
      await client.close();
      const back = await server.client({ localAddress });
      // On a busy machine some are forgotten by then, one in six seconds.
      for (let told = 0; ; told++) {
        back.send(guess('ZZZZ'));
        const isTold = await back.next().then(() => true, () => false);
        if (!isTold) break;
        assert.ok(told < (Date.now() - begin) / 6_000, `${told} were told before this`);
      }
      await back.expectClosed(1013, 'too many attempts');
    }));

  it('Beyond it no join is told anything of a room that is there, full or of another protocol', () =>
    withServer(limited(0, 1), async (server) => {
      const localAddress = freshLoopback();
      const one = await server.room(['host']);
      const full = await server.room(['host'], 1);
      const two = await server.party(['host']);
      const codes = [one.code, full.code, two.code, 'ZZZZ', 'no code'];
      const guessers = await Promise.all(codes.map(() => server.client({ localAddress })));
      const members = await Promise.all(codes.map(() => server.member({ localAddress })));
      await spendBudget(await server.client({ localAddress }));
      await Promise.all(
        codes.flatMap((code, index) => [
          expectTurnedAway(guessers[index], code),
          expectTurnedAway(members[index], code),
        ]),
      );
      await Promise.all([one, full, two].map(({ members: [host] }) => host.expectSilence()));
    }));

  it('Who is known to the room comes back at once, whatever its address has done', () =>
    withServer(limited(0, 1), async (server) => {
      const localAddress = freshLoopback();
      const one = await server.room(['host', 'guest']);
      const two = await server.party(['host', 'here', 'gone']);
      await two.members[2].close();
      await two.members[0].expect({ type: 'peer_left', index: 2 });
      const [guesser, guest] = await Promise.all(range(2).map(() => server.client({ localAddress })));
      const [here, gone] = await Promise.all(range(2).map(() => server.member({ localAddress })));
      await spendBudget(guesser);
      await duringPenalty(guesser, async () => {
        await guest.join('guest', one.code);
        await here.join('here', two.code);
        assert.equal((await gone.join('gone', two.code)).index, 2);
      });
      await two.members[1].expectClosed(4000, 'replaced');
    }));

  it('A create is answered at once, whatever its address has done', () =>
    withServer(limited(0, 1), async (server) => {
      const localAddress = freshLoopback();
      const [guesser, host] = await Promise.all(range(2).map(() => server.client({ localAddress })));
      await spendBudget(guesser);
      await duringPenalty(guesser, () => host.create('host'));
    }));

  it('Other addresses keep their own budget', () =>
    withServer(limited(0, 1), async (server) => {
      const [guesser, other] = await Promise.all(range(2).map(() => server.client({ localAddress: freshLoopback() })));
      await spendBudget(guesser);
      await duringPenalty(guesser, () => spendBudget(other));
    }));

  it('64 of an address wait for their end, those above have it at once', () =>
    withServer(limited(0, 1), async (server) => {
      const localAddress = freshLoopback();
      const clients = await Promise.all(range(100).map(() => server.client({ localAddress })));
      await spendBudget(await server.client({ localAddress }));
      const begin = Date.now();
      const elapsed = await Promise.all(
        clients.map(async (client) => {
          client.send(guess('ZZZZ'));
          await client.expectClosed(1013, 'too many attempts');
          return Date.now() - begin;
        }),
      );
      const late = elapsed.filter((milliseconds) => milliseconds >= penaltyMilliseconds - 150);
      assert.equal(late.length, 64);
    }));

  it('Both budgets count the same guesses, and the smaller one rules', () =>
    withServer(limited(3, 1), async (server) => {
      const localAddress = freshLoopback();
      const [first, second, third] = await Promise.all(
        range(3).map(() => server.client({ localAddress })),
      );
      for (const client of [first, second, third]) await expectAnsweredGuesses(client, 3);
      // The second one is turned away while the first one waits: a miss is forgotten after six seconds.
      const penalty = expectPenalty(first);
      const isCounted = async () => (await server.events())['closed for failed joins'] === 1;
      const turnedAway = eventually(isCounted, 'The guess').then(() => expectTurnedAway(second));
      await Promise.all([penalty, turnedAway]);
    }));

  it('By default 30 guesses of one connection are answered at once', () =>
    withServer({}, async (server) => {
      const client = await server.client();
      await expectAnsweredGuesses(client, 30);
      await expectPenalty(client);
    }));

  /** Guesses from connections that stay within their own limit; how many of them are told. */
  async function countTold(server, forwarded) {
    const headers = { 'X-Forwarded-For': forwarded };
    for (let told = 0; ; told += 30) {
      const socket = await server.rawWebSocket({ headers });
      socket.write(...codes(30).map((code) => json(guess(code))));
      for (let here = 0; here < 30; here++) {
        const { opcode, payload } = await socket.readFrame();
        if (opcode === opcodes.close) return told + here;
        assert.deepEqual(JSON.parse(payload), notFound);
      }
    }
  }

  for (const [forwarded, budget] of [
    ['203.0.113.1', 300],
    ['2001:db8::1', 300],
    ['192.168.1.1', 3_000],
  ])
    it(`By default ${budget} guesses of ${forwarded} are told a minute`, () =>
      withServer({ options: ['--trust-proxy', '127.0.0.1'] }, async (server) => {
        const begin = Date.now();
        const told = await countTold(server, forwarded);
        const forgotten = (budget * (Date.now() - begin)) / 60_000;
        assert.ok(told >= budget && told <= budget + forgotten + 1, `${told}, ${forgotten}`);
      }));

  it('0 means that any number is answered at once', () =>
    withServer(limited(0, 0), async (server) => {
      const client = await server.client();
      await expectAnsweredGuesses(client, 400);
      await client.expectSilence();
    }));

  it('Who does not wait for the late answer harms nobody', () =>
    withServer(limited(1, 0), async (server) => {
      const { members } = await server.room(['host', 'zoe']);
      const leave = [
        (socket) => socket.reset(),
        (socket) => socket.terminate(),
        (socket) => socket.halfClose(),
      ];
      const sockets = await Promise.all(leave.map(() => server.rawWebSocket()));
      for (const [index, socket] of sockets.entries()) {
        socket.write(json(guess('ZZZA')), json(guess('ZZZB')));
        await socket.expect(notFound);
        leave[index](socket);
        await eventually(() => index < 2 || socket.socket.writableFinished, 'The half-close');
      }
      members[0].relay('still here');
      await members[1].expectMessage('host', 'still here');
      await sockets[2].expect(notFound);
      await sockets[2].expectClose(1008, 'too many failed joins');
    }));

  it('A server that stops does not wait for the late answer: it closes at once', () =>
    withServer(limited(1, 0), async (server) => {
      const client = await server.client();
      const messageCount = async () => (await server.events())['messages received'];
      await expectAnsweredGuesses(client, 1);
      const before = await messageCount();
      client.send(guess(codes(1)[0]));
      await eventually(
        async () => (await messageCount()) > before,
        'The second guess in the hands of the server',
      );
      server.signal('SIGTERM');
      // Who waits for it is told, and closed with 1008.
      await assert.rejects(client.next(), { message: `The connection closed with ${stopping.code} ${stopping.reason}` });
      await server.ended();
    }));
});
