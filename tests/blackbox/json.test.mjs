// A randomised comparison with Node's JSON: a message is accepted by both or by neither, and what
// arrives as `data` equals what JSON.parse reads.

import assert from 'node:assert/strict';
import { Random, seed } from './support/random.mjs';
import { describeWithServer } from './support/suite.mjs';
import { it } from './support/testing.mjs';

const messageCount = 4_000;
const batchSize = 100;

const spaces = ['', '', '', '', ' ', '\n', '\t', '\r', ' \r\n\t '];
const literals = ['true', 'false', 'null'];
const numbers = [
  '0',
  '-0',
  '1',
  '-1',
  '0.1',
  '1e400',
  '-1E+400',
  '1e-400',
  '12345678901234567890',
  '1.50',
  '4e7',
];
const stringParts = [
  'a', 'key', 'é', '€', '😀', '\u007f', '\u2028', '\ufeff', '/', ' ', "'", '[', '}', ',', ':',
  '\\"', '\\\\', '\\/', '\\b', '\\f', '\\n', '\\r', '\\t', '\\u0000', '\\u001F', '\\u00e9',
  '\\ud83d\\ude00', '\\ud800', '\\uDFFF', '\\ude00\\ud83d',
];
const mutationBytes = Buffer.from(
  '{}[]",:\\/ \n\t\r\0\x0b\x1f\x7f0123456789+-.eEtrufalsnbx\'*\xa0\xbf\xc0\xc3\xe2\xed\xf4\xff',
  'latin1',
);

/** A random valid JSON text. */
function value(random, depth = 0) {
  const makers = [literal, number, string, array, object];
  const maker = depth < 6 ? random.pick(makers) : literal;
  return random.pick(spaces) + maker(random, depth + 1) + random.pick(spaces);
}

const literal = (random) => random.pick(literals);
const string = (random) => `"${random.many(5, () => random.pick(stringParts)).join('')}"`;
const array = (random, depth) =>
  `[${random.many(4, () => value(random, depth)).join() || random.pick(spaces)}]`;
const member = (random, depth) =>
  `${random.pick(spaces)}${string(random)}${random.pick(spaces)}:${value(random, depth)}`;
const object = (random, depth) =>
  `{${random.many(4, () => member(random, depth)).join() || random.pick(spaces)}}`;

function number(random) {
  if (random.below(2)) return random.pick(numbers);
  const sign = random.pick(['', '-']);
  const ending = random.pick(['', '.5', '.0625', 'e3', '.25E-7', 'e+12']);
  return sign + random.below(10 ** random.below(10)) + ending;
}

/** One random edit: a byte changed, inserted or removed, or a piece doubled or cut out. */
function mutated(random, bytes) {
  const start = random.below(bytes.length + 1);
  const end = Math.min(bytes.length, start + random.below(6));
  const [before, piece, after] = [
    bytes.subarray(0, start),
    bytes.subarray(start, end),
    bytes.subarray(end),
  ];
  const byte = Buffer.from([random.pick(mutationBytes)]);
  const parts = random.pick([
    [before, byte, after.subarray(1)],
    [before, byte, piece, after],
    [before, piece, after.subarray(1)],
    [before, piece, piece, after],
    [before, after],
  ]);
  return Buffer.concat(parts);
}

/** A whole message around a random text, its last fields such that it comes back to its sender. */
function message(random) {
  let text = Buffer.from(value(random));
  const edits = random.pick([0, 1, 1, 2, 3]);
  for (let count = 0; count < edits; count++) text = mutated(random, text);
  return Buffer.concat([Buffer.from('{"data":'), text, Buffer.from(',"type":"send","to":"me"}')]);
}

/** What Node reads in a message, or undefined if it is not JSON in UTF-8. */
function read(bytes) {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

function expectedAnswer(bytes) {
  const parsed = read(bytes);
  if (parsed === undefined) return { type: 'error', message: 'Invalid JSON' };
  return { type: 'message', from: 'me', data: parsed.data };
}

describeWithServer('Comparison with JSON.parse', (server) => {
  it(`${messageCount} random messages are read alike or by neither (SEED=${seed})`, async () => {
    const random = new Random();
    const { members } = await server.room(['me']);
    const counts = { message: 0, error: 0 };
    for (let batch = 0; batch < messageCount / batchSize; batch++) {
      const messages = Array.from({ length: batchSize }, () => message(random));
      for (const bytes of messages) members[0].sendBinary(bytes);
      for (const bytes of messages) {
        const answer = await members[0].next();
        assert.deepEqual(
          answer,
          expectedAnswer(bytes),
          `SEED=${seed}, ${JSON.stringify(bytes.toString('latin1'))}`,
        );
        counts[answer.type]++;
      }
    }
    for (const count of Object.values(counts)) assert.ok(count > messageCount / 10);
  });
});
