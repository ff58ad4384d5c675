// docs/protocol.md has one table of errors: each error that the relay can refuse with, its code and
// its text, and no other. A code that an example of the page shows exists, too.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { repository } from './support/dockerfile.mjs';

const read = (file) => readFileSync(path.join(repository, file), 'utf8');

/** What `pattern` finds, as "code: text"; its groups are `code` and `text`. */
const errorsIn = (text, pattern) => [...text.matchAll(pattern)].map(({ groups }) => `${groups.code}: ${groups.text}`);

describe('The table of errors', () => {
  const source = errorsIn(read('src/relay/event.h'), /^ {4}X\(\w+, "(?<text>[^"]+)", "(?<code>[a-z0-9-]+)"\)/gm);
  const page = read('docs/protocol.md');
  const section = /^## Errors\n(.*?)^## /ms.exec(page)[1];
  // What stands behind a colon is a detail, such as a placeholder.
  const table = errorsIn(section, /^\| `(?<code>[a-z0-9-]+)` \| `(?<text>[^`:]+)(?:: [^`]*)?` \|/gm);

  it('is read from the source', () => {
    assert.ok(source.length > 20, `${source.length} errors`);
    const lines = read('src/relay/event.h').match(/^ {4}X\(/gm);
    assert.equal(source.length, lines.length, 'each line of event.h is understood');
  });

  for (const error of source)
    it(`has ${error}`, () => assert.ok(table.includes(error), 'no row of docs/protocol.md has this code and text'));

  it('has no other error, and none twice', () => {
    const others = table.filter((error, at) => !source.includes(error) || table.indexOf(error) !== at);
    assert.deepEqual(others, []);
    const rows = section.match(/^\| `[^`]+` \| `[^`]+` \| .* \| [123 ]+ \|$/gm);
    assert.equal(table.length, rows.length, 'each row is understood');
  });

  it('has the codes that the page shows in messages', () => {
    const codes = source.map((error) => error.split(': ')[0]);
    for (const [, code] of page.matchAll(/"code":"([^"]*)"/g)) assert.ok(codes.includes(code), code);
  });
});
