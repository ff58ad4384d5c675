// Files that are part of the program: content, type, validators, policy, and who may have them.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { deadlineMilliseconds } from './support/deadline.mjs';
import { json } from './support/frames.mjs';
import { request, upgradeRequest } from './support/http.mjs';
import { describeAtOnce, describeWithServer } from './support/suite.mjs';
import { it } from './support/testing.mjs';

/** Files by their paths: as they are in the tree, and their types. */
const files = {
  '/': ['web/status.html', 'text/html; charset=utf-8'],
  '/party-lobby.js': ['client/party-lobby.js', 'text/javascript; charset=utf-8'],
  '/party-lobby.d.ts': ['client/party-lobby.d.ts', 'text/plain; charset=utf-8'],
  '/party-sockets.js': ['client/party-sockets.js', 'text/javascript; charset=utf-8'],
  '/party-sockets.d.ts': ['client/party-sockets.d.ts', 'text/plain; charset=utf-8'],
  '/play/': ['web/play/index.html', 'text/html; charset=utf-8'],
};
const paths = Object.keys(files);
/** Those that are what they are whatever the options say. */
const knownPaths = paths.filter((path) => path !== '/');
const read = (file) => readFile(new URL(`../../${file}`, import.meta.url), 'utf8');

/** How a policy names the only such element of a page. */
function hashOf(page, element) {
  const found = [...page.matchAll(new RegExp(`<${element}(?: type="module")?>(.*?)</${element}>`, 'gs'))];
  assert.equal(found.length, 1);
  return `'sha256-${createHash('sha256').update(found[0][1]).digest('base64')}'`;
}

function directives(policy) {
  const pairs = policy.split('; ').map((text) => text.split(/ (.*)/s, 2));
  return Object.fromEntries(pairs);
}

/** The library is for pages of any origin, the pages are for themselves. */
const readableBy = (path) => (path.startsWith('/party-') ? '*' : undefined);

describeWithServer('Files of ours', (server) => {
  const asking = (tags) => ({ headers: { 'If-None-Match': tags } });
  const tagOf = async (path) => (await server.get(path)).headers.etag;

  for (const [path, [file, type]] of Object.entries(files)) {
    it(`${path} is ${file}`, async () => {
      const { status, headers, body } = await server.get(path);
      assert.equal(status, 200);
      assert.equal(body, await read(file));
      assert.equal(headers['content-type'], type);
      assert.equal(headers['cache-control'], 'no-cache');
      assert.equal(headers['access-control-allow-origin'], readableBy(path));
      assert.equal(headers['x-content-type-options'], 'nosniff');
      assert.match(headers.etag, /^"[\x21\x23-\x7e]+"$/, 'A strong tag');
    });
  }

  it('Code or a package that is not there is 404, and not a page', async () => {
    const files = ['/party-socket.js', '/assets/a.mjs', '/play/game.d.ts', '/party-sockets.js.map', '/a.css?x=/', '/a.tgz'];
    for (const path of files)
      for (const method of ['GET', 'HEAD']) assert.equal((await server.get(path, { method })).status, 404, path);
    for (const path of ['/js', '/a.js/', '/a.jsx', '/?a=b.js']) assert.equal((await server.get(path)).status, 200, path);
  });

  it('A query changes nothing', async () => {
    for (const path of paths) {
      const { body } = await server.get(`${path}?v=1&instance=other`);
      assert.equal(body, await read(files[path][0]));
    }
  });

  it('Each has a tag of its own', async () => {
    const tags = await Promise.all(paths.map(tagOf));
    assert.equal(new Set(tags).size, paths.length);
  });

  it('HEAD answers as GET does, without the body', async () => {
    for (const path of paths) {
      const { headers: got } = await server.get(path);
      const { status, headers, body } = await server.get(path, { method: 'HEAD' });
      assert.deepEqual([status, body], [200, '']);
      assert.deepEqual({ ...headers, date: '' }, { ...got, date: '' });
    }
  });

  it('Who has it already gets 304, and nothing with it', async () => {
    for (const path of paths) {
      const tag = await tagOf(path);
      for (const tags of [tag, `W/${tag}`, `"x,y" , ${tag}`, `, ,W/"z",${tag},"a"`, '*']) {
        for (const method of ['GET', 'HEAD']) {
          const { status, headers, body } = await server.get(path, { ...asking(tags), method });
          assert.deepEqual([status, body], [304, ''], tags);
          assert.equal(headers.etag, tag);
          assert.equal(headers['cache-control'], 'no-cache');
          assert.equal(headers['access-control-allow-origin'], readableBy(path));
          assert.equal(headers['content-length'], undefined);
          assert.ok(headers.date && headers['content-security-policy']);
        }
      }
    }
  });

  it('Who has something else gets it', async () => {
    const path = paths[0];
    const tag = await tagOf(path);
    for (const tags of ['"x"', tag.slice(1, -1), tag.slice(0, -1), `"x" ${tag.slice(1)}`, 'W/', ''])
      assert.equal((await server.get(path, asking(tags))).status, 200, tags);
  });

  it('The answer to the next request follows a 304', async () => {
    const tag = await tagOf('/play/');
    const connection = await server.raw();
    connection.write(request('/play/', asking(tag)), request('/play/'), request('/health'));
    assert.equal((await connection.readResponse()).status, 304);
    assert.equal((await connection.readResponse()).status, 200);
    assert.equal((await connection.readResponse()).body, '{"status":"ok"}');
  });

  it('The policy lets a page load our files, speak to us, and nothing else', async () => {
    for (const path of paths) {
      const { headers, body } = await server.get(path, { headers: { Host: 'relay.example:3000' } });
      assert.deepEqual(directives(headers['content-security-policy']), {
        'default-src': "'none'",
        'script-src': path === '/' ? hashOf(body, 'script') : "'self'",
        'style-src': path === '/' ? hashOf(body, 'style') : "'self'",
        'img-src': "'self' data:",
        'connect-src': "'self' ws://relay.example:3000 wss://relay.example:3000",
        'base-uri': "'none'",
        'form-action': "'none'",
        'frame-ancestors': "'none'",
      });
    }
  });

  it('A host that is none is not named in it', async () => {
    for (const host of ["a; script-src 'unsafe-inline'", 'a,b', '*', '', 'a/b', 'x'.repeat(300)]) {
      const { status, headers } = await server.get('/play/', { headers: { Host: host } });
      // What has a space in it is no host at all.
      assert.equal(status, host.includes(' ') ? 400 : 200, host);
      if (status === 200)
        assert.equal(directives(headers['content-security-policy'])['connect-src'], "'self'");
    }
  });

  it('IPv6 addresses are named', async () => {
    const { headers } = await server.get('/play/', { headers: { Host: '[::1]:3000' } });
    assert.match(headers['content-security-policy'], / ws:\/\/\[::1\]:3000 wss:\/\/\[::1\]:3000;/);
  });

  it('/play leads to /play/, with what it was given', async () => {
    const places = {
      '/play': 'play/',
      '/play?': 'play/?',
      '/play?code=ABCD&x=%2F?': 'play/?code=ABCD&x=%2F?',
      'http://elsewhere.example/play?a': 'play/?a',
    };
    for (const [target, location] of Object.entries(places)) {
      for (const method of ['GET', 'HEAD']) {
        const { status, headers } = await server.get(target, { method });
        assert.deepEqual([status, headers.location], [302, location]);
      }
    }
  });

  it('The longest query that a request may have is kept', async () => {
    const rest = ' HTTP/1.0\r\n\r\n';
    const target = `/play?${'x'.repeat(16_384 - 'GET /play?'.length - rest.length)}`;
    const connection = await server.raw();
    connection.write(`GET ${target}${rest}`);
    const { headers } = await connection.readResponse();
    assert.equal(headers.location, target.replace('/play', 'play/'));
  });

  it('Other methods get 405', async () => {
    for (const path of [...paths, '/play', '/stats'])
      assert.equal((await server.get(path, { method: 'POST' })).status, 405);
  });

  it('An upgrade at such a path is an upgrade', async () => {
    for (const target of [...paths, '/play', '/metrics', '/ready'])
      await (await server.client({ target })).create('host');
  });

  it('A connection that has files to get may move to the loop of a room', async () => {
    const codes = [...'ABCDEFGH'].map((letter) => `ZZZ${letter}`); // of all loops in turn
    for (const room of codes) {
      const connection = await server.raw();
      const requests = [request('/play/').repeat(20), request('/party-sockets.js').repeat(20)];
      const join = json({ type: 'join', clientId: 'guest', room });
      connection.write(...requests, upgradeRequest(), join); // of one turn, before it is flushed
      for (let answers = 0; answers < 40; answers++)
        assert.equal((await connection.readResponse()).status, 200);
      assert.equal((await connection.readResponse()).status, 101);
      await connection.expect({ type: 'error', message: 'Room not found' });
    }
  });

  it('Who asks again and again and never reads is not read any more', async () => {
    const connection = await server.raw();
    connection.socket.pause();
    const end = Date.now() + deadlineMilliseconds;
    const requests = request('/play/').repeat(1_000);
    let asked = 0;
    while (connection.socket.write(requests) || connection.socket.writableLength < 8_000_000) {
      asked += 1_000;
      assert.ok(Date.now() < end && asked < 1_000_000, `${asked} requests were read`);
      await nextTurn();
    }
    assert.ok((await server.events())['bytes buffered now'] < 1_000_000);
  });
});

describeAtOnce('Files of ours, on a server with options', (withServer) => {
  it('--dashboard-url sends nobody away from them', () =>
    withServer({ options: ['--dashboard-url', 'https://dashboard.example/'] }, async (server) => {
      for (const path of knownPaths)
        assert.equal((await server.get(path)).body, await read(files[path][0]));
      assert.equal((await server.get('/play?a')).headers.location, 'play/?a');
      assert.equal((await server.get('/play/none')).headers.location, 'https://dashboard.example/');
    }));

  it('Where protocol 2 is the default, the page at / is for who accepts HTML', () =>
    withServer({ options: ['--protocol', 2] }, async (server) => {
      const { body, headers } = await server.get('/', { headers: { Accept: 'text/html' } });
      assert.equal(body, await read('web/status.html'));
      const known = { 'If-None-Match': headers.etag };
      const again = (more) => server.get('/', { headers: { ...known, ...more } });
      assert.equal((await again({ Accept: 'text/html' })).status, 304);
      assert.equal((await again()).body, 'rooms: 0\nclients: 0\n');
      for (const path of knownPaths)
        assert.equal((await server.get(path)).body, await read(files[path][0]));
    }));

  it('A path of ours is no code, of whatever instance', () =>
    withServer({ options: ['--instance-id', 'here', '--fly-replay'] }, async (server) => {
      for (const path of ['/play', ...paths]) {
        const { status } = await server.get(`${path}?instance=other`);
        assert.equal(status, path === '/play' ? 302 : 200);
      }
      // But a room may be called so, and its members are sent to it.
      const connection = await server.raw();
      connection.write(upgradeRequest('/play?instance=other'));
      const { status, headers } = await connection.readResponse();
      assert.equal(status, 409);
      assert.match(headers['fly-replay'], /^instance=other;/);
    }));
});
