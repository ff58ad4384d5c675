// docs/protocol.md names every error that the relay can refuse with.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { repository } from './support/dockerfile.mjs';

const read = (file) => readFileSync(path.join(repository, file), 'utf8');

describe('The table of errors', () => {
  const texts = [...read('src/relay/event.h').matchAll(/^ {4}X\(\w+, "([^"]+)", "[a-z0-9-]+"\)/gm)].map(([, text]) => text);
  const rows = read('docs/protocol.md').split('\n').filter((line) => line.startsWith('| `'));

  it('is read from the source', () => assert.ok(texts.length > 20, `${texts.length} texts`));

  for (const text of texts)
    it(`has \`${text}\``, () => {
      const named = rows.some((row) => row.split(' | ')[0].includes(`\`${text}`));
      assert.ok(named, 'no row of docs/protocol.md begins with it');
    });
});
