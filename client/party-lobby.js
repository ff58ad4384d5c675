// A ready lobby for party games: <party-screen> makes the room and shows who is here, <party-phone> brings a player
// in. Both are custom elements over the SDK. README.md, “A ready lobby”, lists what they take, tell and look like,
// and party-lobby.d.ts has the types. The two talk in messages { $lobby: … }, which a game never sees.

import { Party } from './party-sockets.js';

const nameLengthMax = 16; // characters
const textLengthMax = 200; // of a field, and of a name before anything looks into it

/** All texts by language. A page may change them, or add a language. */
export const texts = {
  en: {
    entering: 'One moment …',
    reconnecting: 'Reconnecting …',
    screenAway: 'The big screen is away …',
    scan: 'Scan, or open',
    room: 'Code',
    players: 'Who is here',
    nobody: 'Take your phones: who is first?',
    player: 'Player {index}',
    ready: 'ready',
    back: 'here',
    away: 'away',
    leave: 'gone',
    kick: 'Throw {name} out?',
    lock: 'Lock the room',
    locked: 'The room is locked. Nobody new gets in.',
    start: 'Start',
    started: 'It starts!',
    code: 'Play along! Type the code on the big screen.',
    password: 'Password',
    join: 'Join',
    who: 'Who are you?',
    name: 'Your name',
    hello: 'Hi, {name}!',
    wait: 'It starts on the big screen.',
    beReady: 'I’m ready',
    change: 'Change',
    'room-not-found': 'No such room. Is each letter right?',
    'room-full': 'The room is full.',
    'password-required': 'This room has a password.',
    'wrong-password': 'The password is wrong.',
    kicked: 'The host has thrown you out.',
    busy: 'Too much at once. Wait a moment.',
    unreachable: 'No connection. Is this the right network?',
    refused: 'That did not work.',
    replaced: 'The party goes on in another tab.',
    'room-closed': 'The party is over.',
  },
  de: {
    entering: 'Einen Moment …',
    reconnecting: 'Neue Verbindung …',
    screenAway: 'Der große Bildschirm ist weg …',
    scan: 'Scannen oder öffnen',
    room: 'Code',
    players: 'Wer ist da?',
    nobody: 'Handys raus! Wer ist zuerst da?',
    player: 'Nummer {index}',
    ready: 'bereit',
    back: 'da',
    away: 'weg',
    leave: 'gegangen',
    kick: '{name} rauswerfen?',
    lock: 'Raum sperren',
    locked: 'Der Raum ist gesperrt. Niemand Neues kommt herein.',
    start: 'Los',
    started: 'Es geht los!',
    code: 'Spiel mit! Der Code steht auf dem großen Bildschirm.',
    password: 'Passwort',
    join: 'Mitspielen',
    who: 'Wer bist du?',
    name: 'Dein Name',
    hello: 'Hallo, {name}!',
    wait: 'Es startet auf dem großen Bildschirm.',
    beReady: 'Ich bin bereit',
    change: 'Ändern',
    'room-not-found': 'Diesen Raum gibt es nicht. Stimmt jeder Buchstabe?',
    'room-full': 'Der Raum ist voll.',
    'password-required': 'Dieser Raum hat ein Passwort.',
    'wrong-password': 'Das Passwort ist falsch.',
    kicked: 'Der Gastgeber hat dich rausgeworfen.',
    busy: 'Zu viel auf einmal. Warte einen Moment.',
    unreachable: 'Keine Verbindung. Ist es das richtige WLAN?',
    refused: 'Das ging nicht.',
    replaced: 'Die Party läuft in einem anderen Tab.',
    'room-closed': 'Die Party ist vorbei.',
  },
};

/** Reasons that are the same for people, by what is in their codes. */
const sameReasons = {
  'room-not-found': /protocol/,
  'room-full': /audience/,
  locked: /lock/,
  kicked: /banned/,
  'room-closed': /gone|closed|left/,
  unreachable: /gave|local/,
  busy: /busy|server|throttled/,
};

/** The colours of the system follow the page's color-scheme, light or dark. */
const style = `:host{display:block;overflow-wrap:anywhere;font-family:var(--party-font,system-ui);
color:var(--party-text,CanvasText);background:var(--party-background,Canvas)}
*{box-sizing:border-box}[hidden]{display:none!important}
section{display:flex;flex-wrap:wrap;gap:1.5rem;justify-content:center;padding:1.5rem}
.column{flex:1 1 18rem;max-width:36rem}
#invitation,li,input,button{padding:1rem;border-radius:var(--party-radius,1rem)}
#invitation,li{background:var(--party-card,#8882)}
#invitation{text-align:center}img{width:18rem;max-width:100%;background:#fff}
h2{margin:0;outline:0}b{font:700 3rem monospace}
ul{columns:14rem;padding:0}
li{display:flex;flex-wrap:wrap;gap:.5rem;align-items:center;margin:0 0 .5rem;break-inside:avoid}
bdi{flex:1;font-weight:700}input,button{margin:.5rem 0;font:inherit;border:2px solid}input{width:100%}
a,input,button{color:inherit;background:none}
.key:enabled,[aria-pressed=true],#banner{color:var(--party-accent-text,#fff);background:var(--party-accent,#6741d9)}
:disabled{border-style:dashed}#banner{padding:.5rem;margin:0;text-align:center}
#news{position:absolute;clip-path:inset(50%)}`;

/**
 * What both elements have. `data-text` names the text of an element, unless its id does, and `data-in` the phase that
 * shows it. Lines end within tags, so they cost nothing.
 */
const common = (views, entry) => `<div id="all"><p id="banner" role="status"></p><p id="news" role="status"></p><section
data-in="entering"><h2 data-text="entering"></h2></section>${views}<section
data-in="over"><slot name="title"></slot><form id="entrance" class="column"><h2 id="title"></h2>${entry}<button
id="again" class="key" data-text="${entry ? 'join' : 'start'}"></button></form><slot name="ways"></slot></section><slot
data-in="game"></slot></div>`;

const screenViews = `<section data-in="lobby"><div><slot name="title"></slot><div id="invitation"><img id="qr"><p
data-text="scan"></p><p><a id="link" target="_blank"></a></p><p data-text="room"></p><b id="room"></b></div></div><div
class="column"><h2 id="who" data-text="players"></h2><div id="actions"><button id="start" class="key"
data-text></button> <button id="lock" data-text></button><slot name="actions"></slot></div><p id="locked"
data-text></p><p id="nobody" data-text></p><ul id="players"></ul></div></section>`;

const entry = `<label><span data-text="room"></span><input id="code" required autocomplete="off"></label><label
id="secret"><span data-text="password"></span><input id="password" type="password"></label>`;

const phoneViews = `<section data-in="name"><form id="form" class="column"><h2 data-text="who"></h2><label><span
data-text="name"></span><input id="name" required maxlength="${nameLengthMax}" autocomplete="nickname"></label><slot
name="fields"></slot><button class="key" data-text="join"></button></form></section><section
data-in="lobby"><div class="column"><slot name="waiting"><h2 id="hello"></h2><p data-text="wait"></p></slot><button
id="ready" data-text="beReady"></button> <button id="change" data-text></button></div></section>`;

/** On a server, which may load this module, too, there are no elements. */
class Lobby extends (globalThis.HTMLElement ?? Object) {
  party = null;
  isStarted = false;
  options = {}; // of the SDK, beyond the attributes
  texts = {}; // in place of those above
  at = {}; // the parts by their ids
  #attempt; // an AbortController: ends the way to a party, and what this element hears of it
  #reason; // the code of why there is no party

  constructor(views, entry = '') {
    super();
    const root = this.attachShadow({ mode: 'open' });
    root.innerHTML = common(views, entry);
    try {
      const sheet = new CSSStyleSheet(); // which a Content-Security-Policy allows
      sheet.replaceSync(style);
      root.adoptedStyleSheets = [sheet];
    } catch {
      // an older browser: it works without a style, too
    }
    for (const part of root.querySelectorAll('*')) {
      this.at[part.id] = part;
      part.part = `${part.localName} ${part.id || part.dataset.in || ''}`;
    }
    this.at.all.onsubmit = (event) => {
      event.preventDefault();
      this.submit(event.target);
    };
  }

  /** The script that loads this module runs before the timer. It may set `options` and `texts`, and listen. */
  connectedCallback() {
    setTimeout(() => {
      if (this.isConnected) return this.#attempt ?? this.#reason ?? this.begin();
      this.#letGo();
      this.removeAttribute('phase');
    });
  }

  /** Who moves the element elsewhere connects it again at once. */
  disconnectedCallback() {
    this.connectedCallback();
  }

  /** What this tab remembers of its room, else what any tab of this origin does; or the SDK's option says where. */
  get known() {
    try {
      return Object(JSON.parse(sessionStorage[this.localName] ?? this.#store[this.localName]));
    } catch {
      return {}; // nothing yet, or the browser forbids storage
    }
  }

  set known(known) {
    const text = JSON.stringify(known);
    try {
      if (sessionStorage[this.localName] !== text)
        sessionStorage[this.localName] = this.#store[this.localName] = text;
    } catch {
      // the same, or it is full
    }
  }

  get #store() {
    return this.options.storage ?? localStorage;
  }

  text(key, value) {
    const words = this.texts[key] ?? texts[this.at.all.lang]?.[key] ?? texts.en[key];
    return words?.replace(/{\w+}/g, () => value);
  }

  /** For those who hear the page. */
  say(words) {
    this.at.news.textContent = words;
  }

  fire(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  /** One attempt at a time: it ends the one before, and leaves that one's party. `call` is of the SDK. */
  async enter(call, place, options) {
    const { party } = this;
    this.#letGo();
    party?.leave();
    const { signal } = (this.#attempt = new AbortController());
    // The first of its kind has the seat that the browser remembers, and each other one a seat of its own.
    const storage = this.getRootNode().querySelector(this.localName) === this ? undefined : null;
    const relay = this.getAttribute('relay');
    this.update();
    try {
      const party = await call(relay, ...place, { ...options, storage, ...this.options, protocol: 3, signal });
      if (signal.aborted) return party.detach();
      const listen = (name, listener) => signal.addEventListener('abort', party.on(name, listener));
      this.party = party;
      listen('change', () => this.update());
      listen('lobby', (data, from) => data && this.hear(data, from));
      listen('gap', () => this.greet());
      listen('closed', (code, message) => this.end({ code, message }));
      this.prepare(party, listen);
      this.fire('party', party);
      this.greet();
      this.update();
    } catch (error) {
      if (!signal.aborted) this.end(error);
    }
  }

  /** The room holds the seat. */
  #letGo() {
    this.#attempt?.abort();
    this.party?.detach();
    this.party = this.#attempt = this.#reason = null;
    this.isStarted = false;
  }

  /** `message` is for the page's author. An error without a code is a mistake of that author. */
  end(error) {
    const { code = 'mistake', message } = error;
    if (this.party && code === 'kicked') this.known = { ...this.known, room: '', kicked: this.party.room };
    this.#letGo();
    this.#reason = code;
    this.update();
    this.fire('end', { reason: code, message });
    if (this.#why === 'refused') throw error;
  }

  /** The key of the text that tells people the reason. */
  get #why() {
    const same = Object.keys(sameReasons).find((reason) => sameReasons[reason].test(this.#reason));
    return [this.#reason, same, 'refused'].find((reason) => this.text(reason));
  }

  /** Shows what is so now. */
  update() {
    const { party } = this;
    const { all, banner, title, secret } = this.at;
    const lang = (this.closest('[lang]')?.lang || navigator.language).slice(0, 2).toLowerCase();
    all.lang = texts[lang] ? lang : 'en';
    const before = this.getAttribute('phase');
    const hadFocus = this.matches(':focus-within');
    // Those who watch (-1) are not told who is here.
    const isScreenHere = !party || party.isHost || party.id < 0 || party.peers.includes(party.host);
    const phase = party ? this.phaseOf(isScreenHere) : this.#reason ? 'over' : 'entering';
    this.setAttribute('phase', phase);
    for (const part of this.shadowRoot.querySelectorAll('*')) {
      const { text, in: view } = part.dataset;
      if (text !== undefined) put(part, this.text(text || part.id));
      if (view) part.hidden = view !== phase;
    }
    const trouble = party?.status === 'reconnecting' ? 'reconnecting' : !isScreenHere && 'screenAway';
    put(banner, this.text(trouble));
    banner.hidden = !trouble;
    if (secret) secret.hidden = !/password/.test(this.#reason);
    put(title, this.text(this.#why));
    if (party) this.fill(party);
    if (phase === before) return;
    // The focus goes on to the next heading, unless it is somewhere else in the page, as when the page is loaded.
    if (hadFocus) {
      const headings = [...this.shadowRoot.querySelectorAll('h2'), ...this.querySelectorAll('h1,h2')];
      const heading = headings.find((shown) => shown.getClientRects().length);
      if (heading) Object.assign(heading, { tabIndex: -1 }).focus();
    }
    if (phase === 'game') {
      this.say(this.text('started'));
      this.fire('start');
    } else if (before === 'game') this.fire('stop');
  }
}

export class PartyScreen extends Lobby {
  #players = new Map(); // by index: { name, fields, isReady }
  #told; // the players as listeners know them, as text

  constructor() {
    super(screenViews);
    this.at.start.onclick = () => this.start();
    this.at.lock.onclick = () => this.party.setRoom({ locked: !this.party.settings.locked });
  }

  /** Makes the room, or returns to the one that was here before a reload. */
  begin() {
    const number = (name, other) => +(this.getAttribute(name) ?? other);
    this.enter(Party.create, [], {
      resume: true,
      hold: number('hold', 600), // a phone may be in a pocket for so long
      maxClients: number('max-clients', 8),
      maxAudience: number('audience', 0),
      // Unless the page says something else, phones open this page with the code.
      joinUrl: this.getAttribute('join-url') ?? (/^http/.test(location.protocol) ? '?room={room}' : undefined),
    });
  }

  submit() {
    this.begin();
  }

  prepare(party, listen) {
    const { room, players, isStarted } = this.known;
    this.#players = new Map();
    if (room === party.room) {
      this.#players = new Map(players);
      this.isStarted = isStarted;
    }
    for (const event of ['away', 'back', 'leave'])
      listen(event, (index) => {
        this.#tell(index, event);
        if (event === 'leave') this.#players.delete(index);
      });
    listen('room', ({ locked }) => this.say(locked ? this.text('locked') : ''));
    const { src, link = '' } = party.qr();
    put(this.at.room, party.room);
    this.at.qr.src = src;
    this.#showLink(link);
    // The picture has the link that phones can open: the relay puts the machine's address in place of localhost.
    fetch(src)
      .then((response) => response.text())
      .then((svg) => this.#showLink(/<title>(.*?)</.exec(svg)[1].replaceAll('&amp;', '&')))
      .catch(() => {});
  }

  #showLink(href) {
    const { link, qr } = this.at;
    put(link, href.replace(/^https?:../, ''));
    link.href = href;
    qr.alt = `${this.text('scan')} ${href}`;
  }

  /** Asks the phones who they are: what they said while this page was not there is lost. */
  greet() {
    this.party.broadcast({ $lobby: { isStarted: this.isStarted, ask: true } });
  }

  /** A phone says who it is, or asks. It is somebody's browser and may send anything. */
  hear(data, from) {
    const { party } = this;
    if (!party.peers.includes(from)) return;
    if (typeof data.name === 'string') {
      const isNew = !this.#players.has(from);
      const isReady = data.isReady === true && !this.isStarted;
      this.#players.set(from, { name: this.#freeName(data.name, from), isReady, fields: bounded(data.fields) });
      if (isNew) this.#tell(from, 'back');
      this.update();
    }
    party.send(from, { $lobby: { isStarted: this.isStarted, you: this.#players.get(from) ?? null } });
  }

  #tell(index, key) {
    this.say(`${this.#nameOf(index)}: ${this.text(key)}`);
  }

  #nameOf(index) {
    return this.#players.get(index)?.name ?? this.text('player', index);
  }

  /** A name that nobody else has: the second Ada is “Ada 2”. */
  #freeName(given, index) {
    const name = visible(given) || this.text('player', index);
    const others = this.players.filter((player) => player.index !== index);
    for (let number = 1; ; number++) {
      const end = number > 1 ? ` ${number}` : '';
      const free = [...name].slice(0, nameLengthMax - end.length).join('').trim() + end;
      if (!others.some((other) => other.name.toLowerCase() === free.toLowerCase())) return free;
    }
  }

  /** Everybody who has a seat, also those without a name. */
  get seats() {
    const { peers = [], away = [] } = this.party ?? {};
    const seat = (index) => ({
      index,
      name: '',
      isReady: false,
      fields: {},
      ...this.#players.get(index),
      isAway: away.includes(index),
    });
    return [...peers, ...away].sort((one, other) => one - other).map(seat);
  }

  /** Those who have a seat and a name. */
  get players() {
    return this.seats.filter(({ name }) => name);
  }

  start() {
    this.#turn(true);
  }

  /** Back to the lobby. */
  stop() {
    this.#turn(false);
  }

  #turn(isStarted) {
    if (!this.party || this.isStarted === isStarted) return;
    this.isStarted = isStarted;
    for (const player of this.#players.values()) player.isReady = false;
    this.party.broadcast({ $lobby: { isStarted } });
    this.update();
  }

  phaseOf() {
    return this.isStarted ? 'game' : 'lobby';
  }

  fill(party) {
    const { isStarted, seats } = this;
    const { players, nobody, start, lock, locked } = this.at;
    const isLocked = party.settings.locked ?? false;
    this.known = { room: party.room, isStarted, players: [...this.#players] };
    if (this.#told !== (this.#told = JSON.stringify(this.players))) this.fire('players', this.players);
    for (const item of [...players.children]) if (!seats.some(({ index }) => index === item.index)) item.remove();
    for (const player of seats) this.#fillItem(player);
    nobody.hidden = seats.length > 0;
    start.disabled = this.players.every(({ isAway }) => isAway);
    lock.ariaPressed = isLocked;
    locked.hidden = !isLocked;
  }

  /** Items stay as long as their players do, since a button may have the focus. Who is new has the last index. */
  #fillItem(player) {
    const { index, isAway, isReady } = player;
    const { players } = this.at;
    let item = [...players.children].find((known) => known.index === index);
    if (!item) {
      const innerHTML = '<bdi part="name"></bdi><i part="status"></i><button part="button kick"></button>';
      item = Object.assign(document.createElement('li'), { index, innerHTML });
      players.append(item);
      const [, , button] = item.children;
      button.onclick = ({ detail }) => {
        if (detail > 1) return; // no double click is an answer
        if (item.isAsked) {
          this.at.who.focus();
          return this.party.kick(index);
        }
        item.isAsked = true; // a second press does it
        this.say(button.ariaLabel);
        this.update();
      };
      button.onblur = () => {
        item.isAsked = false;
        setTimeout(() => this.update()); // the item may be on its way out
      };
    }
    const [name, status, button] = item.children;
    const key = isAway ? 'away' : isReady ? 'ready' : '';
    put(name, this.#nameOf(index));
    put(status, this.text(key));
    button.ariaLabel = this.text('kick', this.#nameOf(index));
    put(button, item.isAsked ? button.ariaLabel : '✕');
    item.part = `player ${key}`;
    this.fire('item', { item, player });
  }
}

export class PartyPhone extends Lobby {
  #hello = {}; // how this phone introduces itself: { name, fields, isReady }
  #before; // the same in this room, before the page was loaded
  #isEditing = false;
  #isAnswered = false; // whether the screen has said if it knows us

  constructor() {
    super(phoneViews, entry);
    const { name, ready, change } = this.at;
    name.oninput = () => name.setCustomValidity(visible(name.value) ? '' : this.text('who'));
    ready.onclick = () => {
      this.#hello.isReady = !this.#hello.isReady;
      this.greet();
      this.update();
    };
    change.onclick = () => {
      this.#isEditing = true;
      this.update();
    };
  }

  /** Goes to the room that the page's address names, or asks for one. */
  begin() {
    const code = roomIn(location.href);
    const { room = '', kicked } = this.known;
    this.at.code.value = code ?? room;
    if (code && code !== kicked) this.join(code);
    else this.end({ code: code ? 'kicked' : 'code' }); // there is no way back, though a page may be loaded anew
  }

  /** Joins by a code, or by a link. */
  join(where, password) {
    const code = roomIn(where) ?? where;
    this.at.code.value = code;
    return this.enter(Party.join, [code], { ...(password && { password }), audience: this.hasAttribute('audience') });
  }

  prepare({ room, hadSeat }) {
    const { name = '', fields = {}, room: lastRoom } = this.known;
    this.at.name.value = name;
    for (const field of this.#fields) {
      const given = fields[field.name];
      for (const one of given === undefined ? [] : field.options ?? [field])
        if (isChoice(one)) one.selected = one.checked = given.split('\n').includes(one.value);
        else one.value = given;
    }
    this.#hello = {};
    this.#before = hadSeat && room === lastRoom ? { name, fields } : {};
    this.#isEditing = this.#isAnswered = false;
    this.known = { name, fields, room };
    const address = new URL(location);
    address.searchParams.set('room', room);
    history.replaceState(history.state, '', address); // a reload comes back
  }

  submit(form) {
    if (form === this.at.form) this.#introduce();
    else this.join(this.at.code.value, this.at.password.value);
  }

  /** Says who this is. Who has no name asks whether the screen knows it, from before a reload. */
  greet() {
    if (!this.#watches) this.party.send('host', { $lobby: this.#hello });
  }

  /** In the audience, which has no seat, no name and no lobby. */
  get #watches() {
    return this.party.id < 0;
  }

  #introduce() {
    if (!this.#fields.every((field) => field.reportValidity())) return;
    const { isReady = false } = this.#hello;
    this.#hello = { name: this.at.name.value, fields: valuesOf(this.#fields), isReady };
    this.#isEditing = false;
    this.known = { ...this.#hello, room: this.party.room };
    this.greet();
    this.update();
  }

  /** The page's own fields in the name form. */
  get #fields() {
    return [...this.querySelectorAll('[slot=fields][name],[slot=fields] [name]')].filter(({ type }) => type !== 'file');
  }

  /** The screen asks who this is, or says whom it takes us for; and whether the game has started. */
  hear({ ask, you, isStarted }, from) {
    if (from !== this.party.host) return;
    this.isStarted = isStarted === true;
    if (you !== undefined) {
      this.#isAnswered = true;
      // Null: the room held the seat no longer, and the screen has forgotten who had it.
      this.#hello = you ?? this.#before;
      ask = !you && this.#before.name;
    }
    if (isStarted) this.#hello.isReady = this.#isEditing = false;
    if (ask) this.greet();
    this.update();
  }

  /** Who this phone is, as the screen has it. */
  get player() {
    return this.party && this.#hello.name ? { index: this.party.id, ...this.#hello } : null;
  }

  phaseOf(isScreenHere) {
    if (this.#watches) return 'game';
    if (!this.#isAnswered && isScreenHere) return 'entering';
    if (!this.#hello.name || this.#isEditing) return 'name';
    return this.isStarted ? 'game' : 'lobby';
  }

  fill() {
    const { hello, ready } = this.at;
    const { name, isReady = false } = this.#hello;
    put(hello, this.text('hello', name));
    ready.ariaPressed = isReady;
  }
}

function put(element, text = '') {
  if (element.textContent !== text) element.textContent = text;
}

/** Whether it is chosen or not: a box, or an option, which has no type. */
const isChoice = ({ type }) => /radio|checkbox|undefined/.test(type);

/** By name; one a line where several are chosen. What is not chosen is an empty text. */
function valuesOf(fields) {
  const values = {};
  for (const field of fields) {
    const { name } = field;
    values[name] ??= '';
    for (const { value } of field.selectedOptions ?? (isChoice(field) && !field.checked ? [] : [field]))
      values[name] = [values[name], value].filter(Boolean).join('\n');
  }
  return values;
}

/** The room in a link: ?room=CODE, or #CODE. A code has no vowels, and other marks of a page mostly have. */
const roomIn = (link) => /(?:[?&]room=|#(?=[^aeiou]+$))([\w -]+)/i.exec(link)?.[1];

/** A name as people see it. What nobody can see could turn texts around, or make two names look like one. */
const visible = (name) =>
  name
    .slice(0, textLengthMax)
    .normalize('NFKC')
    .replace(/[\p{DI}\u2800]/gu, '')
    .replace(/[\s\p{Z}\p{C}]+/gu, ' ')
    .trim()
    .replace(/(^|\p{M}{2})\p{M}+/gu, '$1');

function bounded(fields) {
  const texts = Object.entries(fields ?? {}).filter((pair) => pair.every((text) => typeof text === 'string'));
  return Object.fromEntries(texts.slice(0, 16).map((pair) => pair.map((text) => text.slice(0, textLengthMax))));
}

function define(name, element) {
  const elements = globalThis.customElements;
  elements?.get(name) ?? elements?.define(name, element);
}

define('party-screen', PartyScreen);
define('party-phone', PartyPhone);
