// What may be written in a message, and that it arrives as the same JSON value.

import assert from 'node:assert/strict';
import { describeWithServer } from './support/suite.mjs';
import { it } from './support/testing.mjs';
import { badUtf8 } from './support/utf8.mjs';

const nested = (depth) => '['.repeat(depth) + ']'.repeat(depth);
const nestedObjects = (depth) => '{"a":'.repeat(depth) + '0' + '}'.repeat(depth);
const depthLimit = 1024;

/** A text for the name of a test: in ASCII, since some test reporters take nothing else. */
const printable = (text) =>
  text.replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);

describeWithServer('Data', (server) => {
  /** A member that sends itself whatever it sends, so that one connection is enough. */
  async function loner() {
    const { members } = await server.room(['me']);
    return members[0];
  }

  async function expectVerbatim(client, data) {
    client.sendText(`{"type":"send","to":"me","data":${data}}`);
    assert.equal(await client.nextText(), `{"type":"message","from":"me","data":${data}}`);
  }

  const verbatim = {
    'numbers of any size and precision': [
      '0', '-0', '0.1', '-0.0', '1e400', '-1e400', '1E-400', '12345678901234567890',
      '1.0', '1e0', '1E+2',
      '0.30000000000000004', '3.141592653589793238462643383279502884', '9'.repeat(1000),
    ],
    'the literals': ['true', 'false', 'null'],
    'empty values': ['""', '[]', '{}', '[[]]', '[{}]', '{"":""}'],
    'Unicode as it is': [
      '"ä€😀"', '"\u007f\u0080\u2028\u2029\ufeff\uffff"', '"\u{10ffff}"', '{"ключ":"値"}',
    ],
    'escapes as they were written': [
      '"\\u00e4\\u20ac"', '"\\"\\\\\\/\\b\\f\\n\\r\\t"', '"\\u0000\\u001f\\u007f"',
      '"\\u000A\\u000a"', '"/"',
    ],
    'escaped surrogates, pairs and lone ones': [
      '"\\ud83d\\ude00"', '"\\uD83D"', '"\\ude00"', '"\\ude00\\ud83d"', '"\\ud83d x"',
      '{"\\ud800":"\\udfff"}',
    ],
    'white space inside': ['[ 1 ,\t2 ]', '{ "a" : [\r\n ] }'],
    'repeated and curious keys inside': [
      '{"a":1,"a":2}', '{"__proto__":{"a":1},"constructor":0}',
      '{"type":"join","to":"x","from":"y","data":[]}',
    ],
  };
  for (const [what, values] of Object.entries(verbatim)) {
    it(`\`data\` is relayed as it was written: ${what}`, async () => {
      const client = await loner();
      for (const data of values) await expectVerbatim(client, data);
    });
  }

  it('`data` in a broadcast reaches every receiver as it was written', async () => {
    const { members } = await server.room(['host', 'zoe', 'adam']);
    const data = '{"big":12345678901234567890,"huge":1e400,"minus":-0,"lone":"\\ud800"}';
    members[0].sendText(`{"type":"send","data":${data}}`);
    for (const member of members.slice(1)) {
      assert.equal(await member.nextText(), `{"type":"message","from":"host","data":${data}}`);
    }
  });

  it('`data` null is relayed as null, and a `send` without `data` without it', async () => {
    const client = await loner();
    client.sendText('{"type":"send","to":"me","data":null}');
    await client.expect({ type: 'message', from: 'me', data: null });
    client.sendText('{"type":"send","to":"me"}');
    await client.expect({ type: 'message', from: 'me' });
  });

  it(`A message may nest ${depthLimit} deep, its outer object counted`, async () => {
    const client = await loner();
    await expectVerbatim(client, nested(depthLimit - 1));
    await expectVerbatim(client, nestedObjects(depthLimit - 1));
    await expectVerbatim(client, `[${nested(depthLimit - 2)},${nestedObjects(depthLimit - 2)}]`);
    client.sendText(`{"type":"send","to":"me","extra":${nested(depthLimit - 1)},"data":1}`);
    await client.expectMessage('me', 1);
    client.sendText(nested(depthLimit));
    await client.expectError('Unknown message type');
  });

  it(`A message that nests ${depthLimit + 1} deep or more is \`Invalid JSON\``, async () => {
    const client = await loner();
    for (const depth of [depthLimit, depthLimit + 1, 10_000, 200_000]) {
      for (const field of ['data', 'extra', 'type']) {
        client.sendText(`{"type":"send","to":"me","${field}":${nested(depth)}}`);
        client.sendText(`{"type":"send","to":"me","${field}":${nestedObjects(depth)}}`);
      }
    }
    for (let count = 0; count < 4 * 3 * 2; count++) await client.expectError('Invalid JSON');
    client.sendText(nested(depthLimit + 1));
    client.sendText('['.repeat(1_000_000));
    for (let count = 0; count < 2; count++) await client.expectError('Invalid JSON');
    await expectVerbatim(client, nested(depthLimit - 1));
  });
});

describeWithServer('The envelope', (server) => {
  const accepted = {
    'fields in another order': '{"to":"zoe","data":1,"type":"send"}',
    'white space everywhere': ' \t\r\n{ "type"\n:\t"send" ,\r"to" : "zoe", "data" :\n1 } \t\r\n',
    'escaped keys': '{"\\u0074ype":"send","t\\u006f":"zoe","\\u0064\\u0061\\u0074\\u0061":1}',
    'an escaped type': '{"type":"s\\u0065n\\u0064","to":"zoe","data":1}',
    'an escaped `to`': '{"type":"send","to":"\\u007ao\\u0065","data":1}',
    'a repeated `type`': '{"type":"join","type":null,"type":"send","to":"zoe","data":1}',
    'a repeated `to`': '{"type":"send","to":"nobody","to":7,"to":"zoe","data":1}',
    'a repeated `data`': '{"type":"send","data":[2],"data":"3","to":"zoe","data":1}',
    'keys repeated with escapes':
      '{"type":"x","to":"x","data":0,"\\u0074ype":"send","\\u0074o":"zoe","dat\\u0061":1}',
    'a forged `from`': '{"type":"send","from":"adam","to":"zoe","data":1,"from":"adam"}',
    'extra fields':
      '{"type":"send","to":"zoe","data":1,"error":{"type":"x"},"":[[]],"__proto__":{"data":2}}',
    'keys that resemble ours':
      '{"Type":"x","type":"send","to ":0,"to":"zoe","dat":0,"data":1,"data\\u0000":2}',
  };
  for (const [what, message] of Object.entries(accepted)) {
    it(`A message may have ${what}`, async () => {
      const { members } = await server.room(['host', 'zoe', 'adam']);
      const [host, zoe, adam] = members;
      host.sendText(message);
      await zoe.expectMessage('host', 1);
      await Promise.all([host, zoe, adam].map((client) => client.expectSilence()));
    });
  }

  it('The last of repeated keys counts even if it is a worse one', async () => {
    const { members } = await server.room(['host', 'zoe']);
    const [host, zoe] = members;
    host.sendText('{"type":"send","type":1}');
    await host.expectError('Unknown message type');
    host.sendText('{"type":"send","to":"zoe","to":true}');
    await host.expectError('Target client not found');
    host.sendText('{"type":"send","data":1,"data":null,"to":"host","to":null}');
    await zoe.expectMessage('host', null);
    await host.expectSilence();
  });

  it('`create` and `join` take escapes, extra fields and repeated keys as well', async () => {
    const [host, zoe] = await server.clients(2);
    host.sendText(
      '{"maxClients":0,"clientId":7,"x":0,"cl\\u0069entId":"host","type":"create","maxClients":4}',
    );
    const { room } = await host.next();
    const escaped = room.replace(/./g, (letter) => `\\u00${letter.charCodeAt(0).toString(16)}`);
    zoe.sendText(
      `{"room":null,"clients":[],"clientId":"zoe","r\\u006fom":"${escaped}","type":"join"}`,
    );
    await zoe.expect({ type: 'joined', room, clients: ['host', 'zoe'] });
    await host.expect({ type: 'peer_joined', clientId: 'zoe' });
  });

  it('A byte order mark, an empty message or one of white space is `Invalid JSON`', async () => {
    const client = await server.client();
    for (const message of [
      '\ufeff{"type":"send"}',
      '',
      ' ',
      '\n\n',
      '\ufeff',
      '{"type":"send"}\ufeff',
    ]) {
      client.sendText(message);
      await client.expectError('Invalid JSON');
      client.sendBinary(Buffer.from(message));
      await client.expectError('Invalid JSON');
    }
  });

  it('A binary frame with JSON is treated like text, and answered with text', async () => {
    const [host, zoe] = await server.clients(2);
    const sendBinary = (client, message) => client.sendBinary(Buffer.from(JSON.stringify(message)));
    sendBinary(host, { type: 'create', clientId: 'hóst', maxClients: 2 });
    const { room } = await host.next();
    sendBinary(zoe, { type: 'join', clientId: 'zoe', room });
    await zoe.expect({ type: 'joined', room, clients: ['hóst', 'zoe'] });
    await host.expect({ type: 'peer_joined', clientId: 'zoe' });
    sendBinary(zoe, { type: 'send', data: 'grüße 😀' });
    await host.expectMessage('zoe', 'grüße 😀');
  });

  it('A binary frame that is not UTF-8 is `Invalid JSON`, wherever the bad bytes are', async () => {
    const client = await server.client();
    for (const bytes of Object.values(badUtf8)) {
      for (const [before, after] of [
        ['', ''],
        ['{"type":"create","clientId":"', '","maxClients":2}'],
        ['{"', '":1}'],
      ]) {
        client.sendBinary(
          Buffer.concat([Buffer.from(before), Buffer.from(bytes), Buffer.from(after)]),
        );
        await client.expectError('Invalid JSON');
      }
    }
    await client.create('host');
  });
});

describeWithServer('Ids', (server) => {
  const curiousIds = [
    '\0',
    'a\0b',
    '"',
    '\\',
    '\\"',
    '\n\r\t\b\f',
    '\x01\x1f\x7f',
    '/',
    ' ',
    '0',
    'null',
    '__proto__',
    'toString',
    '","type":"error',
    '</script>&amp;',
    'ä€😀',
    '\u2028\u2029\ufeff\uffff\u{10ffff}',
    '\ud800',
    '\udc00',
    'x\udfffy\ud83d',
    'ab'.repeat(20),
  ];
  for (const id of curiousIds) {
    it(`${printable(JSON.stringify(id))} is an id: it comes out escaped, takes over`, async () => {
      const { code, members } = await server.room([id, 'zoe', 'adam']);
      const [odd, zoe, adam] = members;
      odd.relay('to all');
      for (const member of [zoe, adam]) await member.expectMessage(id, 'to all');
      zoe.relay('to the odd one', id);
      await odd.expectMessage('zoe', 'to the odd one');

      const newOdd = await server.client();
      assert.deepEqual(await newOdd.join(id, code), [id, 'zoe', 'adam']);
      await odd.expectClosed(4000, 'replaced');
      await newOdd.close();
      for (const member of [zoe, adam]) await member.expect({ type: 'peer_left', clientId: id });

      const again = await server.client();
      await again.join(id, code);
      for (const member of [zoe, adam]) await member.expect({ type: 'peer_joined', clientId: id });
      await Promise.all([zoe, adam, again].map((client) => client.expectSilence()));
    });
  }

  const sameIds = [
    ['a', '\\u0061'],
    ['/', '\\/'],
    ['\\n', '\\u000a'],
    ['\\u004a', 'J'],
    ['\\u00ea', '\\u00EA'],
    ['😀', '\\ud83d\\ude00'],
    ['\\ud83d\\uDE00', '\\uD83D\\ude00'],
    ['\\"', '\\u0022'],
    ['\\\\', '\\u005c'],
  ];
  for (const [one, other] of sameIds) {
    it(`"${printable(one)}" and "${printable(other)}" are the same id`, async () => {
      const [host, newHost] = await server.clients(2);
      host.sendText(`{"type":"create","clientId":"${one}","maxClients":1}`);
      const { room } = await host.next();
      host.sendText(`{"type":"send","to":"${other}"}`);
      await host.expect({ type: 'message', from: JSON.parse(`"${one}"`) });
      newHost.sendText(`{"type":"join","clientId":"${other}","room":"${room}"}`);
      await newHost.expect({ type: 'joined', room, clients: [JSON.parse(`"${one}"`)] });
      await host.expectClosed(4000, 'replaced');
    });
  }

  it('Ids are neither trimmed nor folded nor normalised nor cut at U+0000', async () => {
    const ids = [
      'a',
      'A',
      ' a',
      'a ',
      'a\0',
      'a\0b',
      '\u00e9',
      'e\u0301',
      '\ufffd',
      '\ud800',
      '\udc00',
    ];
    const { members } = await server.room(ids);
    for (const [index, to] of ids.entries()) {
      members[0].relay('you', to);
      await members[index].expectMessage('a', 'you');
    }
    await Promise.all(members.map((client) => client.expectSilence()));
  });
});
