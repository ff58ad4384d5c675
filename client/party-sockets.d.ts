/** A room of a Party-Sockets relay, as one of its members sees it. */

/** The id of a member: its index, a number (protocol 2), or its clientId (protocol 1). */
export type PeerId = number | string;

export type Delivery =
  /** The message was handed to an open connection, at once or after a reconnection. */
  | 'sent'
  /** The message was volatile, and the party offline or congested; or the queue was full, or the party over. */
  | 'dropped';

export type Status = 'connected' | 'reconnecting' | 'closed';

export type CloseReason =
  /** `close()` was called. */
  | 'left'
  /** Another connection took the same seat (close code 4000). */
  | 'replaced'
  /** The host called `closeRoom()`, or did not come back in time (close code 4001). */
  | 'room-closed'
  /** The relay doesn't know the room any more: everybody had left, or the relay was started anew. */
  | 'room-gone'
  /** There was no connection for `giveUpAfter`. */
  | 'gave-up'
  /** No seat was free for `giveUpAfter`: others took all seats meanwhile. */
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
  /** No answer came within `patience`. Browsers tell no reason, such as an origin that is not allowed. */
  | 'unreachable'
  /** The party is over, or it was closed while it entered the room. */
  | 'closed'
  /** The address is no URL of a relay. */
  | 'bad-address'
  /** Protocol 1 doesn't have this function; or the engine lacks a WebSocket or a random source. */
  | 'not-supported'
  /** Any other error of the server; see `message`. */
  | 'refused';

export class PartyError extends Error {
  readonly code: ErrorCode;
  constructor(code: ErrorCode, message: string);
}

export interface JoinOptions {
  /** 2 unless set. Join a room with the protocol in which it was created. */
  protocol?: 1 | 2;
  /** The WebSocket to use where the engine has none, or not the right one: `ws` for Node before 22. */
  WebSocket?: new (url: string, protocols?: string | string[]) => any;
  /** The secret that gives a seat back. Unless given, the SDK makes one, and keeps it for reloads. */
  clientId?: string;
  /** Where the SDK keeps ids: in `sessionStorage` unless given; `null` means nowhere. */
  storage?: {
    getItem(key: string): string | null;
    setItem(key: string, value: string): void;
    removeItem(key: string): void;
  } | null;
  /** The server that has the room, where several servers are behind one name. */
  instance?: string;
  /** Milliseconds that the first connection may take: 10,000. */
  patience?: number;
  /** Milliseconds without a connection after which the SDK gives up: 120,000, as the relay's host grace. */
  giveUpAfter?: number;
  /** How many messages may wait for a connection: 256. */
  queueLength?: number;
  /** How many characters of them may wait, and how many bytes for a slow network: 1,048,576. */
  queueSize?: number;
}

/** The URL of a relay: `ws:`, `wss:`, `http:` or `https:`. Unless given, the relay that served the module. */
export type Address = string | { readonly href: string };

export interface CreateOptions extends JoinOptions {
  /** The number of seats, the creator's included: 8. */
  maxClients?: number;
  /** The link to the controllers' page, an https URL with `{room}`. All members get it as `joinUrl`. */
  joinUrl?: string;
  /**
   * After a reload, returns to the old room if it is still there. If that room is full at the moment, the call
   * waits for a seat as long as `patience`. Then it rejects with `room-full`, and you may try again.
   */
  resume?: boolean;
}

export interface SendOptions {
  /** Drops the message while there is no connection, or while more waits than the network takes. */
  volatile?: boolean;
}

export interface Events<Data, State, Id> {
  /** A peer is here that was not here before. It also comes after a reconnection. */
  join: (peer: Id) => void;
  /** A peer is not here any more. It also comes after a reconnection. */
  leave: (peer: Id) => void;
  /** The SDK keeps messages for the first listener: the last 1,000, up to `queueSize`. */
  message: (data: Data, from: Id) => void;
  /** The host's state. A new listener gets the present state at once. */
  state: (state: State) => void;
  /** `connected` comes after a reconnection, not at the beginning. */
  connection: (status: Status) => void;
  /** The server refused a message of this party, or closed the connection for it. */
  error: (error: PartyError) => void;
  /** The party is over. This event comes once, as the last one. */
  closed: (reason: CloseReason) => void;
}

export class Party<Data = any, State = any, Id extends PeerId = number> {
  private constructor();

  /** Makes a new room. Rejects with a PartyError. */
  static create<Data = any>(
    url: Address | undefined,
    options: CreateOptions & { protocol: 1 },
  ): Promise<Party<Data, never, string>>;
  static create<Data = any, State = any>(
    url?: Address,
    options?: CreateOptions,
  ): Promise<Party<Data, State>>;

  /** Gets a seat in the room with this code: the old one if this player had one. Rejects with a PartyError. */
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
  /** This member's own id in the room. */
  readonly id: Id;
  /** Whether this member created the room. */
  readonly isHost: boolean;
  /** The other members who are here, as far as the SDK knows. */
  readonly peers: Id[];
  /** The host's last state, or undefined. */
  readonly state: State | undefined;
  readonly status: Status;
  /** The link for controllers, with its placeholders filled in; undefined if the creator gave none. */
  readonly joinUrl: string | undefined;

  /** Adds a listener. The function that is returned removes it. */
  on<Name extends keyof Events<Data, State, Id>>(
    name: Name,
    listener: Events<Data, State, Id>[Name],
  ): () => void;

  /**
   * Sends to everyone else. The promises of this call and the next two never reject. Data without a JSON form
   * throws a TypeError. A call that only the host may make throws a PartyError `not-host` for other members.
   */
  broadcast(data: Data, options?: SendOptions): Promise<Delivery>;
  /** Sends to one member, which may be this one. An undefined `to` throws a TypeError. */
  send(to: Id, data: Data, options?: SendOptions): Promise<Delivery>;
  /** Host only: sets the state for all members, later ones too. Of waiting states only the last is sent. */
  setState(state: State): Promise<Delivery>;

  /** The milliseconds for a message to the relay and back; null without a connection or an answer. */
  ping(): Promise<number | null>;

  /** Leaves the room. The others can go on; without their host, for the host's grace time. */
  close(): void;
  /** Host only: ends the room for everybody. */
  closeRoom(): void;
}
