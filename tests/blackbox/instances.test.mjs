// Several instances behind one hostname: who we are, codes that tell their region, and requests
// that the platform's proxy is asked to replay elsewhere.

import assert from 'node:assert/strict';
import { codeIn, codeOf, regionBits, regions } from './support/base58.mjs';
import { knock } from './support/entrance.mjs';
import { runToEnd } from './support/server.mjs';
import { describeAtOnce, describeWithServer, describeWithSettings } from './support/suite.mjs';
import { describe, it } from './support/testing.mjs';

const range = (count) => Array.from({ length: count }, (_, index) => index);
const afterReplay = { 'fly-replay-src': 'instance=somewhere;region=ams;t=1' };

/** What a server tells of itself in `created`, and in the header of GET /room. */
async function expectIdentity(server, instance, region) {
  const { code, members } = await server.party(['host']);
  const { instance: toldInstance, region: toldRegion } = members[0].entry;
  assert.deepEqual([toldInstance, toldRegion], [instance, region]);
  assert.equal((await server.get(`/room/${code}`)).headers['x-instance-id'], instance);
}

/** Both as an upgrade and as a plain GET, and what both have in common. */
async function expectReplay(server, target, destination) {
  const { connection, ...upgrade } = await knock(server, { target });
  connection.terminate();
  for (const answer of [upgrade, await server.get(target)]) {
    assert.equal(answer.status, 409, target);
    const replay = `${destination};timeout=5s;fallback=force_self`;
    assert.equal(answer.headers['fly-replay'], replay);
    assert.equal(answer.headers['access-control-allow-origin'], '*');
  }
}

/** Both as an upgrade and as a plain GET it is served here. */
async function expectServed(server, target, headers = {}) {
  const { connection, ...upgrade } = await knock(server, { target, headers });
  connection.terminate();
  assert.equal(upgrade.status, 101, target);
  const plain = await server.get(target, { headers });
  assert.equal(plain.status, 200, target);
  for (const answer of [upgrade, plain]) assert.equal(answer.headers['fly-replay'], undefined);
}

async function codesOf(server, count) {
  const hosts = await server.members(count);
  return Promise.all(hosts.map((host) => host.create('host')));
}

describeAtOnce('Who we are', (withServer) => {
  const expectFrom = (settings, instance, region) =>
    withServer(settings, (server) => expectIdentity(server, instance, region));

  it('Nobody, unless it is set', () => expectFrom({}, '', ''));

  it('INSTANCE_ID and REGION say it', () =>
    expectFrom({ environment: { INSTANCE_ID: 'me', REGION: 'fra' } }, 'me', 'fra'));

  it('FLY_MACHINE_ID and FLY_REGION say it as well', () =>
    expectFrom({ environment: { FLY_MACHINE_ID: '148e', FLY_REGION: 'ams' } }, '148e', 'ams'));

  it('INSTANCE_ID and REGION go before the others', () =>
    expectFrom(
      {
        environment: {
          ...{ INSTANCE_ID: 'me', FLY_MACHINE_ID: 'not-me' },
          ...{ REGION: 'fra', FLY_REGION: 'ams' },
        },
      },
      'me',
      'fra',
    ));

  it('One of a pair may come from each', () =>
    expectFrom({ environment: { INSTANCE_ID: 'me', FLY_REGION: 'ams' } }, 'me', 'ams'));

  it('The options go before all', () =>
    expectFrom(
      {
        options: ['--instance-id', 'option', '--region', 'syd'],
        environment: { INSTANCE_ID: 'me', REGION: 'fra', FLY_MACHINE_ID: 'x', FLY_REGION: 'ams' },
      },
      'option',
      'syd',
    ));

  it('A region may be any word, and is told as it was given', () =>
    expectFrom({ environment: { INSTANCE_ID: 'A.b-c_1', REGION: 'My.Region-1_x' } },
      'A.b-c_1', 'My.Region-1_x'));

  it('64 characters are admitted', () =>
    expectFrom(
      { options: ['--instance-id', 'i'.repeat(64), '--region', 'r'.repeat(64)] },
      'i'.repeat(64),
      'r'.repeat(64),
    ));
});

describe('Values of who we are', () => {
  const wrong = ['a b', 'a;b', 'a=b', 'a/b', 'a\nb', 'a\r\nX: b', 'a"b', 'caf\u00e9', 'a,b', ' a',
    'a ', 'x'.repeat(65)];
  async function expectRefusal(options, environment, name) {
    const { status, stdout, stderr } = await runToEnd(options, environment);
    assert.equal(status, 2, stderr);
    assert.equal(stdout, '');
    assert.ok(stderr.includes(name), stderr);
    assert.match(stderr, /^[^\n]+\n$/, 'One line');
  }

  for (const value of wrong) {
    const shown = JSON.stringify(value).slice(0, 20);
    it(`${shown} is refused, by whatever name it comes`, async () => {
      for (const option of ['--instance-id', '--region'])
        await expectRefusal([option, value], {}, option);
      for (const name of ['INSTANCE_ID', 'REGION', 'FLY_MACHINE_ID', 'FLY_REGION'])
        await expectRefusal([], { [name]: value }, name);
    });
  }
});

describeAtOnce('Codes', (withServer) => {
  for (const region of ['ams', 'arn', 'fra', 'ord', 'yyz']) {
    it(`Those of ${region} begin with its five bits, and vary in the others`, () =>
      withServer({ options: ['--region', region] }, async (server) => {
        const codes = await codesOf(server, 60);
        for (const code of codes) assert.equal(regionBits(code), regions.indexOf(region), code);
        assert.equal(new Set(codes).size, 60);
        assert.ok(new Set(codes.map((code) => code[5])).size > 15, `${codes}`);
      }));
  }

  for (const region of ['', 'xyz', 'FRANCE', 'fr', 'fraa']) {
    it(`Those of the region "${region}", which is not known, vary in all`, () =>
      withServer({ environment: { REGION: region } }, async (server) => {
        const codes = await codesOf(server, 60);
        assert.ok(new Set(codes.map(regionBits)).size > 15, `${codes}`);
      }));
  }

  it('Those of protocol 3 begin with the letter of the region, and have one more letter for it', () =>
    withServer({ options: ['--region', 'ord'] }, async (server) => {
      for (let count = 0; count < 3; count++) {
        const host = await server.member({ protocols: 'party-sockets.v3' });
        host.send({ type: 'create', clientId: 'the secret of host', session: 'a session', maxClients: 2 });
        const { room } = await host.next();
        assert.match(room, /^[BCDFGHJKLMNPQRSTVWXZ]{5}$/);
        assert.equal(room[0], 'BCDFGHJKLMNPQRSTVWXZ'[regions.indexOf('ord')]);
      }
    }));

  it('Those of protocol 1 know no regions', () =>
    withServer({ options: ['--region', 'ams'] }, async (server) => {
      const hosts = await server.clients(60);
      const codes = await Promise.all(hosts.map((host) => host.create('host')));
      assert.ok(new Set(codes.map((code) => code[0])).size > 10, `${codes}`);
    }));
});

const here = { environment: { INSTANCE_ID: 'me', REGION: 'fra', FLY_REPLAY: 'true' } };
const [ownCode, otherCode] = [codeIn('fra'), codeIn('syd')];

describeWithSettings(here)('Replaying', (server) => {
  it('`instance` names another machine: it is asked, whatever the code', async () => {
    for (const code of [ownCode, otherCode, codeOf(2 ** 35 - 1), 'ABCD'])
      await expectReplay(server, `/${code}?instance=other-1`, 'instance=other-1');
    const { code } = await server.party(['host']);
    await expectReplay(server, `/${code}?instance=other-1`, 'instance=other-1');
  });

  it('It may stand anywhere in the query, and be escaped', async () => {
    for (const query of [
      'a=1&instance=other',
      'instance=other&a=1',
      'a&instance=other&b',
      'instance=%6fther',
      'instance=othe%72',
    ])
      await expectReplay(server, `/${ownCode}?${query}`, 'instance=other');
  });

  it('64 characters are copied', () =>
    expectReplay(server, `/${ownCode}?instance=${'a'.repeat(64)}`, `instance=${'a'.repeat(64)}`));

  it('`instance` names us: it is served here, whatever the region of the code', async () => {
    for (const code of [ownCode, otherCode, 'ABCD']) {
      await expectServed(server, `/${code}?instance=me`);
      await expectServed(server, `/${code}?a=1&instance=m%65`);
    }
  });

  it('Without `instance` the region of the code is asked', async () => {
    for (const region of regions.filter((one) => one !== 'fra'))
      await expectReplay(server, `/${codeIn(region)}`, `region=${region}`);
    await expectReplay(server, `/${otherCode}?a=1&instances=me&xinstance=me`, 'region=syd');
    await expectReplay(server, `/${otherCode}?`, 'region=syd');
  });

  it('The first letter of a code of protocol 3 tells the region, however the code is typed', async () => {
    const letters = 'BCDFGHJKLMNPQRSTVWXZ';
    for (const [index, region] of regions.entries()) {
      const letter = letters[index];
      for (const path of [`/${letter}BCD`, `/${letter.toLowerCase()}bc-dfg`, `/%20${letter}B%20CD`]) {
        if (region === 'fra') await expectServed(server, path);
        else await expectReplay(server, path, `region=${region}`);
      }
    }
    for (const path of ['/XBCD', '/zzzzzz', '/BCD', '/BCDFGHJKLMNPQ']) await expectServed(server, path);
    await expectReplay(server, '/XBCD?instance=other', 'instance=other');
  });

  it('Codes of our own region, of none, and of protocol 1 are served here', async () => {
    // With 16, none of them has letters of protocol 3 alone.
    const beyondTheList = range(14).map((count) => codeOf((regions.length + count) * 2 ** 30 + 16));
    for (const code of [ownCode, ...beyondTheList, 'ABCD', 'abcd'])
      await expectServed(server, `/${code}`);
    const { code } = await server.party(['host']);
    await expectServed(server, `/${code}`);
  });

  it('Paths that are no codes are served here', async () => {
    const paths = [
      '/', '/ws', '/ABC', '/ABCDE', '/OOOOOO', `/${otherCode}1`, `/x/${otherCode}`,
      `/${otherCode}/x`, '/room', '/index.html', '/ready', '/healthy',
    ];
    for (const path of paths) await expectServed(server, `${path}?instance=other`);
  });

  it("/health of another machine is that one's to answer", async () => {
    for (const method of ['GET', 'HEAD']) {
      const { status, headers } = await server.get('/health?instance=other', { method });
      const replay = 'instance=other;timeout=5s;fallback=force_self';
      assert.deepEqual([status, headers['fly-replay']], [409, replay]);
    }
    for (const target of ['/health', '/health?instance=me', '/health?instance=', '/health?instance=a%0db']) {
      const { status, body } = await server.get(target);
      assert.deepEqual([status, body], [200, '{"status":"ok"}'], target);
    }
    const { status, headers } = await server.get('/health?instance=other&a', { headers: afterReplay });
    assert.deepEqual([status, headers.location], [302, './health?a']);
  });

  it('/metrics and /room/:code are never replayed', async () => {
    const metrics = await server.get('/metrics?instance=other');
    assert.equal(metrics.status, 200);
    assert.match(metrics.headers['content-type'], /^text\/plain; version=0\.0\.4/);
    const { code } = await server.party(['host']);
    const found = await server.get(`/room/${code}?instance=other`);
    assert.equal(found.status, 200);
    for (const headers of [{}, afterReplay])
      assert.equal((await server.get(`/room/${otherCode}`, { headers })).status, 404);
  });

  it('What is replayed is never replayed again: upgrades are served here', async () => {
    for (const target of [`/${ownCode}?instance=other`, `/${otherCode}`, '/ABCD?instance=other']) {
      const { status, headers, connection } = await knock(server, { target, headers: afterReplay });
      assert.equal(status, 101, target);
      assert.equal(headers['fly-replay'], undefined);
      connection.send({ type: 'send' });
      await connection.expect({ type: 'error', message: 'Not in a room' });
    }
  });

  it('Nor are plain GETs: a stale `instance` is sent to the path without it', async () => {
    const { code } = await server.party(['host']);
    const locations = {
      '//evil.example/a?instance=gone': '//evil.example/a', // no host of another's
      '/a:b/c:d?instance=gone': '/a:b/c:d',
      [`/${code}?instance=other`]: `/${code}`,
      [`/${code}?instance=other&a=1`]: `/${code}?a=1`,
      [`/${code}?a=1&instance=other`]: `/${code}?a=1`,
      [`/${code}?a=%20b&instance=other&c&d=%C3%A9`]: `/${code}?a=%20b&c&d=%C3%A9`,
      [`/${otherCode}?instance=other`]: `/${otherCode}`,
      '/ABCD?instance=other': '/ABCD',
      '/?instance=other': '/',
      '/play/?room=ABCDEF&instance=other': '/play/?room=ABCDEF',
      '/metrics?instance=other': '/metrics',
      '/ready?instance=other': '/ready',
    };
    for (const [target, location] of Object.entries(locations)) {
      for (const method of ['GET', 'HEAD']) {
        const { status, headers } = await server.get(target, { method, headers: afterReplay });
        // Relative, since the path may lie below one of a proxy's.
        const base = new URL(`http://relay.example/below${target}`);
        assert.equal(new URL(headers.location, base).href, `http://relay.example/below${location}`);
        assert.equal(status, 302);
        assert.equal(headers['fly-replay'], undefined);
      }
      await expectServed(server, location, afterReplay);
    }
  });

  it('A current `instance` is served after a replay', () =>
    expectServed(server, `/${otherCode}?instance=me`, afterReplay));

  const hostile = {
    'a line break': 'other%0d%0aX-Evil:1',
    'a line feed': 'other%0aX-Evil',
    'a semicolon': 'other;state=evil',
    'an escaped semicolon': 'other%3Bstate=evil',
    'an equals sign': 'other=evil',
    'a space': 'other%20evil',
    'a plus, which is a space': 'other+evil',
    'a comma': 'other,evil',
    'a quote': 'other%22evil',
    'U+0000': 'other%00evil',
    'a letter that is not ASCII': 'other%C3%A9vil',
    'a bad escape': 'other%zzevil',
    'half an escape': 'evil%2',
    '65 characters': `evil${'x'.repeat(61)}`,
    'thousands of characters': `evil${'x'.repeat(5_000)}`,
  };
  for (const [what, instance] of Object.entries(hostile)) {
    it(`An \`instance\` with ${what} is copied to no header, and served here`, async () => {
      const target = `/${ownCode}?instance=${instance}`;
      await expectServed(server, target);
      for (const headers of [{}, afterReplay]) {
        const upgrade = await knock(server, { target, headers });
        upgrade.connection.terminate();
        for (const answer of [upgrade, await server.get(target, { headers })])
          assert.ok(!/evil/i.test(JSON.stringify(answer.headers)), JSON.stringify(answer.headers));
      }
    });
  }
});

describeWithSettings({ environment: { INSTANCE_ID: 'me', REGION: 'fra' } })(
  'Replaying where no proxy would do it',
  (server) => {
    it('Everything is served here', async () => {
      for (const code of [ownCode, otherCode, 'ABCD']) {
        for (const target of [`/${code}`, `/${code}?instance=other`, `/${code}?instance=me`]) {
          await expectServed(server, target);
          await expectServed(server, target, afterReplay);
        }
      }
      assert.equal((await server.get('/health?instance=other')).status, 200);
    });

    it('Who looks for a room of another instance is told at once that there is none', async () => {
      for (const target of [`/${otherCode}?instance=other`, `/${ownCode}?instance=other`]) {
        const guest = await server.member({ target });
        guest.send({ type: 'join', clientId: 'guest', room: target.slice(1, 7) });
        await guest.expectError('Room not found');
      }
    });

    it('Who we are is told all the same', () => expectIdentity(server, 'me', 'fra'));
  },
);

describeWithServer('Replaying where nothing says who we are', (server) => {
  it('Everything is served here', async () => {
    for (const code of [ownCode, otherCode, 'ABCD']) {
      await expectServed(server, `/${code}`);
      await expectServed(server, `/${code}?instance=other`);
      await expectServed(server, `/${code}?instance=other`, afterReplay);
    }
  });
});

describeAtOnce('Replaying where less says who we are', (withServer) => {
  it('An instance without a region routes by instance only', () =>
    withServer({ environment: { INSTANCE_ID: 'me', FLY_REPLAY: 'true' } }, async (server) => {
      await expectReplay(server, `/${ownCode}?instance=other`, 'instance=other');
      await expectServed(server, `/${ownCode}?instance=me`);
      for (const region of regions) await expectServed(server, `/${codeIn(region)}`);
    }));

  it('An instance in a region that is not known routes by instance only', () =>
    withServer({ options: ['--fly-replay'], environment: { INSTANCE_ID: 'me', REGION: 'xyz' } }, async (server) => {
      await expectReplay(server, `/${ownCode}?instance=other`, 'instance=other');
      for (const region of regions) await expectServed(server, `/${codeIn(region)}`);
    }));

  it('A region without an instance routes by region', () =>
    withServer({ options: ['--fly-replay'], environment: { FLY_REGION: 'fra' } }, async (server) => {
      await expectReplay(server, `/${otherCode}`, 'region=syd');
      await expectServed(server, `/${ownCode}`);
    }));

  it('FLY_MACHINE_ID and FLY_REGION route as well', () =>
    withServer({ environment: { FLY_MACHINE_ID: 'me', FLY_REGION: 'ams' } }, async (server) => {
      await expectReplay(server, `/${ownCode}?instance=other`, 'instance=other');
      await expectReplay(server, `/${ownCode}`, 'region=fra');
      await expectServed(server, `/${codeIn('ams')}`);
      await expectServed(server, `/${ownCode}?instance=me`);
    }));

  it('FLY_REPLAY=false goes before FLY_MACHINE_ID', () =>
    withServer(
      { environment: { FLY_MACHINE_ID: 'me', FLY_REGION: 'ams', FLY_REPLAY: 'false' } },
      async (server) => {
        await expectServed(server, `/${ownCode}?instance=other`);
        await expectServed(server, `/${ownCode}`);
      },
    ));
});
