// What happens in the rooms: a ticking clock with chances, so that nothing needs a timer of its own
// and a machine that is busy gets less to do instead of a heap of it.

import { setTimeout as sleep } from 'node:timers/promises';
import { base, buryMessages, crowd, floodMessages, rates, storm } from './plan.mjs';
import { Party } from './party.mjs';

const tickMilliseconds = 20;
const longestTickSeconds = 0.1;

export class Churn {
  #parties = new Set(); // those that come and go
  #ending = new Set(); // promises
  #baseParties = [];
  #opening = 0;
  #due = Object.fromEntries(Object.keys(rates).map((name) => [name, 0]));
  #isRunning = false;
  #timer;
  #lastTick;
  #lastSecond = 0;

  constructor(world, vandals) {
    this.world = world;
    this.vandals = vandals;
  }

  /** Sets up the rooms that stay: the same clients at each measurement. */
  async openBase() {
    for (let count = 0; count < base.openRooms + base.fullRooms; count++) {
      const isFull = count >= base.openRooms;
      const party = new Party(this.world, isFull ? { capacity: base.residents + 2 } : {});
      await party.open();
      await party.settleResidents(base.residents);
      this.#baseParties.push(party);
    }
    this.vandals.fullRooms = this.#baseParties.filter(({ isFull }) => isFull);
  }

  get baseCounts() {
    return {
      rooms: this.#baseParties.length,
      clients: this.#baseParties.reduce((sum, { players }) => sum + players.size, 0),
    };
  }

  get counts() {
    const parties = [...this.#parties, ...this.#baseParties];
    return {
      rooms: parties.length,
      clients: parties.reduce((sum, { players }) => sum + players.size, 0),
    };
  }

  start() {
    this.#isRunning = true;
    for (const party of this.#baseParties) party.isOpen = true;
    this.#lastTick = performance.now();
    this.#timer = setInterval(() => this.#tick(), tickMilliseconds);
  }

  /**
   * The most that the server's queues will ever hold, in several rooms at once. Memory that is kept
   * for reuse depends on the highest level there was, so each measurement has the same one before.
   */
  async #storm() {
    const { random, fillers } = this.world;
    for (const party of this.#visited.slice(-storm.rooms)) {
      const victim = party.steadyPlayers.find((player) => this.#isSoleGuest(player));
      const speaker = party.steadyPlayers.find(
        (player) => player !== party.witness && player !== victim,
      );
      if (!victim || !speaker) continue;
      victim.getStuck();
      party.buriedIds.add(victim.id);
      for (let count = 0; count < storm.hugeMessages; count++)
        speaker.say(victim.id, fillers.pickOf('huge', random));
      for (let count = 0; count < storm.plainMessages; count++)
        speaker.say(victim.id, fillers.pickOf('plain', random));
    }
    await sleep(storm.seconds * 1000);
  }

  /** Ends everything but the base, and brings that to rest. */
  async pause() {
    this.#isRunning = false;
    clearInterval(this.#timer);
    await this.#storm();
    for (const party of this.#parties) this.#end(party);
    for (const party of this.#baseParties) party.isOpen = false;
    const emptied = this.#baseParties.map((party) => party.dismissGuests());
    await Promise.all([...emptied, this.vandals.finish()]);
    while (this.#ending.size > 0 || this.#opening > 0)
      await Promise.all([...this.#ending, sleep(50)]);
  }

  async endBase() {
    await Promise.all(this.#baseParties.map((party) => party.end()));
  }

  #tick() {
    const now = performance.now();
    const elapsed = Math.min((now - this.#lastTick) / 1000, longestTickSeconds);
    this.world.totals.lag = Math.max(
      this.world.totals.lag,
      now - this.#lastTick - tickMilliseconds,
    );
    this.#lastTick = now;
    this.#fill();
    for (const [name, rate] of Object.entries(rates)) {
      this.#due[name] += rate * elapsed * 2 * this.world.random.fraction();
      for (; this.#due[name] >= 1; this.#due[name]--) this[name]();
    }
    if (now - this.#lastSecond > 1000) {
      this.#lastSecond = now;
      for (const party of [...this.#parties, ...this.#baseParties]) party.checkVanished();
    }
  }

  /** Keeps up the numbers of rooms and guests. */
  #fill() {
    if (this.#parties.size + this.#opening < crowd.rooms) this.#open();
    const visited = this.#visited;
    const guests = visited.reduce((sum, party) => sum + party.guestCount, 0);
    if (guests >= crowd.guests || visited.length === 0) return;
    const party = this.world.random.pick(visited);
    if (party.guestCount < crowd.guestsPerRoom) party.enter();
  }

  async #open() {
    const party = new Party(this.world);
    this.#opening++;
    const isOpen = await party.open();
    this.#opening--;
    if (isOpen && this.#isRunning) this.#parties.add(party);
    else this.#end(party);
  }

  #end(party) {
    this.#parties.delete(party);
    const ending = party.end().finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
  }

  get #visited() {
    return [...this.#parties, ...this.#baseParties].filter(
      ({ isOpen, isFull, isBroken }) => isOpen && !isFull && !isBroken,
    );
  }

  /** A random player of a random room that suits, if there is one. */
  #someone(suits) {
    const parties = [...this.#parties, ...this.#baseParties].filter((party) => party.isOpen);
    if (parties.length === 0) return undefined;
    const party = this.world.random.pick(parties);
    const players = [...party.players].filter(suits);
    return players.length > 0 ? this.world.random.pick(players) : undefined;
  }

  /** Whether anything may be done to it: whoever watches or belongs to the base is left in peace. */
  #isSoleGuest(player) {
    const { party } = player;
    const isGuest = player !== party.witness && !party.residents.has(player.id);
    return isGuest && player.isSteady && party.isSole(player);
  }

  #someGuest(suits = () => true) {
    return this.#someone((player) => this.#isSoleGuest(player) && suits(player));
  }

  // What happens, by the names of the rates.

  say() {
    const { random } = this.world;
    const player = this.#someone(({ canTalk }) => canTalk);
    if (!player) return;
    const isToOne = player === player.party.witness || random.below(4) === 0;
    player.say(isToOne ? random.pick([...player.hearing.members]) : undefined);
  }

  flood() {
    const { random, fillers } = this.world;
    const player = this.#someGuest(({ canTalk }) => canTalk);
    for (let count = 0; player && count < floodMessages; count++)
      player.say(undefined, fillers.pickOf('short', random));
  }

  stall() {
    const { random } = this.world;
    const isLong = random.below(10) === 0;
    this.#someGuest()?.stall(200 + random.below(isLong ? 9000 : 2500));
  }

  /** Heaps more on somebody who does not read than the server keeps for it. */
  bury() {
    const { random, fillers } = this.world;
    const victim = this.#someone(
      (player) => player.isInside && (player.isStalled || player.isStuck),
    );
    const speakers = [...(victim?.party.players ?? [])].filter(
      (one) => one.isSteady && one.canTalk,
    );
    if (speakers.length === 0) return;
    const speaker = random.pick(speakers);
    victim.party.buriedIds.add(victim.id);
    for (let count = 0; count < buryMessages; count++)
      speaker.say(victim.id, fillers.pickOf('huge', random));
  }

  leave() {
    const { random } = this.world;
    const player = this.#someGuest();
    if (!player) return;
    if (random.below(12) === 0) player.vanish();
    else player.party.dismiss(player);
  }

  #replaceSomeone(count) {
    const player = this.#someone(
      (one) => one.isSteady && one !== one.party.witness && one.party.isSole(one),
    );
    if (player) player.party.replace(player, count);
  }

  replace() {
    this.#replaceSomeone(1);
  }

  replaceByMany() {
    this.#replaceSomeone(2 + this.world.random.below(3));
  }

  comeBack() {
    const player = this.#someGuest();
    if (player) player.party.comeBack(player);
  }

  getStuck() {
    const parties = [...this.#parties, ...this.#baseParties];
    const stuck = parties.flatMap(({ players }) => [...players]).filter((one) => one.isStuck);
    if (stuck.length < crowd.stuckAtOnce) this.#someGuest()?.getStuck();
  }

  endRoom() {
    const parties = [...this.#parties].filter((party) => party.isOpen);
    if (parties.length > crowd.rooms / 2) this.#end(this.world.random.pick(parties));
  }

  vandal() {
    this.vandals.let();
  }
}
