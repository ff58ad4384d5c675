// The WebSocket cases of the folder `websocket`, one file for each section of RFC 6455:
//
//     A title, which may have a list: {0 125}
//       send text more "Hel"
//       send continuation {}*"lo"
//       get text "Hello"
//
// Each word of the list is a case of its own, in which it stands for the `{}` of the steps. `send` is
// a frame of a client, `get` one of the server; `send-with-request` goes out together with the request.
// Who gets a close frame gets the end of the stream after it; a case without one goes on to be closed with
// 1000, so that nothing can come unseen.
//
// A frame is its kind (`text`, `binary`, `continuation`, `ping`, `pong`, `close`, `opcode-N`; `bytes` is what
// stands there and no frame), what is special about it, and its payload in any number of parts:
//     more              FIN is not set
//     unmasked, mask=HEX, rsv1, rsv2, rsv3 (several with commas)
//     length16, length64, announces=N    a form of the length, and another length than that of the payload
//     "text", x:HEX     with N* before it N times
//     1000              of a close frame: its code
// `send cut HEX,HEX` is a text in two fragments, and `get text whole HEX,HEX` that text.

import { readdirSync, readFileSync } from 'node:fs';
import { closePayload, frame, opcodes } from '../blackbox/support/frames.mjs';

const folder = new URL('websocket/', import.meta.url);

const hex = (digits) => Buffer.from(digits, 'hex');

/** Words of a line; strings in quotes are one, with what stands before them. */
const wordsOf = (line) => line.match(/(?:\d+\*)?"(?:[^"\\]|\\.)*"|\S+/g);

function partOf(word) {
  const [, count = '1', rest] = /^(?:(\d+)\*)?((?:"|x:).*)$/.exec(word);
  const bytes = rest.startsWith('"') ? Buffer.from(JSON.parse(rest)) : hex(rest.slice(2));
  return Buffer.concat(Array(Number(count)).fill(bytes));
}

const isPart = (word) => /^(\d+\*)?("|x:)/.test(word);

const opcodeOf = (kind) =>
  kind.startsWith('opcode-') ? Number(kind.slice('opcode-'.length)) : opcodes[kind];

/** What a word says about a frame. */
function optionOf(word) {
  const [name, value] = word.split('=');
  if (name === 'more') return { final: false };
  if (name === 'unmasked') return { masked: false };
  if (name === 'mask') return { mask: hex(value) };
  if (name === 'announces') return { length: BigInt(value) };
  if (name.startsWith('length')) return { lengthForm: Number(name.slice('length'.length)) };
  const bits = { rsv1: 4, rsv2: 2, rsv3: 1 };
  return { reserved: name.split(',').reduce((all, bit) => all | bits[bit], 0) };
}

/** What the words behind the kind say: `{ payload, options }`. */
function read(words) {
  const parts = [];
  const options = {};
  for (const word of words) {
    if (isPart(word)) parts.push(partOf(word));
    else if (/^\d+$/.test(word)) parts.push(closePayload(Number(word)));
    else if (/^[0-9a-f]+,[0-9a-f]+$/.test(word)) parts.push(hex(word.replace(',', '')));
    else if (word !== 'whole') Object.assign(options, optionOf(word));
  }
  return { payload: Buffer.concat(parts), options };
}

function sentBytes([kind, ...words]) {
  if (kind === 'cut') {
    const [first, second] = words[0].split(',').map(hex);
    return Buffer.concat([
      frame(opcodes.text, first, { final: false }),
      frame(opcodes.continuation, second),
    ]);
  }
  const { payload, options } = read(words);
  return kind === 'bytes' ? payload : frame(opcodeOf(kind), payload, options);
}

function stepOf(line) {
  const [verb, ...words] = wordsOf(line);
  if (verb === 'get') return { opcode: opcodeOf(words[0]), payload: read(words.slice(1)).payload };
  if (!verb.startsWith('send')) throw new Error(`What is ${line}?`);
  return { bytes: sentBytes(words), isWithRequest: verb === 'send-with-request' };
}

/** The cases of a title with its steps. */
function expand(title, lines) {
  const [, list] = /\{(.+)\}/.exec(title) ?? [];
  const words = list ? list.split(' ') : [''];
  return words.map((word) => ({
    title: title.replace(/\{.+\}/, word),
    steps: lines.map((line) => stepOf(line.replaceAll('{}', word))),
  }));
}

function casesOf(text) {
  const lines = text.split('\n').filter((line) => line && !line.startsWith('#'));
  const found = [];
  for (const line of lines) {
    if (!line.startsWith(' ')) found.push({ title: line, lines: [] });
    else found.at(-1).lines.push(line.trim());
  }
  return found.flatMap(({ title, lines }) => expand(title, lines));
}

/** All of them: `[{ section, cases: [{ title, steps }] }]`; a step has `bytes`, or what is to come. */
export const sections = readdirSync(folder)
  .sort()
  .map((name) => ({
    section: name.replace('.txt', ''),
    cases: casesOf(readFileSync(new URL(name, folder), 'utf8')),
  }));
