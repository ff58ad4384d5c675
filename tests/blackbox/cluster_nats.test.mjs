// Three nats-servers that keep three copies of what the nodes agree on: any one of them may be killed.

import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { canCreate, enter, hasSlices, haveShares, isReady, party, restarting, talk } from './support/cluster.mjs';
import { eventually } from './support/deadline.mjs';
import { lacksNats, NatsCluster } from './support/nats.mjs';
import { Random } from './support/random.mjs';
import { Server } from './support/server.mjs';
import { loopCounts } from './support/suite.mjs';
import { comeAndGo, splitVotes, Terms, termsOf } from './support/terms.mjs';
import { describe, it } from './support/testing.mjs';

describe('The log of terms', () => {
  const said = (...lines) => lines.map((line) => `party-sockets: slice ${line} ms\n`).join('');
  const a = (end) => termsOf('a', said('3, term 1: served here, at 100', ...end), 900);
  const b = (term, from) => termsOf('b', said(`3, term ${term}: served here, at ${from}`, '4, term 1: served here, at 1'), 900);
  it('shows that two served a slice at once, or that a term was not a higher one', () => {
    const until200 = a(['3, term 1: not served any more, at 200']);
    assert.deepEqual(splitVotes([...until200, ...b(2, 200)]), []);
    assert.equal(splitVotes([...until200, ...b(2, 199)]).length, 1);
    assert.equal(splitVotes([...until200, ...b(1, 300)]).length, 1);
    assert.equal(splitVotes([...a([]), ...b(2, 899)]).length, 1);
    assert.throws(() => a(['3, term 2: not served any more, at 200']), /did not begin/);
  });
});

const buckets = ['-map', '-leases'];

/** Whether clients of each protocol can create a room there. Not while the map can't be read. */
const canMakeRooms = (server) => async () => {
  for (const protocol of [1, 2, 3]) if (!(await canCreate(server, protocol, 1)())) return false;
  return true;
};

/** Reads what the member hears until that message; it may be seated again before. False: it was closed with 1012. */
async function hears(member, data) {
  for (;;) {
    const event = await member.next().catch(() => undefined);
    if (event === undefined) {
      assert.deepEqual(await member.whenClosed(), restarting);
      return false;
    }
    if (event.unasked !== undefined) member.send({ type: 'resumed', unasked: event.unasked });
    if (event.type === 'message' && event.data === data) return true;
  }
}

for (const loops of loopCounts) {
  describe(`Three nats-servers, with --loops ${loops}`, { skip: lacksNats }, () => {
    const nats = new NatsCluster();
    const servers = [];
    let a, b, leader;

    async function startNode(name, first) {
      const options = ['--cluster', nats.urls(first), '--nats-replicas', 3, '--node-name', name];
      const server = new Server({ loops, options });
      servers.push(server);
      await server.start();
      await eventually(isReady(server), `Codes for rooms at ${name}, three copies of each`, 6);
      await eventually(canMakeRooms(server), `Rooms at ${name}`, 3);
      return server;
    }

    /** Which nodes are connected to this nats-server. */
    const users = async (index) => {
      const told = await nats.servers[index].tells('/connz');
      return [...new Set(told?.connections.map(({ name }) => name))].sort();
    };

    /** All copies of both streams are there and have everything. Who has just started knows of none for a moment. */
    const isCopied = async () => {
      const streams = await Promise.all(buckets.map((name) => nats.stream(name)));
      const copies = streams.map((one) => one?.cluster?.replicas ?? []);
      return copies.every((replicas) => replicas.length === 2 && replicas.every(({ current }) => current));
    };

    before(() => nats.start());
    after(async () => {
      for (const server of servers) {
        await server.disconnectAll();
        server.kill();
      }
      await nats.remove();
    });

    it('The first node has them keep three copies', async () => {
      const first = await startNode('first', 0);
      for (const name of buckets) assert.equal((await nats.stream(name)).config.num_replicas, 3, name);
      await eventually(isCopied, 'Three copies');
      await first.stop();
      leader = await nats.leader('-map');
      a = await startNode('a', leader + 1);
      b = await startNode('b', leader + 1);
      await eventually(() => haveShares(a, b), 'Half of all slices at each node', 3);
      assert.deepEqual(await users((leader + 1) % 3), ['a', 'b']);
    });

    it('The leader of the map is killed, which no node uses: nobody notices', async () => {
      const parties = [];
      for (const protocol of [1, 2, 3]) parties.push(await party(protocol, [a, b, a]));
      assert.deepEqual(await users(leader), []);
      await nats.servers[leader].kill();
      const led = async () => {
        for (const members of parties) await talk(members);
        const leaders = await Promise.all(buckets.map((name) => nats.leader(name)));
        return leaders.every((one) => one !== undefined && one !== leader);
      };
      await eventually(led, 'Another leader, while people play', 3);
      await eventually(canMakeRooms(b), 'Rooms again', 3);
      for (const protocol of [1, 2, 3]) parties.push(await party(protocol, [b, a]));
      for (const members of parties) await talk(members);
      await nats.servers[leader].start();
      await eventually(isCopied, 'Three copies again', 3);
      for (const members of parties) await talk(members);
    });

    it('The server that both nodes use is killed: rooms stay, and so does who is at the node of a room', async () => {
      const used = (leader + 1) % 3;
      const parties = [];
      for (const protocol of [1, 2, 3]) parties.push(await party(protocol, [a, b, a]));
      assert.deepEqual(await users(used), ['a', 'b']);
      await nats.servers[used].kill();
      const moved = async () => {
        const others = await Promise.all([1, 2].map((step) => users((used + step) % 3)));
        return others.flat().sort().join() === 'a,b';
      };
      await eventually(moved, 'Both nodes at another nats-server', 2);
      for (const [host, far, guest] of parties) {
        host.relay('still here');
        assert.ok(await hears(guest, 'still here'), 'Who is at the node of the room stays');
        // Messages that were on their way may be lost, and then nobody who was to hear them stays.
        const isHere = await hears(far, 'still here');
        const back = isHere ? far : await enter(b, host.protocol, 'who is back', host.room);
        back.relay('here as well');
        for (const member of [host, guest]) assert.ok(await hears(member, 'here as well'));
      }
      await eventually(canMakeRooms(b), 'Rooms again', 3);
      for (const protocol of [1, 2, 3]) await talk(await party(protocol, [b, a, b]));
      await nats.servers[used].start();
      await eventually(isCopied, 'Three copies again', 3);
      await eventually(canMakeRooms(a), 'Rooms still', 3);
      for (const protocol of [1, 2, 3]) await talk(await party(protocol, [a, b]));
    });

    it('Nodes start, stop and die all at once, while a nats-server dies: one at a time serves a slice', async () => {
      const random = new Random();
      const terms = new Terms();
      const start = (name, ...more) => {
        const options = ['--cluster', nats.urls(random.below(3)), '--node-name', name, '--cluster-name', 'restless', ...more];
        return Server.start({ loops, options: [...options, '--nats-replicas', 3] });
      };
      const ended = comeAndGo({ nodes: 4, seconds: 40, random, start, terms });
      const victim = nats.servers[random.below(3)];
      await Promise.all([
        ended,
        (async () => {
          await pause(15_000);
          await victim.kill();
          await pause(5_000);
          await victim.start();
        })(),
      ]);
      await eventually(() => nats.isWhole(), 'Three nats-servers that are one', 3);
      const last = await start('last', '--log-slices');
      servers.push(last);
      await eventually(() => hasSlices(last, 256), 'All slices at the last node', 3);
      await last.stop();
      terms.note('last', last);
      assert.ok(terms.most >= 2, `${terms.count} terms, ${terms.most} of one slice`); // more, unless the machine is slow
      assert.deepEqual(terms.splitVotes(), []);
    });

    it('Both nodes stop with status 0, and no sanitizer complained', async () => {
      for (const server of [a, b]) await server.disconnectAll();
      for (const server of [a, b]) await server.stop();
    });
  });
}
