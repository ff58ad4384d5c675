// Protocol 2: members are known by an index, and a clientId gives the place back.

import assert from 'node:assert/strict';
import { numberOf } from './support/base58.mjs';
import { eventually } from './support/deadline.mjs';
import {
  expectSilence,
  peerJoined,
  peerLeft,
  replaced,
  roomClosed,
} from './support/member.mjs';
import { describeAtOnce, describeWithOptions, describeWithServer } from './support/suite.mjs';
import { it } from './support/testing.mjs';

const version1 = ['party-sockets.v1'];
const version2 = ['party-sockets.v2'];
const range = (count) => Array.from({ length: count }, (_, index) => index);

const join = (clientId, room) => ({ type: 'join', clientId, room });
const joined = (room, index, ...peers) => ({ type: 'joined', room, index, peers });
const message = (from, data) => ({ type: 'message', from, data });

const otherCase = (code) =>
  code.replace(/[a-z]/gi, (letter) =>
    letter === letter.toUpperCase() ? letter.toLowerCase() : letter.toUpperCase(),
  );

/** Leaves, which all these others hear. */
async function leave(member, ...others) {
  await member.close();
  for (const other of others) await other.expect(peerLeft(member.entry.index));
}

/** Sends texts one by one, and expects the same error for each. */
async function expectErrors(client, error, texts) {
  for (const text of texts) {
    client.sendText(text);
    await client.expectError(error);
  }
}

async function expectJoinError(server, error, clientId, room, protocols) {
  const client = await server.member({ protocols });
  client.send(join(clientId, room));
  await client.expectError(error);
}

describeWithServer('Entering by protocol 2', (server) => {
  it('`created` has exactly the room, instance, region and index, in that order', async () => {
    const host = await server.member();
    host.send({ type: 'create', clientId: 'host', maxClients: 4 });
    const text = await host.nextText();
    const { room } = JSON.parse(text);
    const expected = `{"type":"created","room":"${room}","instance":"","region":"","index":0}`;
    assert.equal(text, expected);
    assert.match(room, /^[123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz]{6}$/);
    await host.expectSilence();
  });

  it('`joined` has exactly the room, index and peers, in that order', async () => {
    const { code } = await server.party(['host', 'zoe']);
    const guest = await server.member();
    guest.send(join('guest', code));
    const expected = `{"type":"joined","room":"${code}","index":2,"peers":[0,1]}`;
    assert.equal(await guest.nextText(), expected);
    await guest.expectSilence();
  });

  it('Everyone else hears `peer_joined` with the index, the newcomer does not', async () => {
    const { code, members } = await server.party(['host', 'zoe']);
    const newcomer = await server.member();
    await newcomer.join('adam', code);
    for (const member of members)
      assert.equal(await member.nextText(), '{"type":"peer_joined","index":2}');
    await expectSilence(newcomer, ...members);
  });

  it('Codes are numbers of 35 bits, unique and not in a row', async () => {
    const hosts = await server.members(200);
    const codes = await Promise.all(hosts.map((host) => host.create('host')));
    assert.equal(new Set(codes).size, 200);
    for (const code of codes) assert.ok(numberOf(code) < 2 ** 35, code);
    for (const position of range(6))
      assert.ok(new Set(codes.map((code) => code[position])).size > 25, `${codes}`);
  });

  it('Codes are case-sensitive', async () => {
    const code = await eventually(async () => {
      const { code } = await server.party(['host']);
      return otherCase(code) !== code && code;
    }, 'A code with letters');
    await expectJoinError(server, 'Room not found', 'guest', otherCase(code));
    await expectJoinError(server, 'Room not found', 'guest', code.toLowerCase() + ' ');
    assert.equal((await (await server.member()).join('guest', code)).index, 1);
  });

  it('A code of another length or with characters that codes never have is not found', async () => {
    const { code } = await server.party(['host']);
    const client = await server.member();
    const wrongCodes = [
      code.slice(0, 5),
      `${code}1`,
      ` ${code}`,
      `${code} `,
      `${code}\0`,
      `${code.slice(0, 5)}\0`,
      'OI0l00',
      'zzzzzy',
      '\u{1f600}aa',
      'A'.repeat(10_000),
    ];
    for (const room of wrongCodes) {
      client.send(join('guest', room));
      await client.expectError('Room not found');
    }
  });

  it('A clientId may be in two rooms, by different indices', async () => {
    const one = await server.party(['host', 'guest']);
    const other = await server.party(['guest', 'host']);
    one.members[1].relay('to the first room');
    await one.members[0].expectMessage(1, 'to the first room');
    await expectSilence(...one.members, ...other.members);
  });

  it('Ids are compared as decoded strings, U+0000 included', async () => {
    const { code, members } = await server.party(['host']);
    const [zero, other, again] = await server.members(3);
    zero.sendText(`{"type":"join","clientId":"a\\u0000","room":"${code}"}`);
    await zero.expect(joined(code, 1, 0));
    other.send(join('a', code));
    await other.expect(joined(code, 2, 0, 1));
    again.sendText(`{"type":"join","clientId":"\\u0061","room":"${code}"}`);
    await again.expect(joined(code, 2, 0, 1));
    await other.expectClosed(...replaced);
    await members[0].expect(peerJoined(1), peerJoined(2));
    await expectSilence(members[0], again);
  });
});

describeWithServer('Indices', (server) => {
  it('They are given in order of first entry and never twice', async () => {
    const { code, members } = await server.party(['host']);
    for (const index of [1, 2, 3]) {
      const guest = await server.member();
      assert.deepEqual(await guest.join(`guest-${index}`, code), { index, peers: [0] });
      await members[0].expect(peerJoined(index));
      await leave(guest, members[0]);
    }
    assert.equal((await (await server.member()).join('guest-4', code)).index, 4);
  });

  it('Who left comes back to its own index, and the others hear `peer_joined`', async () => {
    const { code, members } = await server.party(['host', 'zoe', 'adam', 'eve']);
    const [host, zoe, adam, eve] = members;
    await leave(zoe, host, adam, eve);
    const back = await server.member();
    assert.deepEqual(await back.join('zoe', code), { index: 1, peers: [0, 2, 3] });
    for (const member of [host, adam, eve]) await member.expect(peerJoined(1));
    back.relay('hello');
    for (const member of [host, adam, eve]) await member.expectMessage(1, 'hello');
    await expectSilence(back, host, adam, eve);
  });

  it('The peers are those who are there, ascending, whoever came back when', async () => {
    const { code, members } = await server.party(['host', 'a', 'b', 'c', 'd']);
    const [host, a, b, c, d] = members;
    await leave(b, host, a, c, d);
    await leave(a, host, c, d);
    const [newB, newA, late] = await server.members(3);
    assert.deepEqual(await newB.join('b', code), { index: 2, peers: [0, 3, 4] });
    assert.deepEqual(await newA.join('a', code), { index: 1, peers: [0, 2, 3, 4] });
    for (const member of [host, c, d]) await member.expect(peerJoined(2), peerJoined(1));
    await leave(c, host, d);
    assert.deepEqual(await late.join('late', code), { index: 5, peers: [0, 1, 2, 4] });
  });

  it('The host comes back as 0', async () => {
    const { code, members } = await server.party(['host', 'zoe']);
    await leave(members[0], members[1]);
    const back = await server.member();
    assert.deepEqual(await back.join('host', code), { index: 0, peers: [1] });
    await members[1].expect(peerJoined(0));
    back.closeRoom();
    await members[1].expectClosed(...roomClosed);
  });

  it('Who replaces a live connection has its index, and the others hear nothing', async () => {
    const { code, members } = await server.party(['host', 'zoe', 'adam']);
    const [host, zoe, adam] = members;
    const newZoe = await server.member();
    assert.deepEqual(await newZoe.join('zoe', code), { index: 1, peers: [0, 2] });
    await zoe.expectClosed(...replaced);
    newZoe.relay('it is me');
    host.relay('for you', 1);
    for (const member of [host, adam]) await member.expectMessage(1, 'it is me');
    await newZoe.expectMessage(0, 'for you');
    await expectSilence(host, newZoe, adam);
    await leave(newZoe, host, adam);
    await expectSilence(host, adam);
  });

  it('Hundreds of passers-by all get their own, and the host keeps 0', async () => {
    const { code, members } = await server.party(['host', 'witness']);
    const indices = [];
    const passBy = async (name) => {
      const guest = await server.member();
      indices.push((await guest.join(name, code)).index);
      await guest.close();
    };
    for (const round of range(25))
      await Promise.all(range(20).map((count) => passBy(`passer-by ${round} ${count}`)));
    const ascending = indices.sort((one, other) => one - other);
    assert.deepEqual(
      ascending,
      range(500).map((count) => count + 2),
    );
    await members[0].close();
    const [back, last] = await server.members(2);
    assert.equal((await back.join('host', code)).index, 0);
    assert.equal((await last.join('last', code)).index, 502);
  });
});

describeWithServer('maxClients in protocol 2', (server) => {
  it('It counts the connected only, so that indices may exceed it', async () => {
    const { code, members } = await server.party(['host', 'a'], { maxClients: 2 });
    await expectJoinError(server, 'Room is full', 'b', code);
    await leave(members[1], members[0]);
    const b = await server.member();
    assert.deepEqual(await b.join('b', code), { index: 2, peers: [0] });
    await members[0].expect(peerJoined(2));
    await expectSilence(b, members[0]);
  });

  it('A member that comes back can find the room full, and keeps its index', async () => {
    const { code, members } = await server.party(['host', 'a'], { maxClients: 2 });
    const [host, a] = members;
    await leave(a, host);
    const b = await server.member();
    await b.join('b', code);
    await host.expect(peerJoined(2));
    const back = await server.member();
    back.send(join('a', code));
    await back.expectError('Room is full');
    await expectSilence(host, b);
    await leave(b, host);
    assert.deepEqual(await back.join('a', code), { index: 1, peers: [0] });
  });

  it('Who finds the room full has not entered, and takes no index', async () => {
    const { code, members } = await server.party(['host', 'a'], { maxClients: 2 });
    for (const name of ['b', 'c']) await expectJoinError(server, 'Room is full', name, code);
    await leave(members[1], members[0]);
    assert.equal((await (await server.member()).join('c', code)).index, 2);
  });

  it('A full room lets a live connection be replaced', async () => {
    const { code, members } = await server.party(['host', 'a'], { maxClients: 2 });
    const again = await server.member();
    assert.deepEqual(await again.join('a', code), { index: 1, peers: [0] });
    await members[1].expectClosed(...replaced);
    await expectJoinError(server, 'Room is full', 'b', code);
    await expectSilence(members[0], again);
  });

  for (const [maxClients, count] of [
    ['1', 1],
    ['1.5', 2],
    ['3', 3],
  ]) {
    it(`A room of maxClients ${maxClients} admits ${count}, then it is full`, async () => {
      const members = await server.members(count);
      members[0].sendText(`{"type":"create","clientId":"m0","maxClients":${maxClients}}`);
      const { room } = await members[0].next();
      for (let index = 1; index < count; index++) await members[index].join(`m${index}`, room);
      await expectJoinError(server, 'Room is full', 'late', room);
    });
  }
});

describeWithServer('Sending by protocol 2', (server) => {
  const send = (to) => `{"type":"send","data":1,"to":${to}}`;

  it('Without `to` it reaches everyone else, and never its sender', async () => {
    const { members } = await server.party(['host', 'zoe', 'adam']);
    const [host, zoe, adam] = members;
    zoe.relay({ move: [1, 2] });
    for (const member of [host, adam]) await member.expect(message(1, { move: [1, 2] }));
    await expectSilence(...members);
  });

  const indices = {
    0: ['0', '-0', '0.0', '-0.0', '0e5', '0E-5', '0e400'],
    1: ['1', '1.0', '1e0', '1E+0', '10e-1', '0.1e1', '100e-2'],
    2: ['2', '2.000', '0.2e1', '20E-1'],
  };
  for (const [to, texts] of Object.entries(indices)) {
    it(`\`to\` ${texts.join(' ')} is the index ${to}, whoever sends`, async () => {
      const { members } = await server.party(['host', 'zoe', 'adam']);
      for (const [from, sender] of members.entries()) {
        for (const text of texts) {
          sender.sendText(send(text));
          await members[to].expect(message(from, 1));
        }
      }
      await expectSilence(...members);
    });
  }

  const nobody = [
    'null', 'true', 'false', '""', '"0"', '"1"', '"host"', '"\\u0030"', '[]', '[0]', '{}',
    '-1', '1.5', '0.5', '1e-1', '-1e0', '3', '99', '1e2', '1e400', '-1e400',
    '255', '256', '257', '65535', '65536', '65537', '2147483647', '2147483648', '-2147483648',
    '4294967295', '4294967296', '4294967297', '9007199254740993', '9223372036854775808',
    '18446744073709551615', '18446744073709551616', '18446744073709551617',
    `1${'0'.repeat(400)}`,
  ];
  it(`\`to\` ${nobody.join(' ').slice(0, 60)}... is nobody`, async () => {
    const { members } = await server.party(['host', 'zoe']);
    for (const member of members)
      await expectErrors(member, 'Target peer not found', nobody.map(send));
    await expectSilence(...members);
  });

  it('Keys may be escaped, and the last of several `to` counts', async () => {
    const { members } = await server.party(['host', 'zoe', 'adam']);
    const [host, zoe] = members;
    host.sendText('{"\\u0074o":1,"type":"send","data":"escaped"}');
    await zoe.expectMessage(0, 'escaped');
    host.sendText('{"to":null,"type":"send","data":"the last","to":1}');
    await zoe.expectMessage(0, 'the last');
    await expectErrors(host, 'Target peer not found', [
      '{"to":1,"type":"send","data":1,"\\u0074o":null}',
      '{"to":1,"type":"send","data":1,"to":"1"}',
    ]);
    await expectSilence(...members);
  });

  it('`from` is the index, a forged one is dropped, and data comes as it was written', async () => {
    const { members } = await server.party(['host', 'zoe']);
    const data = '[1e400,-0,0.10,"\\ud800"]';
    members[1].sendText(`{"from":0,"index":0,"type":"send","data":${data},"x":1}`);
    assert.equal(await members[0].nextText(), `{"type":"message","from":1,"data":${data}}`);
  });

  it('Without data it is relayed without data, and null as null', async () => {
    const { members } = await server.party(['host', 'zoe']);
    members[0].sendText('{"type":"send"}');
    assert.equal(await members[1].nextText(), '{"type":"message","from":0}');
    members[1].sendText('{"type":"send","to":1}');
    assert.equal(await members[1].nextText(), '{"type":"message","from":1}');
    members[0].sendText('{"type":"send","data":null,"to":1}');
    assert.equal(await members[1].nextText(), '{"type":"message","from":0,"data":null}');
  });

  it('A member who left is nobody, until it is back', async () => {
    const { code, members } = await server.party(['host', 'zoe']);
    await leave(members[1], members[0]);
    await expectErrors(members[0], 'Target peer not found', [send(1)]);
    const back = await server.member();
    await back.join('zoe', code);
    await members[0].expect(peerJoined(1));
    members[0].relay('welcome', 1);
    await back.expectMessage(0, 'welcome');
  });

  it('Messages of a sender arrive in order, at the one and at all', async () => {
    const { members } = await server.party(['host', 'zoe', 'adam']);
    const [host, zoe, adam] = members;
    for (const number of range(300)) zoe.relay(number, number % 3 ? undefined : 0);
    for (const number of range(300)) await host.expectMessage(1, number);
    for (const number of range(300)) if (number % 3) await adam.expectMessage(1, number);
    await expectSilence(...members);
  });
});

describeWithServer('Errors of protocol 2', (server) => {
  const longId = 'x'.repeat(1_000);

  it('Outside a room, in the order of the checks', async () => {
    const { code } = await server.party(['host']);
    const other = await server.room(['host'], 1);
    const full = await server.party(['host'], { maxClients: 1 });
    const client = await server.member();
    const expect = (error, ...messages) =>
      expectErrors(
        client,
        error,
        messages.map((one) => JSON.stringify(one)),
      );
    const create = (fields) => ({ type: 'create', ...fields });
    const joinWith = (fields) => ({ type: 'join', ...fields });

    await expectErrors(client, 'Invalid JSON', ['', '{"type":"close_room"', '{"type":"x",}']);
    await expectErrors(client, 'Unknown message type', [
      'null', '[]', '{}', '{"type":1,"clientId":""}', '{"type":"set_State"}', '{"type":"leave"}',
      '{"type":"state","data":1}', '{"type":"created"}', '{"type":"close_room "}',
    ]);
    await expect(
      'clientId is required',
      create({ maxClients: 0, url: 1 }),
      create({ clientId: '' }),
      create({ clientId: 0 }),
      joinWith({ room: '' }),
      joinWith({ clientId: null, room: code }),
    );
    await expect(
      'clientId is too long',
      create({ clientId: longId, maxClients: 0 }),
      joinWith({ clientId: longId, room: '' }),
    );
    await expect(
      'maxClients must be a positive number',
      create({ clientId: 'a', url: 1 }),
      create({ clientId: 'a', maxClients: 0.9 }),
      create({ clientId: 'a', maxClients: '4' }),
    );
    await expect('url must be a string', create({ clientId: 'a', maxClients: 1, url: 1 }));
    await expect(
      'room is required',
      joinWith({ clientId: 'a' }),
      joinWith({ clientId: 'a', room: '' }),
      joinWith({ clientId: 'a', room: 123456 }),
    );
    await expect('Room not found', joinWith({ clientId: 'a', room: 'OOOOOO' }));
    await expect('Room uses protocol 1', joinWith({ clientId: 'a', room: other.code }));
    await expect('Room is full', joinWith({ clientId: 'a', room: full.code }));
    await expectErrors(client, 'Not in a room', [
      '{"type":"send"}',
      '{"type":"send","data":1,"to":null}',
      '{"type":"set_state"}',
      `{"type":"set_state","data":"${'x'.repeat(70_000)}"}`,
      '{"type":"close_room"}',
    ]);
    await client.expectSilence();
    assert.equal((await client.join('a', code)).index, 1);
  });

  it('In a room, in the order of the checks', async () => {
    const { members } = await server.party(['host', 'guest']);
    const [host, guest] = members;
    for (const member of members) {
      await expectErrors(member, 'Invalid JSON', ['{"type":"send","to":9,"data":tru}']);
      await expectErrors(member, 'Unknown message type', ['{"type":"crate"}']);
      await expectErrors(member, 'Already in a room', [
        '{"type":"create"}',
        '{"type":"create","clientId":"a","maxClients":1,"url":1}',
        '{"type":"join"}',
        '{"type":"join","clientId":"a","room":"OOOOOO"}',
      ]);
      await expectErrors(member, 'Target peer not found', ['{"type":"send","to":9}']);
    }
    await expectErrors(host, 'State data is required', ['{"type":"set_state"}']);
    await expectErrors(guest, 'Only the host can set state', [
      '{"type":"set_state"}',
      `{"type":"set_state","data":"${'x'.repeat(70_000)}"}`,
    ]);
    await expectErrors(guest, 'Only the host can close the room', ['{"type":"close_room"}']);
    await expectSilence(host, guest);
  });
});

describeWithServer('Rooms of the other protocol', (server) => {
  it('Each refuses the other, after `Room not found` and before `Room is full`', async () => {
    const { code: code1 } = await server.room(['host'], 1);
    const { code: code2 } = await server.party(['host'], { maxClients: 1 });
    for (const clientId of ['guest', 'host']) {
      await expectJoinError(server, 'Room uses protocol 1', clientId, code1, version2);
      await expectJoinError(server, 'Room uses protocol 2', clientId, code2, version1);
      await expectJoinError(server, 'Room not found', clientId, 'OOOO', version2);
      await expectJoinError(server, 'Room not found', clientId, 'OOOOOO', version1);
    }
  });

  it('Codes of protocol 1 are folded, those of protocol 2 are not, whoever types', async () => {
    const { code: code1 } = await server.room(['host']);
    await expectJoinError(server, 'Room uses protocol 1', 'a', code1.toLowerCase(), version2);
    const code2 = await eventually(async () => {
      const { code } = await server.party(['host']);
      return otherCase(code) !== code && code;
    }, 'A code with letters');
    await expectJoinError(server, 'Room not found', 'a', otherCase(code2), version1);
  });

  it('After it the connection may enter a room of its own protocol', async () => {
    const { code: code1 } = await server.room(['host']);
    const { code: code2, members } = await server.party(['host']);
    const member = await server.member();
    member.send(join('guest', code1));
    await member.expectError('Room uses protocol 1');
    assert.deepEqual(await member.join('guest', code2), { index: 1, peers: [0] });
    await members[0].expect(peerJoined(1));
  });

  it('What is new in protocol 2 is unknown in protocol 1', async () => {
    const { members } = await server.room(['host', 'guest']);
    for (const client of [...members, await server.client()]) {
      await expectErrors(client, 'Unknown message type', [
        '{"type":"set_state","data":1}',
        '{"type":"set_state"}',
        '{"type":"close_room"}',
      ]);
    }
    await expectSilence(...members);
  });

  it('`url` is an unknown field in protocol 1, and dropped', async () => {
    const host = await server.client();
    host.send({ type: 'create', clientId: 'host', maxClients: 1, url: 1 });
    const { room, ...rest } = await host.next();
    assert.deepEqual(rest, { type: 'created' });
    assert.match(room, /^[A-HJ-NP-Z2-9]{4}$/);
  });
});

/** Which protocol a connection speaks: that of the room that it creates. */
async function protocolOf(server, protocols) {
  const client = await server.member({ protocols });
  client.send({ type: 'create', clientId: 'a host of this room', session: 'a session', maxClients: 1 });
  const event = await client.next();
  assert.equal(event.type, 'created');
  const speaks = 'epoch' in event ? 3 : 'index' in event ? 2 : 1;
  return { chosen: client.socket.protocol, speaks };
}

function itChoosesSubprotocols(server, byDefault) {
  const choices = [
    [['party-sockets.v1'], 'party-sockets.v1', 1],
    [['party-sockets.v2'], 'party-sockets.v2', 2],
    [['party-sockets.v1', 'party-sockets.v2'], 'party-sockets.v1', 1],
    [['party-sockets.v2', 'party-sockets.v1'], 'party-sockets.v2', 2],
    [['chat', 'party-sockets.v2', 'party-sockets.v1'], 'party-sockets.v2', 2],
    [['chat', 'party-sockets.v1', 'superchat'], 'party-sockets.v1', 1],
    [['party-sockets.v3'], 'party-sockets.v3', 3],
    [['party-sockets.v2', 'party-sockets.v3'], 'party-sockets.v3', 3],
    [['chat', 'party-sockets.v1', 'party-sockets.v3', 'party-sockets.v2'], 'party-sockets.v3', 3],
    [['chat', 'superchat'], 'chat', byDefault],
    [['party-sockets.v4', 'party-sockets'], 'party-sockets', byDefault],
    [['party-sockets.v4', 'party-sockets.v2'], 'party-sockets.v2', 2],
    [['Party-Sockets.v2'], 'Party-Sockets.v2', byDefault],
    [['Party-Sockets.v2', 'party-sockets.v1'], 'party-sockets.v1', 1],
    [[], '', byDefault],
  ];
  for (const [offered, chosen, speaks] of choices) {
    it(`A client that offers [${offered.join(', ')}] speaks ${speaks}`, async () => {
      assert.deepEqual(await protocolOf(server, offered), { chosen, speaks });
    });
  }
}

describeWithServer('The subprotocol', (server) => itChoosesSubprotocols(server, 1));
describeWithOptions('--protocol', 2)('The subprotocol where 2 is the default', (server) =>
  itChoosesSubprotocols(server, 2),
);

describeWithOptions('--protocol', 2)('Protocol 1 where 2 is the default', (server) => {
  const client = () => server.client({ protocols: version1 });

  it('It is what it is elsewhere', async () => {
    const [host, guest, again] = [await client(), await client(), await client()];
    const code = await host.create('host', 2);
    assert.deepEqual(await guest.join('guest', code.toLowerCase()), ['host', 'guest']);
    await host.expect({ type: 'peer_joined', clientId: 'guest' });
    host.send({ type: 'send', data: 1, to: null });
    await guest.expectMessage('host', 1);
    guest.send({ type: 'send', data: 2, to: 1 });
    await guest.expectError('Target client not found');
    host.send({ type: 'close_room' });
    await host.expectError('Unknown message type');
    assert.deepEqual(await again.join('guest', code), ['host', 'guest']);
    await guest.expectClosed(...replaced);
    await again.close();
    await host.expect({ type: 'peer_left', clientId: 'guest' });
    await host.expectSilence();
  });
});

describeAtOnce('The default protocol', (withServer) => {
  const expectDefault = (settings, speaks) =>
    withServer(settings, async (server) => {
      assert.deepEqual(await protocolOf(server, []), { chosen: '', speaks });
    });

  it('PROTOCOL is used when the option is not given', () =>
    expectDefault({ environment: { PROTOCOL: '2' } }, 2));

  it('--protocol wins over PROTOCOL', () =>
    expectDefault({ options: ['--protocol', 1], environment: { PROTOCOL: '2' } }, 1));

  it('It is 1 unless it is set', () => expectDefault({}, 1));
});

describeWithServer('A clientId', (server) => {
  const ids = ['a wolverine', 'a "badger\\', 'an \u00e9 ocelot', 'a marmot', 'a gannet'];

  it('never leaves the server', async () => {
    const told = [];
    const member = async () => {
      const one = await server.member({ origin: 'https://secret.example' });
      one.socket.on('message', (bytes) => told.push(bytes.toString()));
      one.socket.on('close', (code, reason) => told.push(`${code} ${reason}`));
      one.socket.on('ping', (bytes) => told.push(bytes.toString()));
      return one;
    };
    const look = async (code) => {
      for (const path of ['/', '/metrics', `/room/${code}`, `/${code}`, '/health'])
        for (const Accept of ['text/html', '*/*']) {
          const { headers, body } = await server.get(path, { headers: { Accept } });
          told.push(JSON.stringify(headers), body);
        }
    };

    const [hostId, zoeId, adamId, lateId, strangerId] = ids;
    const [host, zoe, newZoe, adam, late, stranger] = await Promise.all(range(6).map(member));
    const code = await host.create(hostId, { maxClients: 3 });
    await zoe.join(zoeId, code);
    await adam.join(adamId, code);
    late.send(join(lateId, code));
    await late.expectError('Room is full');
    stranger.send(join(strangerId, 'OOOOOO'));
    await stranger.expectError('Room not found');
    await host.expect(peerJoined(1), peerJoined(2));
    await look(code);

    host.setState({ round: 1 });
    await zoe.expect(peerJoined(2), { type: 'state', data: { round: 1 } });
    for (const to of ids) {
      zoe.relay('psst', to);
      await zoe.expectError('Target peer not found');
    }
    await newZoe.join(zoeId, code);
    await zoe.expectClosed(...replaced);
    await newZoe.expect({ type: 'state', data: { round: 1 } });
    newZoe.send({ type: 'create', clientId: zoeId, maxClients: 1 });
    await newZoe.expectError('Already in a room');
    await leave(adam, host, newZoe);
    await late.join(lateId, code);
    await look(code);
    await host.terminate();
    await newZoe.expect(peerJoined(3), peerLeft(0));
    const back = await member();
    await back.join(hostId, code);
    await look(code);
    back.closeRoom();
    await newZoe.expect(peerJoined(0));
    await Promise.all([back, newZoe, late].map((one) => one.expectClosed(...roomClosed)));
    await look(code);

    const everything = [...told, server.stdout, server.stderr].join('\n');
    assert.ok(everything.includes('"peer_joined"') && everything.includes('4001 room closed'));
    for (const part of ['wolverine', 'badger', 'ocelot', 'marmot', 'gannet'])
      assert.ok(!everything.includes(part), part);
  });
});
