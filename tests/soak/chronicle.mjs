// The single order of a room's events, and how it is checked that all members were told it.
//
// Each room has a witness: a member that says nothing to everybody and reads at once. What it hears
// is the chronicle. What any other member hears must be a run of the chronicle without a gap, its
// own doings left out. Clients are independent, so a member may be ahead of the witness; what it
// heard then waits.
//
// A clientId is a member from an `enter` to a `leave`. Within this membership one connection may
// silently replace another, which nobody is told. So the runs of the connections that had the id
// must together cover the membership: no gap between them, and no overlap. Only where a connection
// was disturbed (it was reset, or stopped reading for good) something may be missing behind its run.
//
// Events are { kind: 'enter' | 'leave' | 'say', id, by, number }; a position counts them from the
// chronicle's beginning. What nobody can need again is dropped, so memory stays small.

const trimEvery = 512;

const same = (one, other) =>
  one.kind === other.kind &&
  one.id === other.id &&
  one.number === other.number &&
  one.by === other.by;

const show = ({ kind, id, by, number }) =>
  `${kind} ${JSON.stringify(id).slice(0, 40)}${by === undefined ? '' : ` by ${by} number ${number}`}`;

/** What one connection heard of the room. */
class Stay {
  heard = []; // not yet found in the chronicle
  cursor = null; // the position behind the last event that was; null: not yet known
  start = null;
  isClosed = false;
  isDisturbed = false;

  told; // the members it was told of on entry, until that is checked

  /** `isFirst`: nobody ever had the id before. `earliest`: it can't have entered before this. */
  constructor(id, isFirst, earliest) {
    this.id = id;
    this.isFirst = isFirst;
    this.earliest = this.searched = earliest;
  }

  get isDone() {
    return this.isClosed && (this.heard.length === 0 || this.isBlank);
  }

  /** It heard nothing by which its place could be known. */
  get isBlank() {
    return this.cursor === null && !this.heard.some(({ kind }) => kind === 'say');
  }
}

export class Chronicle {
  #entries = [];
  #first = 0; // the position of the first entry that is kept
  #membersAtFirst = [];
  #stays = new Map(); // by id
  #memberships = new Map(); // by id, those that are not yet accounted for
  #witness;
  // Ids of connections of which is not known what they should have heard: they ended before they
  // heard any message. One that was disturbed may have been sent some; the other may not.
  #lackingIds = new Set();
  #blankIds = new Set();
  #report;
  isOpen = false;

  /** `report(check, text)` is told what is wrong. */
  constructor(report) {
    this.#report = report;
  }

  get end() {
    return this.#first + this.#entries.length;
  }

  #at(position) {
    return this.#entries[position - this.#first];
  }

  /** The witness has entered, and was told these members, itself the last. */
  open(ids) {
    const earlier = ids.slice(0, -1);
    this.#membersAtFirst = earlier;
    this.#witness = ids.at(-1);
    this.isOpen = true;
    for (const id of earlier) this.#beginMembership(id);
    this.append({ kind: 'enter', id: this.#witness });
  }

  /** A connection asks to enter. */
  beginStay(id, { isFirst }) {
    const stay = new Stay(id, isFirst, this.end);
    this.#stays.set(id, [...(this.#stays.get(id) ?? []), stay]);
    return stay;
  }

  /** It was let in, and told these members. */
  admit(stay, told) {
    stay.told = told;
    this.#checkTold(stay);
  }

  hear(stay, event) {
    stay.heard.push(event);
    if (this.isOpen) this.#advance(stay);
  }

  endStay(stay, { isDisturbed }) {
    stay.isClosed = true;
    stay.isDisturbed = isDisturbed;
    this.#advance(stay);
    this.#settle(stay.id);
  }

  /** The witness heard something. */
  append(event) {
    this.#entries.push(event);
    if (event.kind === 'enter') this.#beginMembership(event.id);
    for (const stays of this.#stays.values()) {
      for (const stay of stays) if (stay.heard.length > 0) this.#advance(stay);
    }
    if (event.kind === 'leave') {
      const membership = this.#memberships.get(event.id)?.at(-1);
      if (membership) membership.end = this.end - 1;
      this.#settle(event.id);
    }
    if (this.end % trimEvery === 0) this.#trim();
  }

  /** Whether this connection heard all there is. */
  isCaughtUp(stay) {
    return stay.cursor !== null && stay.heard.length === 0 && this.#next(stay) === this.end;
  }

  /** A connection that has ended and heard what the witness never did; to be asked at rest. */
  findOdd() {
    const stays = [...this.#stays.values()].flat();
    return stays.find((stay) => stay.isClosed && stay.heard.length > 0 && !stay.isBlank);
  }

  explain(stay) {
    const heard = stay.heard.length > 0 ? `, then it heard ${show(stay.heard[0])}` : '';
    const next = stay.cursor === null ? null : this.#at(this.#next(stay));
    return `${stay.cursor === null ? 'nothing placed' : `up to ${stay.cursor} of ${this.end}`}${
      next ? `, next is ${show(next)}` : ''
    }${heard}`;
  }

  #beginMembership(id) {
    if (id === this.#witness) return;
    const start = this.end;
    const list = this.#memberships.get(id) ?? [];
    list.push({ covered: start, covering: null, isLoose: false, end: null });
    this.#memberships.set(id, list);
    const first = this.#stays.get(id)?.find((stay) => stay.isFirst && stay.cursor === null);
    if (first) this.#place(first, start);
  }

  #place(stay, position) {
    stay.start = stay.cursor = position;
    this.#checkTold(stay);
    this.#advance(stay);
    this.#settle(stay.id);
  }

  /** What it was told on entry must be the membership at that point. */
  #checkTold(stay) {
    if (stay.told === undefined || stay.start === null) return;
    const members = this.#membersAt(stay.start);
    if (members.join('\n') !== stay.told.join('\n')) {
      const text = (ids) => JSON.stringify(ids).slice(0, 300);
      this.#report('peers', `joined told ${text(stay.told)}, members were ${text(members)}`);
    }
    stay.told = undefined;
  }

  #membersAt(position) {
    const members = new Set(this.#membersAtFirst);
    for (let at = this.#first; at < position; at++) apply(members, this.#at(at));
    return [...members];
  }

  /** The position of the next event that this connection is to hear, or the end. */
  #next(stay) {
    let position = stay.cursor;
    while (position < this.end && this.#at(position).id === stay.id) position++;
    return position;
  }

  #advance(stay) {
    if (stay.cursor === null && !this.#find(stay)) return;
    let count = 0;
    for (const event of stay.heard) {
      const position = this.#next(stay);
      if (this.#passesLeave(stay, position)) {
        this.#report('foreign', `${show(event)} was heard by one who had left`);
        return;
      }
      if (position === this.end) break;
      if (!same(this.#at(position), event)) {
        this.#reportOther(event, this.#at(position));
        return;
      }
      stay.cursor = position + 1;
      count++;
    }
    stay.heard.splice(0, count);
    if (count > 0 && stay.isClosed) this.#settle(stay.id);
  }

  /** `due` is undefined when nothing was. */
  #reportOther(event, due) {
    const check = event.kind === 'say' && due?.kind === 'say' ? 'order' : 'peers';
    this.#report(check, `${show(event)} was heard where ${due ? show(due) : 'nothing'} was due`);
  }

  #passesLeave(stay, position) {
    for (let at = stay.cursor; at < position; at++) {
      if (this.#at(at).kind === 'leave') return true;
    }
    return false;
  }

  /**
   * Finds the place of a connection that took over, or came back: nothing but what it hears tells
   * where it began. The first thing said is unique; what it heard before that must lie right before.
   */
  #find(stay) {
    const index = stay.heard.findIndex(({ kind }) => kind === 'say');
    if (index < 0 || stay.isFirst) return false;
    while (stay.searched < this.end && !same(this.#at(stay.searched), stay.heard[index]))
      stay.searched++;
    if (stay.searched === this.end) return false;

    let position = stay.searched;
    for (let left = index; left > 0;) {
      position--;
      const entry = position >= stay.earliest ? this.#at(position) : undefined;
      if (entry?.id === stay.id && entry.kind === 'say') continue;
      if (entry === undefined || !same(entry, stay.heard[left - 1])) {
        this.#reportOther(stay.heard[left - 1], entry);
        return false;
      }
      left--;
    }
    this.#place(stay, position);
    return false; // placing has advanced it
  }

  /** Accounts for the memberships of this id as far as they are known. */
  #settle(id) {
    this.#dropBlanks(id);
    for (const membership of [...(this.#memberships.get(id) ?? [])]) {
      if (!this.#cover(id, membership)) return;
      this.#forgetMembership(id, membership);
    }
  }

  #dropBlanks(id) {
    const stays = this.#stays.get(id) ?? [];
    const blanks = stays.filter((stay) => stay.isClosed && stay.isBlank && !stay.isFirst);
    for (const stay of blanks) (stay.isDisturbed ? this.#lackingIds : this.#blankIds).add(id);
    if (blanks.length > 0) this.#keepStays(id, (stay) => !blanks.includes(stay));
  }

  /** Whether the membership has ended and all of it is accounted for. */
  #cover(id, membership) {
    for (;;) {
      const stays = this.#stays.get(id) ?? [];
      const isOver = (stay) => membership.end !== null && stay.start > membership.end;
      const placed = stays.filter((stay) => stay.start !== null && !isOver(stay));
      const stay = placed.sort((a, b) => a.start - b.start || a.cursor - b.cursor)[0];
      const isPending = stays.some((one) => one.start === null);
      const next = stay?.start ?? membership.end;
      if (next === null || next === undefined) return false;
      if (next < membership.covered)
        this.#report('doubled', `two connections of ${JSON.stringify(id)} heard the same`);
      if (next > membership.covered && isPending) return false; // it may fill the gap
      if (!membership.isLoose && !this.#lackingIds.has(id)) this.#checkGap(id, membership, next);
      membership.covered = Math.max(membership.covered, next);
      if (!stay) return true;
      membership.covering = stay;
      if (!stay.isDone) return false;
      membership.covering = null;
      membership.covered = Math.max(membership.covered, stay.cursor);
      membership.isLoose = stay.isDisturbed;
      this.#keepStays(id, (one) => one !== stay);
    }
  }

  #checkGap(id, membership, next) {
    for (let at = membership.covered; at < next; at++) {
      const entry = this.#at(at);
      if (entry.id === id || (entry.kind !== 'say' && this.#blankIds.has(id))) continue;
      const check = entry.kind === 'say' ? 'missing' : 'peers';
      this.#report(check, `${JSON.stringify(id)} was a member and did not hear ${show(entry)}`);
      return;
    }
  }

  #keepStays(id, isKept) {
    const kept = (this.#stays.get(id) ?? []).filter(isKept);
    if (kept.length > 0) this.#stays.set(id, kept);
    else this.#stays.delete(id);
  }

  #forgetMembership(id, membership) {
    const left = this.#memberships.get(id).filter((one) => one !== membership);
    if (left.length > 0) this.#memberships.set(id, left);
    else this.#memberships.delete(id);
  }

  #trim() {
    let limit = this.end;
    for (const stay of [...this.#stays.values()].flat())
      limit = Math.min(limit, stay.cursor ?? stay.earliest);
    for (const { covering, covered } of [...this.#memberships.values()].flat())
      limit = Math.min(limit, covering?.cursor ?? covered);
    const dropped = this.#entries.splice(0, limit - this.#first);
    const members = new Set(this.#membersAtFirst);
    for (const entry of dropped) apply(members, entry);
    this.#membersAtFirst = [...members];
    this.#first = limit;
  }
}

function apply(members, { kind, id }) {
  if (kind === 'enter') members.add(id);
  if (kind === 'leave') members.delete(id);
}
