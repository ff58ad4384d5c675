// The two commands of the README's start, in a clean Debian with git, make and a clone, from nothing to green:
// what they need beyond that, scripts/setup installs. Over 20 minutes; alone by
// `make package-test ONLY=newcomer`.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { before, describe, it } from 'node:test';
import { CleanRoot } from '../support/clean_root.mjs';
import { repository } from '../support/dockerfile.mjs';

const readme = readFileSync(path.join(repository, 'README.md'), 'utf8');
const [, start] = /^## Start\n.*?```sh\n(.*?)```/ms.exec(readme);
const commands = start.trim().split('\n').map((line) => line.split('#')[0].trim());

/** What of others lies beside the project, and what needs a control group to be made. */
const maySkip = /^(unit\/json |WebSocket vectors, |measured, .*, 1 skipped$)/;

/** The port that the relay listens on, once it does; what was said before is in the error if it ends. */
async function listeningPort(making) {
  let said = '';
  for (const stream of [making.stdout, making.stderr]) stream.on('data', (text) => (said += text));
  const ended = once(making, 'close').then(() => Promise.reject(new Error(said)));
  const listening = new Promise((resolve) => {
    making.stdout.on('data', () => {
      const [, port] = /listening on http:\/\/\S*:(\d+)/.exec(said) ?? [];
      if (port) resolve(port);
    });
  });
  return Promise.race([listening, ended]);
}

describe("A newcomer's clean Debian", () => {
  let root;
  let clone;
  before(async () => {
    root = await CleanRoot.make('newcomer', ['/dev', '/sys']);
    clone = await root.clone();
    await root.sh('apt-get update -qq && apt-get install -qq -y --no-install-recommends git make');
  });

  it('has two commands to type', () => {
    assert.deepEqual(commands, ['make run', 'make test']);
  });

  it('has a relay that listens by the first', async () => {
    const making = root.start(`PORT=0 ${commands[0]}`, clone); // so that it may run beside another
    try {
      const port = await listeningPort(making);
      assert.equal((await fetch(`http://127.0.0.1:${port}/health`)).status, 200);
    } finally {
      const ended = once(making, 'close');
      making.kill('SIGKILL'); // unshare takes no other while it waits
      await ended;
    }
  });

  it('is green by the second, and skips what it lacks alone', async () => {
    const said = (await root.sh(commands[1], clone)).trim().split('\n');
    assert.match(said.at(-1), /^\d{4,} passed, 0 failed, \d+ skipped$/);
    const skipped = said.slice(0, -1).filter((line) => / skipped/.test(line));
    assert.deepEqual(skipped.filter((line) => !maySkip.test(line)), []);
  });
});
