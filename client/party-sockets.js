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
const askingTabsMilliseconds = 500; // a busy page answers late
const stableMilliseconds = 10_000; // a connection that lasted this long begins a new backoff when it is lost
const quietMilliseconds = 1_000; // after so long a silence, a probe follows the next message
const closingMilliseconds = 2_000; // for the server to answer our close
const lateMilliseconds = 30_000; // a socket that was given up may still deliver its join for so long
const slowestUplink = 16; // characters a millisecond: a slow network sends what is ahead of a probe as fast
const congestedBytes = 16_384; // with more unsent bytes than this, volatile messages are dropped
const keptMessagesMax = 1_000; // messages that wait for the first listener
const probeKey = '$party-sockets';

const defaults = {
  protocol: 2,
  maxClients: 8,
  patience: 10_000,
  giveUpAfter: 120_000,
  queueLength: 256,
  queueSize: 1_048_576,
};

const errorCodes = {
  'Room not found': 'room-not-found',
  'Room is full': 'room-full',
  'Room uses protocol 1': 'wrong-protocol',
  'Room uses protocol 2': 'wrong-protocol',
  'Server draining': 'server-draining',
  'Too many rooms': 'server-full',
  'No room code free': 'server-full',
  'No memory for state': 'server-full',
  'Target client not found': 'peer-not-found',
  'Target peer not found': 'peer-not-found',
  'Only the host can set state': 'not-host',
  'Only the host can close the room': 'not-host',
  'State too large': 'state-too-large',
};

// Close codes that the SDK sends. A close without a code means that the player leaves. After a close with one
// of these codes, the relay keeps an empty room.
const hiddenClose = 4100; // the page is hidden for good, or frozen: the seat is free until the page is back
const deadClose = 4101; // the relay is silent: this frame may arrive after the next connection

const finalCloses = { 4000: 'replaced', 4001: 'room-closed' };
const refusedCloses = { 1008: 'refused', 1009: 'message-too-big' };

/** An error: `code` is for programs, `message` has the server's own words. */
export class PartyError extends Error {
  constructor(code, message) {
    super(message);
    this.name = 'PartyError';
    this.code = code;
  }

  static ofServer(text) {
    return new PartyError(errorCodes[text] ?? 'refused', text);
  }
}

/** One socket, from its handshake to its end. It calls `onEnd` once, unless it was abandoned. */
class Connection {
  begunAt = performance.now();
  joinedAt = null;
  #socket;
  #timer;
  #handlers;

  constructor(WebSocket, url, subprotocol, hello, handlers) {
    this.#handlers = handlers;
    this.#socket = new WebSocket(url, subprotocol);
    this.#socket.onopen = () => this.send(hello);
    this.#socket.onmessage = ({ data }) => this.#handlers?.onEvent(JSON.parse(data), data.length);
    this.#socket.onerror = () => {}; // a close event follows and tells the same
    this.#socket.onclose = ({ code, reason }) => this.#end({ code, reason });
    this.#timer = setTimeout(() => this.giveUp(deadClose), handshakeMilliseconds);
  }

  get age() {
    return performance.now() - this.begunAt;
  }

  get isJoined() {
    return this.joinedAt !== null;
  }

  /** Whether the connection has lasted. One that is lost right after its handshake brings nobody back. */
  get isStable() {
    return this.isJoined && performance.now() - this.joinedAt >= stableMilliseconds;
  }

  get canSend() {
    return this.isJoined && this.#socket.readyState === 1;
  }

  /** Bytes that the network has not taken yet. */
  get unsent() {
    return this.#socket.bufferedAmount;
  }

  send(text) {
    this.#socket.send(text);
  }

  welcome() {
    this.joinedAt = performance.now();
    clearTimeout(this.#timer);
  }

  leave() {
    this.#forget();
    this.#socket.close();
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
    this.abandon(code);
    handlers?.onEnd({ code, isGivenUp: true });
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

/** The secret id of a seat. The id survives a reload. A second tab with a copy of it gets an id of its own. */
class Seat {
  clientId;
  #storage;
  #prefix;
  #channel;
  #isOfTab;
  #isHeld = false;
  #foundElsewhere; // resolves the question whether another tab has the id
  #rank = Math.random(); // of two tabs that come at the same time, the one with the lower rank keeps the id

  constructor(relay, storage) {
    this.#storage = storage;
    this.#isOfTab = storage === ownStorage();
    this.#prefix = `party-sockets ${relay.host}${relay.pathname} `;
  }

  /** Takes the id `given` by the page, else the room's stored id (a host's or a phone's), else a new one. */
  async take(room, given, asHost) {
    const host = this.host;
    const ofHost = host?.room === room ? host?.clientId : null;
    const known = room && (asHost ? ofHost : this.#read(room) ?? ofHost);
    this.clientId = given ?? known ?? (await newClientId());
    if (!given && known && (await this.#isElsewhere())) this.clientId = await newClientId();
    this.#isHeld = true;
    this.#listen();
  }

  keep(room, isHost) {
    if (isHost) this.host = { room, clientId: this.clientId };
    else this.#write(room, this.clientId);
  }

  /** The room that this tab created, or null. It has a key of its own: a page may also have phones in it. */
  get host() {
    const [room, clientId] = this.#read('host')?.split(' ') ?? [];
    return clientId ? { room, clientId } : null;
  }

  set host(host) {
    this.#write('host', host && `${host.room} ${host.clientId}`);
  }

  release() {
    this.#channel?.close();
    this.#channel = null;
  }

  #read(key) {
    try {
      return this.#storage?.getItem(this.#prefix + key);
    } catch {
      return null; // the browser may forbid storage
    }
  }

  #write(key, value) {
    try {
      if (value === null) this.#storage?.removeItem(this.#prefix + key);
      else this.#storage?.setItem(this.#prefix + key, value);
    } catch {
      // storage is forbidden or full; then a reload takes a new seat
    }
  }

  #listen() {
    if (!this.#storage || this.#channel || !globalThis.BroadcastChannel) return;
    this.#channel = new BroadcastChannel('party-sockets');
    this.#channel.unref?.(); // else Node would not end
    this.#channel.onmessage = ({ data }) => this.#hearTab(data);
  }

  #hearTab({ id, rank, isHeld }) {
    if (id !== this.clientId) return;
    if (!isHeld && (this.#isHeld || this.#rank < rank)) this.#tellTabs({ isHeld: true });
    else this.#foundElsewhere?.(true);
  }

  #tellTabs(more) {
    this.#channel.postMessage({ id: this.clientId, rank: this.#rank, ...more });
  }

  /** Whether another tab has the id, as a copy of this tab has. After a reload, this is still the same tab. */
  #isElsewhere() {
    this.#listen();
    if (!this.#channel || (this.#isOfTab && isReload())) return false;
    this.#tellTabs({ isHeld: false });
    return new Promise((resolve) => {
      this.#foundElsewhere = resolve;
      setTimeout(resolve, askingTabsMilliseconds, false);
    });
  }
}

/** Messages that wait for a connection, in order and bounded. */
class Outbox {
  #items = [];
  #size = 0;
  #lengthMax;
  #sizeMax;

  constructor(lengthMax, sizeMax) {
    this.#lengthMax = lengthMax;
    this.#sizeMax = sizeMax;
  }

  get hasState() {
    return this.#items.some((item) => item.isState);
  }

  add(text, isState) {
    if (isState) this.#drop((item) => item.isState); // so at most one state waits, and it always has a place
    const isFull = this.#items.length >= this.#lengthMax || this.#size + text.length > this.#sizeMax;
    if (isFull && !isState) return Promise.resolve('dropped');
    this.#size += text.length;
    return new Promise((resolve) => this.#items.push({ text, isState, resolve }));
  }

  flush(connection, send) {
    while (this.#items.length > 0 && connection.canSend) {
      const { text, resolve } = this.#items.shift();
      this.#size -= text.length;
      send(text);
      resolve('sent');
    }
  }

  clear() {
    this.#drop(() => true);
  }

  #drop(isDropped) {
    for (const item of this.#items.filter(isDropped)) {
      this.#size -= item.text.length;
      item.resolve('dropped');
    }
    this.#items = this.#items.filter((item) => !isDropped(item));
  }
}

/** When to try again, and when to give up. Full jitter, so that a thousand phones don't come at once. */
class Backoff {
  #failures = 0;
  #deadline;

  constructor(milliseconds) {
    this.#deadline = performance.now() + milliseconds;
  }

  get isOver() {
    return performance.now() >= this.#deadline;
  }

  /** A page that wakes up finds its time spent, and may need a moment to get a network. */
  extend() {
    this.#failures = 0;
    this.#deadline = Math.max(this.#deadline, performance.now() + wakingMilliseconds);
  }

  nextDelay() {
    return Math.random() * Math.min(backoffMost, backoffLeast * 2 ** this.#failures++);
  }
}

const dialects = {
  1: {
    subprotocol: 'party-sockets.v1',
    self: (event, clientId) => clientId,
    everybody: (event, self) => event.clients ?? [self],
    peer: (event) => event.clientId,
  },
  2: {
    subprotocol: 'party-sockets.v2',
    self: (event) => event.index,
    everybody: (event) => event.peers ?? [],
    peer: (event) => event.index,
  },
};

export class Party {
  #relay;
  #options;
  #dialect;
  #seat;
  #outbox;
  #backoff;
  #connection = null; // the present connection or attempt; null while the next attempt waits
  #entering; // { resolve, reject } until the first connection has a seat in the room
  #waitsForSeat = false; // a full room is tried again while entering, too
  #isOver = false;
  #isHidden = false; // the page is hidden for good, or frozen: no connection until it is shown
  #gaveUpAt = -Infinity; // when a socket was given up whose join may still be on its way
  #room;
  #instance;
  #id;
  #isHost = false;
  #peers = [];
  #state;
  #stateText; // the last state that was set here, until the relay refuses it
  #joinUrl;
  #listeners = new Map();
  #kept = { messages: [], size: 0 }; // messages for the first listener; null once there was one
  #probe = null; // the probe under way: { token, begunAt, sent, milliseconds, timer, promise, resolve }
  #heardAt; // when the relay last sent something
  #sent = 0; // characters that were sent over this connection
  #confirmed = 0; // characters that the relay has received, by its last answer to a probe
  #lastError; // the last error with which the relay refused an attempt
  #retryTimer;
  #watchTimer;
  #stopWaking = () => {};

  static async create(url, options = {}) {
    const resumed = options.resume && (await Party.#resume(url, options));
    return resumed || new Party(url, options).#enter();
  }

  static async join(url, code, options = {}) {
    const room = String(code ?? '').trim();
    if (!room) throw new PartyError('room-not-found', 'There is no code');
    return new Party(url, options).#enter(room);
  }

  /** The party in the stored room, or null. A full room is tried again: our seat may be free in a moment. */
  static async #resume(url, options) {
    const host = new Seat(relayAddress(url), storageOf(options)).host;
    if (!host) return null;
    try {
      const party = await new Party(url, options).#enter(host.room, true);
      if (party.isHost) return party;
      party.close();
    } catch (error) {
      if (!roomIsGone(error)) throw error;
    }
    return null;
  }

  constructor(url, options) {
    this.#relay = relayAddress(url);
    this.#options = { ...defaults, ...options };
    this.#options.WebSocket ??= globalThis.WebSocket;
    if (!this.#options.WebSocket)
      throw new PartyError('not-supported', 'There is no WebSocket here: pass one as an option');
    this.#dialect = dialects[this.#options.protocol];
    if (!this.#dialect) throw new PartyError('not-supported', 'Protocols are 1 and 2');
    this.#instance = options.instance;
    this.#seat = new Seat(this.#relay, storageOf(options));
    this.#outbox = new Outbox(this.#options.queueLength, this.#options.queueSize);
  }

  get room() {
    return this.#room;
  }

  get id() {
    return this.#id;
  }

  get isHost() {
    return this.#isHost;
  }

  get peers() {
    return [...this.#peers];
  }

  get state() {
    return this.#state;
  }

  get status() {
    if (this.#isOver) return 'closed';
    return this.#connection?.isJoined ? 'connected' : 'reconnecting';
  }

  get joinUrl() {
    return this.#joinUrl;
  }

  on(name, listener) {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener));
    if (name === 'state' && this.#state !== undefined) callSoon(listener, this.#state);
    if (name === 'message' && this.#kept) {
      for (const message of this.#kept.messages) callSoon(listener, ...message);
      this.#kept = null;
    }
    return () => listeners.delete(listener);
  }

  broadcast(data, options) {
    return this.#post({ type: 'send', data: sendable(data) }, options);
  }

  send(to, data, options) {
    if (to === undefined) throw new TypeError('Nobody is named; broadcast() is for everybody');
    return this.#post({ type: 'send', to, data: sendable(data) }, options);
  }

  setState(state) {
    this.#demandHost();
    this.#state = sendable(state);
    this.#stateText = JSON.stringify({ type: 'set_state', data: state });
    return this.#postText(this.#stateText, { isState: true });
  }

  /** When the answer is late, a new connection replaces this one. */
  ping() {
    return this.#askRelay(probeMilliseconds);
  }

  close() {
    this.#finish('left');
  }

  closeRoom() {
    this.#demandHost();
    this.#post({ type: 'close_room' });
  }

  #demandHost() {
    if (this.#options.protocol === 1)
      throw new PartyError('not-supported', 'Protocol 1 has no host and no state');
    if (!this.#isHost) throw new PartyError('not-host', 'Only the host may do this');
  }

  async #enter(code, asHost = false) {
    await this.#seat.take(code, this.#options.clientId, asHost);
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
        offline: () => this.#probeSoon(),
        hide: () => this.#hide(),
      });
    });
  }

  #connect() {
    const { protocol, WebSocket, maxClients, joinUrl } = this.#options;
    const { clientId } = this.#seat;
    const hello = this.#room
      ? { type: 'join', clientId, room: this.#room }
      : { type: 'create', clientId, maxClients, url: protocol === 2 ? joinUrl : undefined };
    const handlers = {
      onEvent: (event, size) => this.#receive(event, size),
      onEnd: (close) => this.#lose(close),
    };
    const { subprotocol } = this.#dialect;
    try {
      const address = this.#address();
      this.#connection = new Connection(WebSocket, address, subprotocol, JSON.stringify(hello), handlers);
    } catch (error) {
      this.#fail(new PartyError('bad-address', error.message)); // what can fail here fails at the first attempt
    }
  }

  /** The path and the query tell several servers behind one name which of them has the room. */
  #address() {
    const address = new URL(this.#relay);
    if (address.pathname === '/' && /^[1-9A-HJ-NP-Za-km-z]{6}$/.test(this.#room))
      address.pathname = this.#room;
    if (this.#room && this.#instance) address.searchParams.set('instance', this.#instance);
    return address.href;
  }

  #receive(event, size) {
    this.#heardAt = performance.now();
    this.#timeProbe();
    if (event.type === 'created' || event.type === 'joined') this.#welcome(event);
    else if (event.type === 'error') this.#takeError(PartyError.ofServer(event.message));
    else if (event.type === 'peer_joined') this.#addPeer(this.#dialect.peer(event));
    else if (event.type === 'peer_left') this.#removePeer(this.#dialect.peer(event));
    else if (event.type === 'message') this.#takeMessage(event, size);
    else if (event.type === 'state') this.#takeState(event.data);
  }

  #welcome(event) {
    this.#connection.welcome();
    this.#sent = this.#confirmed = 0;
    this.#lastError = undefined;
    this.#room = event.room;
    this.#instance = event.instance || this.#instance;
    this.#joinUrl = event.url ?? this.#joinUrl;
    this.#id = this.#dialect.self(event, this.#seat.clientId);
    const isStoredHost = this.#seat.host?.room === event.room && this.#seat.host.clientId === this.#id;
    this.#isHost = event.type === 'created' || this.#isHost || this.#id === 0 || isStoredHost;
    this.#seat.keep(this.#room, this.#isHost);
    this.#watch();
    const peersBefore = this.#peers;
    this.#peers = this.#dialect.everybody(event, this.#id).filter((peer) => peer !== this.#id);
    if (this.#entering) this.#enterRoom(event);
    else this.#goOn(peersBefore);
  }

  /** The relay sends a newcomer the room's state before the answer to a probe. */
  async #enterRoom({ type }) {
    if (type === 'joined' && (await this.#askRelay(probeMilliseconds)) === null) return;
    const { resolve } = this.#entering;
    this.#entering = null;
    this.#backoff = null; // `patience` was for entering; a lost connection has `giveUpAfter`
    resolve(this);
  }

  /** Goes on after a reconnection. Listeners may do anything, so they are called last. */
  #goOn(peersBefore) {
    const peers = this.#peers;
    // The state that was sent last may be lost with the old connection.
    if (this.#stateText && !this.#outbox.hasState) this.#send(this.#stateText);
    this.#outbox.flush(this.#connection, (text) => this.#send(text));
    for (const peer of peersBefore.filter((peer) => !peers.includes(peer))) this.#emit('leave', peer);
    for (const peer of peers.filter((peer) => !peersBefore.includes(peer))) this.#emit('join', peer);
    this.#emit('connection', 'connected');
  }

  #takeError(error) {
    if (this.#connection.isJoined) {
      if (['state-too-large', 'server-full'].includes(error.code)) this.#stateText = undefined;
      this.#report(error);
      return;
    }
    this.#connection.leave();
    this.#connection = null;
    this.#lastError = error;
    const mayChange = error.code === 'room-full' && (!this.#entering || this.#waitsForSeat);
    if (mayChange) this.#retryLater();
    else if (this.#entering) this.#fail(error);
    else if (roomIsGone(error)) this.#finish('room-gone');
    else this.#retryLater();
  }

  /** Without a listener, an error goes to the console; but not that the recipient of a message has left. */
  #report(error) {
    if (this.#listeners.get('error')?.size) this.#emit('error', error);
    else if (error.code !== 'peer-not-found') console.warn(`Party-Sockets: ${error.message}`);
  }

  #addPeer(peer) {
    if (this.#peers.includes(peer)) return;
    this.#peers.push(peer);
    this.#emit('join', peer);
  }

  #removePeer(peer) {
    this.#peers = this.#peers.filter((other) => other !== peer);
    this.#emit('leave', peer);
  }

  #takeMessage({ from, data }, size) {
    if (from === this.#id && data?.[probeKey] !== undefined) this.#endProbe(data[probeKey]);
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
    if (this.#stateText) return; // this host has set a newer state, and has sent it again
    this.#state = state;
    this.#emit('state', state);
  }

  #post(message, options) {
    return this.#postText(JSON.stringify(message), options);
  }

  async #postText(text, { volatile = false, isState = false } = {}) {
    const connection = this.#connection;
    if (this.#isOver) return 'dropped';
    if (this.#entering || !connection?.canSend)
      return volatile ? 'dropped' : this.#outbox.add(text, isState);
    if (connection.unsent > (volatile ? congestedBytes : this.#options.queueSize)) return 'dropped';
    this.#send(text);
    if (!volatile && performance.now() - this.#heardAt > quietMilliseconds) this.#askRelay(probeMilliseconds);
    return 'sent';
  }

  #send(text) {
    this.#sent += text.length;
    this.#connection.send(text);
  }

  /** Sends a probe, unless one is under way: a message to oneself. It comes back behind all earlier events. */
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
    const data = { [probeKey]: token };
    this.#probe = { token, milliseconds: Infinity, begunAt: performance.now(), sent: this.#sent };
    this.#probe.promise = new Promise((resolve) => (this.#probe.resolve = resolve));
    this.#send(JSON.stringify({ type: 'send', to: this.#id, data }));
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

  #endProbe(token) {
    if (!this.#probe || (token !== undefined && token !== this.#probe.token)) return;
    const { timer, resolve, begunAt, sent } = this.#probe;
    this.#probe = null;
    this.#confirmed = sent;
    clearTimeout(timer);
    resolve(token === undefined ? null : performance.now() - begunAt);
  }

  /** Sends a probe when the relay is silent: a network may fail without any event. */
  #watch() {
    clearInterval(this.#watchTimer);
    this.#watchTimer = setInterval(() => {
      if (performance.now() - this.#heardAt >= silenceMilliseconds) this.#askRelay(probeMilliseconds);
    }, watchMilliseconds);
  }

  /** The page is awake, or online. A party with a seat sends a probe, and any other party connects at once. */
  #wake() {
    this.#isHidden = false;
    if (this.#connection?.isJoined) {
      this.#probeSoon();
      return;
    }
    if (!this.#entering) this.#backoff?.extend();
    if (this.#connection?.age < youngMilliseconds) return;
    if (this.#connection) this.#gaveUpAt = performance.now();
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
  }

  /** The connection may be dead: the relay has little time to answer. */
  #probeSoon() {
    this.#askRelay(wakingProbeMilliseconds);
  }

  #lose({ code, reason, isGivenUp }) {
    const { isJoined, isStable } = this.#connection;
    this.#connection = null;
    if (isGivenUp && !isJoined) this.#gaveUpAt = performance.now();
    this.#stopTimers();
    this.#endProbe();
    const error = refusedCloses[code] && new PartyError(refusedCloses[code], reason);
    if (finalCloses[code] && !(code === 4000 && this.#mayBeReplacedByItself())) {
      this.#finish(finalCloses[code]);
    } else if (this.#entering) {
      if (error) this.#fail(error);
      else this.#retryLater();
    } else {
      if (code === 1009) this.#stateText = undefined; // the state may have been the long message
      if (isStable || !this.#backoff) this.#backoff = new Backoff(this.#options.giveUpAfter);
      if (error) this.#report(error);
      if (isJoined) this.#emit('connection', 'reconnecting');
      this.#retryLater();
    }
  }

  /**
   * A socket that was given up before it had a seat may deliver its join late, behind the join of the next
   * socket. Then the relay takes the next socket for the older one and replaces it. One more attempt takes the
   * seat back.
   */
  #mayBeReplacedByItself() {
    const isLate = performance.now() - this.#gaveUpAt < lateMilliseconds;
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
      const silence = new PartyError('unreachable', `No answer from ${this.#relay.host}`);
      this.#fail(this.#lastError ?? silence);
    } else {
      this.#finish(this.#lastError?.code === 'room-full' ? 'room-full' : 'gave-up');
    }
  }

  #stopTimers() {
    clearTimeout(this.#retryTimer);
    clearInterval(this.#watchTimer);
    this.#retryTimer = null;
  }

  #fail(error) {
    const { reject } = this.#entering;
    this.#release();
    reject(error);
  }

  #finish(reason) {
    if (this.#isOver) return;
    if (this.#entering) {
      this.#fail(new PartyError('closed', `The party was over at once: ${reason}`));
      return;
    }
    if (this.#isHost && ['left', 'room-closed', 'room-gone'].includes(reason)) this.#seat.host = null;
    this.#release();
    this.#emitLast('connection', 'closed');
    this.#emitLast('closed', reason);
  }

  #release() {
    this.#isOver = true;
    this.#entering = null;
    this.#connection?.leave();
    this.#connection = null;
    this.#stopTimers();
    this.#endProbe();
    this.#outbox.clear();
    this.#seat.release();
    this.#stopWaking();
  }

  /** Calls listeners, but none once the party is over. */
  #emit(name, ...values) {
    for (const listener of this.#listenersOf(name)) if (!this.#isOver) call(listener, ...values);
  }

  /** Calls listeners also when the party is over. */
  #emitLast(name, ...values) {
    for (const listener of this.#listenersOf(name)) call(listener, ...values);
  }

  #listenersOf(name) {
    return [...(this.#listeners.get(name) ?? [])];
  }
}

const roomIsGone = ({ code }) => code === 'room-not-found' || code === 'wrong-protocol';

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

function sendable(data) {
  if (JSON.stringify(data) === undefined) throw new TypeError('This has no JSON form');
  return data;
}

/** Not crypto.randomUUID(): pages that come by http://, as from a laptop at a party, do not have it. */
async function newClientId() {
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
    throw new PartyError('not-supported', 'There is no random source here: pass a clientId as an option');
  }
}

function ownStorage() {
  try {
    return globalThis.window?.sessionStorage;
  } catch {
    return null; // the browser may forbid the page to look
  }
}

const storageOf = ({ storage = ownStorage() }) => storage;

const isReload = () => performance.getEntriesByType('navigation')[0]?.type === 'reload';

function relayAddress(url) {
  try {
    const own = import.meta.url.startsWith('http') ? new URL('.', import.meta.url) : undefined;
    const address = new URL(url?.href ?? url ?? own, globalThis.location?.href);
    address.protocol = address.protocol.replace('http', 'ws');
    address.hash = '';
    if (address.protocol.startsWith('ws')) return address;
  } catch {
    // no URL: as below
  }
  throw new PartyError('bad-address', `${url} is no address of a relay`);
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
