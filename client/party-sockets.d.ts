/** A room of a Party-Sockets relay, as one of its members sees it. */

/** The id of a member: its index, a number (protocols 3 and 2), or its clientId (protocol 1). */
export type PeerId = number | string;

export type Delivery =
  /** The relay has the message (protocol 3, for all that is not volatile). */
  | 'delivered'
  /** The message was handed to an open connection, at once or after a reconnection. */
  | 'sent'
  /** The message was volatile, and the party offline or congested; or the queue was full, or the party over. */
  | 'dropped'
  /** Nobody has the seat that the message was for. */
  | 'no-such-peer';

export type Status = 'connected' | 'reconnecting' | 'closed';

export type CloseReason =
  /** `leave()` was called. */
  | 'left'
  /** Another tab, or another connection, took the same seat (close code 4000). */
  | 'replaced'
  /** The host called `closeRoom()`, left, or did not come back in time (close code 4001). */
  | 'room-closed'
  /** The host kicked this member (close code 4002). The listener also gets the host's reason, a text. */
  | 'kicked'
  /** The seat was not held any longer, and the room is locked or has a password. */
  | 'locked-out'
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
  /** The connection was closed for a message, which is given up: it was longer than the relay takes. */
  | 'message-too-big'
  /** The same: it was not UTF-8, or no WebSocket frame. */
  | 'not-utf-8'
  | 'bad-frame'
  /** These and more come in protocol 3; docs/protocol.md has the table of all. */
  | 'kicked'
  | 'banned'
  | 'password-required'
  | 'wrong-password'
  | 'room-locked'
  | 'audience-full'
  | 'audience-muted'
  | 'audience-busy'
  | 'token-required'
  | 'token-invalid'
  | 'token-expired'
  | 'token-origin'
  /** No answer came within `patience`. Browsers tell no reason, such as an origin that is not allowed. */
  | 'unreachable'
  /** The party is over, or it was closed while it entered the room. */
  | 'closed'
  /** The address is no URL of a relay. */
  | 'bad-address'
  /** A page that came by https can't use a ws:// address. */
  | 'mixed-content'
  /** The browser has no permission of its user for this page to reach the local network, where the relay is. */
  | 'local-network'
  /** The browser, or the network, holds connections back after several that failed. */
  | 'throttled'
  /** The protocol doesn't have this function; or the engine lacks a WebSocket or a random source. */
  | 'not-supported'
  /** Any other error of the server; see `message`. */
  | 'refused'
  | (string & {});

export class PartyError extends Error {
  readonly code: ErrorCode;
  /** The type of the message that the relay refused, such as `send` or `kick` (protocol 3). */
  readonly of?: string;
  /** For whom a refused `send` was (protocol 3). */
  readonly to?: unknown;
  constructor(code: ErrorCode, message: string);
}

export interface JoinOptions {
  /** The only protocol to speak. Unless set, the SDK speaks 3, or what the relay or the room speaks. */
  protocol?: 1 | 2 | 3;
  /** The room's password: `create` sets it, and `join` needs it for a new seat. */
  password?: string;
  /** The WebSocket to use where the engine has none, or not the right one: `ws` for Node before 22. */
  WebSocket?: new (url: string, protocols?: string | string[]) => any;
  /** The secret that gives a seat back, 16 bytes or more. Unless given, the SDK makes one, and keeps it. */
  clientId?: string;
  /**
   * Where the SDK keeps ids. Unless given, in `sessionStorage` for the tab, and in `localStorage` for all tabs of
   * the page's origin. With `sessionStorage` alone each tab is a player of its own; `null` means nowhere.
   */
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
  /** How many messages may wait, for a connection or for the relay's confirmation: 1,024. */
  queueLength?: number;
  /** How many characters of them may wait, and how many bytes for a slow network: 1,048,576. */
  queueSize?: number;
  /** Gives up entering the room: the call rejects with the signal's reason. Afterwards it does nothing. */
  signal?: AbortSignal;
}

export interface AudienceOptions {
  /** Watches without a seat, if the room has an audience (protocol 3). `id` is -1, and the host gets all you send. */
  audience?: boolean;
}

/** The URL of a relay: `ws:`, `wss:`, `http:` or `https:`. Unless given, the relay that served the module. */
export type Address = string | { readonly href: string };

export interface CreateOptions extends JoinOptions {
  /** The number of seats, the creator's included: 8. */
  maxClients?: number;
  /**
   * The link to the controllers' page, with `{room}`. A relative one such as `?room={room}` is of the page's own
   * address. All members get it as `joinUrl`. It is https; in protocol 3, http will do in the same network:
   * `http://localhost:5173/?room={room}`, `http://192.168.1.2:8000/#{room}`. A link without `{room}` is a TypeError.
   */
  joinUrl?: string | { readonly href: string };
  /** For how many seconds the room holds the seat of who is away (protocol 3): 60. */
  hold?: number;
  /** Whether the room ends with the host's seat, or another member becomes the host: `close`. */
  onHostLeft?: 'close' | 'migrate';
  /** How many may watch without a seat: 0. */
  maxAudience?: number;
  /** A JSON Web Token, for relays that ask for one. */
  token?: string;
  /**
   * Returns to the room that was created here before, if it is still there: true for a room of this browser, also
   * after its tab was closed, and `tab` for one of this tab, after a reload. If that room is full at the moment, the
   * call waits for a seat as long as `patience`. Then it rejects with `room-full`, and you may try again.
   */
  resume?: boolean | 'tab';
}

export interface SendOptions {
  /** Drops the message while there is no connection, or while more waits than the network takes. */
  volatile?: boolean;
}

export interface BinaryOptions<Id> extends SendOptions {
  /** Who gets the message: everyone else unless given. */
  to?: Id | 'host';
}

export interface KickOptions {
  /** Tells the member why: at most 123 bytes. */
  reason?: string;
  /** Keeps the member out from now on. */
  ban?: boolean;
}

/** What the host may change. */
export interface RoomSettings {
  locked?: boolean;
  maxClients?: number;
  maxAudience?: number;
  /** Null takes it away. */
  password?: string | null;
}

/** What everybody knows of that. The last two come with the event `room`. */
export interface KnownSettings {
  locked?: boolean;
  maxClients?: number;
  maxAudience?: number;
  /** Whether there is one. */
  password?: boolean;
}

/** Why a seat is gone: its member left, did not come back in time, or was kicked. */
export type LeaveReason = 'left' | 'expired' | 'kicked';

/** What somebody's QR code needs: `<img src alt>`, and where the code leads. */
export interface QrCode {
  /** The address of the picture, an SVG of the relay. */
  readonly src: string;
  /** The code and the link in words. */
  readonly alt: string;
  /** The room's `joinUrl`. Undefined: the picture leads to the relay's own game. */
  readonly link: string | undefined;
}

export interface Events<In, State, Id> {
  /** A peer got a seat. In protocols 1 and 2, also: it came back. It also comes after a reconnection. */
  join: (peer: Id) => void;
  /** A peer's connection broke, and the room holds the seat (protocol 3). */
  away: (peer: Id) => void;
  /** A peer came back to its seat (protocol 3). */
  back: (peer: Id) => void;
  /** A peer's seat is gone. The reason comes in protocol 3, unless it was missed. */
  leave: (peer: Id, why?: LeaveReason) => void;
  /** This member is the host now; null: there is none. */
  host: (peer: Id | null) => void;
  /** The host changed something about the room. */
  room: (settings: KnownSettings) => void;
  /** Host only: how many watch. A new listener gets the present number at once, if the host knows it. */
  audience: (count: number) => void;
  /**
   * A message; `from` is -1 for one of the audience. A binary message is a Uint8Array. The SDK keeps messages
   * for the first listener: the last 1,000, up to `queueSize`.
   */
  message: (data: In, from: Id) => void;
  /** The host's state. A new listener gets the present state at once. Undefined: the relay refused the first one. */
  state: (state: State) => void;
  /** Host only: the state that only the host has, after a reload, or for a new host. */
  private_state: (state: any) => void;
  /**
   * Something that a view may show has changed: `peers`, `away`, `host`, `id`, `settings`, `state`, `privateState`,
   * `status`, `closeReason` or the audience. It comes once for all that happens together.
   */
  change: () => void;
  /** Messages between the elements of party-lobby.js. They never come as a `message`. */
  lobby: (data: any, from: Id) => void;
  /**
   * Something was missed: messages may be lost, and `id`, `peers` and `away` may be others. The state is told
   * anew. In protocol 3 this is rare; in protocols 1 and 2, it comes with each reconnection.
   */
  gap: () => void;
  /** `connected` comes after a reconnection, not at the beginning. */
  connection: (status: Status) => void;
  /** The server refused a message of this party, or closed the connection for it. */
  error: (error: PartyError) => void;
  /** The party is over. This event comes once, as the last one. `text` is the host's, for who was kicked. */
  closed: (reason: CloseReason, text?: string) => void;
}

/** `In` is what this side gets as messages, `Out` what it sends, and `State` the room's state. */
export class Party<In = any, Out = any, State = any, Id extends PeerId = number> {
  private constructor();

  /**
   * Makes a new room. Rejects with a PartyError; a mistake such as an unknown option is a TypeError. Calls of one page
   * that want the same seat share one party: two `create` at the same time, or with `resume`, and two `join` with one
   * code. Calls with a `clientId` or a `storage` do not.
   */
  static create<In = any, Out = any>(
    url: Address | undefined,
    options: CreateOptions & { protocol: 1 },
  ): Promise<Party<In, Out, never, string>>;
  static create<In = any, Out = any, State = any>(
    url?: Address,
    options?: CreateOptions,
  ): Promise<Party<In, Out, State>>;

  /** Gets a seat in the room with this code: the old one if this player had one. Rejects with a PartyError. */
  static join<In = any, Out = any>(
    url: Address | undefined,
    code: string,
    options: JoinOptions & { protocol: 1 },
  ): Promise<Party<In, Out, never, string>>;
  static join<In = any, Out = any, State = any>(
    url: Address | undefined,
    code: string,
    options?: JoinOptions & AudienceOptions,
  ): Promise<Party<In, Out, State>>;

  /** The protocol in use: 3, or with an older relay or room 2 or 1. */
  readonly protocol: 1 | 2 | 3;
  /** The room's code. */
  readonly room: string;
  /** This member's own id in the room. */
  readonly id: Id;
  /**
   * Whether this player has come with the secret id of an earlier seat in the room. If the room holds that seat no
   * longer, `id` is another one. With the option `clientId`, true.
   */
  readonly hadSeat: boolean;
  /** The host's id, or null: there is none at the moment (in protocol 1, others don't know it). */
  readonly host: Id | null;
  /** Whether this member is the host: in protocols 1 and 2, whether it created the room. */
  readonly isHost: boolean;
  /** The other members who are here, as far as the SDK knows. The array is frozen, and another one after a change. */
  readonly peers: readonly Id[];
  /** The members who are away, and whose seats the room holds (protocol 3). Frozen, too. */
  readonly away: readonly Id[];
  /** What is known of the room's settings (protocol 3). */
  readonly settings: Readonly<KnownSettings>;
  /** The host's last state, or undefined. A state that the relay refused is taken back. */
  readonly state: State | undefined;
  /** The host's own state, which only the host gets (protocol 3). */
  readonly privateState: any;
  readonly status: Status;
  /** Why the party is over, as the event `closed` tells it. Undefined: it is not, or the page has let go. */
  readonly closeReason: CloseReason | undefined;
  /** The link for controllers, with its placeholders filled in; undefined if the creator gave none. */
  readonly joinUrl: string | undefined;

  /** The relay's picture of a QR code for phones, whatever their camera app. */
  qr(): QrCode;

  /** Adds a listener. The function that is returned removes it. */
  on<Name extends keyof Events<In, State, Id>>(
    name: Name,
    listener: Events<In, State, Id>[Name],
  ): () => void;

  /**
   * Sends to everyone else. The promises of this and the following calls resolve to what became of the message.
   * In protocol 3 they wait for the relay's word, across reconnections. They reject only if the relay refused the
   * message (`state-too-large`), or closed the connection for it (`message-too-big`); whoever ignores that need not
   * catch it. Data without a JSON form throws a TypeError, and so do peers and options that can't be. A call that only
   * the host may make throws a PartyError `not-host` for other members, and one that the protocol doesn't have throws
   * `not-supported`.
   */
  broadcast(data: Out, options?: SendOptions): Promise<Delivery>;
  /**
   * Sends to one member, which may be this one, to the host, or in protocol 3 to several. In protocol 3 the room keeps
   * messages for who is away. Before, the SDK keeps those for the host until it is back, up to `queueLength`.
   */
  send(to: Id | readonly Id[] | 'host', data: Out, options?: SendOptions): Promise<Delivery>;
  /** Sends to the host, which is mostly the screen: `send('host', data)`. */
  toHost(data: Out, options?: SendOptions): Promise<Delivery>;
  /** Sends bytes (protocol 3). The others get them as a `message`. What is no bytes throws a TypeError. */
  sendBinary(bytes: ArrayBuffer | ArrayBufferView, options?: BinaryOptions<Id>): Promise<Delivery>;
  /**
   * Host only: sets the state for all members, later ones too. Of waiting states only the last is sent. A
   * `private` state is told to nobody but the host, after a reload (protocol 3).
   */
  setState(state: State): Promise<Delivery>;
  setState(state: unknown, options: { private: true }): Promise<Delivery>;

  /** Host only, in protocol 3, as all calls up to `ping`: changes the room. */
  setRoom(settings: RoomSettings): Promise<Delivery>;
  /** Lets nobody new in. */
  lock(): Promise<Delivery>;
  /** Lets new members in again. */
  unlock(): Promise<Delivery>;
  /** Makes another present member the host. */
  setHost(peer: Id): Promise<Delivery>;
  /** Takes a member's seat away. */
  kick(peer: Id, options?: KickOptions): Promise<Delivery>;
  /** Whether the audience may not speak: true unless given. */
  muteAudience(muted?: boolean): Promise<Delivery>;

  /** The milliseconds for a message to the relay and back; null without a connection or an answer. */
  ping(): Promise<number | null>;

  /**
   * Leaves the room, and gives the seat up. What waits for a connection is dropped. Without a connection, the relay
   * does not hear of it, and the others see this member `away` as long as the seat is held. Without their host the
   * others can go on if the room was created with `onHostLeft: 'migrate'`; in protocols 1 and 2, for the host's grace
   * time.
   */
  leave(): void;
  /**
   * Lets go of the party, and keeps the seat: the next `join`, or `create` with `resume`, has it again. Calls that
   * share a party get an object each, which can let go once. When all have, the party is over for this page, without
   * an event.
   */
  detach(): void;
  /** The older name of `leave()`. */
  close(): void;
  /** Host only: ends the room for everybody. */
  closeRoom(): void;
}
