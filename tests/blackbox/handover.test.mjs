// What one release hands over, the others read. recorded/handover-1.jsonl is of 0.1.0: three rooms, a member who
// is away, one of the audience, a part of a request, and a fragment of a message. A change of the format must
// leave it readable, or have another number, and its own recording here.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, closeSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { withDeadline } from './support/deadline.mjs';
import { binary } from './support/server.mjs';

const recorded = readFileSync(fileURLToPath(new URL('recorded/handover-1.jsonl', import.meta.url)), 'utf8');
const folder = mkdtempSync(path.join(os.tmpdir(), 'party-handover-'));
after(() => rmSync(folder, { recursive: true }));

/** Starts the program with this and the role: `{ status, stderr }`. A rehearsal that is well has status 86. */
async function restore(text, role, options = []) {
  const file = path.join(folder, 'handover');
  writeFileSync(file, text);
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
const execute = (text) => restore(text, '3 -1 1 -1 2 ');

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

describe('A handover', () => {
  it('of 0.1.0 can be read, whatever the number of loops', async () => {
    for (const loops of [1, 2, 7])
      assert.deepEqual(await rehearse(recorded, ['--loops', loops]), { status: 86, stderr: '' });
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
    ['of another number', changed(0, (line) => line.replace(':1,', ':2,')), /has version 2, this program reads version 1/],
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
  ])
    it(`${what} is refused with the reason`, async () => {
      const { status, stderr } = await rehearse(text);
      assert.match(stderr, why);
      assert.equal(status, 1);
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
