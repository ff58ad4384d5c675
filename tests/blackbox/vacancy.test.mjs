// Protocol 2: a room whose last connection ended without a farewell lives on for a while.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { numberOf } from './support/base58.mjs';
import { eventually, slowness } from './support/deadline.mjs';
import { expectSilence, peerJoined, peerLeft, state } from './support/member.mjs';
import { describeAtOnce, describeWithServer } from './support/suite.mjs';
import { it } from './support/testing.mjs';

const url = 'https://game.example/?room={room}';

async function lookUp(server, code) {
  const { status, body } = await server.get(`/room/${code}`);
  return { status, ...JSON.parse(body) };
}

const expectEmpty = (server, code) =>
  eventually(async () => (await lookUp(server, code)).clients === 0, 'The room to be empty');

const expectRoomToGo = (server, code) =>
  eventually(async () => (await lookUp(server, code)).status === 404, 'The end of the room');

describeWithServer('A room whose last connection ends', (server) => {
  const unmasked = Buffer.from([0x81, 0x01, 0x78]);
  const cuts = {
    'by a reset': (member) => member.reset(),
    'by its TCP end': (member) => member.terminate(),
    'by a half-closed connection': (member) => member.halfClose(),
    'by a close frame with 1001, as of a page that is left': (member) => member.close(1001),
    'by a close frame with 4101, as of a socket that is taken for dead': (member) =>
      member.close(4101),
    'by a close frame with 3000': (member) => member.close(3000, 'as it likes'),
    'for breaking the protocol': (member) => member.socket._socket.write(unmasked),
  };

  for (const [way, cut] of Object.entries(cuts)) {
    it(`lives on, with all that it keeps, when that is ${way}`, async () => {
      const { code, members } = await server.party(['host', 'zoe', 'adam'], { url });
      const [host, zoe, adam] = members;
      host.setState({ round: 3 });
      for (const guest of [zoe, adam]) await guest.expect(state({ round: 3 }));
      for (const member of members) void cut(member);
      await expectEmpty(server, code);
      const found = await lookUp(server, code);
      assert.deepEqual([found.status, found.maxClients], [200, 100]);

      const [known, newcomer, back] = await server.members(3);
      assert.deepEqual(await known.join('adam', code), { index: 2, peers: [] });
      assert.equal(known.entry.url, found.url);
      await known.expect(state({ round: 3 }));
      assert.deepEqual(await newcomer.join('new', code), { index: 3, peers: [2] });
      await newcomer.expect(state({ round: 3 }));
      assert.deepEqual(await back.join('host', code), { index: 0, peers: [2, 3] });
      await back.expect(state({ round: 3 }));
      back.setState({ round: 4 });
      await known.expect(peerJoined(3), peerJoined(0), state({ round: 4 }));
      await newcomer.expect(peerJoined(0), state({ round: 4 }));
      await expectSilence(known, newcomer, back);
    });
  }

  const farewells = {
    'without a code': (member) => member.close(),
    'with 1000': (member) => member.close(1000, 'bye'),
  };

  for (const [way, leave] of Object.entries(farewells)) {
    it(`ends at once when that is by a close frame ${way}`, async () => {
      const { code, members } = await server.party(['host', 'zoe']);
      await leave(members[0]);
      await members[1].expect(peerLeft(0));
      await leave(members[1]);
      await expectRoomToGo(server, code);
    });

    it(`lives on when another was cut off before such a close frame ${way}`, async () => {
      const { code, members } = await server.party(['host', 'zoe']);
      await members[1].reset();
      await members[0].expect(peerLeft(1));
      await leave(members[0]);
      await expectEmpty(server, code);
      const back = await server.member();
      assert.deepEqual(await back.join('zoe', code), { index: 1, peers: [] });
      await leave(back);
      await expectRoomToGo(server, code);
    });
  }

  it('ends at once when it speaks protocol 1, in any case', async () => {
    const { code, members } = await server.room(['host', 'zoe']);
    await Promise.all(members.map((member) => member.reset()));
    await expectRoomToGo(server, code);
  });

  it('and was replaced before ends as the replacing one does', async () => {
    const { code, members } = await server.party(['host']);
    const again = await server.member();
    assert.deepEqual(await again.join('host', code), { index: 0, peers: [] });
    await members[0].expectClosed(4000, 'replaced');
    await again.close();
    await expectRoomToGo(server, code);
  });
});

describeAtOnce('The time of an empty room', (withServer) => {
  const graceMilliseconds = 1_000 * slowness; // others beside this take fifteen seconds in any case
  const grace = { options: ['--empty-room-grace', `${graceMilliseconds}ms`] };

  /** As a Wi-Fi is that fails for all. */
  it('is enough for all to be away for fifteen seconds', () =>
    withServer({}, async (server) => {
      const { code, members } = await server.party(['host', 'zoe'], { url });
      members[0].setState({ round: 3 });
      await members[1].expect(state({ round: 3 }));
      await Promise.all(members.map((member) => member.reset()));
      await expectEmpty(server, code);
      await pause(15_000);
      const [host, zoe] = await server.members(2);
      assert.deepEqual(await host.join('host', code), { index: 0, peers: [] });
      await host.expect(state({ round: 3 }));
      assert.deepEqual(await zoe.join('zoe', code), { index: 1, peers: [0] });
      await zoe.expect(state({ round: 3 }));
    }));

  it('is over after --empty-room-grace', () =>
    withServer(grace, async (server) => {
      const { code, members } = await server.party(['host']);
      const begin = Date.now();
      await members[0].reset();
      await expectRoomToGo(server, code);
      const elapsed = Date.now() - begin;
      assert.ok(elapsed >= graceMilliseconds - 20, `After ${elapsed} ms`);
    }));

  it('begins anew when somebody has been there', () =>
    withServer(grace, async (server) => {
      const { code, members } = await server.party(['host']);
      const begin = Date.now();
      await members[0].reset();
      while (Date.now() - begin < 1.5 * graceMilliseconds) {
        const back = await server.member();
        await expectEmpty(server, code);
        await pause(graceMilliseconds / 4);
        assert.deepEqual(await back.join('host', code), { index: 0, peers: [] });
        await back.reset();
      }
      await expectRoomToGo(server, code);
    }));

  it('may be none at all', () =>
    withServer({ environment: { EMPTY_ROOM_GRACE: '0ms' } }, async (server) => {
      const { code, members } = await server.party(['host']);
      await members[0].reset();
      await expectRoomToGo(server, code);
    }));

  it("does not lengthen its host's", () =>
    withServer({ options: ['--host-grace', `${graceMilliseconds}ms`] }, async (server) => {
      const { code, members } = await server.party(['host', 'zoe']);
      await members[0].reset();
      await members[1].expect(peerLeft(0));
      await members[1].reset();
      await expectRoomToGo(server, code);
    }));

  it('begins when a silent connection is found out', () =>
    withServer({ options: ['--ping-interval', '200ms', '--idle-timeout', `${600 * slowness}ms`] }, async (server) => {
      const { code, members } = await server.party(['host']);
      members[0].socket._socket.pause();
      await expectEmpty(server, code);
      const back = await server.member();
      assert.deepEqual(await back.join('host', code), { index: 0, peers: [] });
    }));
});

describeAtOnce('Empty rooms', (withServer) => {
  /** Makes an empty room and returns its code. */
  async function abandonedRoom(server, clientId = 'host') {
    const host = await server.member();
    const code = await host.create(clientId);
    await host.reset();
    await expectEmpty(server, code);
    return code;
  }

  it('of one address are at most 256; the oldest ends first, wherever it lives', () =>
    withServer({}, async (server) => {
      const codes = [];
      for (let count = 0; count < 256; count++) codes.push(await abandonedRoom(server));
      for (const code of codes) assert.equal((await lookUp(server, code)).status, 200);
      const back = await server.member(); // whose room is empty no longer
      await back.join('host', codes[0]);
      codes.push(await abandonedRoom(server));
      assert.equal((await lookUp(server, codes[1])).status, 200);
      codes.push(await abandonedRoom(server));
      await expectRoomToGo(server, codes[1]);
      const others = codes.filter((_, index) => index !== 1);
      for (const code of others) assert.equal((await lookUp(server, code)).status, 200);
    }));

  it('make way, the oldest first, when there are too many rooms', () =>
    withServer({ options: ['--max-rooms', 3] }, async (server) => {
      const codes = [];
      for (let count = 0; count < 3; count++) codes.push(await abandonedRoom(server));
      // A loop ends rooms of its own, so a creator elsewhere may find none to end there.
      let created = 0;
      const createSome = async () => {
        const hosts = await server.members(8);
        for (const host of hosts) host.send({ type: 'create', clientId: 'host', maxClients: 2 });
        const answers = await Promise.all(hosts.map((host) => host.next()));
        created += answers.filter(({ type }) => type === 'created').length;
        return created > 0;
      };
      await eventually(createSome, 'A creator at the loop of an empty room');
      const left = [];
      for (const code of codes) if ((await lookUp(server, code)).status === 200) left.push(code);
      assert.equal(created + left.length, 3);
    }));

  it('are not waited for at a stop', () =>
    withServer({}, async (server) => {
      await abandonedRoom(server);
      server.signal('SIGTERM');
      await server.ended();
    }));

  it('are not waited for when they become so in a drain', () =>
    withServer({}, async (server) => {
      const { members } = await server.party(['host', 'zoe']);
      server.signal('SIGTERM');
      await eventually(async () => (await server.get('/ready')).status === 503, 'The drain');
      await members[0].reset();
      await members[1].expect(peerLeft(0));
      await members[1].reset();
      await server.ended();
    }));

  it('are waited for in a drain as soon as somebody is back, whatever ends elsewhere', () =>
    withServer({ loops: 2 }, async (server) => {
      const { code, members } = await server.party(['host', 'zoe']);
      let other; // of the other loop, which has some of so many connections
      for (const member of await server.members(60)) {
        const difference = numberOf(await member.create('other')) - numberOf(code);
        if (difference % 2 !== 0 && !other) other = member;
        else await member.close();
      }
      server.signal('SIGTERM');
      await eventually(async () => (await server.get('/ready')).status === 503, 'The drain');
      await Promise.all(members.map((member) => member.reset()));
      await expectEmpty(server, code);
      await pause(1_500); // in which its loop has seen that nobody plays there
      const [host, zoe] = await server.members(2);
      await host.join('host', code);
      await zoe.join('zoe', code);
      await host.expect(peerJoined(1));
      other.closeRoom();
      await other.whenClosed();
      for (let count = 0; count < 20; count++) {
        zoe.relay(count);
        await host.expectMessage(1, count);
        await pause(10);
      }
      host.closeRoom();
      await server.ended();
    }));
});
