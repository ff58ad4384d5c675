// Bounds how many things are under way at the same time: the others wait for their turn.

export class Turns {
  #free;
  #waiting = [];

  constructor(most) {
    this.#free = most;
  }

  async take(work) {
    if (this.#free > 0) this.#free--;
    else await new Promise((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    }
  }
}
