// Checked by the TypeScript compiler, never run: what the types allow, and what they don't.

import { texts, type LobbyPlayer } from '../../../client/party-lobby.js';
import { Party, PartyError, type CloseReason, type Delivery } from '../../../client/party-sockets.js';

type Input = { x: number };
type Output = { y: number };
type Board = { round: number };

export async function play(url: URL): Promise<void> {
  const host = await Party.create<Input, Output, Board>(url, { maxClients: 4, resume: true, storage: null });
  const stop: () => void = host.on('message', (data, from) => host.send(from, { y: data.x }));
  stop();
  host.on('state', ({ round }) => round.toFixed());
  host.on('closed', (reason: CloseReason) => reason === 'gave-up');
  host.on('error', (error) => error instanceof PartyError && error.code === 'not-host');
  const delivery: Delivery = await host.broadcast({ y: 1 }, { volatile: true });
  const milliseconds: number | null = await host.ping();
  const round: number | undefined = host.state?.round;
  const peers: readonly number[] = host.peers;
  const { src, alt, link }: { src: string; alt: string; link: string | undefined } = host.qr();
  console.log(delivery, milliseconds, round, peers, src, alt, link);
  host.on('change', () => console.log(host.peers));
  if ((await host.toHost({ y: 1 })) === 'no-such-peer') host.detach();

  // @ts-expect-error: not what was said to be sent
  host.broadcast('text');
  // @ts-expect-error: what comes is not what goes
  host.toHost({ x: 1 });
  // @ts-expect-error: nobody can change who is here
  host.peers.push(1);
  // @ts-expect-error: a peer is a number here
  host.send('1', { y: 1 });
  // @ts-expect-error: no such option
  await Party.create(url, { maxPlayers: 4 });
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
  const { signal } = new AbortController();
  const ofTab = await Party.create(url, { resume: 'tab', joinUrl: new URL('?room={room}', url), signal });
  ofTab.on('private_state', (secret) => console.log(secret));
  const protocol: 1 | 2 | 3 = room.protocol;
  const watcher = await Party.join(url, 'HXLD', { audience: true, password: 'x' });
  watcher.leave();
  console.log(protocol, room.host, room.away, room.settings.maxClients);

  const old = await Party.join<Output, Input>(undefined, 'ABCD', { protocol: 1 });
  const [first]: readonly string[] = old.peers;
  old.send(first ?? old.id, { x: 2 });
  old.closeRoom();
  old.close();
}

export function lobby(): void {
  const screen = document.querySelector('party-screen')!;
  screen.options = { maxClients: 9 };
  screen.texts = { start: 'Go!' };
  screen.addEventListener('party', ({ detail }) => detail.on('message', (data, from) => detail.send(from, data)));
  screen.addEventListener('players', ({ detail }) => {
    if (detail.every(({ isReady, isAway }) => isReady || isAway)) screen.start();
  });
  screen.addEventListener('end', ({ detail }) => detail.reason === 'room-closed');
  screen.addEventListener('click', (event) => event.preventDefault());
  screen.stop();
  const phone = document.createElement('party-phone');
  const self: LobbyPlayer | null = phone.player;
  console.log(self?.fields.color?.length, phone.isStarted, texts.en?.start);

  // @ts-expect-error: phones wait for the screen
  phone.start();
  // @ts-expect-error: the phones say who they are
  screen.players = [];
}
