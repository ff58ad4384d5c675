// Party-Sockets for JavaScript: rooms of a relay, with everything that phones get wrong taken care of.
// One module without dependencies, for browsers and Node. README.md beside it shows how to use it;
// party-sockets.d.ts says what each call promises. Messages on the wire: docs/protocol.md.

const handshakeMilliseconds = 6_000; // from opening a socket to being in the room
const wakingProbeMilliseconds = 1_250; // so that a dead socket is replaced within 2 s of waking up
const probeMilliseconds = 4_000; // else; networks of phones stall for seconds
const silenceMilliseconds = 5_000; // of the relay, after which the socket is probed
const watchMilliseconds = 1_000;
const youngMilliseconds = 2_000; // an attempt that is younger goes on when the page wakes up
const backoffLeast = 500; // milliseconds; doubles with each attempt
const backoffMost = 8_000;
const wakingMilliseconds = 15_000; // that whoever wakes up has at least, to get a network
const askingTabsMilliseconds = 100;
const congestedBytes = 16_384; // unsent ones, above which volatile messages are dropped
const keptMessagesMax = 1_000; // for a listener to come
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

const finalCloses = { 4000: 'replaced', 4001: 'room-closed' };
const refusedCloses = { 1008: 'refused', 1009: 'message-too-big' };

/** What went wrong: `code` for programs, `message` in the server's own words. */
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

/** A socket from its handshake until it ends; `onEnd` is called once, unless it was abandoned. */
class Connection {
  isJoined = false;
  begunAt = Date.now();
  #socket;
  #timer;
  #handlers;

  constructor(WebSocket, url, subprotocol, hello, handlers) {
    this.#handlers = handlers;
    this.#socket = new WebSocket(url, subprotocol);
    this.#socket.onopen = () => this.send(hello);
    this.#socket.onmessage = ({ data }) => this.#handlers?.onEvent(JSON.parse(data));
    this.#socket.onerror = () => {}; // a close follows, which tells as much
    this.#socket.onclose = ({ code, reason }) => this.#end({ code, reason });
    this.#timer = setTimeout(() => this.fail(), handshakeMilliseconds);
  }

  get canSend() {
    return this.isJoined && this.#socket.readyState === 1;
  }

  /** Bytes that the network has not taken. */
  get unsent() {
    return this.#socket.bufferedAmount;
  }

  send(text) {
    this.#socket.send(text);
  }

  welcome() {
    this.isJoined = true;
    clearTimeout(this.#timer);
  }

  leave() {
    this.#forget();
    this.#socket.close();
  }

  /** For a network that is dead: what waits is not sent, and the peer's answer not waited for. */
  abandon() {
    this.leave();
    this.#socket.terminate?.(); // of the package `ws`
  }

  fail() {
    const handlers = this.#handlers;
    this.abandon();
    handlers?.onEnd({ code: 1006 });
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

/** The secret id of a seat. It survives a reload; a second tab that has a copy of it gets its own. */
class Seat {
  clientId;
  #storage;
  #prefix;
  #channel;
  #isHeld = false;
  #rank = Math.random(); // of two tabs that come at the same time, the lower one keeps the id

  constructor(relay, storage) {
    this.#storage = storage;
    this.#prefix = `party-sockets ${relay.host}${relay.pathname} `;
  }

  async take(room, given) {
    const known = room && this.read(room);
    this.clientId = given ?? known ?? newClientId();
    if (!given && known && (await this.#isElsewhere())) this.clientId = newClientId();
    this.#isHeld = true;
    this.#listen();
  }

  release() {
    this.#channel?.close();
    this.#channel = null;
  }

  read(key) {
    try {
      return this.#storage?.getItem(this.#prefix + key);
    } catch {
      return null; // storage may be forbidden
    }
  }

  write(key, value) {
    try {
      if (value === null) this.#storage?.removeItem(this.#prefix + key);
      else this.#storage?.setItem(this.#prefix + key, value);
    } catch {
      // or full; then a reload takes a new seat
    }
  }

  #listen() {
    if (!this.#storage || this.#channel || !globalThis.BroadcastChannel) return;
    this.#channel = new BroadcastChannel('party-sockets');
    this.#channel.unref?.(); // Node would not end
    this.#channel.onmessage = ({ data }) => this.#hear(data);
  }

  #hear({ id, rank, isHeld }) {
    if (id !== this.clientId) return;
    if (!isHeld && (this.#isHeld || this.#rank < rank)) this.#say({ isHeld: true });
    else this.#heardOfAnother?.(true);
  }

  #say(more) {
    this.#channel.postMessage({ id: this.clientId, rank: this.#rank, ...more });
  }

  #heardOfAnother;

  #isElsewhere() {
    this.#listen();
    if (!this.#channel) return false;
    this.#say({ isHeld: false });
    return new Promise((resolve) => {
      this.#heardOfAnother = resolve;
      setTimeout(resolve, askingTabsMilliseconds, false);
    });
  }
}

/** What waits for a connection, in order and bounded. */
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
    if (isState) this.#drop((item) => item.isState);
    const isFull = this.#items.length >= this.#lengthMax || this.#size + text.length > this.#sizeMax;
    if (isFull) return Promise.resolve('dropped');
    this.#size += text.length;
    return new Promise((resolve) => this.#items.push({ text, isState, resolve }));
  }

  flush(connection) {
    while (this.#items.length > 0 && connection.canSend) {
      const { text, resolve } = this.#items.shift();
      this.#size -= text.length;
      connection.send(text);
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

/** When to try again, and when no more. Full jitter, so that a thousand phones don't come at once. */
class Backoff {
  #failures = 0;
  #deadline;

  constructor(milliseconds) {
    this.#deadline = Date.now() + milliseconds;
  }

  get isOver() {
    return Date.now() >= this.#deadline;
  }

  /** Whoever wakes up finds the time spent, and may need a moment to have a network. */
  extend() {
    this.#failures = 0;
    this.#deadline = Math.max(this.#deadline, Date.now() + wakingMilliseconds);
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
  #connection;
  #entering; // { resolve, reject } until the first connection is in the room
  #status = 'connecting';
  #room;
  #instance;
  #id;
  #isHost = false;
  #peers = [];
  #state;
  #stateText; // the last one that was set here
  #joinUrl;
  #listeners = new Map();
  #keptMessages = [];
  #probe; // { token, begunAt, milliseconds, timer, promise, resolve } while one is under way
  #heardAt;
  #retryTimer;
  #watchTimer;
  #stopWaking;

  static async create(url, options = {}) {
    const resumed = options.resume && (await Party.#resume(url, options));
    return resumed || new Party(url, options).#enter();
  }

  static async join(url, code, options = {}) {
    return new Party(url, options).#enter(String(code).trim());
  }

  static async #resume(url, options) {
    const room = new Seat(relayAddress(url), storageOf(options)).read('host');
    if (!room) return null;
    try {
      const party = await Party.join(url, room, options);
      if (party.isHost) return party;
      party.close();
    } catch (error) {
      if (!['room-not-found', 'room-full', 'wrong-protocol'].includes(error.code)) throw error;
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
    return this.#status;
  }

  get joinUrl() {
    return this.#joinUrl;
  }

  on(name, listener) {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener));
    if (name === 'state' && this.#state !== undefined) callSoon(listener, this.#state);
    if (name === 'message')
      for (const kept of this.#keptMessages.splice(0)) callSoon(listener, ...kept);
    return () => listeners.delete(listener);
  }

  broadcast(data, options) {
    return this.#post({ type: 'send', data: sendable(data) }, options);
  }

  send(to, data, options) {
    return this.#post({ type: 'send', to, data: sendable(data) }, options);
  }

  setState(state) {
    if (this.#options.protocol === 1)
      throw new PartyError('not-supported', 'Protocol 1 keeps no state');
    this.#state = sendable(state);
    this.#stateText = JSON.stringify({ type: 'set_state', data: state });
    return this.#postText(this.#stateText, { isState: true });
  }

  /** With an answer late, the connection is replaced. */
  ping() {
    return this.#ask(probeMilliseconds);
  }

  close() {
    this.#finish('left');
  }

  closeRoom() {
    if (this.#options.protocol === 1)
      throw new PartyError('not-supported', 'In protocol 1 a room ends when everybody has left');
    this.#post({ type: 'close_room' });
  }

  async #enter(code) {
    await this.#seat.take(code, this.#options.clientId);
    this.#room = code;
    this.#backoff = new Backoff(this.#options.patience);
    this.#stopWaking = onWaking(() => this.#wake());
    return new Promise((resolve, reject) => {
      this.#entering = { resolve, reject };
      this.#connect();
    });
  }

  #connect() {
    const { protocol, WebSocket, maxClients, joinUrl } = this.#options;
    const { clientId } = this.#seat;
    const hello = this.#room
      ? { type: 'join', clientId, room: this.#room }
      : { type: 'create', clientId, maxClients, url: protocol === 2 ? joinUrl : undefined };
    const { subprotocol } = this.#dialect;
    this.#connection = new Connection(WebSocket, this.#address(), subprotocol, JSON.stringify(hello), {
      onEvent: (event) => this.#receive(event),
      onEnd: (close) => this.#lose(close),
    });
  }

  /** The path and the query tell servers behind one name which of them has the room. */
  #address() {
    const address = new URL(this.#relay);
    if (address.pathname === '/' && /^[1-9A-HJ-NP-Za-km-z]{6}$/.test(this.#room))
      address.pathname = this.#room;
    if (this.#room && this.#instance) address.searchParams.set('instance', this.#instance);
    return address.href;
  }

  #receive(event) {
    this.#heardAt = Date.now();
    this.#timeProbe();
    if (event.type === 'created' || event.type === 'joined') this.#welcome(event);
    else if (event.type === 'error') this.#refuse(PartyError.ofServer(event.message));
    else if (event.type === 'peer_joined') this.#addPeer(this.#dialect.peer(event));
    else if (event.type === 'peer_left') this.#removePeer(this.#dialect.peer(event));
    else if (event.type === 'message') this.#hear(event);
    else if (event.type === 'state') this.#takeState(event.data);
  }

  #welcome(event) {
    this.#connection.welcome();
    this.#room = event.room;
    this.#instance = event.instance || this.#instance;
    this.#joinUrl = event.url ?? this.#joinUrl;
    this.#id = this.#dialect.self(event, this.#seat.clientId);
    this.#isHost = event.type === 'created' || this.#isHost || this.#id === 0;
    this.#seat.write(this.#room, this.#seat.clientId);
    if (this.#isHost) this.#seat.write('host', this.#room);
    const everybody = this.#dialect.everybody(event, this.#id);
    this.#meet(everybody.filter((peer) => peer !== this.#id));
    this.#watch();
    if (this.#entering) this.#enterRoom(event);
    else this.#goOn();
  }

  /** What the room has to say to newcomers comes before the answer to a question. */
  async #enterRoom({ type }) {
    if (type === 'joined' && (await this.#ask(probeMilliseconds)) === null) return;
    const { resolve } = this.#entering;
    this.#entering = null;
    this.#status = 'connected';
    resolve(this);
  }

  #goOn() {
    this.#status = 'connected';
    // The one that was sent last may have been lost with the old connection.
    if (this.#stateText && !this.#outbox.hasState) this.#connection.send(this.#stateText);
    this.#outbox.flush(this.#connection);
    this.#emit('connection', 'connected');
  }

  #refuse(error) {
    if (this.#connection.isJoined) {
      this.#report(error);
      return;
    }
    this.#connection.leave();
    if (this.#entering) this.#fail(error);
    else if (['room-not-found', 'wrong-protocol'].includes(error.code)) this.#finish('room-gone');
    else this.#retryLater(error);
  }

  /** That somebody has left whom a message was for is no news to who doesn't listen. */
  #report(error) {
    if (this.#listeners.get('error')?.size) this.#emit('error', error);
    else if (error.code !== 'peer-not-found') console.warn(`Party-Sockets: ${error.message}`);
  }

  #meet(peers) {
    const before = this.#peers;
    this.#peers = peers;
    if (this.#entering) return;
    for (const peer of before.filter((peer) => !peers.includes(peer))) this.#emit('leave', peer);
    for (const peer of peers.filter((peer) => !before.includes(peer))) this.#emit('join', peer);
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

  #hear({ from, data }) {
    if (from === this.#id && data?.[probeKey] !== undefined) this.#endProbe(data[probeKey]);
    else if (this.#listeners.get('message')?.size) this.#emit('message', data, from);
    else if (this.#keptMessages.push([data, from]) > keptMessagesMax) this.#keptMessages.shift();
  }

  #takeState(state) {
    if (this.#stateText) return; // the host knows better, and has sent it again
    this.#state = state;
    this.#emit('state', state);
  }

  #post(message, options) {
    return this.#postText(JSON.stringify(message), options);
  }

  async #postText(text, { volatile = false, isState = false } = {}) {
    const connection = this.#connection;
    if (this.#status === 'closed') return 'dropped';
    if (this.#status !== 'connected' || !connection.canSend)
      return volatile ? 'dropped' : this.#outbox.add(text, isState);
    if (connection.unsent > (volatile ? congestedBytes : this.#options.queueSize)) return 'dropped';
    connection.send(text);
    return 'sent';
  }

  /** A message to oneself; it comes back behind all that the relay had to say before. */
  #ask(milliseconds) {
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
    this.#probe = { token, milliseconds: Infinity, begunAt: performance.now() };
    this.#probe.promise = new Promise((resolve) => (this.#probe.resolve = resolve));
    this.#connection.send(JSON.stringify({ type: 'send', to: this.#id, data }));
  }

  /** Whatever is heard is a sign of life, and may be what the answer waits behind. */
  #timeProbe() {
    if (!this.#probe) return;
    clearTimeout(this.#probe.timer);
    this.#probe.timer = setTimeout(() => this.#connection.fail(), this.#probe.milliseconds);
  }

  #endProbe(token) {
    if (!this.#probe || (token !== undefined && token !== this.#probe.token)) return;
    const { timer, resolve, begunAt } = this.#probe;
    this.#probe = null;
    clearTimeout(timer);
    resolve(token === undefined ? null : performance.now() - begunAt);
  }

  /** Networks may go without a word. */
  #watch() {
    clearInterval(this.#watchTimer);
    this.#watchTimer = setInterval(() => {
      if (Date.now() - this.#heardAt >= silenceMilliseconds) this.#ask(probeMilliseconds);
    }, watchMilliseconds);
  }

  #wake() {
    if (this.#connection?.isJoined) {
      this.#ask(wakingProbeMilliseconds);
      return;
    }
    this.#backoff?.extend();
    const isYoung = Date.now() - this.#connection.begunAt < youngMilliseconds;
    if (isYoung && !this.#retryTimer) return;
    this.#connection.abandon();
    this.#stopTimers();
    this.#connect();
  }

  #lose({ code, reason }) {
    this.#stopTimers();
    this.#endProbe();
    if (finalCloses[code]) {
      this.#finish(finalCloses[code], reason);
      return;
    }
    const error = refusedCloses[code] && new PartyError(refusedCloses[code], reason);
    if (error && this.#entering) {
      this.#fail(error);
      return;
    }
    if (this.#status === 'connected') {
      this.#status = 'reconnecting';
      this.#backoff = new Backoff(this.#options.giveUpAfter);
      if (error) this.#report(error);
      this.#emit('connection', 'reconnecting');
    }
    this.#retryLater();
  }

  #retryLater(error) {
    if (this.#status === 'closed') return; // by a listener
    if (!this.#backoff.isOver) {
      this.#retryTimer = setTimeout(() => {
        this.#retryTimer = null;
        this.#connect();
      }, this.#backoff.nextDelay());
    } else if (this.#entering) {
      this.#fail(error ?? new PartyError('unreachable', `No answer from ${this.#relay.host}`));
    } else {
      this.#finish('gave-up');
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
    if (this.#status === 'closed') return;
    if (this.#entering) {
      this.#fail(new PartyError('closed', `The party was over at once: ${reason}`));
      return;
    }
    if (this.#isHost && ['left', 'room-closed', 'room-gone'].includes(reason))
      this.#seat.write('host', null);
    this.#release();
    this.#emit('connection', 'closed');
    this.#emit('closed', reason);
  }

  #release() {
    this.#status = 'closed';
    this.#entering = null;
    this.#connection?.leave();
    this.#stopTimers();
    this.#endProbe();
    this.#outbox.clear();
    this.#seat.release();
    this.#stopWaking();
  }

  #emit(name, ...values) {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) call(listener, ...values);
  }
}

/** A fault of a listener is the page's, and no reason to stop here. */
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

/** Pages that come by http://, as from a laptop at a party, have no crypto.randomUUID(). */
function newClientId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function storageOf({ storage }) {
  try {
    return storage === undefined ? globalThis.window?.sessionStorage : storage;
  } catch {
    return null; // a page may be forbidden to look
  }
}

function relayAddress(url) {
  const own = import.meta.url.startsWith('http') ? new URL('/', import.meta.url) : undefined;
  const address = new URL(url ?? own ?? '', globalThis.location?.href);
  address.protocol = address.protocol.replace('http', 'ws');
  address.hash = '';
  return address;
}

/** Calls back when a page that slept, or had no network, may go on. Returns what stops it. */
function onWaking(callback) {
  const { document, window } = globalThis;
  if (!document || !window) return () => {};
  const look = () => document.visibilityState === 'visible' && callback();
  const sources = [
    [document, 'visibilitychange', look],
    [document, 'resume', callback],
    [window, 'pageshow', callback],
    [window, 'online', callback],
  ];
  for (const [target, name, listener] of sources) target.addEventListener(name, listener);
  return () => {
    for (const [target, name, listener] of sources) target.removeEventListener(name, listener);
  };
}
