// Checked by the TypeScript compiler, never run: what the types allow, and what they don't.

import { Party, PartyError, type CloseReason, type Delivery } from '../../../client/party-sockets.js';

type Input = { x: number };
type Board = { round: number };

export async function play(url: URL): Promise<void> {
  const host = await Party.create<Input, Board>(url, { maxClients: 4, resume: true, storage: null });
  const stop: () => void = host.on('message', (data, from) => host.send(from, { x: data.x }));
  stop();
  host.on('state', ({ round }) => round.toFixed());
  host.on('closed', (reason: CloseReason) => reason === 'gave-up');
  host.on('error', (error) => error instanceof PartyError && error.code === 'not-host');
  const delivery: Delivery = await host.broadcast({ x: 1 }, { volatile: true });
  const milliseconds: number | null = await host.ping();
  const round: number | undefined = host.state?.round;
  const peers: number[] = host.peers;
  console.log(delivery, milliseconds, round, peers);

  // @ts-expect-error: not what was said to be sent
  host.broadcast('text');
  // @ts-expect-error: no such event
  host.on('messages', () => {});
  // @ts-expect-error: others know the room by it
  host.room = 'abc';
  // @ts-expect-error: made by create and join alone
  new Party(url, {});
  // @ts-expect-error: there are three protocols
  await Party.join(url, 'abcdef', { protocol: 4 });
  // @ts-expect-error: who creates a room has a seat in it
  await Party.create(url, { audience: true });
  // @ts-expect-error: the room is closed, or goes on with another host
  await Party.create(url, { onHostLeft: 'wait' });

  const room = await Party.create(url, { hold: 90, onHostLeft: 'migrate', maxAudience: 50, password: 'x', token: 'y' });
  room.on('leave', (peer, why) => (why === 'kicked' ? peer.toFixed() : why));
  room.on('host', (peer) => peer === null || peer.toFixed());
  room.on('room', ({ locked, password }) => locked === true && password === true);
  room.on('audience', (count) => count.toFixed());
  room.on('closed', (reason, text) => (reason === 'kicked' ? text?.length : 0));
  for (const name of ['away', 'back', 'join'] as const) room.on(name, (peer) => peer.toFixed());
  room.on('gap', () => room.setState(room.state));
  await room.kick(1, { reason: 'rude', ban: true });
  await Promise.all([room.lock(), room.unlock(), room.setHost(2), room.setRoom({ password: null })]);
  await room.send([1, 2], 'both');
  await room.sendBinary(new Uint8Array(4), { to: 'host', volatile: true });
  await room.setState({ secret: 1 }, { private: true });
  const protocol: 1 | 2 | 3 = room.protocol;
  const watcher = await Party.join(url, 'HXLD', { audience: true, password: 'x' });
  watcher.leave();
  console.log(protocol, room.host, room.away, room.settings.maxClients);

  const old = await Party.join<Input>(undefined, 'ABCD', { protocol: 1 });
  const [first]: string[] = old.peers;
  old.send(first ?? old.id, { x: 2 });
  old.closeRoom();
  old.close();
}
