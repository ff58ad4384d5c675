// What is said. A message's `data` is a short head and a filler:
//
//     {"room":"A3KX","by":12,"n":5,"f":17,"fill":...}                   to everyone else
//     {"room":"A3KX","by":12,"to":"id","t":3,"b":5,"f":17,"fill":...}   to one
//
// `by` is the number of the speaking connection, `n` counts its broadcasts and `t` its messages to
// that target, both from 1; `b` is the number of broadcasts said before, which ties the two counts
// together. Fillers are made once and named by their index, so that a receiver can compare without
// keeping what was sent: bytes first, which is quick, and values if they differ.

import { isDeepStrictEqual } from 'node:util';

const mebibyte = 2 ** 20;
const characters = [...'abc XYZ09/{}[]:,äß€漢字🎲🎉👩‍👧\u0000\u001f\u007f\u2028"\\\n'];
const oddNumbers = ['0', '-0', '0.1', '1e400', '-1E-400', '12345678901234567890', '3.0', '1e2'];

function randomString(random, length) {
  const text = Array.from({ length }, () => random.pick(characters)).join('');
  const json = JSON.stringify(text);
  // The same characters as escapes, surrogate pairs included.
  return random.below(4) > 0
    ? json
    : json.replace(
        /[^\x00-\x7f]/g,
        (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
      );
}

function randomValue(random, depth) {
  const space = random.pick(['', '', ' ', '\n\t']);
  const items = (make) => random.many(5, make).join(`,${space}`);
  switch (random.below(depth > 0 ? 7 : 5)) {
    case 0:
      return random.pick(['null', 'true', 'false']);
    case 1:
      return random.pick(oddNumbers);
    case 2:
      return String(random.fraction() * 1e6);
    case 3:
    case 4:
      return randomString(random, random.below(30));
    case 5:
      return `[${space}${items(() => randomValue(random, depth - 1))}${space}]`;
    default: {
      const member = () => `${randomString(random, 4)}${space}:${randomValue(random, depth - 1)}`;
      return `{${space}${items(member)}}`;
    }
  }
}

/** A string whose every part differs, so that bytes can't be mixed up unnoticed. */
function longString(random, length) {
  const part = randomString(random, 200).slice(1, -1);
  let text = '';
  for (let count = 0; text.length < length; count++) text += `${count} ${part}`;
  return `"${text}"`;
}

function nested(random) {
  const depth = 100 + random.below(900);
  return '['.repeat(depth) + ']'.repeat(depth);
}

/** Of each kind: the share of what is said, how many there are, and how one is made. */
const kinds = {
  short: { share: 0.858, count: 200, make: (random) => randomValue(random, 3) },
  plain: { share: 0.01, count: 4, make: () => JSON.stringify('x'.repeat(800)) },
  medium: { share: 0.1, count: 60, make: (random) => longString(random, 300 + random.below(2e4)) },
  nested: { share: 0.02, count: 10, make: nested },
  long: { share: 0.011, count: 20, make: (random) => longString(random, 2e4 + random.below(4e5)) },
  huge: {
    share: 0.001,
    count: 4,
    make: (random) => longString(random, mebibyte * (1 + random.below(2))),
  },
};

export class Fillers {
  #texts = [];
  #ranges = {}; // by kind

  constructor(random) {
    for (const [kind, { count, make }] of Object.entries(kinds)) {
      this.#ranges[kind] = { first: this.#texts.length, count };
      for (let made = 0; made < count; made++) this.#texts.push(Buffer.from(make(random)));
    }
  }

  /** The index of a filler: mostly of a short one. */
  pick(random) {
    let fraction = random.fraction();
    const kind = Object.keys(kinds).find((name) => (fraction -= kinds[name].share) < 0);
    return this.pickOf(kind ?? 'short', random);
  }

  pickOf(kind, random) {
    const { first, count } = this.#ranges[kind];
    return first + random.below(count);
  }

  text(index) {
    return this.#texts[index];
  }

  matches(index, bytes) {
    return this.#texts[index]?.equals(bytes) ?? false;
  }

  matchesValue(index, value) {
    const text = this.#texts[index];
    return text !== undefined && isDeepStrictEqual(value, JSON.parse(text));
  }
}

// Ways of saying the same. DATA and TO stand for what is put in; the last of repeated keys counts.
const forms = [
  ['{"type":"send","to":TO,"data":', '}'],
  ['{"data":', ',"to":TO,"type":"send"}'],
  [' {\n"\\u0074ype" : "s\\u0065nd" ,\t"from":"forged","to" : TO,"data" : ', ' }\r\n'],
  ['{"type":"create","to":"nobody","data":1,"type":"send","data":', ',"to":TO,"extra":[{}]}'],
];
const everyone = ['null', '""', '0', 'false'];

/** The bytes of a `send` message; `head` is the head of the data, `to` a clientId or undefined. */
export function composeSend(random, head, filler, to) {
  const data = JSON.stringify(head).slice(0, -1) + ',"fill":';
  if (to === undefined && random.below(2) === 0)
    return Buffer.concat([Buffer.from(`{"type":"send","data":${data}`), filler, Buffer.from('}}')]);
  const [before, after] = random.pick(forms);
  const target = to === undefined ? random.pick(everyone) : JSON.stringify(to);
  const put = (text) => text.replace('TO', () => target);
  return Buffer.concat([Buffer.from(put(before) + data), filler, Buffer.from(`}${put(after)}`)]);
}

const fillMark = Buffer.from('"fill":');
const headBytesMax = 4096;

/**
 * The event in these bytes; throws when they are not JSON. Of a message, `data.fill` is left out and `isIntact` tells whether it
 * was the filler that the head names.
 */
export function readEvent(bytes, fillers) {
  const at = bytes.subarray(0, headBytesMax).indexOf(fillMark);
  if (at < 0) return JSON.parse(bytes);
  const event = parseOr(undefined, `${bytes.toString('utf8', 0, at)}"fill":0}}`);
  const fill = bytes.subarray(at + fillMark.length, -2);
  if (
    event &&
    fillers.matches(event.data.f, fill) &&
    bytes.toString('latin1', bytes.length - 2) === '}}'
  )
    return { ...event, isIntact: true };
  // Written otherwise than it was said, which is allowed as long as the value is the same.
  const whole = JSON.parse(bytes);
  return { ...whole, isIntact: fillers.matchesValue(whole.data?.f, whole.data?.fill) };
}

function parseOr(fallback, text) {
  try {
    return JSON.parse(text);
  } catch {
    return fallback;
  }
}
