// Random numbers from a seed, so that a failure can be repeated: SEED=<number> node --test.
// The seed of a run stands in the names of the tests that use it.

import { randomInt } from 'node:crypto';

export const seed = Number(process.env.SEED ?? randomInt(2 ** 32));

/** The generator mulberry32; `stream` gives independent ones of the same seed. */
export class Random {
  #state;

  constructor(stream = 0) {
    this.#state = (seed + Math.imul(stream, 0x9e3779b9)) >>> 0;
  }

  /** A fraction from 0 up to 1. */
  fraction() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from 0 up to `limit`. */
  below(limit) {
    return Math.floor(this.fraction() * limit);
  }

  pick(choices) {
    return choices[this.below(choices.length)];
  }

  /** Up to `limit` things made by `make`. */
  many(limit, make) {
    return Array.from({ length: this.below(limit + 1) }, make);
  }
}
