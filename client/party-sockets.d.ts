/** A room of a Party-Sockets relay, as one of its members sees it. */

/** What others are known by: a number (protocol 2), or their clientId (protocol 1). */
export type PeerId = number | string;

export type Delivery =
  /** Handed to an open connection, at once or when it was open again. */
  | 'sent'
  /** Volatile while offline or congested; or the queue was full, or the party over. */
  | 'dropped';

export type Status = 'connected' | 'reconnecting' | 'closed';

export type CloseReason =
  /** `close()` was called. */
  | 'left'
  /** The same seat was taken from elsewhere (close code 4000). */
  | 'replaced'
  /** `closeRoom()` was called, or the host did not come back in time (close code 4001). */
  | 'room-closed'
  /** The relay doesn't know the room any more: everybody had left, or it was started anew. */
  | 'room-gone'
  /** No connection for `giveUpAfter`. */
  | 'gave-up'
  /** No seat was free for as long: others had taken them meanwhile. */
  | 'room-full';

export type ErrorCode =
  | 'room-not-found'
  | 'room-full'
  | 'wrong-protocol'
  | 'server-draining'
  | 'server-full'
  | 'peer-not-found'
  | 'not-host'
  | 'state-too-large'
  | 'message-too-big'
  /** No answer within `patience`; browsers tell no reason, such as an origin that is not allowed. */
  | 'unreachable'
  /** The party is over, or was closed while it was entered. */
  | 'closed'
  /** No URL of a relay. */
  | 'bad-address'
  /** Protocol 1 doesn't have it; or there is no WebSocket here. */
  | 'not-supported'
  /** Anything else that the server said; see `message`. */
  | 'refused';

export class PartyError extends Error {
  readonly code: ErrorCode;
  constructor(code: ErrorCode, message: string);
}

export interface JoinOptions {
  /** 2 unless set. A room is joined in the protocol that it was created in. */
  protocol?: 1 | 2;
  /** The one to use where there is none, or not the right one: `ws` for Node before 22. */
  WebSocket?: new (url: string, protocols?: string | string[]) => any;
  /** The secret that gives a seat back. Made, and kept for reloads, unless given. */
  clientId?: string;
  /** Where ids are kept: `sessionStorage` unless given; `null` for nowhere. */
  storage?: {
    getItem(key: string): string | null;
    setItem(key: string, value: string): void;
    removeItem(key: string): void;
  } | null;
  /** Which server has the room, where several are behind one name. */
  instance?: string;
  /** Milliseconds in which to get the first connection: 10,000. */
  patience?: number;
  /** Milliseconds without a connection after which to give up: 120,000, as the relay's host grace. */
  giveUpAfter?: number;
  /** Messages that may wait for a connection: 256. */
  queueLength?: number;
  /** Characters of them in all, and bytes that may wait for a slow network: 1,048,576. */
  queueSize?: number;
}

/** Of a relay: `ws:`, `wss:`, `http:` or `https:`. Without one it is the relay that the module came from. */
export type Address = string | { readonly href: string };

export interface CreateOptions extends JoinOptions {
  /** Seats, the creator's included: 8. */
  maxClients?: number;
  /** Link to the controllers' page, an https URL with `{room}`; all members get it as `joinUrl`. */
  joinUrl?: string;
  /**
   * After a reload: back to the room of before if it is still there. If it is full at the moment, a seat
   * is waited for as long as `patience`; then it rejects with `room-full`, and can be tried again.
   */
  resume?: boolean;
}

export interface SendOptions {
  /** Worthless when late: dropped while there is no connection, or more to send than the network takes. */
  volatile?: boolean;
}

export interface Events<Data, State, Id> {
  /** Somebody is here who was not before; after a reconnection, too. */
  join: (peer: Id) => void;
  leave: (peer: Id) => void;
  /** Those from before the first listener are kept for it: the last 1,000, up to `queueSize`. */
  message: (data: Data, from: Id) => void;
  /** The host's state; a listener is told the present one at once. */
  state: (state: State) => void;
  /** `connected` comes with a reconnection, not with the beginning. */
  connection: (status: Status) => void;
  /** The server refused something that was sent, or closed the connection for it. */
  error: (error: PartyError) => void;
  /** Once, and last. */
  closed: (reason: CloseReason) => void;
}

export class Party<Data = any, State = any, Id extends PeerId = number> {
  private constructor();

  /** A new room. Rejects with a PartyError. */
  static create<Data = any>(
    url: Address | undefined,
    options: CreateOptions & { protocol: 1 },
  ): Promise<Party<Data, never, string>>;
  static create<Data = any, State = any>(
    url?: Address,
    options?: CreateOptions,
  ): Promise<Party<Data, State>>;

  /** A seat in the room with that code; one's own of before if there is one. Rejects with a PartyError. */
  static join<Data = any>(
    url: Address | undefined,
    code: string,
    options: JoinOptions & { protocol: 1 },
  ): Promise<Party<Data, never, string>>;
  static join<Data = any, State = any>(
    url: Address | undefined,
    code: string,
    options?: JoinOptions,
  ): Promise<Party<Data, State>>;

  /** The room's code. */
  readonly room: string;
  /** One's own id in the room. */
  readonly id: Id;
  /** Whether this is who created the room. */
  readonly isHost: boolean;
  /** Who else is here, as far as is known. */
  readonly peers: Id[];
  /** The host's last state, or undefined. */
  readonly state: State | undefined;
  readonly status: Status;
  /** The link for controllers, filled in, if the creator gave one. */
  readonly joinUrl: string | undefined;

  /** Listens; the function that is returned stops it. */
  on<Name extends keyof Events<Data, State, Id>>(
    name: Name,
    listener: Events<Data, State, Id>[Name],
  ): () => void;

  /**
   * To everyone else. None of these promises rejects; what has no JSON form is thrown as a TypeError, and
   * what only the host may do, by others, as a PartyError `not-host`.
   */
  broadcast(data: Data, options?: SendOptions): Promise<Delivery>;
  /** To one, who may be oneself; an undefined `to` is a TypeError. */
  send(to: Id, data: Data, options?: SendOptions): Promise<Delivery>;
  /** Host only: what everybody has, and gets who comes later. Of those that wait only the last is sent. */
  setState(state: State): Promise<Delivery>;

  /** Milliseconds for a message to the relay and back, or null: no connection, or no answer. */
  ping(): Promise<number | null>;

  /** Leaves. Others can go on, without their host for its grace time. */
  close(): void;
  /** Host only: ends it for everybody. */
  closeRoom(): void;
}
