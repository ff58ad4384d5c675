// The errors: their exact texts, the order of the checks, who hears them, and that nobody is lost.

import { describeWithServer } from './support/suite.mjs';
import { it } from './support/testing.mjs';

// Codes have no letter O, so this one can not be that of a live room.
const impossibleCode = 'OOOO';

const noJson = [
  'x', '{', '}', '[', '"', '"a', '{]', '[}', '{}}', '{}{}', '{} x', '1 2', ',', ':',
  '[1,]', '[,1]', '[1 2]', '[1,,2]',
  '{,}', '{"a"}', '{"a":}', '{"a":1,}', '{"a" 1}', '{"a":1 "b":2}', '{"a"::1}',
  '{a:1}', "{'a':1}", '{1:1}', '{null:1}',
  'nul', 'nulll', 'True', 'tru', 'NaN', 'Infinity', '-Infinity', 'undefined',
  '+1', '-', '--1', '- 1', '01', '-01', '00', '.5', '1.', '1.e1', '1e', '1e+', '1e1.5',
  '0x10', '1_000', '1a', '١',
  '"\\x"', '"\\u12"', '"\\u12g4"', '"\\U0041"', '"\\u{41}"', '"\\', '"\\"', '"\\\n"', "'a'", '`a`',
  '"\n"', '"\t"', '"\0"', '"\x1f"',
  '// {}', '{} // x', '/**/{}', '{}#', '{};',
  '\0', '{}\0', '\x0b{}', '\x0c{}', '\xa0{}', '\u2028{}', '\u3000{}',
];

const noObjects = [
  'null', 'true', 'false', '0', '-1e400', '""', '"create"', '[]', '["create"]',
  '[{"type":"create"}]',
];
const unknownTypes = [
  'null', 'true', '1', '[]', '{}', '["create"]', '""', '"CREATE"', '"Create"', '" create"',
  '"create "', '"creat"', '"creates"', '"create\\u0000"', '"\\u0000create"', '"__proto__"',
  '"\\ud800"',
  '"created"', '"joined"', '"peer_joined"', '"peer_left"', '"message"', '"error"',
];
const unknownMessages = [
  ...noObjects,
  ...unknownTypes.map((type) => `{"type":${type}}`),
  '{}',
  '{"Type":"create"}',
  '{" type":"create"}',
];

const badStrings = ['null', 'true', 'false', '0', '1', '[]', '["a"]', '{}', '""', '"","x":"y"'];
const badCounts = ['null', 'true', '"4"', '[]', '{}', '0', '-1', '0.99'];

/** Sends texts one by one, and expects the same error for each. */
async function expectErrors(client, message, texts) {
  for (const text of texts) {
    client.sendText(text);
    await client.expectError(message);
  }
}

describeWithServer('Errors', (server) => {
  it('`Invalid JSON`: not one valid JSON text', async () => {
    const client = await server.client();
    await expectErrors(client, 'Invalid JSON', noJson);
    const asData = noJson.map((text) => `{"type":"send","data":${text},"to":"x"}`);
    await expectErrors(
      client,
      'Invalid JSON',
      asData.filter((text) => !isJson(text)),
    );
  });

  it('`Unknown message type`: no object, or no known type', async () => {
    const client = await server.client();
    await expectErrors(client, 'Unknown message type', unknownMessages);
  });

  it('`Already in a room`: `create` and `join` by a member', async () => {
    const { code, members } = await server.room(['host', 'guest']);
    for (const member of members) {
      await expectErrors(member, 'Already in a room', [
        '{"type":"create","clientId":"other","maxClients":2}',
        `{"type":"join","clientId":"other","room":"${code}"}`,
        `{"type":"join","clientId":"guest","room":"${code}"}`,
        `{"type":"join","clientId":"host","room":"${impossibleCode}"}`,
      ]);
    }
  });

  it('`clientId is required`: missing, empty or not a string', async () => {
    const client = await server.client();
    const { code } = await server.room(['host']);
    for (const rest of ['"type":"create","maxClients":2', `"type":"join","room":"${code}"`]) {
      const given = badStrings.map((clientId) => `{${rest},"clientId":${clientId}}`);
      await expectErrors(client, 'clientId is required', [
        `{${rest}}`,
        `{${rest},"clientID":"a"}`,
        ...given,
      ]);
    }
  });

  it('`clientId is too long`: a megabyte', async () => {
    const client = await server.client();
    const { code } = await server.room(['host']);
    const clientId = 'x'.repeat(2 ** 20);
    client.send({ type: 'create', clientId, maxClients: 2 });
    await client.expectError('clientId is too long');
    client.send({ type: 'join', clientId, room: code });
    await client.expectError('clientId is too long');
  });

  it('`maxClients must be a positive number`: missing, not a number or below 1', async () => {
    const client = await server.client();
    const given = badCounts.map(
      (maxClients) => `{"type":"create","clientId":"a","maxClients":${maxClients}}`,
    );
    await expectErrors(client, 'maxClients must be a positive number', [
      '{"type":"create","clientId":"a"}',
      ...given,
    ]);
  });

  it('`room is required`: missing, empty or not a string', async () => {
    const client = await server.client();
    const given = badStrings.map((room) => `{"type":"join","clientId":"a","room":${room}}`);
    await expectErrors(client, 'room is required', ['{"type":"join","clientId":"a"}', ...given]);
  });

  it('`Room not found`: no such room', async () => {
    const client = await server.client();
    for (const room of [impossibleCode, '----', 'A', 'ABCDE', '\0\0\0\0']) {
      client.send({ type: 'join', clientId: 'a', room });
      await client.expectError('Room not found');
    }
  });

  it('`Room is full`: as many members as maxClients', async () => {
    const { code } = await server.room(['host', 'guest'], 2);
    const client = await server.client();
    client.send({ type: 'join', clientId: 'late', room: code });
    await client.expectError('Room is full');
  });

  it('`Not in a room`: `send` before `create` or `join`', async () => {
    const client = await server.client();
    await expectErrors(client, 'Not in a room', [
      '{"type":"send"}',
      '{"type":"send","data":1}',
      '{"type":"send","data":1,"to":"a"}',
      '{"type":"send","data":1,"to":true}',
    ]);
  });

  it('`Target client not found`: `to` names nobody in the room', async () => {
    const { members } = await server.room(['host']);
    await expectErrors(members[0], 'Target client not found', [
      '{"type":"send","data":1,"to":"guest"}',
      '{"type":"send","to":"hos"}',
      '{"type":"send","to":"host\\u0000"}',
    ]);
  });
});

describeWithServer('The order of the checks', (server) => {
  const outsideRoom = [
    ['Invalid JSON', 'Unknown message type', '{"type":"nonsense",}'],
    ['Invalid JSON', 'clientId is required', '{"type":"create"'],
    ['Unknown message type', 'clientId is required', '{"type":"nonsense","clientId":"","room":""}'],
    [
      'clientId is required',
      'maxClients must be a positive number',
      '{"type":"create","clientId":"","maxClients":0}',
    ],
    ['clientId is required', 'room is required', '{"type":"join","clientId":1,"room":1}'],
    ['clientId is required', 'Room not found', `{"type":"join","room":"${impossibleCode}"}`],
    ['Not in a room', 'Target client not found', '{"type":"send","to":"nobody"}'],
  ];
  for (const [first, second, text] of outsideRoom) {
    it(`\`${first}\` comes before \`${second}\``, async () => {
      const client = await server.client();
      await expectErrors(client, first, [text]);
    });
  }

  const insideRoom = [
    ['Invalid JSON', 'Already in a room', '{"type":"create",,}'],
    ['Unknown message type', 'Already in a room', '{"type":"crate"}'],
    ['Already in a room', 'clientId is required', '{"type":"create","maxClients":2}'],
    ['Already in a room', 'clientId is required', '{"type":"join","room":"AAAA"}'],
    [
      'Already in a room',
      'maxClients must be a positive number',
      '{"type":"create","clientId":"a"}',
    ],
    ['Already in a room', 'room is required', '{"type":"join","clientId":"a"}'],
    [
      'Already in a room',
      'Room not found',
      `{"type":"join","clientId":"a","room":"${impossibleCode}"}`,
    ],
    ['Invalid JSON', 'Target client not found', '{"type":"send","to":"nobody","data":tru}'],
  ];
  for (const [first, second, text] of insideRoom) {
    it(`In a room, \`${first}\` comes before \`${second}\`: ${text}`, async () => {
      const { members } = await server.room(['host']);
      await expectErrors(members[0], first, [text]);
    });
  }

  it('`clientId is too long` comes before the errors about other fields', async () => {
    const client = await server.client();
    const clientId = 'x'.repeat(2 ** 20);
    await expectErrors(client, 'clientId is too long', [
      JSON.stringify({ type: 'create', clientId, maxClients: 0 }),
      JSON.stringify({ type: 'join', clientId }),
    ]);
  });
});

describeWithServer('After an error', (server) => {
  it('The other members have heard nothing, and the room goes on', async () => {
    const { members } = await server.room(['host', 'zoe', 'adam']);
    const [host, zoe, adam] = members;
    for (const text of [
      ...noJson,
      ...unknownMessages,
      '{"type":"send","to":"nobody"}',
      '{"type":"create"}',
    ]) {
      zoe.sendText(text);
      const { type } = await zoe.next();
      if (type !== 'error') throw new Error(`${text} was answered with ${type}`);
    }
    await Promise.all(members.map((member) => member.expectSilence()));
    zoe.relay('still here');
    for (const member of [host, adam]) await member.expectMessage('zoe', 'still here');
  });

  it('The connection stays open, and may create or join after any number of errors', async () => {
    const { code } = await server.room(['host', 'zoe'], 3);
    const clients = await server.clients(2);
    for (const client of clients) {
      for (let round = 0; round < 20; round++) {
        await expectErrors(client, 'Invalid JSON', ['{']);
        await expectErrors(client, 'Unknown message type', ['{}']);
        await expectErrors(client, 'clientId is required', [
          '{"type":"create"}',
          '{"type":"join"}',
        ]);
        await expectErrors(client, 'room is required', ['{"type":"join","clientId":"a"}']);
        await expectErrors(client, 'Not in a room', ['{"type":"send"}']);
        await expectErrors(client, 'Room not found', [
          `{"type":"join","clientId":"a","room":"${impossibleCode}"}`,
        ]);
      }
    }
    await clients[0].join('adam', code);
    clients[1].send({ type: 'join', clientId: 'late', room: code });
    await clients[1].expectError('Room is full');
    await clients[1].create('late');
  });

  it('Errors are answered in the order of the messages that caused them', async () => {
    const client = await server.client();
    const answers = [];
    for (let round = 0; round < 200; round++) {
      client.sendText('{');
      client.sendText('{}');
      client.sendText('{"type":"send"}');
      answers.push('Invalid JSON', 'Unknown message type', 'Not in a room');
    }
    for (const message of answers) await client.expectError(message);
  });
});

function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
