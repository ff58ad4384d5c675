/** What one connection has said: counted here when it is sent, so that receivers can be asked. */
export class Speech {
  broadcasts = 0;
  errors = 0; // answers `Target client not found`
  targets = new Map(); // by id: { sent, delivered }

  constructor(id, by) {
    this.id = id;
    this.by = by;
  }

  sentTo(id) {
    return this.targets.get(id)?.sent ?? 0;
  }

  /** The head of the next message, to everyone or to one. */
  next(room, filler, to) {
    const { by } = this;
    if (to === undefined) return { room, by, n: ++this.broadcasts, f: filler };
    if (!this.targets.has(to)) this.targets.set(to, { sent: 0, delivered: 0 });
    return { room, by, to, t: ++this.targets.get(to).sent, b: this.broadcasts, f: filler };
  }

  delivered(id) {
    const target = this.targets.get(id);
    if (target) target.delivered++;
  }

  /**
   * Each message to one was delivered or answered with an error, unless its target's connection was
   * disturbed. To be asked when all of them have been handled.
   */
  isAccountedFor(isDisturbed) {
    let least = 0;
    let most = 0;
    for (const [id, { sent, delivered }] of this.targets) {
      most += sent - delivered;
      if (!isDisturbed(id)) least += sent - delivered;
    }
    return least <= this.errors && this.errors <= most;
  }
}
