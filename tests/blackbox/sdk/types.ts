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
  // @ts-expect-error: there are two protocols
  await Party.join(url, 'abcdef', { protocol: 3 });

  const old = await Party.join<Input>(undefined, 'ABCD', { protocol: 1 });
  const [first]: string[] = old.peers;
  old.send(first ?? old.id, { x: 2 });
  old.closeRoom();
  old.close();
}
