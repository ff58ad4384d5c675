// Protocol 2: the host closes its room, or is gone for a while, or for good.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { eventually, slowness } from './support/deadline.mjs';
import { expectSilence, peerJoined, peerLeft, replaced, roomClosed } from './support/member.mjs';
import { runToEnd, stopping } from './support/server.mjs';
import { describeAtOnce, describeWithServer } from './support/suite.mjs';
import { describe, it } from './support/testing.mjs';

const join = (clientId, room) => ({ type: 'join', clientId, room });

/** Both ends of the connection agree that it is over, and nothing else was said before. */
async function expectRoomClosed(...members) {
  for (const member of members) {
    await assert.rejects(member.next(), /closed with 4001 room closed/);
    await member.expectClosed(...roomClosed);
  }
}

async function expectGone(server, code, clientId = 'late') {
  const client = await server.member();
  client.send(join(clientId, code));
  await client.expectError('Room not found');
}

async function leave(member, ...others) {
  await member.close();
  for (const other of others) await other.expect(peerLeft(member.entry.index));
}

/** Waits until the room is gone: much less than the default grace. */
const expectRoomToGo = (server, room) =>
  eventually(async () => (await server.get(`/room/${room}`)).status === 404, 'The end of the room');

describeWithServer('close_room', (server) => {
  it('Every member is closed with 4001, the host too, and hears nothing else', async () => {
    const { code, members } = await server.party(['host', 'zoe', 'adam']);
    members[0].closeRoom();
    await expectRoomClosed(...members);
    for (const clientId of ['host', 'zoe', 'late']) await expectGone(server, code, clientId);
  });

  it('A host that is alone can close its room', async () => {
    const { code, members } = await server.party(['host']);
    members[0].closeRoom();
    await expectRoomClosed(...members);
    await expectGone(server, code, 'host');
  });

  it('What was sent before it arrives before the close', async () => {
    const { members } = await server.party(['host', 'zoe']);
    for (let number = 0; number < 100; number++) members[0].relay(number);
    members[0].setState('the end');
    members[0].closeRoom();
    for (let number = 0; number < 100; number++) await members[1].expectMessage(0, number);
    await members[1].expect({ type: 'state', data: 'the end' });
    await expectRoomClosed(members[1]);
  });

  it('What the members still send reaches nobody', async () => {
    const { members } = await server.party(['host', 'zoe', 'adam']);
    members[0].send({ type: 'close_room', room: 'ignored' });
    members[0].relay('from the past');
    members[0].setState('from the past');
    await expectRoomClosed(...members);
  });

  it('Only the host can, and nobody hears of who tries', async () => {
    const { code, members } = await server.party(['host', 'zoe', 'adam']);
    for (const guest of members.slice(1)) {
      guest.closeRoom();
      await guest.expectError('Only the host can close the room');
    }
    const client = await server.member();
    client.closeRoom();
    await client.expectError('Not in a room');
    await expectSilence(...members);
    assert.equal((await client.join('late', code)).index, 3);
  });

  it('A host that has come back can, one that has been replaced can not', async () => {
    const { code, members } = await server.party(['host', 'zoe']);
    await leave(members[0], members[1]);
    members[1].closeRoom();
    await members[1].expectError('Only the host can close the room');
    const [back, again] = await server.members(2);
    await back.join('host', code);
    await members[1].expect(peerJoined(0));
    await again.join('host', code);
    await back.expectClosed(...replaced);
    again.closeRoom();
    await expectRoomClosed(again, members[1]);
  });

  it('Members who have left are not concerned, nor are other rooms', async () => {
    const one = await server.party(['host', 'zoe', 'adam']);
    const other = await server.party(['host', 'zoe']);
    const [host, zoe, adam] = one.members;
    await leave(zoe, host, adam);
    const elsewhere = await server.member();
    await elsewhere.join('zoe again', other.code);
    for (const member of other.members) await member.expect(peerJoined(2));
    host.closeRoom();
    await expectRoomClosed(host, adam);
    await expectSilence(elsewhere, ...other.members);
  });

  it('Hundreds of members are all closed', async () => {
    const { code, members } = await server.party(['host'], { maxClients: 1_000 });
    const guests = await server.members(200);
    await Promise.all(guests.map((guest, count) => guest.join(`guest ${count}`, code)));
    members[0].closeRoom();
    await Promise.all(guests.map((guest) => guest.expectClosed(...roomClosed)));
    await members[0].expectClosed(...roomClosed);
    await expectGone(server, code);
  });
});

describeWithServer('A room whose last connected member leaves, by a close frame,', (server) => {
  it('is deleted at once when that is the host', async () => {
    const { code, members } = await server.party(['host']);
    members[0].setState('kept');
    await members[0].close();
    await expectRoomToGo(server, code);
    await expectGone(server, code, 'host');
  });

  it('is deleted at once when the host has left before', async () => {
    const { code, members } = await server.party(['host', 'zoe', 'adam']);
    const [host, zoe, adam] = members;
    await leave(host, zoe, adam);
    await Promise.all([zoe.close(), adam.close()]);
    await expectRoomToGo(server, code);
    for (const clientId of ['host', 'zoe']) await expectGone(server, code, clientId);
  });

  for (const [way, end] of Object.entries({ left: 'close', 'is cut off': 'terminate' })) {
    it(`is there as long as anybody is, when the host ${way}`, async () => {
      const { code, members } = await server.party(['host', 'zoe']);
      await members[0][end]();
      await members[1].expect(peerLeft(0));
      assert.equal((await server.get(`/room/${code}`)).status, 200);
    });
  }
});

describeAtOnce('The grace of a room whose host is gone', (withServer) => {
  const grace = 600 * slowness;
  const tolerance = 20; // by which a timer and the clock here may differ
  const withGrace = (work, milliseconds = grace) =>
    withServer({ environment: { HOST_GRACE_MS: `${milliseconds}` } }, work);

  async function expectTornDown(begin, ...members) {
    await expectRoomClosed(...members);
    const elapsed = Date.now() - begin;
    assert.ok(elapsed >= grace - tolerance, `After ${elapsed} ms`);
    return elapsed;
  }

  /** Waits for as long as a grace takes that begins now: a room's host leaves, and it ends. */
  async function aGraceLater(server) {
    const { members } = await server.party(['host of a clock', 'guest']);
    const begin = Date.now();
    await leave(members[0], members[1]);
    await expectTornDown(begin, members[1]);
  }

  it('The room lives on in it, and then is torn down as by close_room', () =>
    withGrace(async (server) => {
      const { code, members } = await server.party(['host', 'zoe', 'adam']);
      const [host, zoe, adam] = members;
      const late = await server.member();
      const begin = Date.now();
      await leave(host, zoe, adam);
      zoe.relay('still here');
      await adam.expectMessage(1, 'still here');
      assert.deepEqual(await late.join('late', code), { index: 3, peers: [1, 2] });
      for (const member of [zoe, adam]) await member.expect(peerJoined(3));
      assert.ok((await expectTornDown(begin, zoe, adam, late)) < grace + 2_000 * slowness);
      await expectGone(server, code, 'host');
      await expectGone(server, code, 'zoe');
    }));

  it('`--host-grace` is a duration', () =>
    withServer({ options: ['--host-grace', `${grace}ms`] }, async (server) => {
      const { members } = await server.party(['host', 'zoe']);
      const begin = Date.now();
      await leave(members[0], members[1]);
      await expectTornDown(begin, members[1]);
    }));

  it('`--host-grace` wins over HOST_GRACE_MS', () =>
    withServer(
      { options: ['--host-grace', `${grace}ms`], environment: { HOST_GRACE_MS: '3600000' } },
      (server) => aGraceLater(server),
    ));

  it('It is long unless it is set', () =>
    withServer({}, async (server) => {
      const { members } = await server.party(['host', 'zoe']);
      await leave(members[0], members[1]);
      await pause(grace);
      await members[1].expectSilence();
    }));

  it('A host that comes back stops it', () =>
    withGrace(async (server) => {
      const { code, members } = await server.party(['host', 'zoe']);
      const back = await server.member();
      await leave(members[0], members[1]);
      await back.join('host', code);
      await members[1].expect(peerJoined(0));
      await aGraceLater(server);
      back.setState('still the host');
      await members[1].expect({ type: 'state', data: 'still the host' });
      await expectSilence(back, members[1]);
    }));

  it('It begins afresh whenever the host leaves', () =>
    withGrace(async (server) => {
      const { code, members } = await server.party(['host', 'zoe']);
      let [host, zoe] = members;
      const first = Date.now();
      while (Date.now() - first < 1.5 * grace) {
        const back = await server.member();
        await leave(host, zoe);
        await pause(grace / 4);
        host = back;
        await host.join('host', code);
        await zoe.expect(peerJoined(0));
      }
      const last = Date.now();
      await leave(host, zoe);
      await expectTornDown(last, zoe);
    }));

  it('It runs on while the host finds the room full', () =>
    withGrace(async (server) => {
      const { code, members } = await server.party(['host', 'zoe'], { maxClients: 2 });
      const [late, host] = await server.members(2);
      const begin = Date.now();
      await leave(members[0], members[1]);
      await late.join('late', code);
      await members[1].expect(peerJoined(2));
      let refusals = 0;
      await eventually(async () => {
        host.send(join('host', code));
        const { message } = await host.next();
        if (message === 'Room not found') return true;
        assert.equal(message, 'Room is full');
        refusals++;
        return false;
      }, 'The end of the room');
      assert.ok(refusals > 1);
      await expectTornDown(begin, members[1], late);
    }));

  it('A host that found the room full may enter when a seat is free, and stops it', () =>
    withGrace(async (server) => {
      const { code, members } = await server.party(['host', 'zoe'], { maxClients: 2 });
      const [host, zoe] = members;
      const [late, back] = await server.members(2);
      await leave(host, zoe);
      await late.join('late', code);
      await zoe.expect(peerJoined(2));
      back.send(join('host', code));
      await back.expectError('Room is full');
      await leave(late, zoe);
      assert.deepEqual(await back.join('host', code), { index: 0, peers: [1] });
      await zoe.expect(peerJoined(0));
      await aGraceLater(server);
      await expectSilence(back, zoe);
    }));

  it('A host that replaces itself starts none', () =>
    withGrace(async (server) => {
      const { code, members } = await server.party(['host', 'zoe']);
      const again = await server.member();
      await again.join('host', code);
      await members[0].expectClosed(...replaced);
      await aGraceLater(server);
      again.setState('still the host');
      await members[1].expect({ type: 'state', data: 'still the host' });
      await expectSilence(again, members[1]);
    }));

  it('A guest that leaves starts none, nor does a guest that comes back stop one', () =>
    withGrace(async (server) => {
      const one = await server.party(['host', 'zoe', 'adam']);
      const other = await server.party(['host', 'zoe', 'adam']);
      const back = await server.member();
      await leave(one.members[1], one.members[0], one.members[2]);
      const begin = Date.now();
      await leave(other.members[0], other.members[1], other.members[2]);
      await leave(other.members[1], other.members[2]);
      await back.join('zoe', other.code);
      await other.members[2].expect(peerJoined(1));
      await expectTornDown(begin, back, other.members[2]);
      await expectSilence(one.members[0], one.members[2]);
    }));

  it('Each room has its own', () =>
    withGrace(async (server) => {
      const rooms = await Promise.all(
        Array.from({ length: 20 }, () => server.party(['host', 'zoe'])),
      );
      const back = await server.member();
      const begin = Date.now();
      await Promise.all(rooms.map(({ members }) => leave(members[0], members[1])));
      await rooms[7].members[1].close();
      await back.join('host', rooms[9].code);
      await rooms[9].members[1].expect(peerJoined(0));
      const ending = rooms.filter((_, number) => number !== 7 && number !== 9);
      await Promise.all(ending.map(({ members }) => expectTornDown(begin, members[1])));
      await expectSilence(back, rooms[9].members[1]);
    }));

  it('Rooms of protocol 1 have none', () =>
    withGrace(async (server) => {
      const { code, members } = await server.room(['host', 'zoe']);
      await members[0].close();
      await members[1].expect({ type: 'peer_left', clientId: 'host' });
      await aGraceLater(server);
      await members[1].expectSilence();
      assert.deepEqual(await (await server.client()).join('adam', code), ['zoe', 'adam']);
    }));

  it('A drain ends with the rooms whose grace ends', () =>
    withGrace(async (server) => {
      const { members } = await server.party(['host', 'zoe']);
      await leave(members[0], members[1]);
      server.signal('SIGTERM');
      await expectRoomClosed(members[1]);
      await server.ended();
    }));

  it('In a drain a host may come back, and the drain ends when it closes its room', () =>
    withGrace(async (server) => {
      const { code, members } = await server.party(['host', 'zoe']);
      const back = await server.member();
      await leave(members[0], members[1]);
      server.signal('SIGTERM');
      await back.join('host', code);
      await members[1].expect(peerJoined(0));
      back.closeRoom();
      await expectRoomClosed(back, members[1]);
      await server.ended();
    }));

  it('In a drain `create` is refused before anything else is checked', () =>
    withServer({}, async (server) => {
      const { members } = await server.party(['host', 'zoe']);
      const outsider = await server.member();
      server.signal('SIGTERM');
      for (const client of [...members, outsider]) {
        await eventually(async () => {
          client.send({ type: 'create', url: 1 });
          return (await client.next()).message === 'Server draining';
        }, 'A loop that drains');
      }
      members[0].closeRoom();
      await expectRoomClosed(...members);
      assert.equal((await outsider.whenClosed()).code, stopping.code);
      await server.ended();
    }));
});

describe('Values of the grace', () => {
  const refused = [
    [['--host-grace', '500'], {}, '--host-grace'],
    [['--host-grace', 'soon'], {}, '--host-grace'],
    [['--host-grace', '-1s'], {}, '--host-grace'],
    [[], { HOST_GRACE_MS: '500ms' }, 'HOST_GRACE_MS'],
    [[], { HOST_GRACE_MS: '-1' }, 'HOST_GRACE_MS'],
    [[], { HOST_GRACE_MS: 'soon' }, 'HOST_GRACE_MS'],
  ];
  for (const [options, environment, name] of refused) {
    const value = [...options, ...Object.values(environment)].at(-1);
    it(`${name} ${value} is refused in one line that names it, with status 2`, async () => {
      const { status, stderr } = await runToEnd(options, environment);
      assert.equal(status, 2, stderr);
      assert.match(stderr, /^[^\n]+\n$/);
      assert.ok(stderr.includes(name), stderr);
    });
  }

  it('It is 120 s unless it is set, as --help says', async () => {
    const { stdout } = await runToEnd(['--help']);
    assert.match(stdout, /--host-grace .*\b(120s|2m)\b.*HOST_GRACE_MS/);
  });
});
