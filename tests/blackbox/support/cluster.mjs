// Players of any protocol at the nodes of a cluster.

import assert from 'node:assert/strict';

/** How a node closes whom it can't serve now. */
export const restarting = { code: 1012, reason: 'server is restarting' };

/** So many guests have room in a room of protocol 3. */
export const CROWD = 300;

/** What players of each protocol say and hear. */
export const dialects = {
  1: {
    open: (server) => server.client(),
    create: (client, name) => client.send({ type: 'create', clientId: name, maxClients: 8 }),
    join: (client, name, room) => client.send({ type: 'join', clientId: name, room }),
    message: (from, data) => ({ type: 'message', from: from.name, data }),
    came: ({ name }) => ({ type: 'peer_joined', clientId: name }),
    returned: ({ name }) => ({ type: 'peer_joined', clientId: name }),
  },
  2: {
    open: (server) => server.member(),
    create: (client, name) => client.send({ type: 'create', clientId: name, maxClients: 8 }),
    join: (client, name, room) => client.send({ type: 'join', clientId: name, room }),
    message: ({ index }, data) => ({ type: 'message', from: index, data }),
    came: ({ index }) => ({ type: 'peer_joined', index }),
    returned: ({ index }) => ({ type: 'peer_joined', index }),
  },
  3: {
    open: (server) => server.member({ protocols: 'party-sockets.v3' }),
    create: (client, name, wishes) => client.send({ type: 'create', ...seatOf(name), maxClients: CROWD + 1, ...wishes }),
    join: (client, name, room) => client.send({ type: 'join', ...seatOf(name), room }),
    message: ({ index }, data) => ({ type: 'message', from: index, data }),
    came: ({ index }) => ({ type: 'peer_joined', index }),
    returned: ({ index }) => ({ type: 'peer_back', index }),
  },
};

const slicesOf = (server) => Number(server.stderr.match(/(?<=this node has )\d+(?= of 256 slices now)/g)?.at(-1));

/** Whether the server has said last that it has so many slices of the rooms. */
export const hasSlices = (server, count) => slicesOf(server) === count;

/** Whether these servers have shared all slices out among each other. */
export const haveShares = (...servers) => {
  const shares = servers.map(slicesOf);
  return shares.reduce((sum, share) => sum + share, 0) === 256 && Math.max(...shares) - Math.min(...shares) <= 1;
};

let attempts = 0;
const seatOf = (name) => ({ clientId: `the secret of ${name}`, session: `session of ${name}`, attempt: ++attempts });

/**
 * Creates or joins, and returns the client with its answer. A node that knows of no owner closes
 * with 1012: then undefined.
 */
export async function enterOnce(server, protocol, name, room, wishes) {
  const dialect = dialects[protocol];
  const client = await dialect.open(server);
  if (room === undefined) dialect.create(client, name, wishes);
  else dialect.join(client, name, room);
  const answer = await client.next().catch(() => undefined);
  if (answer === undefined) {
    assert.deepEqual(await client.whenClosed(), restarting);
    return undefined;
  }
  if (answer.type === 'error') return Object.assign(client, { error: answer.message });
  assert.equal(answer.type, room === undefined ? 'created' : 'joined');
  return Object.assign(client, { name, protocol, room: answer.room, index: answer.index, epoch: answer.epoch });
}

export async function enter(server, protocol, name, room, wishes) {
  const client = await enterOnce(server, protocol, name, room, wishes);
  assert.ok(client, `${name} was closed instead of seated`);
  assert.equal(client.error, undefined);
  return client;
}

/** A room whose members enter at these servers, one after the other; all have read all. In protocol 3 with these wishes. */
export async function party(protocol, servers, wishes) {
  const members = [];
  for (const [number, server] of servers.entries()) {
    const newcomer = await enter(server, protocol, `player ${number}`, members[0]?.room, wishes);
    for (const member of members) await member.expect(dialects[protocol].came(newcomer));
    members.push(newcomer);
  }
  return members;
}

/** Each says something to all, and to each one. */
export async function talk(members) {
  const { message } = dialects[members[0].protocol];
  for (const member of members) {
    member.relay('to all');
    for (const other of members.filter((one) => one !== member)) {
      await other.expect(message(member, 'to all'));
      member.relay('to one', member.protocol === 1 ? other.name : other.index);
      await other.expect(message(member, 'to one'));
    }
  }
}

/** Whether rooms can be made at this server now, for `eventually`: at each loop, as connections are dealt out to all. */
export const canCreate = (server, protocol = 1, times = 8) => async () => {
  for (let count = 0; count < times; count++) {
    const client = await enterOnce(server, protocol, 'first');
    await client?.terminate();
    if (!client || client.error !== undefined) return false;
  }
  return true;
};

/** Whether the node knows who has slices, and each of its loops has codes for rooms, for `eventually`. */
export const isReady = (server) => async () => (await server.get('/ready')).status === 200;
