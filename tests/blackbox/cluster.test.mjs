// Several servers that a nats-server joins to a cluster: rooms are at one node, and clients at any.

import assert from 'node:assert/strict';
import { after } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import {
  canCreate, CROWD, dialects, enter, enterOnce, hasSlices, haveShares, isReady, party, restarting, talk,
} from './support/cluster.mjs';
import { deadlineMilliseconds, eventually, slowness } from './support/deadline.mjs';
import { freshLoopback } from './support/entrance.mjs';
import { lacksNats, Nats } from './support/nats.mjs';
import { runToEnd, Server } from './support/server.mjs';
import { loopCounts } from './support/suite.mjs';
import { describe, it } from './support/testing.mjs';

/** Until the slices of a node that was killed have other owners, and these serve them. */
const TAKEOVER_MILLISECONDS = 20_000 * slowness;
/** The same after a node that said that it ended: nobody has to find out that it is dead. */
const HANDOVER_MILLISECONDS = 7_000 * slowness;
const TAKEOVER = TAKEOVER_MILLISECONDS / deadlineMilliseconds;
/** Until a node that joins has its share of the slices. */
const SHARING_MILLISECONDS = 15_000 * slowness;
const SHARING = SHARING_MILLISECONDS / deadlineMilliseconds;

/** As enter(), as soon as a node serves the room; in protocol 3 with another attempt. */
async function comeBack(server, { protocol, name, room, index }) {
  let client;
  await eventually(async () => (client = await enterOnce(server, protocol, name, room)), `${name} at the room`, TAKEOVER);
  assert.equal(client.error, undefined);
  assert.equal(client.index, index);
  return client;
}

/** Of protocol 3: comes back with what it has, and gets what it missed behind the last numbered event that it saw. */
async function expectRecovery(server, { name, room, epoch, index }, seen, missed) {
  const client = await dialects[3].open(server);
  client.send({ type: 'join', clientId: `the secret of ${name}`, session: `a session of ${name}`, attempt: 1, room, epoch, seen });
  const { type, recovered, ...joined } = await client.next();
  assert.deepEqual([type, recovered, joined.index, joined.epoch, joined.seen], ['joined', true, index, epoch, seen]);
  for (const event of missed) await client.expect(event);
}

/**
 * Of protocol 3, whose home is lost, or may be: waits for the `joined` that it has not asked for, and answers.
 * `told` is what it is told with that, but for `pongs`, of which those without `heard` say that it has no seat
 * yet. Undefined: its home is there.
 */
async function beSeatedAgain(member, mayBeThere) {
  let pongs = 0;
  const ping = () => member.send({ type: 'ping' });
  ping();
  const pinging = setInterval(ping, 250);
  try {
    for (;;) {
      const event = await member.next();
      if (event.type === 'joined') {
        clearInterval(pinging); // a later pong would be for nobody
        member.send({ type: 'send', data: 'dropped, since the answer comes behind it' });
        member.send({ type: 'resumed', unasked: event.unasked });
        return { joined: event, pongs, told: await toldUntilPong(member) };
      }
      if (event.heard !== undefined && mayBeThere) return undefined;
      if (event.type === 'pong' && event.heard === undefined) pongs++;
      else assert.match(event.type, /^(pong|peer_away)$/);
    }
  } finally {
    clearInterval(pinging);
  }
}

async function toldUntilPong(member) {
  const told = [];
  member.send({ type: 'ping' });
  for (;;) {
    const event = await member.next();
    if (event.heard !== undefined) return told;
    if (!['pong', 'skipped'].includes(event.type)) told.push(event); // `skipped`: before it was seated
  }
}

/** Of protocol 3, whose room had to be made of its record: gets what others have said to it since then. */
async function expectRetelling(server, { name, room, epoch, index }, state, said) {
  let client;
  let attempt = 0;
  await eventually(async () => {
    client = await dialects[3].open(server);
    client.send({ type: 'join', clientId: `the secret of ${name}`, session: `${name} again`, attempt: ++attempt, room, epoch, seen: 3 });
    client.answer = await client.next().catch(() => undefined);
    return client.answer !== undefined;
  }, `${name} at the room`, TAKEOVER);
  const { type, recovered, ...joined } = client.answer;
  assert.deepEqual([type, recovered, joined.index, joined.seen], ['joined', false, index, 0]);
  assert.notEqual(joined.epoch, epoch);
  await client.expect({ type: 'state', data: state });
  const heard = [];
  while (heard.length < said.length) {
    const event = await client.next();
    if (event.type !== 'skipped') heard.push(event);
  }
  assert.deepEqual(heard, said);
  return Object.assign(client, { name, protocol: 3, room, index, epoch: joined.epoch });
}

/** Members whose node lives, but not the one that had their room, which its last record gives this state. */
async function expectSeatsAgain(members, state) {
  const seats = await Promise.all(members.map((member) => beSeatedAgain(member)));
  for (const [number, { joined, told, pongs }] of seats.entries()) {
    const member = members[number];
    const { recovered, index, room, epoch, peers } = joined;
    assert.deepEqual([recovered, index, room], [false, member.index, member.room]);
    assert.ok(pongs > 0);
    member.epoch = epoch;
    assert.deepEqual(told.shift(), { type: 'state', data: state });
    const later = members.filter((other) => other !== member && !peers.includes(other.index));
    told.push(...(await member.take(later.length - told.length)));
    const byIndex = (one, other) => one.index - other.index;
    assert.deepEqual(told.sort(byIndex), later.map(dialects[3].returned).sort(byIndex));
  }
}

/** Whether its room has gone to another node. Then it has missed nothing but that others were away. */
async function hasMovedAlong(member) {
  const seat = await beSeatedAgain(member, true);
  if (seat === undefined) return false;
  const { recovered, epoch, index } = seat.joined;
  assert.deepEqual([recovered, epoch, index], [true, member.epoch, member.index]);
  for (const { type } of seat.told) assert.match(type, /^peer_(away|back)$/);
  return true;
}

/** A party whose room is at `home`: a node that has no codes at this moment has another one make the room. */
async function partyAt(home, protocol, servers, wishes) {
  let members;
  const isThere = async () => {
    for (const member of members ?? []) await member.terminate();
    const { rooms } = await home.stats();
    members = await party(protocol, servers, wishes);
    return (await home.stats()).rooms > rooms;
  };
  await eventually(isThere, 'A room at this node, not at another one');
  return members;
}

/**
 * All come back, one after the other, and hear of each other; the last record had this state. `here` are
 * there already.
 */
async function comeBackTo(servers, members, state, here = []) {
  const back = [...here];
  for (const [number, member] of members.entries()) {
    const newcomer = await comeBack(servers[number % servers.length], member);
    if (member.protocol !== 1) await newcomer.expect({ type: 'state', data: state });
    for (const other of back) await other.expect(dialects[member.protocol].returned(newcomer));
    back.push(newcomer);
  }
  return back;
}

/** The host sets a state, and all have it. A second later the room is recorded with it. */
async function keepState([host, ...guests], state) {
  if (host.protocol === 1) return;
  host.send({ type: 'set_state', data: state });
  for (const guest of guests) await guest.expect({ type: 'state', data: state });
}

/** The list of nodes, by name; round trips, which change all the time, are a list of their own. */
async function nodesOf(server) {
  const { nodes } = (await server.stats()).cluster;
  return Object.fromEntries(nodes.map(({ name, roundTripMs, ...rest }) => [name, rest]));
}

async function roundTripsOf(server) {
  const { nodes } = (await server.stats()).cluster;
  return Object.fromEntries(nodes.map(({ name, roundTripMs }) => [name, roundTripMs]));
}

/** What has become of rooms at these nodes, together. */
async function fatesOf(...servers) {
  const fates = { taken: 0, given: 0, given_up: 0 };
  for (const server of servers) {
    const { body } = await server.get('/metrics');
    for (const fate of Object.keys(fates)) fates[fate] += Number(new RegExp(`rooms_${fate}_total(?:\\{.*\\})? (\\d+)`).exec(body)[1]);
  }
  return fates;
}

for (const loops of loopCounts) {
  describe(`A cluster, with --loops ${loops}`, { skip: lacksNats }, () => {
    const nats = new Map();
    const servers = new Set();

    async function startNode(name, ...options) {
      const settings = { loops, options: ['--cluster', nats.get('one').url, '--node-name', name, '--max-byte-rate', 0, ...options] };
      const server = await Server.start(settings);
      servers.add(server);
      return server;
    }

    after(async () => {
      for (const server of servers) {
        await server.disconnectAll();
        server.kill();
      }
      for (const one of nats.values()) await one.remove();
    });

    let a, b, c, d;

    it('Each node has its share, and rooms have members at each node', async () => {
      nats.set('one', new Nats({ host: freshLoopback() })); // it is started again, and nobody may have its ports then
      await nats.get('one').start();
      a = await startNode('a');
      const { status, body } = await a.get('/ready'); // it serves nothing for seconds
      assert.deepEqual([status, `${body}`], [503, '{"status":"joining"}']);
      await eventually(isReady(a), 'Codes for rooms at the first node', 2);
      await eventually(() => hasSlices(a, 256), 'All slices at the first node');
      [b, c] = await Promise.all([startNode('b'), startNode('c')]);
      await eventually(() => haveShares(a, b, c), 'A third of all slices at each node', SHARING);
      for (const server of [b, c]) await eventually(canCreate(server), 'A room from another node');
      for (const server of [a, b, c]) assert.equal((await server.get('/ready')).status, 200);
      for (const protocol of [1, 2, 3]) await talk(await party(protocol, [a, b, c]));
      for (const protocol of [1, 2, 3]) await talk(await party(protocol, [c, a, b, c]));
    });

    it('The numbers of a node tell of its part in the cluster', async () => {
      const cluster = async (server) => (await server.stats()).cluster;
      await eventually(async () => (await cluster(a)).peers === 2, 'The other nodes');
      const { nodes, slices, ...numbers } = await cluster(a);
      assert.deepEqual(numbers, { peers: 2, connected: true });
      assert.equal(nodes.length, 3);
      assert.equal(slices + (await cluster(b)).slices + (await cluster(c)).slices, 256);
      const { body } = await a.get('/metrics');
      for (const line of [new RegExp(`cluster_slices\\{.*\\} ${slices}$`, 'm'), /cluster_peers\{.*\} 2$/m, /cluster_connected\{.*\} 1$/m])
        assert.match(body, line);
    });

    it('Each node lists all nodes, with the rooms and clients of each', async () => {
      const members = await party(2, [a, b, b]);
      const own = async (server) => {
        const { rooms, clients } = await server.stats();
        return { rooms, clients };
      };
      const list = async (server, here) =>
        assert.deepEqual(await nodesOf(server), {
          a: { state: here === 'a' ? 'here' : 'serving', ...(await own(a)) },
          b: { state: here === 'b' ? 'here' : 'serving', ...(await own(b)) },
          c: { state: 'serving', ...(await own(c)) },
        });
      for (const [here, server] of Object.entries({ a, b })) {
        await eventually(() => list(server, here).then(() => true, () => false), `The list of ${here}`).catch(() => list(server, here));
      }
      assert.ok((await own(a)).rooms > 0 && (await own(b)).clients >= 2);
      for (const member of members) await member.terminate();
      await eventually(async () => (await nodesOf(a)).b.clients === (await own(b)).clients, 'Two clients less at the other node');
    });

    it('Each node measures the round trip to each other one', async () => {
      const isMeasured = (trips, here) => Object.entries(trips).every(([name, trip]) => name === here ? trip === null : trip !== null);
      for (const [here, server] of Object.entries({ a, b, c })) {
        await eventually(async () => isMeasured(await roundTripsOf(server), here), `The round trips of ${here}`, 2);
        for (const [name, trip] of Object.entries(await roundTripsOf(server))) {
          if (name !== here) assert.ok(trip > 0 && trip < 1000 * slowness, `${trip} ms from ${here} to ${name}`);
        }
      }
    });

    it('Long messages go from node to node, more of them than may wait there', async () => {
      const members = await party(3, [a, b]);
      const [host, guest] = members;
      for (let number = 0; number < 24; number++) {
        const data = `${number} ${'x'.repeat(1 << 20)}`;
        host.relay(data);
        await guest.expectMessage(0, data);
        guest.relay(data);
        await host.expectMessage(1, data);
      }
      await talk(members);
    });

    it('Any node answers for any room', async () => {
      const [host] = await party(2, [c, b, a]);
      for (const server of [a, b, c]) {
        const { status, body } = await server.get(`/room/${host.room}`);
        assert.equal(status, 200);
        assert.deepEqual(JSON.parse(body).clients, 3);
        const picture = await server.get(`/room/${host.room}/qr.svg`, { headers: { Host: 'a.example' } });
        assert.equal(picture.status, 200);
        assert.match(`${picture.body}`, /^<svg/);
        for (const code of ['2345', 'abcdef', 'BBBB']) {
          const none = await server.get(`/room/${code}`);
          assert.deepEqual([none.status, `${none.body}`], [404, '{"error":"Room not found"}']);
        }
      }
    });

    it('Who leaves a room of another node enters others over the same connection', async () => {
      const [host, guest] = await party(3, [a, b]);
      const [other] = await party(3, [c]);
      const dialect = dialects[3];
      for (const [index, { room }, there] of [[1, other, other], [1, host, host], [2, host, host]]) {
        guest.send({ type: 'leave' });
        await guest.expect({ type: 'left' });
        const left = there === host && index === 1 ? other : host;
        await left.expect({ type: 'peer_left', index: guest.index, why: 'left' });
        dialect.join(guest, 'player 1', room);
        guest.index = (await guest.next()).index;
        assert.equal(guest.index, there === host ? index + 1 : index);
        await there.expect(dialect.came(guest));
        await talk([there, guest]);
      }
    });

    it('Who leaves a room of another node and does not wait for the answer loses no word in silence', async () => {
      const [host, guest] = await party(3, [a, b]);
      guest.send({ type: 'leave' });
      for (let number = 0; number < 3; number++) guest.send({ type: 'is nobody there?' });
      await guest.expect({ type: 'left' });
      // Each is answered, by the edge, or the client is closed.
      const answers = await guest.take(3).then((all) => all.map(({ code }) => code), () => guest.whenClosed());
      assert.ok(JSON.stringify(answers) === JSON.stringify(Array(3).fill('unknown-type')) || answers.code === 1012);
      await host.expect({ type: 'peer_left', index: 1, why: 'left' });
    });

    it('An origin of any length goes along', async () => {
      for (const length of [255, 256, 257]) {
        const origin = `https://${'a'.repeat(length - 8)}`;
        const client = await c.client({ headers: { Origin: origin } });
        client.send({ type: 'create', clientId: 'far away', maxClients: 2 });
        const { room } = await client.next();
        const { body } = await b.get(`/room/${room}`);
        assert.equal(JSON.parse(body).origin, length === 255 ? origin : '__other__');
        await client.terminate();
      }
    });

    it('Another cluster at the same nats-server knows nothing of this one', async () => {
      const other = await startNode('a', '--cluster-name', 'other');
      const [host] = await party(1, [a]);
      for (const protocol of [1, 2]) await eventually(canCreate(other, protocol), 'A room in the other cluster');
      const stranger = await enterOnce(other, 1, 'stranger', host.room);
      assert.equal(stranger.error, 'Room not found');
      await talk(await party(2, [other, other]));
      await other.stop();
      await talk([host, await enter(b, 1, 'guest', host.room).then(async (guest) => {
        await host.expect(dialects[1].came(guest));
        return guest;
      })]);
    });

    it('A node is killed: the others have its rooms, and who is elsewhere gets its seat again there, or 1012', async () => {
      const parties = [];
      for (const protocol of [1, 2, 3]) parties.push(await party(protocol, [a, b, c]));
      for (const members of parties) await keepState(members, `kept by ${members[0].room}`);
      const [, ...crowd] = await party(3, [a, ...Array.from({ length: CROWD }, (_, number) => number % 2 ? b : c)]);
      await eventually(async () => /store_pending_records\{.*\} 0$/m.test((await a.get('/metrics')).body), 'All records');
      const began = Date.now();
      a.kill();
      for (const [host, ...guests] of parties) {
        if (host.protocol === 3) await expectSeatsAgain(guests, `kept by ${host.room}`);
        else for (const guest of guests) assert.deepEqual(await guest.whenClosed(), restarting);
      }
      // More than a home is asked to seat again at once.
      const seats = await Promise.all(crowd.map((guest) => beSeatedAgain(guest)));
      assert.deepEqual(seats.map(({ joined }) => joined.index), crowd.map(({ index }) => index));
      for (const server of [b, c])
        await eventually(() => hasSlices(server, 128), 'Half of the slices at each of two nodes', TAKEOVER);
      for (const server of [b, c]) {
        for (const protocol of [1, 2, 3])
          await eventually(canCreate(server, protocol), 'A room after the node has died', TAKEOVER);
      }
      assert.ok(Date.now() - began < TAKEOVER_MILLISECONDS, `It took ${Date.now() - began} ms`);
      for (const members of parties) {
        const state = `kept by ${members[0].room}`;
        if (members[0].protocol !== 3) {
          await talk(await comeBackTo([b, c], members, state));
          continue;
        }
        const [gone, ...stay] = members;
        for (const guest of stay) {
          guest.relay('while the host is away', gone.index);
          await toldUntilPong(guest);
        }
        const said = stay.map((guest) => dialects[3].message(guest, 'while the host is away'));
        const host = await expectRetelling(b, gone, state, said);
        for (const guest of stay) await guest.expect(dialects[3].returned(host));
        await talk([host, ...stay]);
      }
      for (const protocol of [1, 2, 3]) await talk(await party(protocol, [b, c, b]));
      for (const protocol of [1, 2, 3]) await talk(await party(protocol, [c, b]));
    });

    it('A node that was killed is listed as silent', async () => {
      for (const [server, other] of [[b, 'c'], [c, 'b']]) {
        await eventually(async () => (await nodesOf(server)).a.state === 'silent', 'The word for a node that is dead', 2);
        assert.equal((await nodesOf(server))[other].state, 'serving');
        await eventually(async () => (await roundTripsOf(server)).a === null, 'No round trip to a node that is dead');
        assert.notEqual((await roundTripsOf(server))[other], null);
      }
    });

    it('Each loop of a node that has half of all slices makes rooms', async () => {
      for (let count = 0; count < 4 * loops; count++) await talk(await party(2, [count % 2 ? b : c, b]));
    });

    it('A node that joins gets its share, and the rooms in it are there just as they were', async () => {
      const parties = [];
      for (const protocol of [1, 2, 3]) {
        for (let count = 0; count < 16; count++) parties.push(await party(protocol, count % 2 ? [b, c] : [c, b], { hold: count % 4 < 2 ? 0 : 60 }));
      }
      for (const members of parties) await keepState(members, 'before the move');
      const began = Date.now();
      d = await startNode('d');
      await eventually(() => haveShares(b, c, d), 'A third of all slices at each node', SHARING);
      assert.ok(Date.now() - began < SHARING_MILLISECONDS, `It took ${Date.now() - began} ms`);
      await eventually(canCreate(d), 'A room from the new node');
      const moved = { 1: 0, 2: 0, 3: 0 };
      for (const members of parties) {
        const [host] = members;
        const haveMoved = host.protocol === 3 ? await Promise.all(members.map(hasMovedAlong)) : members.map(({ isOpen }) => !isOpen);
        assert.equal(new Set(haveMoved).size, 1, 'All or none of a room');
        if (haveMoved[0]) moved[host.protocol]++;
        if (!haveMoved[0] || host.protocol === 3) {
          await talk(members);
          continue;
        }
        for (const member of members) assert.deepEqual(await member.whenClosed(), restarting);
        await talk(await comeBackTo([d, b, c], members, 'before the move'));
      }
      const count = moved[1] + moved[2] + moved[3]; // how many of each is chance
      const [{ given, given_up: givenUp }, { taken }] = [await fatesOf(b, c), await fatesOf(d)];
      assert.ok(given >= taken && taken >= count, `${given} given, ${taken} taken, ${count} of this test`);
      assert.equal(givenUp, 0);
      assert.ok(count > 0, `Of 16 rooms each ${JSON.stringify(moved)} have moved`);
    });

    it('A room at a node that lives goes on when another one is killed', async () => {
      const atB = await partyAt(b, 2, [b, d]);
      const atC = await partyAt(c, 2, [c, d, c]);
      b.kill();
      assert.deepEqual(await atB[1].whenClosed(), restarting);
      await talk(atC);
      for (const server of [c, d])
        await eventually(() => hasSlices(server, 128), 'Half of the slices at each of two nodes', TAKEOVER);
      await talk(atC);
      for (const protocol of [1, 2, 3]) await talk(await party(protocol, [d, c]));
    });

    it('A node that stood still for long confirms nothing in a room that another one has', async () => {
      const [host, guest] = await partyAt(c, 3, [c, d]);
      await keepState([host, guest], 'before the pause');
      await eventually(async () => /store_pending_records\{.*\} 0$/m.test((await c.get('/metrics')).body), 'All records');
      const [before, beforeThere] = [await fatesOf(c), await fatesOf(d)];
      c.signal('SIGSTOP');
      await eventually(() => hasSlices(d, 256), 'All slices at the node that goes on', TAKEOVER);
      const there = await beSeatedAgain(guest);
      host.send({ type: 'set_state', data: 'for nobody' });
      host.send({ type: 'ping' });
      c.signal('SIGCONT');
      let event;
      do {
        event = await host.next();
        assert.equal(event.heard !== undefined && event.type === 'pong', false, 'It was not confirmed');
      } while (event.type !== 'joined');
      assert.deepEqual([event.recovered, event.heard], [false, 0]);
      host.epoch = event.epoch;
      host.send({ type: 'resumed', unasked: event.unasked });
      assert.deepEqual(await host.next(), { type: 'state', data: 'before the pause' });
      guest.epoch = there.joined.epoch;
      await host.expect({ type: 'skipped', count: 1 }); // the guest came back before
      await guest.expect({ type: 'peer_back', index: host.index });
      await talk([host, guest]);
      const [after, afterThere] = [await fatesOf(c), await fatesOf(d)];
      assert.ok(after.given_up > before.given_up && after.given === before.given, 'They were given up');
      assert.ok(afterThere.taken > beforeThere.taken);
      await eventually(() => hasSlices(c, 128) && hasSlices(d, 128), 'Half of the slices at each of them', SHARING);
    });

    it('A node that is told to stop closes who is connected to it with 1012, and others have its rooms, just as they were', async () => {
      const parties = [];
      for (const protocol of [1, 2, 3]) parties.push(await partyAt(c, protocol, [c, d]));
      parties.push(await partyAt(c, 3, [c, c, d], { hold: 0 }));
      for (const members of parties) await keepState(members, 'the last one');
      const unread = await partyAt(c, 3, [c, d]);
      const [speaker, absent] = unread;
      speaker.relay('read');
      await absent.expect(dialects[3].message(speaker, 'read'));
      await absent.terminate();
      await speaker.expect({ type: 'peer_away', index: absent.index });
      for (const data of ['first', 'second']) speaker.relay(data);
      const began = Date.now();
      c.signal('SIGTERM');
      const stay = parties.filter(([{ protocol }]) => protocol === 3).map((members) => members.at(-1));
      const leave = [...parties.flat(), speaker].filter((member) => !stay.includes(member));
      for (const member of leave) assert.deepEqual(await member.whenClosed(), restarting);
      await c.ended();
      assert.ok(hasSlices(c, 0));
      await eventually(() => hasSlices(d, 256), 'All slices at the last node', TAKEOVER);
      assert.ok(Date.now() - began < HANDOVER_MILLISECONDS, `It took ${Date.now() - began} ms`);
      assert.equal((await nodesOf(d)).c, undefined, 'It said that it ended');
      for (const member of stay) assert.ok(await hasMovedAlong(member));
      for (const members of parties) {
        const here = members.filter((member) => stay.includes(member));
        await talk(await comeBackTo([d], members.filter((member) => !here.includes(member)), 'the last one', here));
      }
      await expectRecovery(d, absent, 1, ['first', 'second'].map((data) => dialects[3].message(speaker, data)));
      await talk(await party(3, [d, d]));
    });

    it('Without nats-server a room goes on whose members are at its node', async () => {
      const members = await party(2, [d, d]);
      await nats.get('one').kill();
      await eventually(() => d.stderr.includes('NATS is away'), 'The line about NATS');
      await eventually(async () => !(await canCreate(d)()), 'No rooms, since nobody knows whose their codes are');
      await talk(members);
      await nats.get('one').start();
      await eventually(() => d.stderr.includes('NATS is back'), 'The line about NATS');
      await talk(members);
      await eventually(canCreate(d), 'Rooms again');
    });

    it('Who gives up while it waits for NATS has no room made', async () => {
      const roomsMade = async () => {
        const { body } = await d.get('/metrics');
        const counts = [...body.matchAll(/^party_sockets_rooms_created_total\{.*\} (\d+)$/gm)];
        return counts.reduce((sum, [, count]) => sum + Number(count), 0);
      };
      await d.disconnectAll();
      const hasClients = (count) => async () => (await d.stats()).clients === count;
      await eventually(hasClients(0), 'Clients of earlier tests are gone');
      await nats.get('one').kill();
      const begin = async () => {
        const client = await d.client();
        dialects[1].create(client, 'who gives up');
        return { client, isAnswered: client.next().then(() => true, () => true) };
      };
      let waiting;
      const wait = async () => {
        waiting = await Promise.all([begin(), begin()]);
        if (!(await Promise.race([...waiting.map(({ isAnswered }) => isAnswered), delay(500)]))) return true;
        for (const { client } of waiting) await client.terminate();
        return false;
      };
      await eventually(wait, 'Clients that wait');
      const made = await roomsMade();
      await waiting[0].client.terminate();
      waiting[1].client.socket.close(1000);
      await nats.get('one').start();
      await eventually(isReady(d), 'Codes again');
      await enter(d, 1, 'who has come since');
      await eventually(hasClients(1), 'Who gave up is gone');
      assert.equal(await roomsMade(), made + 1);
    });

    it('While a node drains, others make the rooms', async () => {
      await d.disconnectAll(); // a room that goes to the other node would keep it
      const drainer = await startNode('drainer', '--on-stop', 'drain');
      const edge = await startNode('edge', '--edge-only');
      await eventually(() => haveShares(d, drainer), 'Half of all slices at each node', SHARING);
      await eventually(isReady(drainer), 'Codes for rooms at the node that will drain', 3);
      const members = await partyAt(drainer, 2, [drainer, drainer]);
      await eventually(async () => (await nodesOf(edge)).drainer?.state === 'serving', 'The node that will drain');
      drainer.signal('SIGTERM');
      await eventually(async () => (await drainer.get('/ready')).status === 503, 'The drain');
      const createSome = async () => {
        for (let count = 0; count < 16; count++) await (await enter(edge, 1, 'who comes now')).terminate();
      };
      const isKnown = async () => (await nodesOf(edge)).drainer?.state === 'leaving';
      await eventually(() => createSome().then(isKnown), 'The node that drains'); // also before the edge has heard of it
      await createSome();
      // More than a loop has codes for at once: they wait for codes, and do not ask the node that drains.
      const crowd = await Promise.all(Array.from({ length: 200 * loops }, () => d.client()));
      for (const client of crowd) dialects[1].create(client, 'one of many');
      for (const client of crowd) {
        const answer = await client.next().catch(() => undefined); // of who has waited for too long
        if (answer === undefined) assert.deepEqual(await client.whenClosed(), restarting);
        else assert.equal(answer.type, 'created');
        await client.terminate();
        if (answer === undefined) await (await enter(d, 1, 'one of many')).terminate();
      }
      await talk(members);
      for (const member of members) await member.terminate();
      await drainer.ended();
      await eventually(() => hasSlices(d, 256), 'All slices at the last node', TAKEOVER);
      await edge.stop();
    });

    it('There is no upgrade of a node yet', async () => {
      d.signal('SIGUSR2');
      await eventually(() => d.stderr.includes('no upgrade yet'), 'The line about the upgrade');
    });

    it('The last node stops with status 0, and the next one has its rooms', async () => {
      const members = await party(2, [d, d]);
      await keepState(members, 'behind the end of all');
      await d.stop();
      const next = await startNode('e');
      const back = await comeBackTo([next], members, 'behind the end of all');
      await talk(back);
      await next.stop();
    });
  });
}

describe('Options of a cluster', { concurrency: true }, () => {
  const refusals = [
    [['--cluster', 'localhost:4222'], /^party-sockets: --cluster wants URLs such as nats:\/\/HOST:4222/],
    [['--cluster', 'nats://u:secret@a,b'], /^party-sockets: --cluster wants URLs(?!.*secret)/],
    [['--cluster', 'nats://a', '--cluster-name', 'a.b'], /--cluster-name wants at most 32 letters, digits or '-'/],
    [['--cluster', 'nats://a', '--node-name', 'a.b'], /--node-name wants at most 32 letters/],
    [['--cluster', 'nats://a', '--nats-replicas', '2'], /--nats-replicas wants 1 or 3/],
    [['--cluster', 'nats://a', '--max-message-bytes', '16777217'], /--max-message-bytes is at most 16 MiB with --cluster/],
    [['--cluster', 'nats://a', '--state-dir', '/tmp'], /--cluster and --state-dir don't go together/],
  ];
  for (const [options, line] of refusals) {
    it(`${options.join(' ')} is refused`, async () => {
      const { status, stderr } = await runToEnd(['--port', 0, ...options]);
      assert.equal(status, 2, stderr);
      assert.match(stderr, line);
    });
  }
});
