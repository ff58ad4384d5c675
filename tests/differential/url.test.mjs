// proto/url against the URL of Node: random texts, of which both say the same, but for what
// src/proto/url.h lists. SEED=<number> takes other texts, TEXTS=<number> so many of each family;
// URL_CLASSIFY_BINARY names another program than that of `make asan`.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

process.env.SEED ??= '1';
const { Random, seed } = await import('../blackbox/support/random.mjs');

const defaultBinary = fileURLToPath(
  new URL('../../build/asan/tests/url_classify', import.meta.url),
);
const binary = process.env.URL_CLASSIFY_BINARY ?? defaultBinary;
const textCount = Number(process.env.TEXTS ?? 5_000);
const batchSize = 50_000;
const longest = 4096; // bytes, URL_LENGTH_MAX
const shownDifferences = 20;

const specialSchemes = ['https', 'https', 'http', 'http', 'HttpS', 'HTTP', 'ws', 'wss', 'ftp'];
const otherSchemes = [
  'a', 'foo', 'javascript', 'data', 'blob', 'mailto', 'httpss', 'htt', 'file1', 'a+b-c.1', '1a',
  '+a', '', 'git+ssh', 'a_b', 'https.', 'h%74tp', 'é', 'ſs',
];
const slashes = ['', '/', '///', '////', '\\', '\\\\', '/\\', '\\/', '\\\\//', '?', '#'];
const users = [
  '@', 'user@', 'user:secret@', ':@', 'a@b@', 'é@', '%zz@', '[@', ']@', '[::1]@', '<|>^@',
];
const ports = [
  ':', ':0', ':80', ':443', ':65535', ':65536', ':99999', ':0000000000000080',
  ':00000000000065536', ':4294967376', ':18446744073709551696', ':+80', ':-1', ':8a', ':80:80',
  ':８０', ':%38', ':0x50', `:${'0'.repeat(300)}1`, `:${'9'.repeat(60)}`,
];
const tails = [
  '', '', '/', '/path', '\\path', '?query', '#fragment', '/../..', '/é%zz<>[]|^', '?é#@:', '/@b',
  '?@', '#@', '\\@c', '/:80', '|', '%', '/%', '\u007f', '\u0085',
];

const plainNames = [
  'example.com', 'Example.COM', 'localhost', 'a', 'a.b.c', 'a_b', '-', '--', '-a-', 'a..b', '.',
  '..', '.a', 'a.', 'a..', '~', '*', "!$&'()*+,;=", '`{}"', 'ab--cd', '1a', 'a1', '1.a', 'a.1',
  'a.1.', 'a.1..', 'a.0x', 'a.0xg', 'a.09', 'a.08.', '0x.a', 'x'.repeat(63), 'x'.repeat(64),
  'x'.repeat(260),
];
const codedNames = [
  '%61', '%2e', '%2E%2e', 'a%2eb', '%31', '%30%78', '1%2e2', '%', '%4', '%4g', '%g4', '%%34%31',
  '%25', '%2541', '%00', '%09', '%20', '%7f', '%2f', '%5C', '%3a80', '%40', '%5b::1%5d', '%3f',
  '%23', '%41%', '%C3%A9', '%ff', '%80', '%c2%ad', '%EF%BC%91', 'é', 'ß', '１', '。', 'a。1',
  '\u00ad', 'ﬀ', '例え.jp', '😀', '\u200d', '\u212a', 'xn--4ca', 'a.xn--4ca', 'xn--', 'xn--a',
  'XN--é', 'xn--4ca.1', '%78n--a', 'x%6E%2d-4ca',
];
const names = [...plainNames, ...codedNames];
const drives = ['C:', 'C|', 'c:', 'C:x', 'C||', 'CC:', 'C', '1:', '%43:', '|', ':', 'é|', 'C:|'];

const goodGroups = ['0', '1', 'f', 'abcd', 'ffff', 'FFFF', '0000'];
const groups = [...goodGroups, '', '00000', '12345', 'g', '%31', '1é'];
const goodOctets = ['0', '1', '9', '10', '99', '100', '255'];
const octets = [...goodOctets, '', '00', '01', '256', '299', '1000', 'a', '-1', '+1'];
const numbers = [
  '', '0', '1', '7', '8', '00', '08', '09', '010', '0377', '0400', '255', '256', '65535', '65536',
  '16777215', '16777216', '4294967295', '4294967296', '18446744073709551616', '9'.repeat(23),
  '037777777777', '040000000000', `${'0'.repeat(31)}1`, '0x', '0X', '0xff', '0xFf', '0x100', '0xg',
  '0xfg', '0x0x', '0xffffffff', '0x100000000', '0x10000000000000000', `0x${'0'.repeat(31)}1`, 'a',
  '1a', '1e1', '0b1', '-1', '+1',
];
const mutations = [
  ...'/\\?#@:[]%.0123456789abcfghpstwxX-+_<>^|~`{}"\'!$&()*,;=', '::', '//', '%2e', '%5', '0x',
  '.1', 'xn--', 'C|', 'C:', 'https:', 'file:', 'é', '１', '。', '😀', '\ufeff', '\u007f', '\u0080',
  '\0', '\t', '\n', ' ',
];

const times = (count, make) => Array.from({ length: count }, make);

/** The usual, or one time out of four something odd. */
const mostly = (random, usual, odd) => (random.below(4) ? usual : random.pick(odd));

const ipv4 = (random) =>
  times(1 + random.below(5), () => random.pick(numbers)).join('.') +
  mostly(random, '', ['.', '..']);

/** The IPv4 address at the end of an IPv6 one; half of them have good parts only. */
function embeddedIpv4(random) {
  const choices = random.below(2) ? octets : goodOctets;
  return times(mostly(random, 4, [3, 5]), () => random.pick(choices)).join('.');
}

/** Half of them have good groups only, but for one that may be empty. */
function ipv6(random) {
  const choices = random.below(2) ? groups : goodGroups;
  const parts = times(random.below(10), () => random.pick(choices));
  if (random.below(2)) parts.splice(random.below(parts.length + 1), 0, random.pick(['', '', ':']));
  if (random.below(3) === 0) parts.push(embeddedIpv4(random));
  return parts.join(':') + mostly(random, '', ['::', ':', '%1', '%25eth0', '.', ' ', 'é']);
}

const bracketed = (random) =>
  mostly(random, '[', ['', '[[', 'a[']) +
  ipv6(random) +
  mostly(random, ']', ['', ']]', ']a', '].']);

function host(random) {
  const makers = [
    () => random.pick(plainNames),
    () => random.pick(plainNames),
    () => random.many(3, () => random.pick(plainNames)).join('.'),
    () => random.pick(codedNames),
    () => random.many(4, () => random.pick(names)).join(random.pick(['.', ''])),
    () => ipv4(random),
    () => `${random.pick(names)}.${ipv4(random)}`,
    () => bracketed(random),
    () => bracketed(random),
    () => random.many(6, () => random.pick(mutations)).join(''),
    () => '',
  ];
  return random.pick(makers)();
}

const afterScheme = (random) =>
  mostly(random, '//', slashes) +
  mostly(random, '', users) +
  host(random) +
  mostly(random, '', ports) +
  random.pick(tails);

const special = (random) => `${random.pick(specialSchemes)}:${afterScheme(random)}`;

const other = (random) =>
  random.pick(otherSchemes) + mostly(random, ':', ['']) + afterScheme(random);

const file = (random) =>
  random.pick(['file:', 'FILE:']) +
  mostly(random, '//', slashes) +
  (random.below(3) ? host(random) : random.pick(drives)) +
  random.pick(tails);

/** A few random edits: something put in, or in place of a piece; a piece cut out or turned. */
function mutated(random) {
  const characters = [...random.pick([special, special, other, file])(random)];
  for (let edits = 1 + random.below(3); edits > 0; edits--) {
    const at = random.below(characters.length + 1);
    const removed = characters.splice(at, random.below(3));
    characters.splice(at, 0, ...random.pick([[random.pick(mutations)], [], removed.reverse()]));
  }
  return characters.join('');
}

/** Host and port where the scheme is special, as written, and what is around them. */
function splitAtHost(text) {
  const start = /^(?:(?:https?|wss?|ftp):[/\\]*|file:[/\\]{2})/i.exec(text)?.[0];
  if (start === undefined) return [text, '', ''];
  const authority = /^[^/\\?#]*/.exec(text.slice(start.length))[0];
  const first = start.length + authority.lastIndexOf('@') + 1;
  const end = start.length + authority.length;
  return [text.slice(0, first), text.slice(first, end), text.slice(end)];
}

function kindInNode(text) {
  try {
    const { protocol } = new URL(text);
    return { 'https:': 'https', 'http:': 'http' }[protocol] ?? 'other';
  } catch {
    return 'invalid';
  }
}

/** What Node says, but for the differences that src/proto/url.h lists. */
function expectedKind(text) {
  const [before, host, after] = splitAtHost(text);
  const isForeign = /[^\0-\x7f]|%[89a-f][0-9a-f]/i.test(host);
  if (isForeign || /[\0- ]/.test(text) || Buffer.byteLength(text) > longest) return 'invalid';
  // Labels like any other, since what they would decode to is not asked.
  const undecoded = host.replace(/(x|%[57]8)(n|%[46]e)(-|%2d){2}/gi, 'xn-0');
  return kindInNode(before + undecoded + after);
}

function kindsInRelay(texts) {
  const input = texts.map((text) => `${Buffer.from(text).toString('hex')}\n`).join('');
  const { stdout, stderr, status, error } = spawnSync(binary, { input, encoding: 'utf8' });
  assert.equal(status, 0, error ?? stderr);
  return stdout.trimEnd().split('\n');
}

/** How many of `count` texts were of each kind, and of which the relay says something else. */
function compare(random, make, count) {
  const kinds = {};
  const differences = [];
  for (let left = count; left > 0; left -= batchSize) {
    const texts = times(Math.min(left, batchSize), () => make(random));
    const found = kindsInRelay(texts);
    assert.equal(found.length, texts.length);
    texts.forEach((text, i) => {
      const expected = expectedKind(text);
      kinds[expected] = (kinds[expected] ?? 0) + 1;
      if (found[i] === expected) return;
      differences.push(`${JSON.stringify(text)} is ${found[i]}, not ${expected}`);
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
      // Were one verdict rare, little would have been compared.
      assert.ok(kinds.invalid > textCount * 0.1 && kinds.invalid < textCount * 0.9);
    });
  });
});
