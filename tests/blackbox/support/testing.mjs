// `describe` and `it` of Node's runner. Where the server under test has several nodes, those are
// skipped that mean nothing there, each with its reason (on_nodes.mjs).

import path from 'node:path';
import * as runner from 'node:test';
import { nodeCount } from './nodes.mjs';
import { leftOut, notAtAll } from './on_nodes.mjs';

const file = path.basename(process.argv[1] ?? '', '.test.mjs');

const used = new Set();

function entryOf(list, subject) {
  const entry = list[file]?.find(([names]) => names.test(subject));
  used.add(entry);
  return entry;
}

/** A name that was changed must not leave its entry behind. */
process.once('exit', () => {
  const unused = [leftOut, notAtAll].flatMap((list) => list[file] ?? []).filter((entry) => !used.has(entry));
  if (nodeCount === 1 || unused.length === 0) return;
  console.error(`No such names, see support/on_nodes.mjs: ${unused.map(([names]) => names).join(' ')}`);
  process.exitCode = 1;
});

/** Why a group or a test of this name is left out; undefined: it is not. */
const reasonOf = (subject) => (nodeCount > 1 ? entryOf(leftOut, subject)?.[1] : undefined);

/** To which nodes clients go in a group of this name, see several_nodes.mjs. */
export const nodesOf = (subject) => entryOf(notAtAll, subject)?.[1];

/** As `declare`; what is left out is one test that is skipped, since the runner does not count groups. */
const unlessLeftOut = (declare) => (subject, ...rest) => {
  const reason = reasonOf(subject);
  return reason ? runner.it(subject, { skip: reason }) : declare(subject, ...rest);
};

export const describe = unlessLeftOut(runner.describe);
export const it = unlessLeftOut(runner.it);
