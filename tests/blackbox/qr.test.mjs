// GET /room/:code/qr.svg: a picture that a phone's camera reads as the link to the room. The
// pictures are drawn into a bitmap here, and read with jsQR.

import assert from 'node:assert/strict';
import os from 'node:os';
import jsQR from 'jsqr';
import { selfSigned } from './support/certificates.mjs';
import { privateBudgets } from './support/entrance.mjs';
import { describeAtOnce, describeWithServer, describeWithSettings } from './support/suite.mjs';
import { it } from './support/testing.mjs';

const scale = 4;

/** The bitmap of such a picture: a white square, and dark runs of modules. */
function draw(svg) {
  const [, size] = /^<svg [^>]*viewBox="0 0 (\d+) \1"/.exec(svg);
  const width = size * scale;
  const pixels = new Uint8ClampedArray(width * width * 4).fill(255);
  const [, path] = /<path d="([^"]+)"/.exec(svg);
  for (const [, ...numbers] of path.matchAll(/M(\d+) (\d+)h(\d+)v1h-(\d+)z/g)) {
    const [left, top, length, back] = numbers.map(Number);
    assert.equal(length, back);
    for (let y = top * scale; y < (top + 1) * scale; y++) {
      for (let x = left * scale; x < (left + length) * scale; x++)
        pixels.fill(0, (y * width + x) * 4, (y * width + x) * 4 + 3);
    }
  }
  return { pixels, width };
}

/** What the picture says, to cameras and as its title. */
function read({ status, headers, body }) {
  assert.deepEqual([status, headers['content-type']], [200, 'image/svg+xml'], body);
  const { pixels, width } = draw(body);
  const [, title] = /<title>(.*?)<\/title>/.exec(body);
  return { link: jsQR(pixels, width, width)?.data, title: title.replaceAll('&amp;', '&') };
}

const ownAddresses = Object.values(os.networkInterfaces())
  .flat()
  .filter(({ family, internal }) => family === 'IPv4' && !internal)
  .map(({ address }) => address);

const ask = async (server, code, headers) => read(await server.get(`/room/${code}/qr.svg`, { headers }));
const create = async (server, fields) => {
  const host = await server.member();
  return host.create('host', { maxClients: 4, ...fields });
};

describeWithServer('GET /room/:code/qr.svg', (server) => {
  it('It leads to the game, at the address that the browser used', async () => {
    const code = await create(server);
    for (const host of ['game.example', 'game.example:8080', '192.0.2.7:3000', '[2001:db8::1]:3000']) {
      const link = `http://${host}/play/?room=${code}`;
      assert.deepEqual(await ask(server, code, { Host: host }), { link, title: link });
    }
  });

  it('It has no address that means this machine alone, unless it listens there alone', async () => {
    const code = await create(server);
    const link = `http://localhost:3000/play/?room=${code}`;
    assert.equal((await ask(server, code, { Host: 'localhost:3000' })).link, link);
  });

  it('It is the link that the room has, if it has one', async () => {
    const code = await create(server, { url: 'https://game.example/?a=1&room={room}' });
    const link = `https://game.example/?a=1&room=${code}`;
    assert.deepEqual(await ask(server, code, { Host: 'other.example' }), { link, title: link });
  });

  it('It shows an address, and nothing of how JSON writes that', async () => {
    const url = (room) => `https://game.example/a\\b"c"?d=\\"&room=${room}#"\\\\`;
    const code = await create(server, { url: url('{room}') });
    assert.deepEqual(await ask(server, code), { link: url(code), title: url(code) });
  });

  it('It is 404 for no room, as the room itself is', async () => {
    for (const target of ['/room/zzzzzz/qr.svg', '/room/%zz/qr.svg', '/room//qr.svg', '/room/qr.svg']) {
      const { status, body } = await server.get(target);
      assert.deepEqual([status, body], [404, '{"error":"Room not found"}'], target);
    }
  });

  it('It does not repeat a Host that is none', async () => {
    const code = await create(server);
    const bad = [':3000', ':::', '[::1', '[]:1', 'h:1:2', 'h:99999', '256.1.1.1', `${'x'.repeat(300)}.example`];
    for (const Host of ['<script>', '"', 'a/b', 'a@b', '', ...bad]) {
      const { status, body } = await server.get(`/room/${code}/qr.svg`, { headers: { Host } });
      assert.deepEqual([status, body], [400, 'Bad Request\n'], Host);
    }
  });

  it('It answers HEAD without the picture, which is not drawn to tell its length', async () => {
    const code = await create(server);
    const { status, headers, body } = await server.get(`/room/${code}/qr.svg`, { method: 'HEAD' });
    assert.deepEqual([status, body], [200, '']);
    assert.equal(headers['content-length'], undefined);
    assert.equal(headers['content-type'], 'image/svg+xml');
  });

  it('It believes a proxy that is not trusted nothing', async () => {
    const code = await create(server);
    const headers = { Host: 'a.example', 'X-Forwarded-Host': 'b.example', 'X-Forwarded-Proto': 'https' };
    assert.equal((await ask(server, code, headers)).link, `http://a.example/play/?room=${code}`);
  });
});

describeWithSettings({ host: null })('The address of the machine', (server) => {
  it('takes the place of localhost, which a phone can not follow', async () => {
    const code = await create(server);
    const own = ['localhost', '127.0.0.1', '127.1.2.3', '[::1]', 'LOCALHOST', 'localhost.'];
    const odd = ['play.localhost', '0.0.0.0', '[::]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]'];
    for (const host of [...own, ...odd]) {
      const { link } = await ask(server, code, { Host: `${host}:3000` });
      const [, address] = /^http:\/\/(.*):3000\/play\/\?room=\w{6}$/.exec(link);
      assert.ok(ownAddresses.includes(address), link);
    }
  });
});

describeWithSettings({ host: null })('The link of a room of protocol 3', (server) => {
  const linkOf = async (url, headers = { Host: 'a.example' }) => {
    const host = await server.member({ protocols: 'party-sockets.v3' });
    const session = { session: 'a session', maxClients: 2 };
    host.send({ type: 'create', clientId: 'a clientId of mine', ...session, url });
    const { type, room, message } = await host.next();
    if (type === 'error') return message;
    return (await ask(server, room, headers)).link.replace(room, 'CODE');
  };

  it('may be http in the same network', async () => {
    for (const host of ['192.168.1.2:8000', 'tv.local', '[fd00::2]:80'])
      assert.equal(await linkOf(`http://${host}/?r={room}`), `http://${host}/?r=CODE`);
    assert.equal(await linkOf('http://8.8.8.8/{room}'), 'url must be an https URL');
  });

  it('has the address of the machine in place of localhost, as seen from this one', async () => {
    for (const host of ['localhost', '127.0.0.1', '[::1]', 'a.localhost', 'localhost.']) {
      const link = await linkOf(`http://u@${host}:5173/?at=http://localhost&r={room}#localhost`);
      const [, address] = /^http:\/\/u@(.*):5173\/\?at=http:\/\/localhost&r=CODE#localhost$/.exec(link);
      assert.ok(ownAddresses.includes(address), link);
    }
    const elsewhere = { Host: 'a.example', 'X-Forwarded-For': '127.0.0.1' };
    assert.equal(await linkOf('http://localhost/{room}', elsewhere), 'http://localhost/CODE');
    assert.equal(await linkOf('https://localhost/{room}'), 'https://localhost/CODE');
  });
});

describeAtOnce('Pictures of links', (withServer) => {
  it('lead below the path that a trusted proxy tells, or an option', () =>
    withServer(
      { options: ['--trust-proxy', '127.0.0.1', '--path-prefix', '/own'] },
      async (server) => {
        const code = await create(server);
        const prefixes = {
          '/relay': '/relay', '/a/b/': '/a/b', '/first, /second': '/first',
          '': '/own', '/': '/own', 'relay': '/own', '//evil': '/own', '/"><': '/own',
        };
        for (const [told, prefix] of Object.entries(prefixes)) {
          const { link } = await ask(server, code, { Host: 'a.example', 'X-Forwarded-Prefix': told });
          assert.equal(link, `http://a.example${prefix}/play/?room=${code}`, told);
        }
      },
    ));

  it('lead below no path that somebody tells who is no trusted proxy', () =>
    withServer({}, async (server) => {
      const code = await create(server);
      const { link } = await ask(server, code, { Host: 'a.example', 'X-Forwarded-Prefix': '/relay' });
      assert.equal(link, `http://a.example/play/?room=${code}`);
    }));

  it('nor who comes through a proxy that is not trusted', () =>
    withServer({ host: null }, async (server) => {
      const code = await create(server);
      for (const forwarding of [{ 'X-Forwarded-For': '127.0.0.1' }, { Via: '1.1 inner' }]) {
        const { link } = await ask(server, code, { Host: 'localhost:3000', ...forwarding });
        assert.equal(link, `http://localhost:3000/play/?room=${code}`);
      }
    }));

  it('do not tell who is elsewhere what the machine is called inside', () =>
    withServer({ host: null, options: ['--trust-proxy', '127.0.0.1'] }, async (server) => {
      const code = await create(server);
      for (const [client, isHere] of [['203.0.113.7', false], ['192.168.1.20', false], ['127.0.0.1', true]]) {
        const headers = { Host: 'localhost:3000', 'X-Forwarded-For': client };
        const { link } = await ask(server, code, headers);
        assert.equal(link !== `http://localhost:3000/play/?room=${code}`, isHere, client);
      }
    }));

  it('have the scheme and the host that a trusted proxy tells', () =>
    withServer({ options: ['--trust-proxy', '127.0.0.1'] }, async (server) => {
      const code = await create(server);
      const link = (host) => `https://${host}/play/?room=${code}`;
      const headers = { Host: 'inner', 'X-Forwarded-Proto': 'HTTPS' };
      assert.equal((await ask(server, code, headers)).link, link('inner'));
      headers['X-Forwarded-Proto'] = 'wss'; // of the WebSocket
      assert.equal((await ask(server, code, headers)).link, link('inner'));
      for (const scheme of ['ws', 'http']) {
        const plain = { ...headers, 'X-Forwarded-Proto': scheme };
        assert.equal((await ask(server, code, plain)).link, link('inner').replace('https:', 'http:'));
      }
      headers['X-Forwarded-Host'] = 'game.example, inner.example';
      assert.equal((await ask(server, code, headers)).link, link('game.example'));
    }));

  it('lead to https:// where the server itself speaks TLS', async () => {
    const { secure, options } = await selfSigned('qr');
    await withServer({ secure, options }, async (server) => {
      const code = await create(server);
      const { link } = await ask(server, code, { Host: 'game.example' });
      assert.equal(link, `https://game.example/play/?room=${code}`);
    });
  });

  it('are 404 for a link that no camera would read', () =>
    withServer({ options: ['--instance-id', 'i'.repeat(64)] }, async (server) => {
      const url = (count) => `https://g.example/${'{instance}'.repeat(count)}`;
      const { link } = await ask(server, await create(server, { url: url(7) }));
      assert.equal(link.length, 18 + 7 * 64);
      const code = await create(server, { url: url(8) });
      assert.equal((await server.get(`/room/${code}/qr.svg`)).status, 404);
    }));

  it('are no way to guess codes', () =>
    withServer({ options: ['--max-failed-joins-per-address', 2] }, async (server) => {
      const begin = Date.now();
      const budget = 2 * privateBudgets;
      const ask = async () => (await server.get('/room/zzzzzz/qr.svg')).status;
      let status = await ask();
      let missed = 0;
      for (; status === 404; missed++) {
        const forgotten = (budget * (Date.now() - begin)) / 60_000; // on a slow machine
        assert.ok(missed < budget + forgotten, `${missed} before this, of ${budget} and ${forgotten}`);
        status = await ask();
      }
      assert.deepEqual([status, missed >= budget], [429, true], `${missed} of ${budget}`);
    }));
});
