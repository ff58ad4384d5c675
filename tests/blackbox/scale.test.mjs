// Many clients, long messages, slow and vanishing ones, races.

import assert from 'node:assert/strict';
import { eventually } from './support/deadline.mjs';
import { frame, json, opcodes, text } from './support/frames.mjs';
import { upgradeRequest } from './support/http.mjs';
import { Random, seed } from './support/random.mjs';
import { describeWithOptions, describeWithServer } from './support/suite.mjs';
import { it } from './support/testing.mjs';

const mebibyte = 2 ** 20;

const range = (count) => Array.from({ length: count }, (_, index) => index);
const ids = (prefix, count) => range(count).map((index) => `${prefix}-${index}`);

/** Runs `work` for every item, `width` of them at a time. */
async function inBatches(items, width, work) {
  const results = [];
  for (let start = 0; start < items.length; start += width) {
    results.push(...(await Promise.all(items.slice(start, start + width).map(work))));
  }
  return results;
}

describeWithServer('A large room', (server) => {
  it('50 clients who all send to all hear everyone else in order, and not themselves', async () => {
    const names = ids('client', 50);
    const perSender = 20;
    const { members } = await server.room(names);
    for (const number of range(perSender)) for (const member of members) member.relay(number);

    const heard = await Promise.all(members.map((member) => member.take(49 * perSender)));
    for (const [index, events] of heard.entries()) {
      const numbers = Object.fromEntries(names.map((name) => [name, []]));
      for (const { type, from, data } of events) {
        assert.equal(type, 'message');
        numbers[from].push(data);
      }
      const expected = names.map((name, sender) => [
        name,
        sender === index ? [] : range(perSender),
      ]);
      assert.deepEqual(numbers, Object.fromEntries(expected));
    }
    await Promise.all(members.map((member) => member.expectSilence()));
  });

  it('Members that are reset in mid-message are heard to leave once each', async () => {
    const { code, members } = await server.room(['host', 'zoe']);
    const names = ids('victim', 10);
    const victims = [];
    for (const clientId of names) {
      const victim = await server.rawWebSocket();
      await victim.join(clientId, code);
      victims.push(victim);
      for (const member of members) await member.expect({ type: 'peer_joined', clientId });
    }

    const message = json({ type: 'send', data: 'x'.repeat(1_000) });
    for (const [index, victim] of victims.entries()) {
      victim.write(message.subarray(0, 1 + index * 100));
      members[0].relay('x'.repeat(100_000));
      await eventually(() => victim.socket.writableLength === 0, 'Writing half a message');
      victim.reset();
    }
    const left = (events) =>
      events.filter(({ type }) => type === 'peer_left').map(({ clientId }) => clientId);
    assert.deepEqual(left(await members[0].take(10)).sort(), names);
    assert.deepEqual(left(await members[1].take(20)).sort(), names);
    members[0].relay('still here');
    await members[1].expectMessage('host', 'still here');
    await Promise.all(members.map((member) => member.expectSilence()));
  });
});

/**
 * One behind the other, which the rate of bytes would part by half a minute. A loaded machine, on which calls to the
 * kernel fail on purpose, takes longer for one than the relay waits for who is silent or takes nothing.
 */
const patience = ['--ping-interval', '1m', '--idle-timeout', '2m', '--stall-timeout', '2m'];

describeWithOptions('--max-byte-rate', 0, ...patience)('A long message', (server) => {
  const filler = range(2 * mebibyte)
    .map((index) => `${index} `.padEnd(9, '.'))
    .join('');

  /** The text of a `send` of exactly this length. */
  function longMessage(length, to) {
    const envelope = JSON.stringify({ type: 'send', to, data: '' }).length;
    const data = filler.slice(0, length - envelope);
    return { message: JSON.stringify({ type: 'send', to, data }), data };
  }

  async function expectLong(client, data) {
    const event = await client.next();
    assert.ok(event.data === data, `${data.length} characters, not ${event.data?.length}`);
    assert.deepEqual({ ...event, data: '' }, { type: 'message', from: 'host', data: '' });
  }

  for (const length of [mebibyte, 16 * mebibyte - 1, 16 * mebibyte]) {
    it(`A message of ${length} bytes arrives equal, at all and at one that is named`, async () => {
      const { members } = await server.room(['host', 'zoe', 'adam']);
      const [host, zoe, adam] = members;
      const toAll = longMessage(length);
      host.sendText(toAll.message);
      for (const member of [zoe, adam]) await expectLong(member, toAll.data);
      const toOne = longMessage(length, 'adam');
      host.sendText(toOne.message);
      await expectLong(adam, toOne.data);
      await Promise.all(members.map((member) => member.expectSilence()));
    });
  }

  it('A message of 16 MiB and one byte is met with 1009', async () => {
    const { members } = await server.room(['host', 'zoe']);
    members[0].sendText(longMessage(16 * mebibyte + 1).message);
    const { code } = await members[0].whenClosed();
    assert.equal(code, 1009);
    await members[1].expect({ type: 'peer_left', clientId: 'host' });
    await members[1].expectSilence();
  });

  it('Short messages that are sent after a long one arrive after it', async () => {
    const { members } = await server.room(['host', 'zoe']);
    const { message, data } = longMessage(4 * mebibyte);
    members[0].sendText(message);
    for (const number of range(100)) members[0].relay(number);
    await expectLong(members[1], data);
    for (const number of range(100)) await members[1].expectMessage('host', number);
  });
});

describeWithServer('Slow and early clients', (server) => {
  it('A client that writes one byte at a time takes part like any other', async () => {
    const { code, members } = await server.room(['host']);
    const slow = await server.raw();
    await slow.writeByteByByte(upgradeRequest());
    assert.equal((await slow.readResponse()).status, 101);
    await slow.writeByteByByte(json({ type: 'join', clientId: 'slow', room: code }));
    await slow.expect({ type: 'joined', room: code, clients: ['host', 'slow'] });
    await members[0].expect({ type: 'peer_joined', clientId: 'slow' });
    for (const data of range(3)) {
      await slow.writeByteByByte(json({ type: 'send', data }));
      await members[0].expectMessage('slow', data);
    }
  });

  it('Messages behind `join` in one packet are relayed in order, in any room', async () => {
    const rooms = await Promise.all(range(20).map(() => server.room(['host'])));
    const join = async ({ code, members }) => {
      const messages = range(10).map((data) => json({ type: 'send', data }));
      const packet = Buffer.concat([
        json({ type: 'join', clientId: 'guest', room: code }),
        ...messages,
      ]);
      const guest = await server.rawWebSocket();
      guest.write(packet);
      await guest.expect({ type: 'joined', room: code, clients: ['host', 'guest'] });
      await members[0].expect({ type: 'peer_joined', clientId: 'guest' });
      for (const data of range(10)) await members[0].expectMessage('guest', data);
      await members[0].expectSilence();
    };
    await Promise.all(rooms.map(join));
  });

  it('Handshake, `join` and messages may all be in one packet', async () => {
    const rooms = await Promise.all(range(20).map(() => server.room(['host'])));
    const join = async ({ code, members }) => {
      const guest = await server.raw();
      const messages = range(10).map((data) => json({ type: 'send', data, to: 'guest' }));
      await guest.upgrade({
        bytes: Buffer.concat([json({ type: 'join', clientId: 'guest', room: code }), ...messages]),
      });
      await guest.expect({ type: 'joined', room: code, clients: ['host', 'guest'] });
      for (const data of range(10)) await guest.expect({ type: 'message', from: 'guest', data });
      await members[0].expect({ type: 'peer_joined', clientId: 'guest' });
      await members[0].expectSilence();
    };
    await Promise.all(rooms.map(join));
  });

  it('A `join` that fails leaves the messages behind it in order', async () => {
    const { code } = await server.room(['host'], 1);
    const client = await server.rawWebSocket();
    const join = (room) => json({ type: 'join', clientId: 'guest', room });
    for (let round = 0; round < 10; round++) {
      client.write(
        join(code),
        text('{'),
        join('AAAA'),
        json({ type: 'send' }),
        frame(opcodes.binary, '{}'),
      );
      for (const message of [
        'Room is full',
        'Invalid JSON',
        'Room not found',
        'Not in a room',
        'Unknown message type',
      ]) {
        await client.expect({ type: 'error', message });
      }
    }
  });
});

describeWithServer('Many rooms', (server) => {
  it('500 rooms at once, each of 2 or 3 members, hear their own messages only', async () => {
    const rooms = await inBatches(range(500), 25, (index) =>
      server.room(['host', 'guest', 'other'].slice(0, 2 + (index % 2))),
    );
    assert.equal(new Set(rooms.map(({ code }) => code)).size, 500);
    for (const { code, members } of rooms) {
      members[0].relay({ to: code });
      members[1].relay({ back: code }, 'host');
    }
    await Promise.all(
      rooms.map(async ({ code, members: [host, ...guests] }) => {
        for (const guest of guests) await guest.expectMessage('host', { to: code });
        await host.expectMessage('guest', { back: code });
      }),
    );
    await Promise.all(
      rooms.flatMap(({ members }) => members).map((member) => member.expectSilence()),
    );
  });
});

describeWithServer('Races', (server) => {
  /** All but one of the clients get closed as `replaced`; the one that stays. */
  async function survivor(clients) {
    let closedCount = 0;
    for (const client of clients) {
      client.expectClosed(4000, 'replaced').then(
        () => closedCount++,
        () => {},
      );
    }
    await eventually(() => closedCount === clients.length - 1, 'The closing of all but one');
    const open = clients.filter((client) => client.isOpen);
    assert.equal(open.length, 1);
    return open[0];
  }

  it('Of 20 that take over one place at once, one is in, and the others hear nothing', async () => {
    const { code, members } = await server.room(['host', 'zoe']);
    const [host, zoe] = members;
    const rivals = await server.clients(20);
    const joined = { type: 'joined', room: code, clients: ['host', 'zoe'] };
    for (const rival of rivals) rival.send({ type: 'join', clientId: 'zoe', room: code });
    for (const rival of rivals) await rival.expect(joined);

    const winner = await survivor([zoe, ...rivals]);
    host.relay('who is it?', 'zoe');
    await winner.expectMessage('host', 'who is it?');
    winner.relay('me');
    await host.expectMessage('zoe', 'me');
    await Promise.all([host, winner].map((client) => client.expectSilence()));
  });

  it('Of 20 that join with one new id at once, one is in, and others hear of it once', async () => {
    const { code, members } = await server.room(['host']);
    const rivals = await server.clients(20);
    for (const rival of rivals) rival.send({ type: 'join', clientId: 'zoe', room: code });
    for (const rival of rivals)
      await rival.expect({ type: 'joined', room: code, clients: ['host', 'zoe'] });
    const winner = await survivor(rivals);
    await members[0].expect({ type: 'peer_joined', clientId: 'zoe' });
    await Promise.all([members[0], winner].map((client) => client.expectSilence()));
  });

  it('Of 20 that rush for the last 5 places, 5 are in, and 15 hear `Room is full`', async () => {
    const { code, members } = await server.room(['host'], 6);
    const rivals = await server.clients(20);
    rivals.forEach((rival, index) =>
      rival.send({ type: 'join', clientId: `rival-${index}`, room: code }),
    );
    const answers = await Promise.all(rivals.map(async (rival) => (await rival.next()).type));
    assert.deepEqual(answers.sort(), [...Array(15).fill('error'), ...Array(5).fill('joined')]);
    for (const { type } of await members[0].take(5)) assert.equal(type, 'peer_joined');
    await members[0].expectSilence();
  });

  it('Rooms that end while others join them either let these in or are not found', async () => {
    for (const round of range(30)) {
      const { code, members } = await server.room(['host']);
      const guest = await server.client();
      guest.send({ type: 'join', clientId: 'guest', room: code });
      await (round % 2 ? members[0].reset() : members[0].close());
      const answer = await guest.next();
      if (answer.type === 'joined') {
        assert.deepEqual(answer.clients, ['host', 'guest']);
        await guest.expect({ type: 'peer_left', clientId: 'host' });
        await guest.expectSilence();
      } else {
        assert.deepEqual(answer, { type: 'error', message: 'Room not found' });
        await guest.create('guest');
      }
      guest.terminate();
    }
  });
});

describeWithServer('Churn', (server) => {
  const roomCount = 6;
  const workerCount = 8;
  const stepsPerWorker = 60;

  /** Follows the events of one member, so as to know who is in its room, in order of entry. */
  class Watcher {
    constructor(client, members) {
      this.client = client;
      this.members = members;
    }

    async update() {
      this.client.send({ type: 'what else?' });
      for (;;) {
        const { type, clientId } = await this.client.next();
        if (type === 'error') return this.members;
        if (type === 'peer_joined') this.#enter(clientId);
        if (type === 'peer_left') this.#leave(clientId);
      }
    }

    #enter(clientId) {
      assert.ok(!this.members.includes(clientId), `${clientId} entered twice`);
      this.members.push(clientId);
    }

    #leave(clientId) {
      const place = this.members.indexOf(clientId);
      assert.notEqual(place, -1, `${clientId} left without being in`);
      this.members.splice(place, 1);
    }
  }

  /** Lets its own few ids enter, return, send and leave at random; what is in at the end. */
  async function work(random, worker, codes) {
    const present = new Map();
    const ownIds = ids(`worker-${worker}`, 3);

    const enter = async (clientId, code) => {
      const client = await server.client();
      const members = await client.join(clientId, code);
      present.set(clientId, { code, watcher: new Watcher(client, members) });
    };
    const actions = {
      return: async (clientId, { code, watcher }) => {
        await enter(clientId, code);
        await watcher.client.expectClosed(4000, 'replaced');
      },
      send: async (clientId, { watcher }) => watcher.client.relay({ clientId }),
      leave: async (clientId, { watcher: { client } }) => {
        present.delete(clientId);
        await random.pick([() => client.close(), () => client.terminate(), () => client.reset()])();
      },
    };
    for (let step = 0; step < stepsPerWorker; step++) {
      const clientId = random.pick(ownIds);
      const place = present.get(clientId);
      if (place) await actions[random.pick(['return', 'send', 'send', 'leave'])](clientId, place);
      else await enter(clientId, random.pick(codes));
    }
    return [...present].map(([clientId, place]) => ({ clientId, ...place }));
  }

  it(`After much coming and going, all members agree on who is in (SEED=${seed})`, async () => {
    const rooms = await Promise.all(range(roomCount).map(() => server.room(['host'])));
    const codes = rooms.map(({ code }) => code);
    const hosts = rooms.map(({ members }) => new Watcher(members[0], ['host']));
    const workers = range(workerCount).map((worker) => work(new Random(worker), worker, codes));
    const present = (await Promise.all(workers)).flat();

    for (const [index, code] of codes.entries()) {
      const inRoom = present.filter((place) => place.code === code);
      const expected = ['host', ...inRoom.map(({ clientId }) => clientId)].sort().join();
      const isSettled = async () => [...(await hosts[index].update())].sort().join() === expected;
      await eventually(isSettled, `Members ${expected}, SEED=${seed}`);
      for (const { watcher } of inRoom)
        assert.deepEqual(await watcher.update(), hosts[index].members);
    }
  });
});
