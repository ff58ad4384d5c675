// The package as others get it: its types, what it consists of, and its README's snippet.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import vm from 'node:vm';
import { gzipSync } from 'node:zlib';
import esbuild from 'esbuild';
import ts from 'typescript';
import WebSocket from 'ws';
import * as sdk from '../../../client/party-sockets.js';
import { eventually, slowness } from '../support/deadline.mjs';
import { World } from './world.mjs';

const client = new URL('../../../client/', import.meta.url);
const read = (name) => readFileSync(new URL(name, client), 'utf8');

const packedFiles = [
  'LICENSE', 'README.md', 'package.json', 'party-lobby.d.ts', 'party-lobby.js', 'party-sockets.d.ts',
  'party-sockets.js',
];

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
    assert.deepEqual(read('party-lobby.js').match(/^import .*|(import|require)\(.*/gm), [
      "import { Party } from './party-sockets.js';",
    ]);
    const imports = read('party-sockets.js').match(/import\(.*\)/g);
    assert.equal(imports.length, 1); // and that one bundlers leave alone: it names no module
    assert.match(imports[0], /\* webpackIgnore: true \*.* @vite-ignore \*\/ name\)/);
    const { stdout } = await promisify(execFile)('npm', ['pack', '--dry-run', '--json'], {
      cwd: fileURLToPath(client),
    });
    const [{ files }] = JSON.parse(stdout);
    assert.deepEqual(
      files.map(({ path }) => path).sort(),
      packedFiles,
    );
  });

  const sizes = [
    ['party-sockets.js', /the SDK has less than (\d+) KB/],
    ['party-lobby.js', /the lobby has less than ([\d.]+) KB/],
  ];
  for (const [name, promise] of sizes) it(`is as small as its README says: ${name}`, async () => {
    const { code } = await esbuild.transform(read(name), { minify: true, format: 'esm', target: 'es2022' });
    const size = gzipSync(code, { level: 9 }).length;
    const [, kilobytes] = promise.exec(read('README.md').replace(/\s+/g, ' '));
    assert.ok(size < kilobytes * 1024, `${size} bytes`);
    console.log(`${name}, minified and gzipped: ${size} bytes`);
  });

  it('has a lobby that servers may import, and types that name all that it exports', async () => {
    const exported = Object.keys(await import('../../../client/party-lobby.js')).sort();
    const declared = read('party-lobby.d.ts').matchAll(/^export (?:class|const) (\w+)/gm);
    assert.deepEqual(Array.from(declared, ([, name]) => name).sort(), exported);
  });

  it('has the licence of the project', () => {
    assert.equal(read('LICENSE'), read('../LICENSE'));
  });

  for (const source of ['the packed file', 'the relay']) it(`works for who installs it from ${source}`, async () => {
    const world = await World.start();
    const folder = mkdtempSync(path.join(os.tmpdir(), 'party-sockets-'));
    const run = (file, parameters) => promisify(execFile)(file, parameters, { cwd: folder });
    try {
      let packed = `${world.url.replace('ws:', 'http:')}/party-sockets.tgz`;
      if (source === 'the packed file') {
        await run('npm', ['pack', '--silent', fileURLToPath(client)]);
        packed = `./${readdirSync(folder)[0]}`;
      }
      writeFileSync(path.join(folder, 'package.json'), '{"private":true,"type":"module"}');
      const offline = source === 'the packed file' ? ['--offline'] : []; // it says no to the relay, too
      await run('npm', ['install', ...offline, '--no-audit', '--no-fund', '--silent', packed]);
      const ws = pathToFileURL(createRequire(import.meta.url).resolve('ws')).href; // Node 18 needs that
      const program = `import { Party, PartyError } from 'party-sockets';
        import * as ws from ${JSON.stringify(ws)};
        const options = { WebSocket: ws.WebSocket ?? ws.default.WebSocket };
        const host = await Party.create('${world.url}', options);
        const guest = await Party.join('${world.url}', host.room, options);
        const heard = new Promise((resolve) => host.on('message', (...values) => resolve(values)));
        console.log(await guest.send('host', 'hello'), ...(await heard), new PartyError('a', 'b').code);
        for (const party of [host, guest]) party.leave();`;
      writeFileSync(path.join(folder, 'game.js'), program);
      const { stdout, stderr } = await run(process.execPath, ['game.js']);
      assert.deepEqual([stdout, stderr], ['delivered hello 1 a\n', '']);
      const installed = path.join(folder, 'node_modules/party-sockets');
      assert.deepEqual(readdirSync(installed).sort(), packedFiles);
      for (const name of packedFiles.filter((name) => name !== 'package.json'))
        assert.equal(readFileSync(path.join(installed, name), 'utf8'), read(name));
    } finally {
      rmSync(folder, { recursive: true });
      await world.stop();
    }
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

  /** An engine with the globals of a page, in which sockets do what `behave` says, and time flies. */
  function inPage(page, behave) {
    const sockets = [];
    class Socket {
      readyState = 0;

      constructor() {
        sockets.push(this);
        behave(this, sockets.length);
      }

      fail() {
        setTimeout(() => this.onclose?.({ code: 1006 }));
      }

      close() {}
    }
    const haste = Math.max(2, 20 / slowness);
    return inBareEngine({
      URL,
      clearTimeout,
      setInterval,
      clearInterval,
      setTimeout: (act, milliseconds = 0, ...values) => setTimeout(act, milliseconds / haste, ...values),
      performance: { now: () => performance.now() * haste },
      location: { protocol: 'https:', hostname: 'game.example', href: 'https://game.example/' },
      WebSocket: Socket,
      ...page,
    });
  }

  const entering = (Party, url, options) =>
    Party.create(url, { clientId: 'my own secret, of 16 bytes', ...options });
  const failing = (socket) => socket.fail();

  it('says that a page on https needs a wss:// address', async () => {
    const refuse = () => {
      throw new Error('An insecure WebSocket connection may not be initiated');
    };
    for (const behave of [refuse, failing]) {
      const Party = inPage({}, behave);
      await assert.rejects(entering(Party, 'ws://relay.example', { patience: 1 }), { code: 'mixed-content' });
    }
    const Party = inPage({ location: { protocol: 'http:', hostname: 'game.example' } }, refuse);
    await assert.rejects(entering(Party, 'ws://relay.example'), { code: 'bad-address' });
  });

  it('says that the browser has no permission to reach the local network', async () => {
    const answers = [
      ['wss://192.168.1.20', async () => ({ state: 'prompt' }), 'local-network'],
      ['wss://screen.local', async () => ({ state: 'denied' }), 'local-network'],
      ['wss://192.168.1.20', async () => ({ state: 'granted' }), 'unreachable'],
      ['wss://192.168.1.20', () => Promise.reject(new TypeError('No such permission')), 'unreachable'],
      ['wss://relay.example', async () => ({ state: 'prompt' }), 'unreachable'],
    ];
    for (const [url, query, code] of answers) {
      const Party = inPage({ navigator: { permissions: { query } } }, failing);
      await assert.rejects(entering(Party, url, { patience: 1 }), { code });
    }
  });

  it('says that the browser holds connections back', async () => {
    const hangLater = (socket, number) => number <= 3 && socket.fail();
    await assert.rejects(entering(inPage({}, hangLater), 'wss://relay.example'), { code: 'throttled' });
    await assert.rejects(entering(inPage({}, () => {}), 'wss://relay.example'), { code: 'unreachable' });
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
