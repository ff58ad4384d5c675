// GET / and unknown paths: the status page, two lines for scripts, or the way to a dashboard.

import assert from 'node:assert/strict';
import { eventually } from './support/deadline.mjs';
import { runToEnd } from './support/server.mjs';
import { describeAtOnce, describeWithOptions, describeWithServer } from './support/suite.mjs';
import { describe, it } from './support/testing.mjs';

const paths = ['/', '/?a=b', '/index.html', '/a/b', '/abcdef', '/ABCD', '/%zz', '//'];
const scripts = [undefined, '*/*', 'text/plain', 'application/json, */*;q=0.5', 'text/htm'];
const browsers = [
  'text/html',
  'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
  'application/xhtml+xml, text/html;q=0.9',
];
const accepting = (Accept) => ({ headers: { Accept: Accept ?? null } });

function expectPage({ status, headers, body }) {
  assert.equal(status, 200);
  assert.match(headers['content-type'], /^text\/html\b/);
  assert.match(body, /<html/i);
}

function expectText({ status, headers, body }, rooms, clients) {
  assert.deepEqual([status, body], [200, `rooms: ${rooms}\nclients: ${clients}\n`]);
  assert.equal(headers['content-type'], 'text/plain; charset=utf-8');
}

describeWithOptions('--protocol', 2)('The front where protocol 2 is the default', (server) => {
  for (const accept of scripts) {
    it(`Two lines for who accepts ${accept ?? 'whatever there is'}`, async () => {
      for (const path of paths) {
        const answer = await server.get(path, accepting(accept));
        assert.match(answer.body, /^rooms: \d+\nclients: \d+\n$/, path);
        assert.equal(answer.headers['content-type'], 'text/plain; charset=utf-8');
      }
    });
  }

  for (const accept of browsers) {
    it(`The page for who accepts ${accept}`, async () => {
      for (const path of paths) expectPage(await server.get(path, accepting(accept)));
    });
  }

  it('The lines count rooms and clients of both protocols', async () => {
    const nobody = async () => (await server.get('/')).body === 'rooms: 0\nclients: 0\n';
    await eventually(nobody, 'The end of the rooms before');
    const protocols = ['party-sockets.v1'];
    const one = await server.client({ protocols });
    const code = await one.create('host');
    await (await server.client({ protocols })).join('guest', code);
    await server.party(['host', 'zoe', 'adam']);
    const five = async () => (await server.get('/')).body === 'rooms: 2\nclients: 5\n';
    await eventually(five, 'Two rooms and five clients');
    expectText(await server.get('/anything'), 2, 5);
  });

  it('HEAD answers as GET does, without the body', async () => {
    for (const accept of [scripts[0], browsers[0]]) {
      const get = await server.get('/', accepting(accept));
      const head = await server.get('/', { ...accepting(accept), method: 'HEAD' });
      assert.equal(head.body, '');
      assert.equal(head.status, get.status);
      assert.equal(head.headers['content-type'], get.headers['content-type']);
    }
  });

  it('/health is what it is', async () => {
    const { status, body } = await server.get('/health', accepting('text/html'));
    assert.deepEqual([status, body], [200, '{"status":"ok"}']);
  });
});

describeWithServer('The front where protocol 1 is the default', (server) => {
  it('The page, for everybody', async () => {
    for (const accept of [...scripts, ...browsers])
      for (const path of paths) expectPage(await server.get(path, accepting(accept)));
  });
});

describeAtOnce('A dashboard', (withServer) => {
  const url = 'https://dashboard.example/party?from=relay#now';

  async function expectDashboard(server) {
    for (const accept of [...scripts, ...browsers]) {
      for (const path of paths) {
        for (const method of ['GET', 'HEAD']) {
          const options = { ...accepting(accept), method };
          const { status, headers, body } = await server.get(path, options);
          assert.deepEqual([status, headers.location], [302, url], path);
          assert.ok(!/rooms|<html/i.test(body), body);
        }
      }
    }
    for (const path of ['/health', '/ready'])
      assert.equal((await server.get(path)).status, 200, path);
    assert.equal((await server.get('/room/OOOO')).status, 404);
    assert.equal((await server.get('/', { method: 'POST' })).status, 405);
    for (const target of ['/', '/anything']) await (await server.member({ target })).create('host');
  }

  it('DASHBOARD_URL is where everybody is sent who asks for no known path', () =>
    withServer({ environment: { DASHBOARD_URL: url } }, expectDashboard));

  it('It is the same where protocol 2 is the default', () =>
    withServer(
      { options: ['--protocol', 2], environment: { DASHBOARD_URL: url } },
      expectDashboard,
    ));

  it('--dashboard-url wins over DASHBOARD_URL', () =>
    withServer(
      { options: ['--dashboard-url', url], environment: { DASHBOARD_URL: 'https://b.example' } },
      expectDashboard,
    ));
});

describe('--dashboard-url', () => {
  for (const value of ['https://a.example/\r\nX-Evil: 1', 'https://a.example/\n', 'https://a b']) {
    it(`${JSON.stringify(value)} is refused in one line, with status 2`, async () => {
      const { status, stderr } = await runToEnd(['--dashboard-url', value]);
      assert.equal(status, 2, stderr);
      assert.match(stderr, /^[^\n]*--dashboard-url[^\n]*\n$/);
    });
  }
});
