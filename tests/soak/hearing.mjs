// What one connection must find to be true of what it is told, without asking anybody else: it
// hears only from members, of its own room, never itself, and of each sender every message once.

/** How far a sender has been heard. `undefined`: not known yet, since it spoke before we came. */
const unheard = { by: undefined, broadcasts: undefined, targeted: undefined };

export class Hearing {
  #senders = new Map(); // by id: { by, broadcasts, targeted, replaced: connections that were }
  members = new Set(); // the ids it was told of, in order of entry

  /** `isFirst`: nobody ever had our id before, so nobody can have said anything to it. */
  constructor({ id, code, isFirst, speeches, report }) {
    Object.assign(this, { id, code, isFirst, speeches, report });
  }

  enter(ids) {
    this.members = new Set(ids);
    if (!this.members.has(this.id)) this.report('peers', 'joined did not name the newcomer itself');
    for (const id of ids) {
      this.#senders.set(id, { ...unheard, targeted: this.isFirst ? 0 : undefined });
    }
  }

  peerJoined(id) {
    if (this.members.has(id)) this.report('peers', `peer_joined for a member: ${id}`);
    this.members.add(id);
    this.#senders.set(id, { by: undefined, broadcasts: 0, targeted: 0 });
  }

  /** Returns how far the leaver has been heard. */
  peerLeft(id) {
    if (!this.members.delete(id)) this.report('peers', `peer_left for one who is no member: ${id}`);
    if (id === this.id) this.report('peers', 'peer_left for oneself');
    const sender = this.#senders.get(id);
    this.#senders.delete(id);
    return sender;
  }

  /** A message from `id` with this head. Whether it was to everyone. */
  said(id, head) {
    const isBroadcast = head.to === undefined;
    if (!this.#belongs(id, head, isBroadcast)) return isBroadcast;
    const sender = this.#sender(id, head.by);
    const key = isBroadcast ? 'broadcasts' : 'targeted';
    const number = isBroadcast ? head.n : head.t;
    this.#checkNumber(`${key} of ${head.by}`, number, sender[key]);
    sender[key] = number;
    // One's own broadcasts are not heard, so there is nothing to compare with.
    if (!isBroadcast && id !== this.id) this.#checkPlace(sender, head.b);
    return isBroadcast;
  }

  /** Whether all that this speech holds for us has been heard. */
  hasHeardAllOf(speech) {
    const sender = this.#senders.get(speech.id);
    const isSelf = speech.id === this.id;
    return (
      sender?.by === speech.by &&
      (isSelf || sender.broadcasts === speech.broadcasts) &&
      sender.targeted === speech.sentTo(this.id)
    );
  }

  explain(speech) {
    const { by, broadcasts, targeted } = this.#senders.get(speech.id) ?? unheard;
    return (
      `heard ${broadcasts} broadcasts and ${targeted} to itself of ${by}, ` +
      `${speech.by} said ${speech.broadcasts} and ${speech.sentTo(this.id)}`
    );
  }

  #belongs(id, head, isBroadcast) {
    const foreign = (text) => {
      this.report('foreign', `${text} (from ${id}, ${JSON.stringify(head).slice(0, 120)})`);
      return false;
    };
    const speech = this.speeches.get(head.by);
    if (head.room !== this.code) return foreign(`a message of another room in ${this.code}`);
    if (speech?.id !== id) return foreign('a message that its sender did not say');
    if (isBroadcast && id === this.id) return foreign('a broadcast came back to its sender');
    if (!isBroadcast && head.to !== this.id) return foreign('a message to somebody else');
    if (!this.members.has(id)) return foreign('a message from one who is no member');
    return true;
  }

  #sender(id, by) {
    const sender = this.#senders.get(id);
    if (sender.replaced?.has(by)) this.report('order', `${by} spoke after it had been replaced`);
    if (sender.by === by) return sender;
    if (sender.by !== undefined) {
      // We were here when another connection took over, so we hear it from its first word on.
      (sender.replaced ??= new Set()).add(sender.by);
      Object.assign(sender, { broadcasts: 0, targeted: 0 });
    }
    sender.by = by;
    return sender;
  }

  #checkNumber(what, number, last) {
    if (last === undefined || number === last + 1) return;
    const check = number > last ? 'missing' : 'doubled';
    this.report(check, `${what}: number ${number} came after ${last}`);
  }

  /** A message to us alone, said after so many broadcasts, comes after these and no others. */
  #checkPlace(sender, saidBefore) {
    const heardBefore = (sender.broadcasts ??= saidBefore);
    if (heardBefore !== saidBefore)
      this.report(
        'order',
        `said by ${sender.by} after broadcast ${saidBefore}, heard after ${heardBefore}`,
      );
  }
}
