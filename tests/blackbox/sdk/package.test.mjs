// The package as others get it: its types, what it consists of, and its README's snippet.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import vm from 'node:vm';
import ts from 'typescript';
import WebSocket from 'ws';
import * as sdk from '../../../client/party-sockets.js';
import { eventually } from '../support/deadline.mjs';
import { World } from './world.mjs';

const client = new URL('../../../client/', import.meta.url);
const read = (name) => readFileSync(new URL(name, client), 'utf8');

describe('The package', () => {
  it('has types that fit what it does', () => {
    const file = fileURLToPath(new URL('types.ts', import.meta.url));
    const program = ts.createProgram([file], {
      strict: true,
      noEmit: true,
      types: [],
      lib: ['lib.es2022.d.ts', 'lib.dom.d.ts'],
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.NodeNext,
      moduleResolution: ts.ModuleResolutionKind.NodeNext,
    });
    const faults = ts.getPreEmitDiagnostics(program);
    assert.deepEqual(faults.map(({ messageText, start }) => [messageText, start]), []);
  });

  it('declares what it exports, and every member of a party', () => {
    const types = read('party-sockets.d.ts');
    const classes = Array.from(types.matchAll(/^export class (\w+)/gm), ([, name]) => name);
    assert.deepEqual(classes.sort(), Object.keys(sdk).sort());
    const { constructor, ...members } = Object.getOwnPropertyDescriptors(sdk.Party.prototype);
    for (const name of Object.keys(members))
      assert.match(types, new RegExp(`^  (readonly )?${name}\\b`, 'm'), name);
  });

  it('depends on nothing, and is packed without its tests', async () => {
    const manifest = JSON.parse(read('package.json'));
    assert.deepEqual([manifest.dependencies, manifest.scripts], [undefined, undefined]);
    assert.doesNotMatch(read('party-sockets.js'), /^import |require\(/m);
    const imports = read('party-sockets.js').match(/import\(.*\)/g);
    assert.equal(imports.length, 1); // and that one bundlers leave alone: it names no module
    assert.match(imports[0], /\* webpackIgnore: true \*.* @vite-ignore \*\/ name\)/);
    const { stdout } = await promisify(execFile)('npm', ['pack', '--dry-run', '--json'], {
      cwd: fileURLToPath(client),
    });
    const [{ files }] = JSON.parse(stdout);
    assert.deepEqual(
      files.map(({ path }) => path).sort(),
      ['README.md', 'package.json', 'party-sockets.d.ts', 'party-sockets.js'],
    );
  });

  /** The module as a script of an engine with these globals alone, and no modules to import. */
  function inBareEngine(globals) {
    const script = read('party-sockets.js').replaceAll(/^export /gm, '').replaceAll('import.meta.url', '""');
    return vm.runInNewContext(`${script}; Party`, { ...globals });
  }

  it('asks for a clientId where there is no source of random numbers, and takes it', async () => {
    const world = await World.start();
    const globals = { URL, performance, setTimeout, clearTimeout, setInterval, clearInterval };
    const Party = inBareEngine({ ...globals, WebSocket });
    try {
      await assert.rejects(Party.create(world.url), { code: 'not-supported', message: /pass a clientId/ });
      const party = await Party.create(world.url, { clientId: 'my own secret, of 16 bytes or more' });
      assert.equal(party.id, 0);
      party.close();
    } finally {
      await world.stop();
    }
  });

  it("does what its README's snippet says", async () => {
    const world = await World.start();
    const [, snippet] = /```js\n(.*?)```/s.exec(read('README.md'));
    const lines = [];
    const parties = [];
    const through = (enter) => async (url, ...rest) => {
      const options = { WebSocket, ...(typeof rest.at(-1) === 'object' ? rest.pop() : {}) };
      const party = await enter(url.replace(':3000', `:${world.server.port}`), ...rest, options);
      parties.push(party);
      return party;
    };
    const page = vm.createContext({
      Party: { create: through(sdk.Party.create), join: through(sdk.Party.join) },
      console: { log: (...words) => lines.push(words.map((word) => JSON.stringify(word)).join(' ')) },
    });
    await vm.runInContext(`(async () => { ${snippet}; globalThis.joinParty = joinParty; })()`, page);
    await page.joinParty(parties[0].room);
    await eventually(() => lines.length === 3, 'What the snippet prints');
    assert.deepEqual(lines.sort(), [
      '"Join with the code" ' + JSON.stringify(parties[0].room),
      '"player" 1 "says" "hello"',
      '"the screen says" {"welcome":1}',
    ]);
    for (const party of parties) party.close();
    await world.stop();
  });
});
