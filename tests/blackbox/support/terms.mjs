// Who served which slice when, by what nodes said themselves (--log-slices). All nodes are on one machine, and so have
// one clock.

import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

const line = /slice (\d+), term (\d+): (served here|not served any more), at (\d+) ms$/gm;

/**
 * The terms of one process: `{ slice, term, from, to, name }`, in milliseconds since the machine's start. `ended` is when
 * the process was known to be gone, for what it served to its end.
 */
export function termsOf(name, stderr, ended) {
  const terms = [];
  const open = new Map();
  for (const [, slice, term, news, at] of stderr.matchAll(line)) {
    if (news === 'served here') {
      open.set(slice, { name, slice: Number(slice), term: Number(term), from: Number(at), to: ended });
      terms.push(open.get(slice));
    } else {
      const served = open.get(slice);
      if (served?.term !== Number(term)) throw new Error(`${name} ends a term of slice ${slice} that it did not begin`);
      served.to = Number(at);
      open.delete(slice);
    }
  }
  return terms;
}

/** Where two served a slice at once, or a later term was not a higher one: sentences. */
export function splitVotes(terms) {
  const faults = [];
  const sorted = [...terms].sort((a, b) => a.slice - b.slice || a.from - b.from);
  for (const [index, now] of sorted.entries()) {
    const before = sorted[index - 1];
    if (before?.slice !== now.slice) continue;
    const told = ({ name, term, from, to }) => `${name} at term ${term}, ${from} to ${to}`;
    if (before.to > now.from || before.term >= now.term)
      faults.push(`slice ${now.slice}: ${told(before)}; ${told(now)}`);
  }
  return faults;
}

/** Of CLOCK_BOOTTIME, as nodes tell it. */
const nowMilliseconds = () => Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1000;

/** What has become of nodes that are started and ended by it. */
export class Terms {
  #terms = [];

  /** `end` ends the node by itself; it returns when the process is gone. */
  async end(name, node, end) {
    await end(node);
    await node.outcome();
    this.note(name, node);
  }

  /** Of a process that has ended, or is looked at for the last time. */
  note(name, node) {
    this.#terms.push(...termsOf(name, node.stderr, nowMilliseconds()));
  }

  get count() {
    return this.#terms.length;
  }

  /** How many owners the slice with the most of them has had. */
  get most() {
    const owners = new Map();
    for (const { slice } of this.#terms) owners.set(slice, (owners.get(slice) ?? 0) + 1);
    return Math.max(0, ...owners.values());
  }

  splitVotes() {
    return splitVotes(this.#terms);
  }
}

/** A node that finds no cluster for 10 s ends by itself, and is started again. */
function expectNoCluster(error) {
  if (!/ended with 1: party-sockets: --cluster: /.test(error.message)) throw error;
}

/**
 * For so many seconds nodes come and go, each when it likes: they live for up to 12 s, and then are killed, or stop with
 * their rooms given away, or drained. `start(name, ...options)` starts one.
 */
export async function comeAndGo({ nodes, seconds, random, start, terms }) {
  const until = Date.now() + seconds * 1000;
  await Promise.all(Array.from({ length: nodes }, async (_, number) => {
    for (let life = 1; Date.now() < until; life++) {
      const name = `restless-${number}-${life}`;
      const node = await start(name, '--log-slices', ...random.pick([[], ['--on-stop', 'drain']])).catch(expectNoCluster);
      if (node === undefined) continue;
      await pause(Math.min(random.fraction() * 12_000, Math.max(0, until - Date.now())));
      await terms.end(name, node, (one) => random.pick([() => one.kill(), () => one.signal('SIGTERM')])());
    }
  }));
}
