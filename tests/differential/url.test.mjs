// proto/url against the URL of Node: random texts, of which both say the same, but for what
// src/proto/url.h lists. SEED=<number> takes other texts, TEXTS=<number> so many of each family.
//
// URL_CLASSIFY_BINARY is build/asan/tests/url_classify.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';

process.env.SEED ??= '1';
const { Random, seed } = await import('../blackbox/support/random.mjs');

const textCount = Number(process.env.TEXTS ?? 5_000);
const batchSize = 50_000;
const longest = 512; // bytes, URL_LENGTH_MAX
const shownDifferences = 20;

// Of what may stand in a place, the odd ones; mostly it is the usual one (`mostly`).
const specialSchemes = ['https', 'https', 'https', 'http', 'http', 'HttpS', 'HTTP', 'ws', 'wss', 'ftp'];
const otherSchemes = [
  'a', 'foo', 'javascript', 'data', 'blob', 'mailto', 'httpss', 'htt', 'file1', 'a+b-c.1', '1a', '+a', '',
  'git+ssh', 'a_b', 'https.', 'h%74tp', 'é', 'ſs',
];
const oddSlashes = ['', '/', '//', '///', '////', '\\', '\\\\', '/\\', '\\/', '\\\\//', '?', '#'];
const oddUsers = [
  '@', 'user@', 'user:secret@', ':@', 'a@b@', 'é@', '%zz@', '[@', ']@', '[::1]@', '<|>^@',
];
const oddPorts = [
  ':', ':0', ':80', ':443', ':65535', ':65536', ':99999', ':0000000000000080',
  ':00000000000065536', ':4294967376', ':18446744073709551696', ':+80', ':-1', ':8a', ':80:80', ':８０', ':%38',
  ':0x50', `:${'0'.repeat(300)}1`, `:${'9'.repeat(60)}`,
];
const tails = [
  '', '/', '/path', '\\path', '?query', '#fragment', '/../..', '/é%zz<>[]|^', '?é#@:', '/@b', '?@',
  '#@', '\\@c', '/:80', '|', '%', '/%', '\u007f', '\u0085',
];
const names = [
  'example.com', 'Example.COM', 'localhost', 'a', 'a.b.c', 'a_b', '-', '--', '-a-', 'a..b', '.', '..', '.a', 'a.',
  'a..', '~', '*', '!$&\'()*+,;=', '`{}"', 'ab--cd', '1a', 'a1', '1.a', 'a.1', 'a.1.', 'a.1..', 'a.0x', 'a.0xg', 'a.09',
  'a.08.', '0x.a', 'x'.repeat(63), 'x'.repeat(64), 'x'.repeat(260), 'c', 'C',
];
const codedNames = [
  '%61', '%2e', '%2E%2e', 'a%2eb', '%31', '%30%78', '1%2e2', '%', '%4', '%4g', '%g4', '%%34%31', '%25', '%2541', '%00',
  '%09', '%20', '%7f', '%2f', '%5C', '%3a80', '%40', '%5b::1%5d', '%3f', '%23', '%C3%A9', '%ff', '%80', '%c2%ad',
  '%41%', '%EF%BC%91', 'xn--4ca', 'a.xn--4ca', 'xn--', 'xn--a', 'XN--é', 'xn--4ca.1', '%78n--a', 'x%6E%2d-4ca',
  'é', 'ß', '１', '。', 'a。1', '\u00ad', 'ﬀ', '例え.jp', '😀', '\u200d', 'K',
];
const drives = ['C:', 'C|', 'c:', 'C:x', 'C||', 'CC:', 'C', '1:', '%43:', '|', ':', 'é|', 'C:|'];
const groups = ['', '0', '1', 'f', 'ffff', 'FFFF', '0000', '00000', '12345', 'g', 'abcd', '%31', '1é'];
const octets = ['', '0', '1', '9', '00', '01', '10', '255', '256', '299', '1000', 'a', '-1', '+1'];
const numbers = [
  '', '0', '1', '7', '8', '08', '09', '010', '0377', '0400', '255', '256', '65535', '65536', '16777215', '16777216',
  '4294967295', '4294967296', '0x', '0X', '0xff', '0xFf', '0x100', '0xffffffff', '0x100000000', '0xg', '00', '0x0x',
  '037777777777', '040000000000', '18446744073709551616', '0x10000000000000000', '99999999999999999999999', 'a', '1e1',
  '-1', '+1', '00000000000000000000000000000001', '0x00000000000000000000000000000001', '0xfg', '1a', '0b1',
];
const mutations = [
  ...'/\\?#@:[]%.0123456789abcfghpstwxX-+_<>^|~`{}"\'!$&()*,;=', '::', '//', '%2e', '%5', '0x', '\u007f', '\u0080',
  'é', '１', '。', '😀', '\ufeff', '\u0000', '\t', '\n', ' ', 'xn--', '.1', 'C|', 'C:', 'https:', 'file:',
];

const mostly = (random, usual, odd) => (random.below(4) ? usual : random.pick(odd));

const ipv4 = (random) =>
  Array.from({ length: 1 + random.below(5) }, () => random.pick(numbers)).join('.') + random.pick(['', '', '', '.', '..']);

const smallIpv4 = (random) =>
  Array.from({ length: random.pick([4, 4, 4, 4, 3, 5]) }, () => random.pick(octets.slice(1, random.pick([8, 14])))).join('.');

/** Half of them near to valid ones: as many groups as there may be, at most one of them empty. */
function ipv6(random) {
  const fine = random.below(2);
  const parts = Array.from({ length: fine ? 1 + random.below(8) : random.below(10) }, () =>
    random.pick(fine ? groups.slice(1, 7) : groups),
  );
  if (random.below(2)) parts.splice(random.below(parts.length + 1), 0, random.pick(['', '', ':']));
  if (random.below(3) === 0) parts.push(smallIpv4(random));
  return parts.join(':') + mostly(random, '', ['::', ':', '%1', '%25eth0', '.', ' ', 'é']);
}

const bracketed = (random) =>
  mostly(random, '[', ['', '[[', 'a[']) + ipv6(random) + mostly(random, ']', ['', ']]', ']a', '].']);

function host(random) {
  const makers = [
    () => random.pick(names),
    () => random.pick(names),
    () => random.many(3, () => random.pick(names)).join('.'),
    () => random.pick(codedNames),
    () => random.many(4, () => random.pick(random.below(2) ? names : codedNames)).join(random.pick(['.', ''])),
    () => ipv4(random),
    () => `${random.pick(names)}.${ipv4(random)}`,
    () => bracketed(random),
    () => random.many(6, () => random.pick(mutations)).join(''),
    () => '',
  ];
  return random.pick(makers)();
}

const afterScheme = (random) =>
  mostly(random, '//', oddSlashes) + mostly(random, '', oddUsers) + host(random) +
  mostly(random, '', oddPorts) + random.pick(tails);

const special = (random) => `${random.pick(specialSchemes)}:${afterScheme(random)}`;
const other = (random) =>
  random.pick(otherSchemes) + random.pick([':', ':', ':', ':', ':', '']) + afterScheme(random);
const file = (random) =>
  random.pick(['file:', 'FILE:']) + mostly(random, '//', oddSlashes) +
  (random.below(3) ? host(random) : random.pick(drives)) + random.pick(tails);

/** A few random edits: something put in or in place of a character, one cut out, two swapped. */
function mutated(random) {
  const characters = [...random.pick([special, special, other, file])(random)];
  for (let edits = 1 + random.below(3); edits > 0; edits--) {
    const at = random.below(characters.length + 1);
    const removed = characters.splice(at, random.below(3));
    const added = [random.pick(mutations), '', removed.reverse().join('')];
    characters.splice(at, 0, ...random.pick(added));
  }
  return characters.join('');
}

/** Host and port of a special scheme, as written, and what is around them. */
function splitAtHost(text) {
  const start = /^(?:(?:https?|wss?|ftp):[/\\]*|file:[/\\]{2})/i.exec(text)?.[0];
  if (start === undefined) return [text, '', ''];
  const authority = /^[^/\\?#]*/.exec(text.slice(start.length))[0];
  const before = start.length + authority.lastIndexOf('@') + 1;
  const after = start.length + authority.length;
  return [text.slice(0, before), text.slice(before, after), text.slice(after)];
}

function kindInNode(text) {
  if (!URL.canParse(text)) return 'invalid';
  const { protocol } = new URL(text);
  return { 'https:': 'https', 'http:': 'http' }[protocol] ?? 'other';
}

/** What Node says, but for the differences that src/proto/url.h lists. */
function expectedKind(text) {
  const [before, host, after] = splitAtHost(text);
  const isForeign = /[^\0-\x7f]|%[89a-f][0-9a-f]/i.test(host);
  if (isForeign || /[\0- ]/.test(text) || Buffer.byteLength(text) > longest) return 'invalid';
  // A label that is any other text, since what it would decode to is not asked.
  const undecoded = host.replace(/(x|%[57]8)(n|%[46]e)(-|%2d){2}/gi, 'xn-0');
  return kindInNode(before + undecoded + after);
}

function kindsInRelay(texts) {
  const input = texts.map((text) => `${Buffer.from(text).toString('hex')}\n`).join('');
  const { stdout, stderr, status } = spawnSync(process.env.URL_CLASSIFY_BINARY, { input, encoding: 'utf8', maxBuffer: 2 ** 26 });
  assert.equal(status, 0, stderr);
  return stdout.trimEnd().split('\n');
}

/** Compares `count` texts; how many were of each kind, and the differences. */
function compare(random, make, count) {
  const kinds = {};
  const differences = [];
  for (let left = count; left > 0; left -= batchSize) {
    const texts = Array.from({ length: Math.min(left, batchSize) }, () => make(random));
    const found = kindsInRelay(texts);
    assert.equal(found.length, texts.length);
    texts.forEach((text, i) => {
      const expected = expectedKind(text);
      kinds[expected] = (kinds[expected] ?? 0) + 1;
      if (found[i] !== expected) differences.push(`${JSON.stringify(text)}: ${found[i]}, not ${expected}`);
    });
  }
  return { kinds, differences };
}

describe('URLs are what they are in a browser', () => {
  Object.entries({ special, other, file, mutated }).forEach(([name, make], stream) => {
    it(`${textCount} texts, ${name}, seed ${seed}`, (test) => {
      const { kinds, differences } = compare(new Random(stream), make, textCount);
      test.diagnostic(JSON.stringify(kinds));
      assert.deepEqual(differences.slice(0, shownDifferences), [], `${differences.length} differ`);
      // Neither verdict is rare, or little was compared.
      const invalid = kinds.invalid / textCount;
      assert.ok(invalid > 0.2 && invalid < 0.8, `${invalid} of the texts are invalid`);
    });
  });
});
