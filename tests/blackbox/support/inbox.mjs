// A queue of things that arrived, with one reader that may await the next. What arrived before the
// end is still handed out; afterwards every read fails with the reason of the end.

import { withDeadline } from './deadline.mjs';

export class Inbox {
  #items = [];
  #position = 0;
  #endReason;
  #wakeReader = () => {};

  push(item) {
    this.#items.push(item);
    this.#wakeReader();
  }

  end(reason) {
    this.#endReason ??= reason;
    this.#wakeReader();
  }

  async next() {
    while (this.#position === this.#items.length) {
      if (this.#endReason) throw new Error(this.#endReason);
      await withDeadline(new Promise((resolve) => (this.#wakeReader = resolve)), 'Next message');
    }
    const item = this.#items[this.#position];
    this.#items[this.#position++] = undefined;
    return item;
  }
}
