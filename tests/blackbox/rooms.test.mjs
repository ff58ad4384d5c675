// Rooms: creating, joining, sending, leaving, coming back.

import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { eventually } from './support/deadline.mjs';
import { text } from './support/frames.mjs';
import { describeWithServer } from './support/suite.mjs';
import { it } from './support/testing.mjs';

const joined = (room, ...clients) => ({ type: 'joined', room, clients });
const peerJoined = (clientId) => ({ type: 'peer_joined', clientId });
const peerLeft = (clientId) => ({ type: 'peer_left', clientId });
const replaced = [4000, 'replaced'];

const waysOfLeaving = {
  'a close frame with a code': (client) => client.close(1000, 'good night'),
  'a close frame without a code': (client) => client.close(),
  'a destroyed connection': (client) => client.terminate(),
  'a TCP reset': (client) => client.reset(),
  'a TCP half-close': (client) => client.halfClose(),
};

const expectSilence = (...clients) => Promise.all(clients.map((client) => client.expectSilence()));

/** Waits until a room is gone that is full for newcomers as long as it is there. */
async function expectFullRoomToGo(server, room) {
  const prober = await server.client();
  const answers = { 'Room is full': false, 'Room not found': true };
  await eventually(async () => {
    prober.send({ type: 'join', clientId: 'prober', room });
    const { type, message } = await prober.next();
    assert.equal(type, 'error');
    assert.ok(message in answers, message);
    return answers[message];
  }, 'The end of the room');
}

/** Joins and leaves a room `times` times. */
async function comeAndGo(server, room, clientId, times) {
  for (let count = 0; count < times; count++) {
    const client = await server.client();
    await client.join(clientId, room);
    await client.close();
  }
}

async function sendNumbers(sender, count) {
  for (let number = 0; number < count; number++) {
    sender.relay(number);
    if (number % 20 === 19) await nextTurn();
  }
}

const numbersFrom = (events, from) =>
  events.filter((event) => event.from === from).map(({ data }) => data);
const countTo = (limit) => Array.from({ length: limit }, (_, index) => index);

describeWithServer('Entering', (server) => {
  it('`create` is answered with `created` and a code of four unmistakable characters', async () => {
    const host = await server.client();
    host.send({ type: 'create', clientId: 'host', maxClients: 4 });
    const created = await host.next();
    assert.deepEqual(created, { type: 'created', room: created.room });
    assert.match(created.room, /^[ABCDEFGHJKLMNPQRSTUVWXYZ23456789]{4}$/);
    await host.expectSilence();
  });

  it('Codes of live rooms are unique and not in a row', async () => {
    const hosts = await server.clients(200);
    const codes = await Promise.all(hosts.map((host) => host.create('host')));
    assert.equal(new Set(codes).size, 200);
    for (const position of countTo(3)) {
      assert.ok(new Set(codes.map((code) => code[position])).size > 20, `${codes}`);
    }
  });

  it('The creator is the first member, and `joined` lists all in order of entry', async () => {
    const [host, zoe, adam] = await server.clients(3);
    const room = await host.create('host');
    zoe.send({ type: 'join', clientId: 'zoe', room });
    await zoe.expect(joined(room, 'host', 'zoe'));
    adam.send({ type: 'join', clientId: 'adam', room });
    await adam.expect(joined(room, 'host', 'zoe', 'adam'));
  });

  it('Everyone else hears `peer_joined`, the newcomer does not', async () => {
    const { code, members } = await server.room(['host', 'zoe']);
    const newcomer = await server.client();
    await newcomer.join('adam', code);
    for (const member of members) await member.expect(peerJoined('adam'));
    await expectSilence(newcomer, ...members);
  });

  it('A code typed in lower or mixed case is folded, also in the answer', async () => {
    const { code } = await server.room(['host']);
    const [first, second] = await server.clients(2);
    first.send({ type: 'join', clientId: 'first', room: code.toLowerCase() });
    await first.expect(joined(code, 'host', 'first'));
    const mixed = code.slice(0, 2).toLowerCase() + code.slice(2);
    second.send({ type: 'join', clientId: 'second', room: mixed });
    await second.expect(joined(code, 'host', 'first', 'second'));
  });

  it('Only ASCII letters are folded: a long s is no S, a full-width letter no letter', async () => {
    const letterCode = async () => {
      const code = await (await server.client()).create('host');
      return code.includes('S') && code;
    };
    const code = await eventually(letterCode, 'A code with the letter S');
    const client = await server.client();
    for (const room of [code.replace('S', '\u017f'), code.replace('S', '\uff33')]) {
      client.send({ type: 'join', clientId: 'guest', room });
      await client.expectError('Room not found');
    }
  });

  it('A code of another length or with characters that codes never have is not found', async () => {
    const { code } = await server.room(['host']);
    const client = await server.client();
    const wrongCodes = [
      code.slice(0, 3),
      `${code}A`,
      `${code}AA`,
      ` ${code}`,
      `${code} `,
      `${code.slice(0, 3)} `,
      `${code.slice(0, 3)}\0`,
      'O0I1',
      '\u{1f600}',
      'A'.repeat(10_000),
    ];
    for (const room of wrongCodes) {
      client.send({ type: 'join', clientId: 'guest', room });
      await client.expectError('Room not found');
    }
  });

  it('The same clientId may be in two rooms, which hear nothing of each other', async () => {
    const one = await server.room(['host', 'guest']);
    const other = await server.room(['host', 'guest']);
    one.members[0].relay('to the first room');
    await one.members[1].expectMessage('host', 'to the first room');
    await expectSilence(one.members[0], ...other.members);
  });
});

describeWithServer('maxClients', (server) => {
  const create = (client, maxClients) =>
    client.sendText(`{"type":"create","clientId":"client-0","maxClients":${maxClients}}`);

  const admitted = [
    ['1', 1],
    ['1.0', 1],
    ['10E-1', 1],
    ['1.5', 2],
    ['0.15e1', 2],
    ['2', 2],
    ['2.001', 3],
    ['3', 3],
  ];
  for (const [maxClients, count] of admitted) {
    it(`A room of maxClients ${maxClients} admits ${count}, then it is full`, async () => {
      const clients = await server.clients(count + 1);
      create(clients[0], maxClients);
      const { room } = await clients[0].next();
      for (let index = 1; index < count; index++)
        await clients[index].join(`client-${index}`, room);
      clients[count].send({ type: 'join', clientId: 'late', room });
      await clients[count].expectError('Room is full');
    });
  }

  for (const maxClients of ['1e308', '1e400', '9'.repeat(400), '12345678901234567890']) {
    it(`maxClients ${maxClients.slice(0, 20)} is allowed`, async () => {
      const clients = await server.clients(4);
      create(clients[0], maxClients);
      const { room } = await clients[0].next();
      for (const index of [1, 2, 3]) await clients[index].join(`client-${index}`, room);
    });
  }

  const refused = [
    '0',
    '-0',
    '0.5',
    '0.999',
    '1e-9',
    '-1',
    '-1e400',
    '"4"',
    'null',
    'true',
    '[4]',
    '{}',
    '""',
  ];
  it(`maxClients ${refused.join(' ')} or none at all is no positive number`, async () => {
    const client = await server.client();
    for (const maxClients of refused) {
      create(client, maxClients);
      await client.expectError('maxClients must be a positive number');
    }
    client.send({ type: 'create', clientId: 'host' });
    await client.expectError('maxClients must be a positive number');
  });

  it('The place of a member who left is free for another', async () => {
    const { code, members } = await server.room(['host', 'guest'], 2);
    await members[1].close();
    await members[0].expect(peerLeft('guest'));
    assert.deepEqual(await (await server.client()).join('another', code), ['host', 'another']);
  });
});

describeWithServer('Sending', (server) => {
  it('`send` without `to` reaches everyone else as `message`, and never its sender', async () => {
    const { members } = await server.room(['host', 'zoe', 'adam']);
    const [host, zoe, adam] = members;
    zoe.relay({ move: [1, 2] });
    for (const member of [host, adam]) await member.expectMessage('zoe', { move: [1, 2] });
    await expectSilence(zoe, host, adam);
  });

  it('`send` with `to` reaches that member only', async () => {
    const { members } = await server.room(['host', 'zoe', 'adam']);
    const [host, zoe, adam] = members;
    host.relay('for you', 'adam');
    await adam.expectMessage('host', 'for you');
    await expectSilence(host, zoe, adam);
  });

  it('`to` may be the sender itself', async () => {
    const { members } = await server.room(['host', 'zoe']);
    const [host, zoe] = members;
    host.relay('note', 'host');
    await host.expectMessage('host', 'note');
    await expectSilence(host, zoe);
  });

  it('A broadcast in a room of one reaches nobody and is no error', async () => {
    const { members } = await server.room(['host']);
    members[0].relay('hello?');
    await members[0].expectSilence();
  });

  const everyone = ['null', '""', '0', '-0', '0.0', '-0.0', '0e5', '0E-5', '0e400', 'false'];
  it(`\`to\` ${everyone.join(' ')} means everyone else`, async () => {
    const { members } = await server.room(['host', 'zoe', 'adam']);
    const [host, zoe, adam] = members;
    for (const to of everyone) {
      host.sendText(`{"type":"send","data":"all","to":${to}}`);
      for (const member of [zoe, adam]) await member.expectMessage('host', 'all');
    }
    await expectSilence(host, zoe, adam);
  });

  const nobody = [
    'true',
    '1',
    '-1',
    '0.1',
    '1e400',
    '[]',
    '{}',
    '["zoe"]',
    '"nobody"',
    '"ZOE"',
    '"zoe "',
  ];
  it(`\`to\` ${nobody.join(' ')} names nobody`, async () => {
    const { members } = await server.room(['host', 'zoe']);
    const [host, zoe] = members;
    for (const to of nobody) {
      host.sendText(`{"type":"send","data":1,"to":${to}}`);
      await host.expectError('Target client not found');
    }
    await expectSilence(host, zoe);
  });

  it('A member who left, or who is in another room, can not be named', async () => {
    const { members } = await server.room(['host', 'zoe']);
    await server.room(['elsewhere']);
    const [host, zoe] = members;
    await zoe.close();
    await host.expect(peerLeft('zoe'));
    for (const to of ['zoe', 'elsewhere']) {
      host.relay('hello?', to);
      await host.expectError('Target client not found');
    }
  });

  it('Messages of a sender arrive in order, and all see the events of a room in one', async () => {
    const senderIds = ['zoe', 'adam', 'eve', 'max'];
    const { code, members } = await server.room(['host', 'screen', ...senderIds]);
    const [host, screen, ...senders] = members;
    const perSender = 500;
    const visits = 5;
    await Promise.all([
      comeAndGo(server, code, 'visitor', visits),
      ...senders.map((sender) => sendNumbers(sender, perSender)),
    ]);

    const events = await host.take(senders.length * perSender + 2 * visits);
    assert.deepEqual(await screen.take(events.length), events);
    for (const [index, id] of senderIds.entries()) {
      assert.deepEqual(numbersFrom(events, id), countTo(perSender));
      const heard = await senders[index].take(events.length - perSender);
      assert.deepEqual(
        heard,
        events.filter((event) => event.from !== id),
      );
    }
    await expectSilence(...members);
  });
});

describeWithServer('Leaving', (server) => {
  for (const [way, leave] of Object.entries(waysOfLeaving)) {
    it(`Everyone else hears \`peer_left\` once after ${way}`, async () => {
      const { members } = await server.room(['host', 'zoe', 'adam']);
      const [host, zoe, adam] = members;
      await leave(zoe);
      for (const member of [host, adam]) await member.expect(peerLeft('zoe'));
      await zoe.whenClosed();
      await expectSilence(host, adam);
    });

    it(`A room goes with its last member, after ${way}`, async () => {
      const { code, members } = await server.room(['host'], 1);
      await leave(members[0]);
      await expectFullRoomToGo(server, code);
    });
  }

  it('What came before a half-close is handled before the member leaves', async () => {
    const { code, members } = await server.room(['host']);
    const guest = await server.rawWebSocket();
    await guest.join('guest', code);
    guest.send({ type: 'send', data: 'last words' });
    guest.halfClose();
    await members[0].expect(peerJoined('guest'));
    await members[0].expectMessage('guest', 'last words');
    await members[0].expect(peerLeft('guest'));
  });

  it('A room outlives its creator as long as somebody is in it', async () => {
    const { code, members } = await server.room(['host', 'zoe'], 2);
    await members[0].close();
    await members[1].expect(peerLeft('host'));
    const newcomer = await server.client();
    assert.deepEqual(await newcomer.join('adam', code), ['zoe', 'adam']);
    await members[1].expect(peerJoined('adam'));
    newcomer.relay('hello');
    await members[1].expectMessage('adam', 'hello');
    await newcomer.close();
    await members[1].expect(peerLeft('adam'));
  });

  it('Who left and joins again is a newcomer at the end of the order', async () => {
    const { code, members } = await server.room(['host', 'zoe', 'adam']);
    const [host, zoe, adam] = members;
    await zoe.close();
    for (const member of [host, adam]) await member.expect(peerLeft('zoe'));
    assert.deepEqual(await (await server.client()).join('zoe', code), ['host', 'adam', 'zoe']);
    for (const member of [host, adam]) await member.expect(peerJoined('zoe'));
  });
});

describeWithServer('Coming back', (server) => {
  it('A member that joins again takes over its place, and the others hear nothing', async () => {
    const { code, members } = await server.room(['host', 'zoe', 'adam']);
    const [host, zoe, adam] = members;
    const newZoe = await server.client();
    newZoe.send({ type: 'join', clientId: 'zoe', room: code });
    await newZoe.expect(joined(code, 'host', 'zoe', 'adam'));
    await zoe.expectClosed(...replaced);
    await expectSilence(newZoe, host, adam);
  });

  it('Messages go to and come from the new connection', async () => {
    const { code, members } = await server.room(['host', 'zoe']);
    const [host, zoe] = members;
    const newZoe = await server.client();
    await newZoe.join('zoe', code);
    host.relay('to zoe', 'zoe');
    host.relay('to all');
    await newZoe.expectMessage('host', 'to zoe');
    await newZoe.expectMessage('host', 'to all');
    newZoe.relay('thanks');
    await host.expectMessage('zoe', 'thanks');
    await zoe.expectClosed(...replaced);
    await assert.rejects(zoe.next(), /closed with 4000/);
  });

  it('A full room lets its own member back in, and nobody else', async () => {
    const { code, members } = await server.room(['host', 'zoe'], 2);
    const [newZoe, stranger] = await server.clients(2);
    await newZoe.join('zoe', code);
    await members[1].expectClosed(...replaced);
    stranger.send({ type: 'join', clientId: 'stranger', room: code });
    await stranger.expectError('Room is full');
    await expectSilence(members[0], newZoe);
  });

  it('The creator and a sole member can be replaced as well, many times', async () => {
    const { code, members } = await server.room(['host'], 1);
    let [current] = members;
    for (let count = 0; count < 10; count++) {
      const next = await server.client();
      assert.deepEqual(await next.join('host', code), ['host']);
      await current.expectClosed(...replaced);
      current = next;
    }
    await current.close();
    await expectFullRoomToGo(server, code);
  });

  it('What a replaced connection still sends reaches nobody', async () => {
    const { code, members } = await server.room(['host']);
    const guest = await server.rawWebSocket();
    await guest.join('guest', code);
    await members[0].expect(peerJoined('guest'));
    const newGuest = await server.client();
    await newGuest.join('guest', code);
    guest.send(
      { type: 'send', data: 'from the past' },
      { type: 'join', clientId: 'guest', room: code },
    );
    guest.write(text('not even JSON'));
    await guest.expectClose(...replaced);
    guest.terminate();
    newGuest.relay('from the present');
    await members[0].expectMessage('guest', 'from the present');
    await expectSilence(members[0], newGuest);
  });

  it('A replacement amid a stream of messages loses none and doubles none', async () => {
    const { code, members } = await server.room(['host', 'zoe']);
    const [host, zoe] = members;
    const count = 2_000;
    const newZoe = await server.client();
    await Promise.all([
      sendNumbers(host, count).then(() => host.expectSilence()),
      newZoe.join('zoe', code),
      zoe.expectClosed(...replaced),
    ]);

    host.relay('end');
    const numbers = [];
    const readNumbers = async (client) => {
      for (;;) {
        const { data } = await client.next();
        if (data === 'end') return;
        numbers.push(data);
      }
    };
    await assert.rejects(readNumbers(zoe), /closed with 4000/);
    await readNumbers(newZoe);
    assert.deepEqual(numbers, countTo(count));
  });

  it('A replacement that leaves makes the others hear `peer_left` once', async () => {
    const { code, members } = await server.room(['host', 'zoe']);
    const newZoe = await server.client();
    await newZoe.join('zoe', code);
    await members[1].expectClosed(...replaced);
    await newZoe.close();
    await members[0].expect(peerLeft('zoe'));
    await members[0].expectSilence();
  });
});
