// Party-Sockets for JavaScript: rooms of a relay. The module takes care of everything that phones get wrong.
// It has no dependencies and runs in browsers and Node. README.md shows how to use it, and
// party-sockets.d.ts says what each call promises. docs/protocol.md has the messages on the wire.

const handshakeMilliseconds = 6_000; // from opening a socket to the seat in the room
const wakingProbeMilliseconds = 1_250; // a page that wakes up replaces a dead socket within 2 s
const probeMilliseconds = 4_000; // in all other cases: networks of phones stall for seconds
const silenceMilliseconds = 5_000; // after so long a silence of the relay, the SDK sends a probe
const watchMilliseconds = 1_000; // between two looks at that silence
const youngMilliseconds = 2_000; // when the page wakes up, an attempt younger than this goes on
const backoffLeast = 500; // milliseconds; doubles with each attempt
const backoffMost = 8_000; // milliseconds
const wakingMilliseconds = 15_000; // a page that wakes up has at least this long to get a network
const askingMilliseconds = 300; // for another tab to answer
const answerMilliseconds = 700; // for what may be there in place of a relay
const keptMilliseconds = 86_400_000; // for an id in a storage, since its last use
const easyMilliseconds = 1_000; // when a connection that lasted this long is lost, a new backoff begins
const quietMilliseconds = 1_000; // after so long a silence, a probe follows the next message
const confirmMilliseconds = 1_000; // after so long without a confirmation, a message is followed by a probe
const closingMilliseconds = 2_000; // for the server to answer our close
const lateMilliseconds = 30_000; // a socket that was given up may still deliver its join for so long
const slowestUplink = 16; // characters a millisecond: a slow network sends what is ahead of a probe as fast
const congestedBytes = 16_384; // with more unsent bytes than this, volatile messages are dropped
const throttledFailures = 3; // after so many, browsers hold attempts back
const keptMessagesMax = 1_000; // messages that wait for the first listener
const probeKey = '$party-sockets';
const lobbyKey = '$lobby'; // such messages are party-lobby.js's, and not for the game

const now = () => performance.now(); // milliseconds
const audienceId = -1; // who has no seat has no index

/** Of `create` and `join`: a page may have the same options for both. */
const optionNames = [
  'maxClients', 'joinUrl', 'hold', 'onHostLeft', 'maxAudience', 'password', 'token', 'resume', 'audience', 'protocol',
  'WebSocket', 'clientId', 'storage', 'instance', 'patience', 'giveUpAfter', 'queueLength', 'queueSize', 'signal',
];
/** Events of what a view may show: behind each of them comes `change`. */
const viewEvents = [
  'join', 'away', 'back', 'leave', 'host', 'room', 'audience', 'state', 'private_state', 'connection',
];
const eventNames = [...viewEvents, 'change', 'message', 'lobby', 'gap', 'error', 'closed'];

const defaults = {
  maxClients: 8,
  patience: 10_000,
  giveUpAfter: 120_000,
  queueLength: 1_024,
  queueSize: 1_048_576,
};

/** The codes of errors in protocols 1 and 2, which have texts alone. */
const errorCodes = [
  [/^Room not/, 'room-not-found'],
  [/full$/, 'room-full'],
  [/^Room uses/, 'wrong-protocol'],
  [/draining$/, 'server-draining'],
  [/^(Too many|No) /, 'server-full'],
  [/^Target/, 'peer-not-found'],
  [/^Only/, 'not-host'],
  [/^State too/, 'state-too-large'],
  [/./, 'refused'],
];

// Close codes that the SDK sends. After a close with another code than the first one, the relay holds the seat
// (in protocols 1 and 2, it keeps an empty room).
const leavingClose = 1000;
const hiddenClose = 4100; // the page is hidden for good, or frozen
const deadClose = 4101; // the relay is silent: this frame may arrive after the next connection

const staleClose = 4101; // from the relay: it knows a later connection of this seat
const kickedClose = 4002; // with the host's reason
const finalCloses = { 4000: 'replaced', 4001: 'room-closed', 4002: 'kicked' };
const refusedCloses = { 1002: 'bad-frame', 1007: 'not-utf-8', 1008: 'refused', 1009: 'message-too-big' };
const spoilingCloses = [1002, 1007, 1009]; // a message of ours did this

// Errors with which a party is over that was on its way back, and why.
const finalErrors = {
  'room-not-found': 'room-gone',
  'wrong-protocol': 'room-gone',
  kicked: 'kicked',
  banned: 'kicked',
  'room-locked': 'locked-out',
  'password-required': 'locked-out',
  'wrong-password': 'locked-out',
};

/** An error: `code` is for programs, `message` has the server's own words. */
export class PartyError extends Error {
  constructor(code, message) {
    super(message);
    this.name = 'PartyError';
    this.code = code;
  }

  static ofServer({ code, message, of, to }) {
    const [, known] = errorCodes.find(([pattern]) => pattern.test(message));
    return Object.assign(new PartyError(code ?? known, message), { of, to });
  }
}

/** One socket, from its handshake to its end. It calls `onEnd` once, unless it was abandoned. */
class Connection {
  begunAt = now();
  joinedAt = null;
  #socket;
  #timer;
  #handlers;

  constructor(WebSocket, url, subprotocols, handlers) {
    this.#handlers = handlers;
    this.#socket = new WebSocket(url, subprotocols);
    this.#socket.binaryType = 'arraybuffer';
    this.#socket.onopen = () => this.#handlers?.onOpen(this.#socket.protocol);
    this.#socket.onmessage = ({ data }) => this.#handlers?.onEvent(readFrame(data), data.length ?? data.byteLength);
    this.#socket.onerror = () => {}; // a close event follows and tells the same
    this.#socket.onclose = ({ code, reason }) => this.#end({ code, reason });
    this.#timer = setTimeout(() => this.giveUp(deadClose), handshakeMilliseconds);
  }

  get isJoined() {
    return this.joinedAt !== null;
  }

  /** Whether the connection was one. What is lost right after its handshake brings nobody back. */
  get hasLasted() {
    return this.isJoined && now() - this.joinedAt >= easyMilliseconds;
  }

  get canSend() {
    return this.isJoined && this.#socket.readyState === 1;
  }

  /** Bytes that the network has not taken yet. */
  get unsent() {
    return this.#socket.bufferedAmount;
  }

  send(frame) {
    this.#socket.send(frame);
  }

  welcome() {
    this.joinedAt = now();
    clearTimeout(this.#timer);
  }

  leave(code = leavingClose) {
    this.#forget();
    this.#socket.close(code);
    // The package `ws` waits 30 s for the peer's answer, and keeps Node from ending.
    if (this.#socket.terminate) setTimeout(() => this.#socket.terminate(), closingMilliseconds).unref();
  }

  /** Ends without calling `onEnd`. Sends nothing that waits, and does not wait for the peer's answer. */
  abandon(code) {
    this.#forget();
    this.#socket.close(code);
    this.#socket.terminate?.(); // only the package `ws` has it
  }

  giveUp(code) {
    const handlers = this.#handlers;
    const isHanging = this.#socket.readyState === 0; // there was not even a handshake
    this.abandon(code);
    handlers?.onEnd({ code, isGivenUp: true, isHanging });
  }

  #forget() {
    clearTimeout(this.#timer);
    this.#handlers = null;
  }

  #end(close) {
    const handlers = this.#handlers;
    this.#forget();
    handlers?.onEnd(close);
  }
}

/**
 * The secret id of a seat. It is stored for this tab and for all tabs of the origin, so it survives a reload, and
 * a tab that is closed. Of tabs that know the same id one holds it. That one keeps it while it is visible, and
 * gives it away while it is hidden. A tab that gets none has an id of its own.
 */
class Seat {
  clientId;
  onLost = () => {}; // another tab has the id
  #stores; // of this tab, and of all tabs
  #prefix;
  #isShared = false; // whether other tabs may know the id
  #isSpare = false; // the id that all tabs know is held by another one
  #isHeld = false;
  #channel = null;
  #unlock = () => {};
  #answer; // resolves the question whether another tab keeps the id
  #rank = Math.random(); // of two tabs that ask at the same time, the one with the lower rank has the id

  constructor(relay, stores) {
    this.#stores = stores;
    this.#prefix = `party-sockets ${relay.host}${relay.pathname} `;
  }

  /** Takes the id `given` by the page, else a stored one, else a new one. Tells whether it is an old one. */
  async take(room, given, asHost) {
    this.clientId = given;
    if (given) return true;
    const ids = this.#stores.map((store) => (asHost ? this.host?.clientId : this.#read(store, room)));
    this.#isShared = ids.length > 0;
    const shared = ids.at(-1);
    for (const id of new Set(ids.filter(Boolean))) {
      this.clientId = id;
      this.#isSpare = id !== shared && Boolean(shared);
      if (await this.claim(id === ids[0] && ids.length > 1 && isReload())) return true;
    }
    this.#isSpare = Boolean(shared);
    this.clientId = await newSecret();
    await this.claim(true);
    return false;
  }

  /** Whether this tab holds the id from now on. `isOurs`: nobody else can have it. */
  async claim(isOurs = false) {
    if (!this.#isShared) return true;
    this.#listen();
    const locks = globalThis.document && globalThis.navigator?.locks; // Node has some that are of no use here
    const isFree = locks ? await this.#lock(locks, 'ifAvailable') : isOurs;
    this.#isHeld = isFree || ((await this.#ask()) && (!locks || (await this.#lock(locks, 'steal'))));
    return this.#isHeld;
  }

  keep(room, isHost) {
    if (isHost) this.host = { room, clientId: this.clientId };
    else for (const store of this.#stores.slice(0, this.#isSpare ? 1 : 2)) this.#write(store, room, this.clientId);
  }

  /** The room that was created here, or null. It has a key of its own: a page may also have phones in it. */
  get host() {
    for (const store of this.#stores) {
      const [, clientId, room] = /(.*) (.*)/.exec(this.#read(store, 'host')) ?? []; // an id may have spaces
      if (room) return { room, clientId };
    }
    return null;
  }

  set host(host) {
    for (const store of this.#stores) this.#write(store, 'host', host && `${host.clientId} ${host.room}`);
  }

  /** Who holds nothing is asked nothing, and may be kept by the browser when its player follows a link. */
  release() {
    this.#isHeld = false;
    this.#unlock();
    this.#channel?.close();
    this.#channel = null;
  }

  /** Values have the time behind them. Those of yesterday are of no use, for whatever room. */
  #read(store, key) {
    try {
      const [, value, time] = /^(.*) (\d+)$/.exec(store.getItem(this.#prefix + key));
      return Date.now() - time < keptMilliseconds ? value : undefined;
    } catch {
      return undefined; // there is none, or the browser forbids storage
    }
  }

  #write(store, key, value) {
    try {
      for (const name of Object.keys(store)) {
        const isOld = name.startsWith(this.#prefix) && !this.#read(store, name.slice(this.#prefix.length));
        if (isOld) store.removeItem(name);
      }
      if (value === null) store.removeItem(this.#prefix + key);
      else store.setItem(this.#prefix + key, `${value} ${Date.now()}`);
    } catch {
      // storage is forbidden or full; then a reload takes a new seat
    }
  }

  /** The lock tells without delay that no other tab has the id. Tabs can take it from those that are frozen. */
  #lock(locks, how) {
    return new Promise((resolve) => {
      const hold = (lock) => {
        resolve(lock !== null);
        return lock && new Promise((release) => (this.#unlock = release));
      };
      locks.request(`party-sockets ${this.clientId}`, { [how]: true }, hold).catch(() => {
        resolve(true); // the browser forbids locks
        this.#lose();
      });
    });
  }

  #listen() {
    if (this.#channel || !globalThis.BroadcastChannel) return;
    this.#channel = new BroadcastChannel('party-sockets');
    this.#channel.unref?.(); // else Node would not end
    this.#channel.onmessage = ({ data }) => this.#hearTab(data);
  }

  #hearTab({ id, rank, isFree: isGiven }) {
    if (id !== this.clientId) return;
    if (!this.#isHeld && rank < this.#rank) this.#answer?.(false);
    else if (rank === undefined) this.#answer?.(isGiven);
    else {
      const isFree = this.#isHeld && this.#stores.length > 1 && globalThis.document?.visibilityState === 'hidden';
      this.#channel.postMessage({ id, isFree });
      if (isFree) this.#lose();
    }
  }

  /** Whether no other tab keeps the id. One that is frozen does not answer. */
  #ask() {
    this.#channel?.postMessage({ id: this.clientId, rank: this.#rank });
    return new Promise((resolve) => {
      this.#answer = resolve;
      // An answer may have come while this tab was busy: it is heard before the second timer.
      setTimeout(() => setTimeout(resolve, 0, true), this.#channel ? askingMilliseconds : 0);
    });
  }

  #lose() {
    if (!this.#isHeld) return;
    this.release();
    this.onLost();
  }
}

/**
 * Messages that wait, in order and bounded: for a connection, and in protocol 3 until the relay confirms them.
 * What is sent is numbered by its place, so a message that is not sent again keeps its place without a frame.
 */
class Outbox {
  isCounting = false; // whether the relay confirms messages: protocol 3, for who has a seat
  #items = [];
  #sent = 0; // so many of the items were sent over the last connection, or the relay has them
  #known = 0; // so many of them the relay has
  #heard = 0; // so many messages were confirmed in this epoch
  #length = 0; // of the items that have frames
  #size = 0;
  #lengthMax;
  #sizeMax;

  constructor(lengthMax, sizeMax) {
    this.#lengthMax = lengthMax;
    this.#sizeMax = sizeMax;
  }

  /** Whether a state waits that is `shared`, or `private`. */
  has(state) {
    return this.#items.some((item) => item.state === state);
  }

  get hasUnconfirmed() {
    return this.#sent > 0;
  }

  /** Whether it may be full soon, unless the relay confirms something. */
  get isFilling() {
    return this.#length > this.#lengthMax / 4 || this.#size > this.#sizeMax / 4;
  }

  /** A message that can be sent at once may be long, if none waits before it. */
  add(frame, { state, isForHost, isOnline }) {
    if (state) {
      for (const item of this.#items) if (item.state === state) this.#empty(item);
      this.#dropEmpty(); // so at most one state of each kind waits, and it always has a place
    }
    const isLong = this.#size + frame.length > this.#sizeMax && !(isOnline && this.#size === 0);
    if (!state && (isLong || this.#length >= this.#lengthMax)) return Promise.resolve('dropped');
    this.#length++;
    this.#size += frame.length;
    const promise = new Promise((resolve, reject) => this.#items.push({ frame, state, isForHost, resolve, reject }));
    promise.catch(() => {}); // who ignores what becomes of a message is not told of a rejection
    return promise;
  }

  /** A message was sent that is never sent again. */
  skip() {
    if (!this.isCounting) return;
    this.#items.push({ frame: null, resolve: () => {} });
    this.#sent++;
  }

  /** The relay has refused the message with this number. False: nobody waits for what becomes of it. */
  refuse(number, error) {
    const item = this.#items[number - this.#heard - 1];
    if (!item?.reject) return false;
    item.outcome = error;
    return true;
  }

  /** What waits for the host, others overtake while it is away. */
  flush(connection, isHostHere, send) {
    let place = this.#sent;
    while (place < this.#items.length && connection.canSend) {
      const item = this.#items[place];
      const mustWait = item.isForHost && !isHostHere;
      if (!mustWait) send(item.frame);
      if (mustWait || this.isCounting) place++;
      else this.#end(...this.#items.splice(place, 1), 'sent');
    }
    if (this.isCounting) this.#sent = place;
  }

  /** The relay has so many messages of this epoch. */
  hear(heard) {
    while (this.#heard < heard && this.#sent > 0) {
      this.#heard++;
      this.#take('delivered');
    }
  }

  /**
   * A new connection. In the same epoch the relay says what it has heard, and `refusal` is what became of the
   * next one. What is heard waits for a pong, since errors of it may be on their way. All other messages will be
   * sent again, save volatile ones and states that are not the last.
   */
  begin({ heard = 0, isSameEpoch, refusal }) {
    if (isSameEpoch) this.#known = Math.min(heard - this.#heard, this.#sent);
    else while (this.#known > 0) this.#take('delivered');
    if (isSameEpoch && refusal && this.#sent > this.#known) this.#end(...this.#items.splice(this.#known, 1), refusal);
    this.#heard = heard - this.#known;
    this.#sent = this.#known;
    this.#dropEmpty();
  }

  clear() {
    while (this.#known > 0) this.#take('delivered');
    for (const [place, item] of this.#items.entries()) this.#end(item, place < this.#sent ? 'sent' : 'dropped');
    this.#items = [];
    this.#sent = this.#length = this.#size = 0;
  }

  #take(delivery) {
    this.#sent--;
    this.#known = Math.max(this.#known - 1, 0);
    this.#end(this.#items.shift(), delivery);
  }

  #end(item, delivery) {
    this.#empty(item);
    const outcome = item.outcome ?? delivery;
    if (outcome.code) item.reject?.(outcome);
    else item.resolve(outcome);
  }

  #empty(item) {
    if (item.frame === null) return;
    this.#length--;
    this.#size -= item.frame.length;
    Object.assign(item, { frame: null, state: undefined });
  }

  /** Those that were sent keep their places. */
  #dropEmpty() {
    this.#items = this.#items.filter(({ frame, resolve }, place) => {
      const isKept = frame !== null || place < this.#sent;
      if (!isKept) resolve('dropped');
      return isKept;
    });
  }
}

/** When to try again, and when to give up. Full jitter, so that a thousand phones don't come at once. */
class Backoff {
  #failures = 0;
  #deadline;

  constructor(milliseconds) {
    this.#deadline = now() + milliseconds;
  }

  get isOver() {
    return now() >= this.#deadline;
  }

  /** A page that wakes up finds its time spent, and may need a moment to get a network. */
  extend() {
    this.#failures = 0;
    this.#deadline = Math.max(this.#deadline, now() + wakingMilliseconds);
  }

  nextDelay() {
    return Math.random() * Math.min(backoffMost, backoffLeast * 2 ** this.#failures++);
  }
}

const subprotocolOf = (protocol) => `party-sockets.v${protocol}`;

/** What tells of a peer: the list in which the peer is then, and the event for listeners. */
const moves = {
  peer_joined: ['peers', 'join'],
  peer_away: ['away', 'away'],
  peer_back: ['peers', 'back'],
  peer_left: [null, 'leave'],
};

/** What the relay sends that is no event of the seat: docs/protocol.md, “counted”. */
const uncounted = ['audience', 'private_state', 'pong'];

/** Parties that calls of this page share, by what they enter; see `Entrance`. */
const entrances = new Map();

/**
 * The way into one party. Calls of a page that mean the same seat share it: components of a page that mounts twice,
 * as in React's StrictMode, would take the seat from each other. The last one that lets go ends the party.
 */
class Entrance {
  #users = 0;
  #key;
  #party;
  isLeft = false;
  onEnd = () => {};

  /** `open(entrance)` promises the party. */
  static enter(key, signal, open) {
    if (signal && !signal.addEventListener) throw new TypeError('signal is an AbortSignal: controller.signal');
    const entrance = entrances.get(key) ?? new Entrance(key, open);
    return entrance.#use(signal);
  }

  /** The party as one caller has it, who may let go once. */
  #handle(party) {
    let isHeld = true;
    const detach = () => {
      if (isHeld) this.letGo();
      isHeld = false;
    };
    const get = (_, name) => {
      const value = name === 'detach' ? detach : party[name];
      return typeof value === 'function' ? value.bind(party) : value;
    };
    return new Proxy(party, { get });
  }

  constructor(key, open) {
    this.#key = key;
    if (key) entrances.set(key, this);
    this.#party = open(this);
    this.#party.catch(() => this.close());
  }

  #use(signal) {
    this.#users++;
    return new Promise((resolve, reject) => {
      const abort = () => {
        this.letGo();
        reject(signal.reason);
      };
      // From the outcome on the signal means nothing: who aborts then would let go twice, with `detach()`.
      const endWith = (act) => (outcome) => {
        signal?.removeEventListener('abort', abort);
        act(outcome);
      };
      if (signal?.aborted) return abort();
      signal?.addEventListener('abort', abort);
      this.#party.then(endWith((party) => resolve(this.#handle(party))), endWith(reject));
    });
  }

  /** Others may come within the same task. */
  letGo() {
    this.#users--;
    queueMicrotask(() => {
      if (this.#users > 0) return;
      this.close();
      this.isLeft = true;
      this.onEnd();
    });
  }

  /** Whoever comes from now on gets a party of its own. */
  close() {
    if (entrances.get(this.#key) === this) entrances.delete(this.#key);
  }
}

function weightOf({ type, count, n }) {
  if (type === 'skipped') return count;
  return uncounted.includes(type) || (type === 'error' && n === undefined) ? 0 : 1;
}

export class Party {
  #relay;
  #options;
  #protocols; // those that the SDK offers
  #protocol; // that the relay selected
  #seat;
  #entrance;
  #outbox;
  #backoff;
  #connection = null; // the present connection or attempt; null while the next attempt waits
  #entering; // { resolve, reject } until the first connection has a seat in the room
  #waitsForSeat = false; // a full room is tried again while entering, too
  #isOver = false;
  #closeReason;
  #isHidden = false; // the page is hidden for good, or frozen: no connection until it is shown
  #isComing = false; // it is shown, and asks for its seat
  #gaveUpAt = -Infinity; // when a socket was given up whose join may still be on its way
  #session; // this life of the page, for the relay
  #attempt = 0; // the number of the last join in this session
  #epoch; // in which `#seen` and the outbox count
  #seen = 0; // so many events of the seat have come
  #toldSeen = 0; // what the relay knows of that
  #refusal; // with which the relay closed the last connection, because of a message
  #stateFollows = false; // the next state is not counted: it belongs to `joined`
  #room;
  #instance;
  #id;
  #hadSeat; // before this party
  #view = { peers: [], away: [], host: null, settings: {} }; // of the room
  #state;
  #agreed = {}; // the last states that the relay has for certain: { shared, private }
  #privateState;
  #stateText; // in protocol 2: the last state that was set here, until the relay refuses it
  #joinUrl;
  #changes = false; // whether `change` comes at the end of this task
  #listeners = new Map();
  #kept = { messages: [], size: 0 }; // messages for the first listener; null once there was one
  #probe = null; // the probe under way: { token, sent, milliseconds, timer, promise, resolve }
  #probedAt; // when the last one began
  #heardAt; // when the relay last sent something
  #sent = 0; // characters that were sent over this connection
  #confirmed = 0; // characters that the relay has received, by its last answer to a probe
  #failures = 0; // attempts without a seat that ended by themselves
  #isThrottled = false; // the last attempt hung, behind some of these
  #lastError; // the last error with which the relay refused an attempt
  #retryTimer;
  #watchTimer;
  #confirmTimer;
  #stopWaking = () => {};

  static async create(url, options = {}) {
    checkNames(options, optionNames, 'option');
    if (![undefined, false, true, 'tab'].includes(options.resume)) throw new TypeError("resume: true, false or 'tab'");
    const room = `create ${JSON.stringify({ ...options, signal: undefined })}`; // others want another room
    return Entrance.enter(shareKey(url, room, options), options.signal, async (entrance) => {
      const resumed = options.resume && (await Party.#resume(url, options, entrance));
      const party = resumed || (await new Party(url, options, entrance).#enter());
      if (!options.resume) entrance.close(); // the next call makes another room
      return party;
    });
  }

  static async join(url, code, options = {}) {
    if (/:\/\//.test(code) || (url && code === undefined && !/:\/\//.test(url)))
      throw new TypeError('The address comes before the code: join(url, code)');
    checkNames(options, optionNames, 'option');
    const room = String(code ?? '').trim();
    if (!room) throw new PartyError('room-not-found', 'There is no code');
    const key = shareKey(url, `${normalCode(room)} ${options.audience}`, options);
    return Entrance.enter(key, options.signal, (entrance) => new Party(url, options, entrance).#enter(room));
  }

  /** The party in the stored room, or null. A full room is tried again: our seat may be free in a moment. */
  static async #resume(url, options, entrance) {
    const host = new Seat(relayAddress(url), storesOf(options)).host;
    if (!host) return null;
    try {
      const party = await new Party(url, options, entrance).#enter(host.room, true);
      if (party.isHost || party.protocol === 3) return party; // there, another one may be the host by now
      party.leave();
    } catch (error) {
      if (!roomIsGone(error)) throw error;
    }
    return null;
  }

  constructor(url, options, entrance) {
    this.#relay = relayAddress(url);
    this.#entrance = entrance;
    this.#options = { ...defaults, ...options, joinUrl: linkTemplate(options.joinUrl) };
    this.#options.WebSocket ??= globalThis.WebSocket;
    if (!this.#options.WebSocket)
      throw new PartyError('not-supported', 'Pass a WebSocket: there is none');
    const { protocol } = this.#options;
    if (![undefined, 1, 2, 3].includes(protocol))
      throw new PartyError('not-supported', 'Protocols are 1, 2 and 3');
    this.#protocols = protocol === undefined ? [2, 3] : [protocol]; // relays that know 3 prefer it
    this.#instance = options.instance;
    this.#seat = new Seat(this.#relay, storesOf(options));
    this.#outbox = new Outbox(this.#options.queueLength, this.#options.queueSize);
    entrance.onEnd = () => this.#detach();
  }

  get protocol() {
    return this.#protocol;
  }

  get room() {
    return this.#room;
  }

  get id() {
    return this.#id;
  }

  get hadSeat() {
    return this.#hadSeat;
  }

  get host() {
    return this.#view.host;
  }

  get isHost() {
    return this.#view.host === this.#id;
  }

  get peers() {
    return this.#view.peers;
  }

  get away() {
    return this.#view.away;
  }

  get settings() {
    return this.#view.settings;
  }

  get state() {
    return this.#state;
  }

  get privateState() {
    return this.#privateState;
  }

  get status() {
    if (this.#isOver) return 'closed';
    return this.#connection?.isJoined ? 'connected' : 'reconnecting';
  }

  get closeReason() {
    return this.#closeReason;
  }

  get joinUrl() {
    return this.#joinUrl;
  }

  qr() {
    const address = new URL(`room/${this.#room}/qr.svg`, webAddress(this.#relay));
    if (this.#instance) address.searchParams.set('instance', this.#instance);
    const link = this.#joinUrl ? `: ${this.#joinUrl}` : '';
    return { src: address.href, alt: `QR code to join room ${this.#room}${link}`, link: this.#joinUrl };
  }

  on(name, listener) {
    checkNames({ [name]: listener }, eventNames, 'event');
    if (typeof listener !== 'function') throw new TypeError(`on('${name}', listener) needs a function`);
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener));
    const { audience } = this.#view;
    const known = { state: this.#state, private_state: this.#privateState, audience }[name];
    if (known !== undefined) callSoon(listener, known);
    if (name === 'message' && this.#kept) {
      for (const message of this.#kept.messages) callSoon(listener, ...message);
      this.#kept = null;
    }
    return () => listeners.delete(listener);
  }

  broadcast(data, options) {
    return this.#say({ data: sendable(data) }, options);
  }

  send(to, data, options) {
    const isList = Array.isArray(to) && this.#protocol === 3 && to.length > 0; // none is no peer, either
    for (const peer of isList ? to : [to]) this.#checkPeer(peer, 'send(to, data)');
    const index = to === 'host' && this.#protocol === 2 ? this.host : to;
    return this.#say({ to: index, data: sendable(data) }, options);
  }

  toHost(data, options) {
    return this.send('host', data, options);
  }

  sendBinary(bytes, options = {}) {
    this.#demand(3);
    checkNames(options, ['to', 'volatile'], 'option');
    const { to, volatile = false } = options;
    if (to !== undefined) this.#checkPeer(to, 'sendBinary(bytes, { to })');
    return this.#post(binaryFrame(bytes, to, volatile), { volatile });
  }

  setState(state, options = {}) {
    this.#demandHost(options.private ? 3 : 2);
    checkNames(options, ['private'], 'option');
    sendable(state);
    const isPrivate = options.private || undefined;
    const text = JSON.stringify({ type: 'set_state', private: isPrivate, data: state });
    if (this.#protocol === 2) [this.#stateText, this.#agreed.shared] = [text, this.#state]; // nobody says if it is taken
    if (isPrivate) this.#privateState = state;
    else this.#state = state;
    this.#changeSoon();
    const kind = isPrivate ? 'private' : 'shared';
    const delivery = this.#post(text, { state: kind });
    this.#settle(kind, state, delivery);
    return delivery;
  }

  /** A state that the relay has refused is nobody's. */
  async #settle(kind, state, delivery) {
    const isTaken = await delivery.then((outcome) => outcome === 'delivered', () => false);
    const present = kind === 'private' ? this.#privateState : this.#state;
    if (isTaken) this.#agreed[kind] = state;
    else if (this.#protocol < 3 || present !== state || this.#isOver) return;
    else if (kind === 'shared') this.#restoreState();
    else this.#emit('private_state', (this.#privateState = this.#agreed.private));
  }

  #restoreState() {
    this.#stateText = undefined;
    this.#state = this.#agreed.shared;
    this.#emit('state', this.#state);
  }

  setRoom(settings) {
    checkNames(settings, ['locked', 'maxClients', 'maxAudience', 'password'], 'setting');
    return this.#command({ ...settings, type: 'set_room' });
  }

  lock() {
    return this.setRoom({ locked: true });
  }

  unlock() {
    return this.setRoom({ locked: false });
  }

  setHost(index) {
    this.#checkPeer(index, 'setHost(peer)');
    return this.#command({ type: 'set_host', index });
  }

  kick(index, options = {}) {
    this.#checkPeer(index, 'kick(peer)');
    checkNames(options, ['reason', 'ban'], 'option');
    return this.#command({ ...options, type: 'kick', index });
  }

  muteAudience(muted = true) {
    return this.#command({ type: 'mute_audience', muted });
  }

  /** When the answer is late, a new connection replaces this one. */
  ping() {
    return this.#askRelay(probeMilliseconds);
  }

  leave() {
    this.#finish('left');
  }


  /** The name of `leave()` in earlier versions. */
  close() {
    this.leave();
  }

  closeRoom() {
    this.#demandHost(2);
    this.#post('{"type":"close_room"}');
  }

  #demand(protocol) {
    if (this.#protocol < protocol)
      throw new PartyError('not-supported', `Protocol ${this.#protocol} can't do this`);
  }

  /** What is no peer would be refused, or would be another one. */
  #checkPeer(peer, call) {
    const isPeer = this.#protocol === 1 ? typeof peer === 'string' : Number.isInteger(peer) && peer >= 0;
    const isSending = call.startsWith('send');
    if (isPeer || (isSending && peer === 'host')) return;
    const kind = `${this.#protocol === 1 ? 'an id' : 'a number'}${isSending ? " or 'host'" : ''}`;
    throw new TypeError(`${call}: a peer is ${kind}, not ${JSON.stringify(peer)}`);
  }

  #demandHost(protocol) {
    this.#demand(protocol);
    if (!this.isHost) throw new PartyError('not-host', 'Only the host may do this');
  }

  async #enter(code, asHost = false) {
    const isKnown = await this.#seat.take(normalCode(code), this.#options.clientId, asHost);
    this.#hadSeat = isKnown;
    if ((asHost && !isKnown) || this.#entrance.isLeft) {
      this.#seat.release();
      throw new PartyError('room-not-found', 'Another tab has the room');
    }
    this.#seat.onLost = () => this.#finish('replaced');
    this.#session = await newSecret().catch(() => `${now()} ${Math.random()}`);
    this.#waitsForSeat = asHost;
    this.#room = code;
    this.#backoff = new Backoff(this.#options.patience);
    return new Promise((resolve, reject) => {
      this.#entering = { resolve, reject };
      this.#connect();
      if (this.#isOver) return;
      this.#stopWaking = onWaking({
        wake: () => this.#wake(),
        online: () => this.#isHidden || this.#wake(), // a page that the player left stays so
        offline: () => this.#askRelay(wakingProbeMilliseconds),
        hide: () => this.#hide(),
      });
    });
  }

  #connect() {
    const { WebSocket } = this.#options;
    const handlers = {
      onOpen: (subprotocol) => this.#greet(Number(subprotocol.at(-1))),
      onEvent: (event, size) => this.#receive(event, size),
      onEnd: (close) => this.#lose(close),
    };
    try {
      const offer = this.#protocols.map(subprotocolOf);
      this.#connection = new Connection(WebSocket, this.#address(), offer, handlers);
    } catch (error) {
      const code = isMixed(this.#relay) ? 'mixed-content' : 'bad-address';
      this.#fail(new PartyError(code, error.message)); // what can fail here fails at the first attempt
    }
  }

  /** The path and the query tell several servers behind one name which of them has the room. */
  #address() {
    const address = new URL(this.#relay);
    const code = normalCode(this.#room);
    if (address.pathname === '/' && /^[1-9A-HJ-NP-Za-km-z]{4,12}$/.test(code))
      address.pathname = code;
    if (this.#room && this.#instance) address.searchParams.set('instance', this.#instance);
    return address.href;
  }

  /** Says who we are, in the protocol that the relay has selected. */
  #greet(protocol) {
    this.#protocol = protocol;
    const { audience, password } = this.#options;
    const isOpen = protocol < 3 && (audience || (password && !this.#room)); // it would be open to all
    if (isOpen && this.#entering) this.#fail(new PartyError('not-supported', 'This relay is too old'));
    else this.#connection.send(JSON.stringify(this.#room ? this.#joinMessage() : this.#createMessage()));
  }

  #createMessage() {
    const { maxClients, joinUrl, hold, onHostLeft, maxAudience, password, token } = this.#options;
    const { clientId } = this.#seat;
    if (this.#protocol === 1) return { type: 'create', clientId, maxClients };
    const create = { type: 'create', clientId, maxClients, url: joinUrl };
    if (this.#protocol === 2) return create;
    return { ...create, session: this.#session, hold, onHostLeft, maxAudience, password, token };
  }

  #joinMessage() {
    const { audience, password } = this.#options;
    const join = { type: 'join', clientId: this.#seat.clientId, room: this.#room };
    if (this.#protocol < 3) return join;
    Object.assign(join, { session: this.#session, attempt: ++this.#attempt, password });
    return audience ? { ...join, role: 'audience' } : { ...join, epoch: this.#epoch, seen: this.#seen };
  }

  #receive(event, size) {
    this.#heardAt = now();
    this.#timeProbe();
    if (event.type === 'created' || event.type === 'joined') this.#welcome(event);
    else if (event.type === 'error') this.#takeError(PartyError.ofServer(event), event);
    else this.#takeEvent(event, size);
  }

  #takeEvent(event, size) {
    this.#count(event);
    const move = moves[event.type];
    // In protocol 1, members know each other by their clientId.
    if (move) this.#seePeer(event.index ?? event.clientId, ...move, event.why);
    switch (event.type) {
      case 'message':
        return this.#takeMessage(event.audience ? { ...event, from: audienceId } : event, size);
      case 'state':
        return this.#takeState(event.data);
      case 'private_state':
        this.#agreed.private = event.data;
        if (this.#outbox.has('private')) return; // ours is newer
        this.#privateState = event.data;
        return this.#emit('private_state', event.data);
      case 'host':
        this.#view.host = event.index;
        return this.#emit('host', event.index);
      case 'room': {
        const { type, ...settings } = event;
        this.#view.settings = Object.freeze(settings);
        return this.#emit('room', settings);
      }
      case 'audience':
        this.#view.audience = event.count; // a host that comes back hears it before it has listeners
        return this.#emit('audience', event.count);
      case 'pong':
        this.#outbox.hear(event.heard);
        return this.#endProbe(true);
    }
  }

  /** Counts the events of the seat as the relay does. What counts is never told again. */
  #count(event) {
    const isOfJoined = event.type === 'state' && this.#stateFollows;
    const weight = isOfJoined ? 0 : weightOf(event);
    this.#seen += weight;
    if (isOfJoined || weight > 0) this.#stateFollows = false;
  }

  #welcome(event) {
    if (event.unasked) this.#connection.send(JSON.stringify({ type: 'resumed', unasked: event.unasked }));
    this.#connection.welcome();
    this.#sent = this.#confirmed = 0;
    this.#lastError = undefined;
    this.#failures = 0;
    this.#room = event.room;
    this.#instance = event.instance || this.#instance;
    this.#joinUrl = event.url ?? this.#joinUrl;
    this.#id = this.#protocol === 1 ? this.#seat.clientId : event.index ?? audienceId;
    const before = this.#view;
    if (!event.recovered) this.#view = this.#viewOf(event);
    this.#beginCounts(event);
    this.#seat.keep(this.#room, this.isHost);
    this.#watch();
    if (this.#entering) this.#enterRoom(event);
    else this.#goOn(before, event.recovered);
  }

  #viewOf(event) {
    const peers = (event.peers ?? event.clients ?? []).filter((peer) => peer !== this.#id);
    const { away = [], locked = false, maxClients = this.#options.maxClients } = event;
    const settings = this.#protocol === 3 ? { locked, maxClients } : {};
    for (const part of [peers, away, settings]) Object.freeze(part);
    return { peers, away, host: this.#hostIn(event), settings };
  }

  #hostIn(event) {
    if (event.type === 'created' || (this.#protocol === 1 && this.isHost)) return this.#id;
    if (this.#protocol === 2) return 0;
    const stored = this.#seat.host;
    const isStored = stored?.room === event.room && stored.clientId === this.#id;
    return isStored ? this.#id : event.host ?? null;
  }

  /** In protocol 3, client and relay say what each has of the other's, see “Nothing lost” there. */
  #beginCounts(event) {
    if (this.#protocol < 3) return;
    this.#outbox.isCounting = event.epoch !== undefined;
    const isSameEpoch = event.epoch !== undefined && event.epoch === this.#epoch;
    this.#outbox.begin({ heard: event.heard, isSameEpoch, refusal: this.#refusal });
    this.#refusal = undefined;
    this.#epoch = event.epoch;
    this.#seen = this.#toldSeen = event.seen ?? 0;
    this.#stateFollows = event.type === 'joined' && !event.recovered && (event.state ?? true);
  }

  /** The relay sends the room's states before the answer to a probe. */
  async #enterRoom({ type, state }) {
    const isComplete = type === 'created' || (state === false && !this.isHost); // a host has a private one
    if (!isComplete && (await this.#askRelay(probeMilliseconds)) === null) return;
    const { resolve } = this.#entering;
    this.#entering = null;
    this.#backoff = null; // `patience` was for entering; a lost connection has `giveUpAfter`
    resolve(this);
  }

  /** Goes on after a reconnection. Listeners may do anything, so they are called last. */
  #goOn(before, isRecovered) {
    // In protocol 2, the state that was sent last may be lost with the old connection.
    if (this.#stateText && !this.#outbox.has('shared')) this.#send(this.#stateText);
    this.#flush();
    if (this.#outbox.hasUnconfirmed) this.#askRelay(probeMilliseconds); // what the relay had heard
    if (!isRecovered) {
      this.#tellChanges(before, this.#view);
      this.#emit('gap');
    }
    this.#emit('connection', 'connected');
  }

  #tellChanges(before, after) {
    const everybody = ({ peers, away }) => [...peers, ...away];
    const missing = (peers, others) => peers.filter((peer) => !others.includes(peer));
    const [old, present] = [everybody(before), everybody(after)];
    for (const peer of missing(old, present)) this.#emit('leave', peer);
    for (const peer of missing(present, old)) this.#emit('join', peer);
    for (const peer of missing(after.away, before.away)) this.#emit('away', peer);
    for (const peer of missing(before.away, after.away)) if (after.peers.includes(peer)) this.#emit('back', peer);
    if (after.host !== before.host) this.#emit('host', after.host);
    const hasChanged = ([name, value]) => value !== before.settings[name];
    if (Object.entries(after.settings).some(hasChanged)) this.#emit('room', after.settings);
  }

  #takeError(error, event) {
    if (this.#connection.isJoined) {
      this.#count(event);
      const isTold = this.#outbox.refuse(event.n, isGone(error) ? 'no-such-peer' : error);
      if (this.#stateText && ['state-too-large', 'server-full'].includes(error.code)) this.#restoreState();
      if (!isTold || !isGone(error)) this.#report(error);
      return;
    }
    this.#connection.leave();
    this.#connection = null;
    this.#lastError = error;
    const mayChange = error.code === 'room-full' && (!this.#entering || this.#waitsForSeat);
    const reason = finalErrors[error.code];
    const isFree = error.code === 'wrong-protocol' && this.#protocols.length > 1; // to speak another one
    if (isFree) this.#connectAs(event.protocol ?? Number(error.message.at(-1)));
    else if (mayChange) this.#retryLater();
    else if (this.#entering) this.#fail(error);
    else if (reason) this.#finish(reason);
    else this.#retryLater();
  }

  /** The room speaks this protocol. */
  #connectAs(protocol) {
    this.#protocols = [protocol];
    this.#connect();
  }

  /** Without a listener, an error goes to the console; but not that the recipient of a message has left. */
  #report(error) {
    if (this.#listeners.get('error')?.size) this.#emit('error', error);
    else if (!isGone(error)) console.warn(`Party-Sockets: ${error.message}`);
  }

  /** A peer is in one of the lists from now on, or in none. */
  #seePeer(peer, list, name, why) {
    const view = this.#view;
    if (list && view[list].includes(peer)) return;
    for (const place of ['peers', 'away']) {
      const others = view[place].filter((id) => id !== peer);
      if (place === list) others.push(peer);
      if (others.length !== view[place].length) view[place] = Object.freeze(others);
    }
    if (this.#isOnline) this.#flush(); // something may wait for the host
    this.#emit(name, peer, why);
  }

  #takeMessage({ from, data }, size) {
    if (from === this.#id && data?.[probeKey] !== undefined) this.#endProbe(data[probeKey] === this.#probe?.token);
    else if (data?.[lobbyKey] !== undefined) this.#emit('lobby', data[lobbyKey], from);
    else if (this.#kept) this.#keep([data, from], size);
    else this.#emit('message', data, from);
  }

  /** Keeps a message for the first listener. When there are too many, the oldest ones are dropped. */
  #keep(message, size) {
    this.#kept.messages.push(Object.assign(message, { size }));
    this.#kept.size += size;
    while (this.#kept.messages.length > keptMessagesMax || this.#kept.size > this.#options.queueSize)
      this.#kept.size -= this.#kept.messages.shift().size;
  }

  #takeState(state) {
    this.#agreed.shared = state;
    const isNewer = this.#stateText ?? (this.isHost && this.#outbox.has('shared'));
    if (isNewer) return; // this host has set a newer state, and has sent it again
    this.#state = state;
    this.#emit('state', state);
  }

  #say(fields, options = {}) {
    checkNames(options, ['volatile'], 'option');
    const volatile = (this.#protocol === 3 && options.volatile) || undefined;
    const frame = JSON.stringify({ type: 'send', volatile, ...fields });
    const { to } = fields;
    if (this.#protocol < 3 && to !== undefined && to !== this.#id) {
      // Before protocol 3, the relay keeps nothing for who is away.
      if (to === this.host) return this.#post(frame, { ...options, isForHost: true });
      if (!this.peers.includes(to)) return Promise.resolve('no-such-peer');
    }
    return this.#post(frame, options);
  }

  get #isOnline() {
    return !this.#entering && Boolean(this.#connection?.canSend);
  }

  /** A message that only the host may send, in protocol 3. */
  #command(message) {
    this.#demandHost(3);
    return this.#post(JSON.stringify(message));
  }

  #post(frame, { volatile = false, state, isForHost } = {}) {
    const isOnline = this.#isOnline;
    const unsentMax = volatile ? congestedBytes : this.#options.queueSize;
    const hasNoPlace = isOnline ? this.#connection.unsent > unsentMax : volatile;
    if (this.#isOver || hasNoPlace) return Promise.resolve('dropped');
    if (volatile) {
      this.#send(frame);
      this.#outbox.skip();
      this.#confirmSoon();
      return Promise.resolve('sent');
    }
    const delivery = this.#outbox.add(frame, { state, isForHost, isOnline });
    if (isOnline) {
      this.#flush();
      const isQuiet = now() - this.#heardAt > quietMilliseconds;
      if (isQuiet || this.#outbox.isFilling) this.#askRelay(probeMilliseconds);
    }
    return delivery;
  }

  #flush() {
    const isHostHere = this.peers.includes(this.host);
    this.#outbox.flush(this.#connection, isHostHere, (frame) => this.#send(frame));
    this.#confirmSoon();
  }

  #send(frame) {
    this.#sent += frame.length;
    this.#connection.send(frame);
  }

  #confirmSoon() {
    if (!this.#outbox.hasUnconfirmed) return;
    this.#confirmTimer ??= setTimeout(() => {
      this.#confirmTimer = undefined;
      if (this.#outbox.hasUnconfirmed) this.#askRelay(probeMilliseconds);
    }, confirmMilliseconds);
  }

  /** Sends a probe, unless one is under way. Its answer comes behind all earlier events. */
  #askRelay(milliseconds) {
    if (!this.#connection?.canSend) return Promise.resolve(null);
    if (!this.#probe) this.#beginProbe();
    if (milliseconds < this.#probe.milliseconds) {
      this.#probe.milliseconds = milliseconds;
      this.#timeProbe();
    }
    return this.#probe.promise;
  }

  #beginProbe() {
    const token = Math.random();
    this.#probedAt = now();
    this.#probe = { token, milliseconds: Infinity, sent: this.#sent };
    this.#probe.promise = new Promise((resolve) => (this.#probe.resolve = resolve));
    this.#toldSeen = this.#seen;
    const toMyself = { type: 'send', to: this.#id, data: { [probeKey]: token } };
    const seen = this.#outbox.isCounting ? this.#seen : undefined;
    this.#send(JSON.stringify(this.#protocol === 3 ? { type: 'ping', seen } : toMyself));
  }

  /**
   * Starts the probe's timer anew, for each event of the relay: an event is a sign of life, and the answer may
   * wait behind it. The probe itself may wait behind what was sent before, so that has time, too.
   */
  #timeProbe() {
    if (!this.#probe) return;
    const upload = (this.#probe.sent - this.#confirmed) / slowestUplink;
    clearTimeout(this.#probe.timer);
    this.#probe.timer = setTimeout(() => this.#connection.giveUp(deadClose), this.#probe.milliseconds + upload);
  }

  #endProbe(isAnswered) {
    if (!this.#probe) return;
    const { timer, resolve, sent } = this.#probe;
    this.#probe = null;
    this.#confirmed = sent;
    clearTimeout(timer);
    if (isAnswered) this.#confirmSoon();
    resolve(isAnswered ? now() - this.#probedAt : null);
  }

  /**
   * Sends a probe when the relay is silent: a network may fail without any event. In protocol 3 a probe also
   * tells the relay what it need not keep any more.
   */
  #watch() {
    clearInterval(this.#watchTimer);
    this.#probedAt = now();
    this.#watchTimer = setInterval(() => {
      const isUntold = this.#outbox.isCounting && this.#seen > this.#toldSeen;
      const since = isUntold ? this.#probedAt : this.#heardAt;
      if (now() - since >= silenceMilliseconds) this.#askRelay(probeMilliseconds);
    }, watchMilliseconds);
  }

  /** The page is awake, or online. A party with a seat sends a probe, and any other party connects at once. */
  #wake() {
    if (this.#isHidden) {
      this.#comeBack();
      return;
    }
    if (this.#connection?.isJoined) {
      this.#askRelay(wakingProbeMilliseconds); // it may be dead: the relay has little time to answer
      return;
    }
    if (!this.#entering) this.#backoff?.extend();
    if (now() - this.#connection?.begunAt < youngMilliseconds) return;
    if (this.#connection) this.#gaveUpAt = now();
    this.#connection?.abandon(deadClose);
    this.#stopTimers();
    this.#connect();
  }

  /**
   * A browser may keep a page that its player left, and answer the relay's pings for it. So the page leaves
   * its seat, and takes it again when the browser shows the page.
   */
  #hide() {
    this.#isHidden = true;
    this.#connection?.giveUp(hiddenClose);
    this.#stopTimers();
    this.#seat.release();
  }

  /** Another tab may have the seat by now. */
  async #comeBack() {
    if (this.#isComing) return;
    this.#isComing = true;
    const isOurs = await this.#seat.claim();
    this.#isComing = this.#isHidden = false;
    if (this.#isOver) this.#seat.release();
    else if (isOurs) this.#wake();
    else this.#finish('replaced');
  }

  #lose({ code, reason, isGivenUp, isHanging }) {
    const lost = this.#connection;
    const { isJoined } = lost;
    this.#connection = null;
    if (!isJoined && isGivenUp) this.#gaveUpAt = now();
    else if (!isJoined) this.#failures++;
    this.#isThrottled = isHanging && this.#failures >= throttledFailures;
    this.#stopTimers();
    this.#endProbe(false);
    const error = refusedCloses[code] && new PartyError(refusedCloses[code], reason);
    if (spoilingCloses.includes(code)) this.#refusal = error;
    if (code === staleClose && !isGivenUp) {
      // The relay takes this page for one that was followed by another: so it is a new one.
      this.#session += '+';
      this.#attempt = 0;
    }
    if (finalCloses[code] && !(code === 4000 && this.#mayBeReplacedByItself())) {
      this.#finish(finalCloses[code], code === kickedClose ? reason : undefined);
    } else if (this.#entering) {
      if (error) this.#fail(error);
      else this.#retryLater();
    } else {
      if (code === 1009) this.#stateText = undefined; // the state may have been the long message
      if (lost.hasLasted || !this.#backoff) this.#backoff = new Backoff(this.#options.giveUpAfter);
      if (error) this.#report(error);
      if (this.#isThrottled) this.#report(throttled());
      if (isJoined) this.#emit('connection', 'reconnecting');
      this.#retryLater();
    }
  }

  /**
   * Before protocol 3, a socket that was given up before it had a seat may deliver its join late, behind the
   * join of the next socket. Then the relay takes the next socket for the older one and replaces it. One more
   * attempt takes the seat back.
   */
  #mayBeReplacedByItself() {
    const isLate = this.#protocol < 3 && now() - this.#gaveUpAt < lateMilliseconds;
    this.#gaveUpAt = -Infinity;
    return isLate;
  }

  #retryLater() {
    if (this.#isOver || this.#isHidden) return; // a listener may have ended the party
    if (!this.#backoff.isOver) {
      this.#retryTimer = setTimeout(() => {
        this.#retryTimer = null;
        this.#connect();
      }, this.#backoff.nextDelay());
    } else if (this.#entering) {
      this.#failUnanswered();
    } else {
      this.#finish(this.#lastError?.code === 'room-full' ? 'room-full' : 'gave-up');
    }
  }

  async #failUnanswered() {
    const error = this.#lastError ?? (await whyUnanswered(this.#relay, this.#isThrottled));
    if (this.#entering && !this.#connection) this.#fail(error); // or the page woke up meanwhile
  }

  #stopTimers() {
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#confirmTimer);
    clearInterval(this.#watchTimer);
    this.#retryTimer = null;
    this.#confirmTimer = undefined;
  }

  #fail(error) {
    const { reject } = this.#entering;
    this.#release();
    reject(error);
  }

  /** `text` is the host's reason, for who was kicked. */
  #finish(reason, text) {
    if (this.#isOver) return;
    if (this.#entering) {
      this.#fail(new PartyError('closed', `Over at once: ${reason}`));
      return;
    }
    this.#closeReason = reason;
    if (this.isHost && ['left', 'room-closed', 'room-gone'].includes(reason)) this.#seat.host = null;
    this.#release(reason === 'left' ? leavingClose : hiddenClose);
    this.#emitAll('connection', 'closed');
    this.#emitAll('change');
    this.#emitAll('closed', reason, text);
  }

  /** The page has let go. The room holds the seat. */
  #detach() {
    if (this.#isOver) return;
    const { reject } = this.#entering ?? {};
    this.#release(hiddenClose);
    reject?.(new PartyError('closed', 'The page has let go'));
  }

  #release(code) {
    this.#isOver = true;
    this.#entrance.close();
    this.#entering = null;
    this.#connection?.leave(code);
    this.#connection = null;
    this.#stopTimers();
    this.#endProbe(false);
    this.#outbox.clear();
    this.#seat.release();
    this.#stopWaking();
  }

  /** Calls listeners, but none once the party is over. */
  #emit(name, ...values) {
    if (viewEvents.includes(name)) this.#changeSoon();
    for (const listener of this.#listenersOf(name)) if (!this.#isOver) call(listener, ...values);
  }

  /** One `change` tells of all that happens in a task. */
  #changeSoon() {
    if (this.#changes) return;
    this.#changes = true;
    queueMicrotask(() => {
      this.#changes = false;
      this.#emit('change');
    });
  }

  /** Calls listeners also when the party is over. */
  #emitAll(name, ...values) {
    for (const listener of this.#listenersOf(name)) call(listener, ...values);
  }

  #listenersOf(name) {
    return [...(this.#listeners.get(name) ?? [])];
  }
}

const isGone = ({ code }) => code === 'peer-not-found';
const roomIsGone = ({ code }) => finalErrors[code] === 'room-gone';

/**
 * A code of protocol 3 as the relay shows it: people type it in any case, with spaces and hyphens. Six letters
 * in both cases may be a code of protocol 2, whose case matters; but phones begin with a capital by themselves.
 */
function normalCode(code = '') {
  const letters = code.replace(/[\s-]/g, '');
  const isOfProtocol3 = /^[b-df-hj-np-tv-xz]{4,12}$/i.test(letters);
  const isMixed = letters.length === 6 && !/^([A-Z]+|.[a-z]+)$/.test(letters);
  return isOfProtocol3 && !isMixed ? letters.toUpperCase() : code;
}

/** A binary message has the form of others from here on; see docs/protocol.md. */
function readFrame(data) {
  if (typeof data === 'string') return JSON.parse(data);
  const bytes = new Uint8Array(data);
  if (bytes[0] === 1) return { type: 'message', audience: true, data: bytes.subarray(1) };
  return { type: 'message', from: new DataView(data).getUint32(1), data: bytes.subarray(5) };
}

function binaryFrame(payload, to, volatile) {
  const bytes = ArrayBuffer.isView(payload)
    ? new Uint8Array(payload.buffer, payload.byteOffset, payload.byteLength)
    : new Uint8Array(payload);
  const kind = to === undefined ? 0 : to === 'host' ? 2 : 1;
  // What is no index would be written as another one.
  if (Object(payload) !== payload || (kind === 1 && !Number.isInteger(to))) throw new TypeError('No bytes or index');
  const head = kind === 1 ? 5 : 1;
  const frame = new Uint8Array(head + bytes.length);
  if (kind === 1) new DataView(frame.buffer).setUint32(1, to);
  frame[0] = kind + (volatile ? 128 : 0);
  frame.set(bytes, head);
  return frame;
}

/** When a listener throws, the page gets the error, and the SDK goes on. */
function call(listener, ...values) {
  try {
    listener(...values);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

function callSoon(listener, ...values) {
  queueMicrotask(() => call(listener, ...values));
}

/** A name that is not known is a mistake of the page's author. */
function checkNames(given, known, kind) {
  if (Object(given) !== given) throw new TypeError(`${kind}s: an object, not ${given}`);
  for (const name of Object.keys(given))
    if (!known.includes(name)) throw new TypeError(`There is no ${kind} ${name}. Known: ${known.join(', ')}`);
}

function sendable(data) {
  if (JSON.stringify(data) === undefined) throw new TypeError('This has no JSON form');
  return data;
}

/** What means the same seat has the same key. Seats that a page tells apart by itself have none. */
function shareKey(url, seat, { storage, clientId }) {
  return globalThis.window && storage === undefined && !clientId ? `${relayAddress(url).href} ${seat}` : undefined;
}

/** The link as the relay takes it: whole, and with braces, which URLs write as %7B and %7D. */
function linkTemplate(link) {
  if (link === undefined) return undefined;
  const base = /^https?:/i.test(link) ? undefined : globalThis.location?.href;
  const whole = base ? new URL(link, base).href : `${link}`;
  const template = whole.replace(/%7B(\w+)%7D/gi, '{$1}');
  if (!template.includes('{room}')) throw new TypeError(`joinUrl needs {room}: ${template}`);
  return template;
}

function webAddress(relay) {
  const address = new URL(relay);
  address.protocol = address.protocol.replace('ws', 'http');
  return address;
}

/** Whether something else than a relay answers there. */
async function whatAnswers(relay) {
  try {
    const signal = AbortSignal.timeout(answerMilliseconds);
    const { status } = await fetch(webAddress(relay), { mode: 'no-cors', signal });
    return `, but something speaks HTTP there${status ? ` (status ${status})` : ''}`;
  } catch {
    return '';
  }
}

const throttled = () => new PartyError('throttled', 'The browser holds connections back');

const isSecure = () => globalThis.location?.protocol === 'https:';
const isMixed = ({ protocol }) => isSecure() && protocol === 'ws:';

const isLocal = ({ hostname }) =>
  /^(localhost|\[|127\.|10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.)|\.local$/.test(hostname);

/** Browsers do not tell why there is no connection. This is the most probable cause. */
async function whyUnanswered(relay, isThrottled) {
  if (isMixed(relay) && !isLocal(relay)) return new PartyError('mixed-content', 'A page on https needs wss://');
  if (await lacksPermission(relay))
    return new PartyError('local-network', 'The browser keeps the local network away');
  if (isThrottled) return throttled();
  return new PartyError('unreachable', `No relay answers at ${relay.href}${await whatAnswers(relay)}`);
}

/** Whether the browser asks its user before a page from elsewhere reaches the local network. */
async function lacksPermission(relay) {
  if (!isSecure() || isLocal(location) || !isLocal(relay)) return false;
  try {
    return (await navigator.permissions.query({ name: 'local-network-access' })).state !== 'granted';
  } catch {
    return false; // this browser does not ask
  }
}

/** Not crypto.randomUUID(): pages that come by http://, as from a laptop at a party, do not have it. */
async function newSecret() {
  const bytes = (await randomSource()).getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** An id is a secret, so Math.random() is no source. Node 18 has a source, but no global `crypto`. */
async function randomSource() {
  if (globalThis.crypto?.getRandomValues) return globalThis.crypto;
  const name = 'node:crypto'; // not in the import itself, where bundlers would look for it
  try {
    return (await import(/* webpackIgnore: true */ /* @vite-ignore */ name)).webcrypto;
  } catch {
    throw new PartyError('not-supported', 'Nothing here is random: pass a clientId');
  }
}

/** Where ids are kept: for this tab, and for all of them unless only the tab is to come back. */
function storesOf({ storage, resume }) {
  if (storage !== undefined) return storage ? [storage] : [];
  try {
    if (!globalThis.window) return [];
    return resume === 'tab' ? [window.sessionStorage] : [window.sessionStorage, window.localStorage];
  } catch {
    return []; // the browser may forbid the page to look
  }
}

const isReload = () => performance.getEntriesByType('navigation')[0]?.type === 'reload';

function relayAddress(url) {
  if (url && url.href === undefined && typeof url !== 'string')
    throw new TypeError("The relay's address comes first, or undefined: create(url, options)");
  // The module comes from its relay, unless a bundler has given it another name, or a query.
  url ??= /^http.*\/(?=party-sockets\.js$)/.exec(import.meta.url)?.[0];
  try {
    const address = new URL(url, url && globalThis.location?.href);
    address.protocol = address.protocol.replace('http', 'ws');
    address.hash = '';
    if (address.protocol.startsWith('ws')) return address;
  } catch {
    // no URL: as below
  }
  throw new PartyError('bad-address', `Name the address of a relay, such as ws://localhost:3000, not ${url}`);
}

/**
 * Calls `wake` when the page wakes up, `online` and `offline` when it gets or loses its network, and `hide`
 * when it is hidden for good or frozen. The function that is returned stops this.
 */
function onWaking({ wake, online, offline, hide }) {
  const { document, window } = globalThis;
  if (!document || !window) return () => {};
  const sources = [
    [document, 'visibilitychange', () => document.visibilityState === 'visible' && wake()],
    [document, 'resume', wake],
    [window, 'pageshow', wake],
    [window, 'online', online],
    [window, 'offline', offline],
    [document, 'freeze', hide],
    [window, 'pagehide', hide],
  ];
  for (const [target, name, listener] of sources) target.addEventListener(name, listener);
  return () => {
    for (const [target, name, listener] of sources) target.removeEventListener(name, listener);
  };
}
