// Protocol 2: `url` at create, the template for the page that a controller should load.

import assert from 'node:assert/strict';
import { describeWithServer, describeWithSettings } from './support/suite.mjs';
import { it } from './support/testing.mjs';

const invalid = 'url is not a valid URL';
const notHttps = 'url must be an https URL';

const unknown = (name) => `Unknown url placeholder: {${name}}`;

async function expectRefusal(client, url, error) {
  client.send({ type: 'create', clientId: 'host', maxClients: 4, url });
  assert.deepEqual(await client.next(), { type: 'error', message: error }, JSON.stringify(url));
}

/** Creates a room by this template, and returns what everybody is told of its page. */
async function toldUrl(server, url) {
  const host = await server.member();
  const code = await host.create('host', { url });
  const guest = await server.member();
  await guest.join('guest', code);
  const { body } = await server.get(`/room/${code}`);
  const told = [host.entry.url, guest.entry.url, JSON.parse(body).url];
  assert.equal(new Set(told).size, 1, told.join(' '));
  return { code, url: told[0] };
}

/** What Node's own parser finds wrong with it. */
function faultOf(text) {
  try {
    return new URL(text).protocol === 'https:' ? undefined : notHttps;
  } catch {
    return invalid;
  }
}

describeWithServer('The errors of a url, in their order', (server) => {
  const long = (url) => url + 'x'.repeat(513);

  const refused = [
    ['url must be a string', [null, true, 0, 1, [], ['https://a.example'], {}]],
    ['url too large', [long('https://a.example/'), long(' '), long('{foo}'), long('{'), long('')]],
    [
      'url must not contain spaces or control characters',
      [
        ' ', 'https://a.example/ ', ' https://a.example', 'https://a.example/a b', 'a b',
        'https://a.example/\t', 'https://a.example/\n', 'https://a.example/\0', '\r',
        'https://a.example/\x1f', 'https://a.example/\x7f', 'https://a .example/{foo}', 'x y{',
      ],
    ],
    [unknown('foo'), ['https://a.example/{foo}', '{foo}', 'http://{foo}', '}{foo}', '{foo}{']],
    [unknown('foo'), ['https://a.example/{room}/{foo}/{bar}', 'https://{instance}{foo}']],
    [unknown('ROOM'), ['https://a.example/{ROOM}']],
    [unknown('rooms'), ['https://a.example/{rooms}']],
    [
      'url has an unmatched placeholder brace',
      [
        '{', '}', 'https://a.example/{room', 'https://a.example/room}', 'https://a.example/{room}}',
        'https://a.example/{room}{', 'http://}', 'https://a.example/}room{',
      ],
    ],
    [invalid, ['', 'a', 'https', 'https://', '{room}', '/{room}', 'a.example/{room}']],
    [notHttps, ['http://a.example/', 'http://a.example/{room}', 'mailto:{room}', 'wss://a']],
  ];
  for (const [error, urls] of refused) {
    it(`\`${error}\` for ${JSON.stringify(urls).slice(0, 60)}...`, async () => {
      const client = await server.member();
      for (const url of urls) await expectRefusal(client, url, error);
    });
  }

  it('They come after those of the other fields', async () => {
    const client = await server.member();
    for (const url of [1, long(''), ' ', '{foo}', '{', '', 'http://a.example']) {
      client.send({ type: 'create', clientId: 'host', maxClients: 0, url });
      await client.expectError('maxClients must be a positive number');
      client.send({ type: 'create', maxClients: 1, url });
      await client.expectError('clientId is required');
    }
  });

  it('After them the connection may create a room', async () => {
    const client = await server.member();
    await expectRefusal(client, '{', 'url has an unmatched placeholder brace');
    const url = 'https://a.example/';
    await client.create('host', { url });
    assert.equal(client.entry.url, url);
  });

  it('512 bytes of UTF-8 are admitted, 513 are not', async () => {
    const base = 'https://a.example/';
    const ofBytes = (bytes, letter) => {
      const rest = bytes - base.length;
      const letterBytes = Buffer.byteLength(letter);
      return base + letter.repeat(rest / letterBytes) + 'x'.repeat(rest % letterBytes);
    };
    const client = await server.member();
    for (const letter of ['x', '\u00e9', '\u4e16', '\u{1f600}']) {
      await expectRefusal(client, ofBytes(513, letter), 'url too large');
      const url = ofBytes(512, letter);
      assert.equal((await toldUrl(server, url)).url, url);
    }
  });

  it('The bytes are those of the template, escapes decoded, before it is filled', async () => {
    const base = 'https://a.example/{room}{room}';
    const url = base + 'x'.repeat(512 - base.length);
    const { code, url: told } = await toldUrl(server, url);
    assert.equal(told, url.replaceAll('{room}', code));
    const host = await server.member();
    const escaped = '\\u0078'.repeat(512 - base.length);
    host.sendText(`{"type":"create","clientId":"h","maxClients":1,"url":"${base}${escaped}"}`);
    const created = await host.next();
    assert.equal(created.url, url.replaceAll('{room}', created.room));
  });
});

function itFillsTemplates(server, instance) {
  const templates = [
    'https://a.example/{room}',
    'https://a.example/play?room={room}&on={instance}#{room}',
    'https://{room}.a.example/',
    'https://a.example/{room}{room}{instance}{instance}',
    'https://{room}@a.example/{instance}',
    'https://a.example/%7Broom%7D/{room}',
  ];
  for (const template of templates) {
    it(`${template} is filled, and told in created, joined and /room`, async () => {
      const { code, url } = await toldUrl(server, template);
      const filled = template.replaceAll('{room}', code).replaceAll('{instance}', instance);
      assert.equal(url, filled);
    });
  }

  const verbatim = [
    'https://a.example',
    'HTTPS://A.Example:443/../x',
    'https://a.example/"quoted"\\and<b>',
    'https://a.example/caf\u00e9?\u{1f600}#\u4e16',
    'https://a.example/%zz%',
  ];
  for (const url of verbatim) {
    it(`${url} is told as it was given`, async () => {
      assert.equal((await toldUrl(server, url)).url, url);
    });
  }
}

describeWithServer('A template without an instance', (server) => {
  itFillsTemplates(server, '');

  it('Every joiner is told, whoever comes back or replaces', async () => {
    const template = 'https://a.example/{room}';
    const { code, members } = await server.party(['host', 'zoe'], { url: template });
    const url = `https://a.example/${code}`;
    const back = await server.member();
    await back.join('zoe', code);
    await members[1].whenClosed();
    const again = await server.member();
    again.send({ type: 'join', clientId: 'host', room: code });
    const expected = `{"type":"joined","room":"${code}","index":0,"peers":[1],"url":"${url}"}`;
    assert.equal(await again.nextText(), expected);
    for (const member of [...members, back]) assert.equal(member.entry.url, url);
  });

  it('`created` has the url as its last field', async () => {
    const host = await server.member();
    host.send({ type: 'create', clientId: 'host', maxClients: 4, url: 'https://a.example/{room}' });
    const text = await host.nextText();
    const { room } = JSON.parse(text);
    const url = `https://a.example/${room}`;
    const fields = `"room":"${room}","instance":"","region":"","index":0,"url":"${url}"`;
    assert.equal(text, `{"type":"created",${fields}}`);
  });

  it('A room without a template tells none, and the last of several counts', async () => {
    const { code, members } = await server.party(['host', 'zoe']);
    for (const member of members) assert.ok(!('url' in member.entry));
    assert.ok(!('url' in JSON.parse((await server.get(`/room/${code}`)).body)));
    const host = await server.member();
    host.sendText(
      '{"url":1,"type":"create","clientId":"h","maxClients":1,"\\u0075rl":"https:\\/\\/b.example"}',
    );
    assert.equal((await host.next()).url, 'https://b.example');
  });
});

describeWithSettings({ environment: { INSTANCE_ID: 'm-1_a.b' } })(
  'A template with an instance',
  (server) => itFillsTemplates(server, 'm-1_a.b'),
);

describeWithServer('URLs as a browser parses them', (server) => {
  // Compared with Node's own parser (WHATWG), whose verdicts on these are beyond dispute.
  const urls = {
    'hosts that are names': [
      'https://a', 'https://a.example', 'https://a.example.', 'https://a-b.example', 'https://-a',
      'https://a_b.example', 'https://1a.example', 'https://a.1b', 'https://xn--bcher-kva.example',
      'https://a..b', 'https://A.EXAMPLE', 'https://localhost', `https://${'a'.repeat(70)}.example`,
      'https://a!b', "https://a'b", 'https://a(b)', 'https://a*b', 'https://a;b', 'https://a,b',
      'https://a&b', 'https://a=b', 'https://a+b', 'https://a$b', 'https://a~b', 'https://a"b',
      'https://a`b',
    ],
    'hosts that are none': [
      'https://', 'https:///', 'https:', 'https:/', 'https://?a', 'https://#a', 'https://:443',
      'https://a<b', 'https://a>b', 'https://a^b', 'https://a|b', 'https://a%zz', 'https://a%',
      'https://a%2fb', 'https://a%00b', 'https://a%20b', 'https://a%40b', 'https://a%25b',
      'https://a[b', 'https://a]b', 'https://[a.example]',
    ],
    'hosts with percent-escapes': ['https://a%41.example', 'https://%61', 'https://a%2Eb'],
    'addresses of four parts': [
      'https://127.0.0.1', 'https://127.0.0.1.', 'https://255.255.255.255', 'https://127.1',
      'https://2130706433', 'https://0x7f.1', 'https://0x7f000001', 'https://017700000001',
      'https://256.1.1.1', 'https://1.1.1.256', 'https://1.2.3.4.5', 'https://4294967295',
      'https://4294967296', 'https://1.256', 'https://1.16777216', 'https://0x', 'https://1.0x',
      'https://08', 'https://0xg', 'https://a.1', 'https://a.0x1', 'https://a.08', 'https://1..2',
      'https://1.2.3.4a', 'https://%31.2.3.4', 'https://1.2.3.',
    ],
    'addresses in brackets': [
      'https://[::1]', 'https://[::]', 'https://[1:2:3:4:5:6:7:8]', 'https://[1::8]:443',
      'https://[FE80::A]', 'https://[::127.0.0.1]', 'https://[::ffff:1.2.3.4]',
      'https://[::1', 'https://::1', 'https://[', 'https://[]', 'https://[:]', 'https://[:1]',
      'https://[1:]', 'https://[:::]', 'https://[1::2::3]', 'https://[1:2:3:4:5:6:7]',
      'https://[1:2:3:4:5:6:7:8:9]', 'https://[1:2:3:4:5:6:7::8]', 'https://[::12345]',
      'https://[::g]', 'https://[::1.2.3]', 'https://[::1.2.3.256]', 'https://[::01.2.3.4]',
      'https://[1:2:3:4:5:6:7:1.2.3.4]', 'https://[::1%25eth0]', 'https://[::1]a', 'https://[::1]]',
      'https://[[::1]]', 'https://a[::1]', 'https://[::1]:',
    ],
    'ports': [
      'https://a:', 'https://a:/', 'https://a:0', 'https://a:1', 'https://a:65535',
      'https://a:00443', 'https://a:65536', 'https://a:99999999999', 'https://a:-1', 'https://a:+1',
      'https://a:8x', 'https://a:x', 'https://a:80:80',
      'https://a:0x50', 'https://a:80?x', 'https://a:80#x',
      'https://a:%38', 'https://a:8/x', 'https://a:80\\x', 'https://a:{room}',
    ],
    'users and passwords': [
      'https://user@a', 'https://user:secret@a', 'https://:secret@a', 'https://@a', 'https://:@a',
      'https://user:a:b@a', 'https://us@er@a', 'https://us<er@a', 'https://us%zz@a',
      'https://user@', 'https://user:secret@', 'https://user@:443', 'https://user@/a',
      'https://user@?a', 'https://@', 'https://user@[::1]', 'https://[::1@a',
      'https://user:80@a:443',
    ],
    'slashes, paths, queries and fragments': [
      'https:a', 'https:/a', 'https:\\a', 'https:\\\\a', 'https:///a', 'https:////a', 'https:/\\/a',
      'https://a\\b', 'https://a?b', 'https://a#b', 'https://a/?#', 'https://a/%', 'https://a/%zz',
      'https://a/|^`"<>', 'https://a/[::', 'https://a/b:c@d', 'https://a/..', 'https://a?b?c#d#e',
      'https://?b@a', 'https://#b@a', 'https:?a', 'https:#a',
    ],
    'schemes': [
      'HTTPS://a', 'hTtPs://a', 'http://a', 'wss://a', 'ftp://a', 'file:///a', 'file:', 'data:,a',
      'javascript:alert(1)', 'mailto:a@b', 'about:blank', 'foo:', 'foo:bar', 'foo://a', 'a+b-c.1:d',
      'http://', 'http://[::1', 'http://a:65536', 'ws://a<b', 'httpss://a', 'xhttps://a',
      '', 'a', 'a.example', '/a', '//a', '//a.example/b', '?a', '#a', '://a', ':https://a',
      '1https://a', '-https://a', 'ht_tps://a', 'https//a', 'https;//a', 'a.example/https://b',
      'localhost:80', 'h%74tps://a',
    ],
  };
  for (const [subject, list] of Object.entries(urls)) {
    it(`They agree about ${subject}`, async () => {
      const disagreements = [];
      for (const url of list) {
        const client = await server.member();
        client.send({ type: 'create', clientId: 'host', maxClients: 4, url });
        const { message } = await client.next();
        const expected = faultOf(url);
        if (message !== expected) disagreements.push(`${url}: ${message}, not ${expected}`);
        await client.close();
      }
      assert.deepEqual(disagreements, []);
    });
  }

  it('Hosts with letters that are not ASCII are refused, which is stricter', async () => {
    const client = await server.member();
    for (const host of ['b\u00fccher.example', '\u4e16.b', '\uff41', 'a\u3002b', '\u{1f600}']) {
      assert.equal(faultOf(`https://${host}`), undefined);
      await expectRefusal(client, `https://${host}`, invalid);
    }
    for (const url of ['https://b%C3%BCcher.example', 'https://a\u00ad.example'])
      await expectRefusal(client, url, invalid);
  });

  it('Other letters are welcome elsewhere', async () => {
    const letters = ['https://\u00fc:\u4e16@a/', 'https://a/b\u00fc', 'https://a?\u{1f600}#\u4e16'];
    for (const url of letters)
      assert.equal((await toldUrl(server, url)).url, url);
  });
});
