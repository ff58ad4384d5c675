// A room with its players, and the bookkeeping of what each of them must be told. The screen creates
// it, the witness joins next and stays to the end; guests come, go, return and replace each other.

import { Chronicle } from './chronicle.mjs';
import { Hearing } from './hearing.mjs';
import { deadlines } from './plan.mjs';
import { Player } from './player.mjs';
import { Speech } from './speech.mjs';
import { until } from './waiting.mjs';

const decorations = [
  '',
  '-ä',
  '-漢字',
  '-🎲',
  '-"\\',
  '-\u0000\n',
  '-\ud800',
  `-${'long'.repeat(50)}`,
];
const endings = ['close', 'close', 'halfClose', 'reset', 'terminate', 'misbehave'];

let idCount = 0;

export class Party {
  players = new Set(); // every connection that is not gone
  speeches = new Map(); // by connection; they stay, as something said may be heard late
  isOpen = false; // whether guests may come and talk
  isOver = false; // all is compared, nothing that comes now counts
  residents = new Set(); // ids of those who stay in a room of the base
  isFull = false;
  buriedIds = new Set(); // whoever has one of these may be sent more than the server queues
  isBroken = false; // something was wrong, so that what follows from it is not reported too
  #usedIds = new Set();
  #disturbedIds = new Set();

  constructor(world, { capacity = 100 } = {}) {
    this.world = world;
    this.capacity = capacity;
    this.chronicle = new Chronicle(this.#report);
    world.totals.rooms++;
  }

  /** Whether nobody else, responsive or not, has this player's id. */
  isSole(player) {
    return [...this.players].every((other) => other === player || other.id !== player.id);
  }

  #report = (check, text) => {
    if (this.isBroken) return;
    this.isBroken = true;
    this.world.ledger.report(check, `room ${this.code}: ${text}`);
  };

  /** Creates the room. Whether it stands. */
  async open() {
    this.screen = this.#enter('screen');
    if (!(await this.#hasSettled())) return this.#fail('the room was not created in time');
    this.witness = this.#enter('witness');
    if (!(await this.#hasSettled())) return this.#fail('the witness could not join in time');
    this.isOpen = true;
    return true;
  }

  /** Makes it a room of the base: its screen, its witness and so many others stay. */
  async settleResidents(count) {
    for (let entered = 0; entered < count; entered++) this.#enter('resident');
    await this.#hasSettled();
    this.residents = new Set([...this.players].map(({ id }) => id));
    this.isFull = this.players.size === this.capacity;
  }

  #fail(text) {
    this.world.ledger.report('run', `${this.code}: ${text}`);
    return false;
  }

  #newId(name) {
    return `${name}-${++idCount}${this.world.random.pick(decorations)}`;
  }

  /** How many have come besides the screen and the witness, residents included. */
  get guestCount() {
    return this.players.size - 2;
  }

  get steadyPlayers() {
    return [...this.players].filter((player) => player.isSteady);
  }

  // Coming.

  enter() {
    this.#enter('guest');
  }

  #enter(name) {
    return this.#connect(this.#newId(name));
  }

  /** New connections with the id of a player: as many at once as asked for. */
  replace(player, count = 1) {
    player.isReplacementExpected = true;
    const newcomers = Array.from({ length: count }, () => this.#connect(player.id));
    for (const newcomer of newcomers) newcomer.isReplacementExpected = count > 1;
    this.world.totals.replacements += count;
  }

  /** The connection is lost, and the player comes back at once, perhaps before this is noticed. */
  comeBack(player) {
    if (this.world.random.below(2) === 0) player.reset();
    else player.vanish();
    this.#connect(player.id);
  }

  #connect(id) {
    const player = new Player(this.world, this, id);
    player.isFirst = !this.#usedIds.has(id);
    this.#usedIds.add(id);
    this.players.add(player);
    return player;
  }

  /** The message by which this player enters. */
  entranceOf(player) {
    const { id } = player;
    player.speech = new Speech(id, player.number);
    this.speeches.set(player.number, player.speech);
    const report = this.#report;
    const { isFirst } = player;
    const { code, speeches } = this;
    player.hearing = new Hearing({ id, code, isFirst, speeches, report });
    if (player !== this.witness) player.stay = this.chronicle.beginStay(id, { isFirst });
    if (player === this.screen) return { type: 'create', clientId: id, maxClients: this.capacity };
    return { type: 'join', clientId: id, room: code };
  }

  // Hearing.

  onEvent(player, event) {
    if (this.isOver) return;
    switch (event.type) {
      case 'created':
        this.code = player.hearing.code = event.room;
        this.world.liveCodes.add(event.room);
        player.hearing.enter([player.id]);
        break;
      case 'joined':
        if (event.room !== this.code) this.#report('foreign', `joined ${event.room}`);
        player.hearing.enter(event.clients);
        if (player === this.witness) this.chronicle.open(event.clients);
        else this.chronicle.admit(player.stay, event.clients);
        break;
      case 'peer_joined':
        player.hearing.peerJoined(event.clientId);
        this.#record(player, { kind: 'enter', id: event.clientId });
        break;
      case 'peer_left': {
        const last = player.hearing.peerLeft(event.clientId);
        this.#record(player, { kind: 'leave', id: event.clientId });
        if (player === this.witness) this.#checkLeaver(event.clientId, last);
        break;
      }
      case 'message':
        this.#onMessage(player, event);
        break;
      default:
        this.#onError(player, event);
    }
  }

  #onMessage(player, { from, data, isIntact }) {
    this.world.totals.deliveries++;
    if (!isIntact) this.#report('intact', `${player.id} got other contents than were said`);
    const isBroadcast = player.hearing.said(from, data);
    if (isBroadcast) this.#record(player, { kind: 'say', id: from, by: data.by, number: data.n });
    else this.speeches.get(data.by)?.delivered(player.id);
  }

  #onError(player, event) {
    if (event.message !== 'Target client not found')
      this.#report('replies', `${player.id} got ${JSON.stringify(event).slice(0, 200)}`);
    this.world.totals.errors++;
    player.speech.errors++;
  }

  #record(player, event) {
    if (this.isBroken) return;
    if (player === this.witness) this.chronicle.append(event);
    else this.chronicle.hear(player.stay, event);
  }

  /** Who left by a proper goodbye has been heard to the last word. `last`: how far it has been. */
  #checkLeaver(id, last) {
    const isCertain = !this.#isDisturbed(id);
    for (const player of this.players) {
      if (player.id !== id) continue;
      if (player.isUnresponsive) player.terminate();
      else if (isCertain && player.state === 'ending' && !player.isReplacementExpected)
        this.#checkSaidAll(player.speech, last);
    }
  }

  #checkSaidAll({ id, by, broadcasts }, last) {
    const heard = last?.by === by ? last.broadcasts : 0;
    if (heard !== broadcasts)
      this.#report(
        'missing',
        `${id} left, and ${heard} of its ${broadcasts} broadcasts were heard`,
      );
  }

  onClose(player) {
    this.players.delete(player);
    if (player.isDisturbed) this.#disturbedIds.add(player.id);
    if (this.isOver || this.isBroken || !player.stay) return;
    this.chronicle.endStay(player.stay, { isDisturbed: player.isDisturbed });
  }

  /** Whoever vanished is announced in time. */
  checkVanished() {
    const limit = Date.now() - deadlines.vanishSeconds * 1000;
    for (const player of this.players) {
      if (!player.isVanished || player.vanishedAt > limit) continue;
      const isReplaced = [...this.players].some(
        (other) => other !== player && other.id === player.id && other.number > player.number,
      );
      if (!isReplaced) this.#report('peers', `${player.id} vanished and was not announced as gone`);
      player.terminate();
    }
  }

  // Resting: everything that was said has arrived, and is compared.

  /** Waits until nobody comes or goes any more, nor is about to be replaced. */
  async #hasSettled() {
    const isMoving = () => {
      const steady = this.steadyPlayers;
      const ids = new Set(steady.map(({ id }) => id));
      const inside = [...this.players].filter(({ isInside }) => isInside);
      return ids.size < steady.length || inside.length < this.players.size;
    };
    return until(() => !isMoving(), deadlines.settleSeconds);
  }

  async rest() {
    this.isOpen = false;
    for (const player of this.players) player.resume();
    if (!(await this.#hasSettled())) this.#report('run', 'players could not come or go in time');
    const steady = this.steadyPlayers;
    for (const speaker of steady) this.#sayLast(speaker, steady);
    const haveHeardAll = () => this.steadyPlayers.every((player) => this.#hasHeardAll(player));
    await until(() => this.isBroken || haveHeardAll(), deadlines.settleSeconds);
    if (!this.isBroken) this.#checkRest(this.steadyPlayers);
  }

  #sayLast(speaker, hearers) {
    const filler = this.world.fillers.pickOf('short', this.world.random);
    if (speaker !== this.witness) speaker.say(undefined, filler);
    for (const hearer of hearers) speaker.say(hearer.id, filler);
  }

  #hasHeardAll(player) {
    return (
      this.#isCaughtUp(player) &&
      this.steadyPlayers.every(({ speech }) => player.hearing.hasHeardAllOf(speech))
    );
  }

  #isCaughtUp(player) {
    if (player === this.witness || this.chronicle.isCaughtUp(player.stay)) return true;
    // Who came back to a room in which nobody else speaks to all can't be placed.
    const speaks = ({ id }) => id !== player.id && id !== this.witness.id;
    return player.stay.isBlank && !this.steadyPlayers.some(speaks);
  }

  #checkRest(steady) {
    const members = [...this.witness.hearing.members].join('\n');
    for (const player of steady) {
      const unheard = steady.find(({ speech }) => !player.hearing.hasHeardAllOf(speech));
      if (unheard)
        this.#report('missing', `${player.id} ${player.hearing.explain(unheard.speech)}`);
      if (!this.#isCaughtUp(player))
        this.#report('missing', `${player.id}: ${this.chronicle.explain(player.stay)}`);
      if ([...player.hearing.members].join('\n') !== members)
        this.#report('peers', `${player.id} was told of other members than the witness`);
      if (!player.speech.isAccountedFor((id) => this.#isDisturbed(id)))
        this.#report('missing', `${player.id} said something to one that is lost without an error`);
    }
    const odd = this.chronicle.findOdd();
    if (odd) this.#report('order', `${odd.id}, who has left: ${this.chronicle.explain(odd)}`);
    this.world.totals.rests++;
  }

  #isDisturbed(id) {
    return (
      this.#disturbedIds.has(id) ||
      [...this.players].some((one) => one.id === id && one.isDisturbed)
    );
  }

  // Ending.

  /** Ends a player in some way. */
  dismiss(player) {
    player[this.world.random.pick(endings)]();
  }

  /** Comes to rest, then all leave but the residents, and it comes to rest again. */
  async dismissGuests() {
    await this.rest();
    for (const player of this.players) {
      if (player.isUnresponsive) player.terminate();
      else if (!this.residents.has(player.id)) player.close();
    }
    await this.rest();
  }

  /** Comes to rest, then everybody leaves at once, each in some way. */
  async end() {
    await this.rest();
    this.isOver = true;
    for (const player of this.players) {
      if (player.isUnresponsive || player.state === 'opening') player.terminate();
      else this.dismiss(player);
    }
    if (!(await until(() => this.players.size === 0, deadlines.settleSeconds))) {
      this.world.ledger.report('run', `room ${this.code}: not everybody could leave in time`);
      for (const player of this.players) player.terminate();
    }
  }
}
