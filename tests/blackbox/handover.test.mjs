// What one release hands over, the others read. recorded/handover-1.jsonl is of 0.1.0: three rooms, a member who
// is away, one of the audience, a part of a request, and a fragment of a message. recorded/handover-2 has the same
// and is of two loops; logs are in bytes. A change of the format must leave both readable, or have another number,
// and its own recording here.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, closeSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';
import { withDeadline } from './support/deadline.mjs';
import { binary } from './support/server.mjs';
import { describe, it } from './support/testing.mjs';

const read = (name) => readFileSync(fileURLToPath(new URL(`recorded/${name}`, import.meta.url)), 'latin1');
const recorded = read('handover-1.jsonl');
/** With logs, which are no text: a character of this string is a byte. */
const withLogs = read('handover-2');
const folder = mkdtempSync(path.join(os.tmpdir(), 'party-handover-'));
after(() => rmSync(folder, { recursive: true }));

/** Starts the program with this and the role: `{ status, stderr }`. A rehearsal that is well has status 86. */
async function restore(text, role, options = []) {
  const file = path.join(folder, 'handover');
  writeFileSync(file, text, 'latin1');
  const descriptor = openSync(file, 'r');
  const run = spawn(binary, ['--trust-proxy', '127.0.0.1', ...options], {
    env: { ...process.env, PARTY_SOCKETS_HANDOVER: role },
    stdio: ['ignore', 'ignore', 'pipe', descriptor],
  });
  closeSync(descriptor);
  let stderr = '';
  run.stderr.on('data', (bytes) => (stderr += bytes));
  const [status] = await withDeadline(once(run, 'close'), 'The end of the program');
  return { status, stderr };
}

const rehearse = (text, options) => restore(text, 'rehearse 3', options);
/** As a successor that has no program to go back to. */
const execute = (text, options) => restore(text, '3 -1 1 -1 2 ', options);

const lines = recorded.trimEnd().split('\n');
/** The handover with one line changed. */
const changed = (index, change) =>
  [...lines.slice(0, index), change(lines[index]), ...lines.slice(index + 1), ''].join('\n');

/** The handover with payloads of these numbers before its connections, and output of two members. */
function withPayloads(numbers, first, second = first) {
  const outputs = [first, second];
  const payloads = numbers.map((number) => JSON.stringify({ payload: number, bytes: '81027b7d' }));
  const at = lines.findIndex((line) => line.startsWith('{"connection":'));
  const connections = lines.slice(at).map((line) => {
    const { output, ...rest } = JSON.parse(line);
    const given = rest.room && outputs.shift();
    return JSON.stringify({ ...rest, output: given ?? output });
  });
  return [...lines.slice(0, at), ...payloads, ...connections, ''].join('\n');
}

/** The handover with logs, with other parts; `change` gets their lengths. */
const withParts = (change) =>
  withLogs.replace(/"parts":\[(\d+),(\d+)\]/, (all, first, second) => `"parts":${JSON.stringify(change(+first, +second))}`);

describe('A handover', () => {
  for (const [version, text] of [[1, recorded], [2, withLogs]])
    it(`of version ${version} can be read, whatever the number of loops`, async () => {
      for (const loops of [1, 2, 7])
        assert.deepEqual(await rehearse(text, ['--loops', loops]), { status: 86, stderr: '' });
    });

  it('may have fields of a later release', async () => {
    const later = recorded.replace('{"handover":1,', '{"handover":1,"later":{"a":[1]},').replaceAll(
      '{"connection":',
      '{"connection":',
    ).replaceAll('"state":"open"', '"state":"open","later":[true]').replaceAll('{"version":1,', '{"version":1,"later":1,');
    assert.notEqual(later, recorded);
    assert.deepEqual(await rehearse(later), { status: 86, stderr: '' });
  });

  it('may have payloads that queues share', async () => {
    const shared = withPayloads([1, 2, 1, 2], [[1, 0], '8100', [2, 0]], [[1, 3], [1, 0]]);
    for (const loops of [1, 2, 7]) assert.deepEqual(await rehearse(shared, ['--loops', loops]), { status: 86, stderr: '' });
  });

  for (const [what, text, why] of [
    ['of a later number', changed(0, (line) => line.replace(':1,', ':3,')), /has version 3, this program reads versions 1 to 2/],
    ['of an earlier number', changed(0, (line) => line.replace(':1,', ':0,')), /has version 0, this program reads versions 1 to 2/],
    ['that is none', 'hello\n', /does not begin as one/],
    ['that is empty', '', /can't be taken over/],
    ['with a record of another version', changed(2, (line) => line.replace(':1,', ':2,')), /unknown version/],
    ['with a room twice', changed(4, () => lines[2]), /has the code already/],
    ['without the record of a room', recorded.slice(0, recorded.indexOf(lines[2])), /record of a room is missing/],
    ['with a seat that nobody has', changed(8, (line) => line.replace('"index":1', '"index":7')), /its seat is not there/],
    ['with a seat taken twice', changed(8, (line) => line.replace('"index":1', '"index":0')), /its seat is not there/],
    ['with a state that is none', changed(7, (line) => line.replace('"open"', '"ajar"')), /a field is missing or wrong/],
    ['with a mask that is none', changed(15, (line) => line.replace('"mask":"', '"mask":"x')), /a field is missing or wrong/],
    ['with unread bytes that are none', changed(13, (line) => line.replace('"unread":"', '"unread":"g')), /missing or wrong/],
    ['with a payload that has no number', withPayloads(['x']), /a payload is wrong/],
    ['with a payload out of order', withPayloads([1, 3]), /a payload is wrong/],
    ['with a payload that is none', withPayloads([1], [[2, 0]]), /its output is wrong/],
    ['with a payload all of which was sent', withPayloads([1], [[1, 4]]), /its output is wrong/],
    ['with a payload partly sent behind another', withPayloads([1], [[1, 0], [1, 1]]), /its output is wrong/],
    ['with output that is empty', withPayloads([1], []), /its output is wrong/],
    ['with output that is none', withPayloads([1], [[1]]), /its output is wrong/],
    ['with something else', `${recorded}[1]\n`, /nothing known|missing/],
    ['with a line that has no end', `${recorded}{"connection":18`, /the last line has no end/],
    ['with parts that are none', withParts(() => [1, 'x']), /first line of the handover is wrong/],
    ['with parts of too many loops', withParts(() => Array(65).fill(1)), /first line of the handover is wrong/],
    ['with the code of no room', withLogs.replace(/"roomCode":"/, '$&?'), /the code of a room is wrong/],
    ['with a log cut short', withLogs.slice(0, withLogs.indexOf('for all')), /the log of a room is missing/],
    ['with the length of a log that is none', withLogs.replace('"logBytes":', '$&-'), /the log of a room is missing/],
    ['with a log that is none', withLogs.replace(/("moment":.*\n[^]{10})[^]/, '$1\x7f'), /wrong value: moment/],
  ])
    it(`${what} is refused with the reason`, async () => {
      const { status, stderr } = await rehearse(text);
      assert.match(stderr, why);
      assert.equal(status, 1);
    });

  // Each loop has its part, and the next program a thread for each, if it has as many.
  describe('of two loops, for two threads', () => {
    const all = withLogs.length - withLogs.indexOf('\n') - 1;
    const cases = {
      'with a part of nothing': [withParts(() => [0, all]), /a room is in the part of another loop/],
      'with a part that ends in the middle of a line': [withParts((first, second) => [first + 9, second - 9]), /has no end/],
    };
    for (const [which, [text, why]] of Object.entries(cases))
      it(`${which} is refused with the reason, and read by one thread`, async () => {
        const { status, stderr } = await rehearse(text, ['--loops', 2]);
        assert.match(stderr, why);
        assert.equal(status, 1);
        assert.deepEqual(await rehearse(text, ['--loops', 1]), { status: 86, stderr: '' });
      });

    it('is read by one thread if the lengths are not those of its parts', async () => {
      const text = withParts((first, second) => [first, second + 1]);
      assert.deepEqual(await rehearse(text, ['--loops', 2]), { status: 86, stderr: '' });
    });

    it('may have a connection in both parts at a rehearsal, and at no other time', async () => {
      const end = withLogs.lastIndexOf('{"connection":');
      const twice = withLogs.slice(end);
      const text = withLogs.replace('{"connection":', `${twice}$&`)
        .replace(/"parts":\[(\d+),/, (whole, first) => `"parts":[${+first + twice.length},`);
      assert.deepEqual(await rehearse(text, ['--loops', 2]), { status: 86, stderr: '' });
      const { status, stderr } = await execute(text, ['--loops', 2]);
      assert.match(stderr, /a connection: it is there twice/);
      assert.equal(status, 1);
    });
  });

  // Loops write their parts for a rehearsal at different moments, and for the execution at the same one.
  describe('with a connection twice', () => {
    const again = (index) => `${lines[index]}\n`;
    const bare = again(15).replace(':17,', ':9,'); // before it moved to the loop of its room
    const cases = {
      'that has moved': [...lines.slice(0, 7), bare.trimEnd(), ...lines.slice(7), ''].join('\n'),
      'whose descriptor has another one now': recorded + again(15).replace(':17,', ':12,'),
      'in the same state': recorded + again(15),
    };
    for (const [which, text] of Object.entries(cases))
      it(`${which} is none of a rehearsal's matters, and is refused by a successor`, async () => {
        assert.deepEqual(await rehearse(text), { status: 86, stderr: '' });
        const { status, stderr } = await execute(text);
        assert.match(stderr, /a connection: it is there twice/);
        assert.equal(status, 1);
      });
  });

  it('is refused by a program whose options do not fit', async () => {
    const { status, stderr } = await rehearse(recorded, ['--max-clients-per-room', 1]);
    assert.deepEqual([status, /too many members/.test(stderr)], [1, true]);
  });
});
