// The package in pages that a bundler builds. The page's script runs in Node, with the globals of a page.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import esbuild from 'esbuild';
import { rollup } from 'rollup';
import { build, createLogger } from 'vite';
import webpack from 'webpack';
import WebSocket from 'ws';
import { World } from './world.mjs';

const client = fileURLToPath(new URL('../../../client/', import.meta.url));
const onlyOnceInTheModule = 'Nothing here is random';
const page = 'http://localhost:5173/assets/';

const game = `import { Party } from 'party-sockets';
  globalThis.game = Party.create(relay).then((party) => [party.protocol, party.leave()][0]);
  globalThis.lost = Party.create();
  globalThis.lost.catch(() => {});`;

/** Each builds `game.js` of the folder `root` into `game.mjs` of the folder `out`, and returns its warnings. */
const bundlers = {
  async Vite(root, out, format) {
    const warnings = [];
    const log = createLogger('warn');
    for (const level of ['warn', 'warnOnce', 'error']) log[level] = (text) => warnings.push(text);
    writeFileSync(path.join(root, 'index.html'), '<script type="module" src="/game.js"></script>');
    const rollupOptions = { output: { format, entryFileNames: 'game.mjs' } };
    const settings = { outDir: out, emptyOutDir: true, modulePreload: false, rollupOptions };
    await build({ root, configFile: false, customLogger: log, build: settings });
    rmSync(path.join(out, 'index.html'));
    return warnings;
  },

  async esbuild(root, out, format) {
    const { warnings } = await esbuild.build({
      absWorkingDir: root,
      entryPoints: ['game.js'],
      outfile: path.join(out, 'game.mjs'),
      bundle: true,
      minify: true,
      format: { es: 'esm' }[format] ?? format,
      logLevel: 'silent',
    });
    return warnings;
  },

  async webpack(root, out, format) {
    const compiler = webpack({
      context: root,
      mode: 'production',
      target: 'web',
      entry: './game.js',
      experiments: { outputModule: format === 'es' },
      output: { path: out, filename: 'game.mjs', module: format === 'es' },
    });
    const stats = await promisify(compiler.run.bind(compiler))();
    await promisify(compiler.close.bind(compiler))();
    const { errors, warnings } = stats.toJson({ all: false, errors: true, warnings: true });
    return [...errors, ...warnings];
  },

  async Rollup(root, out, format) {
    const warnings = [];
    const { resolve } = createRequire(path.join(root, 'game.js'));
    const installed = { name: 'installed', resolveId: (name) => (name === 'party-sockets' ? resolve(name) : null) };
    const input = path.join(root, 'game.js');
    const bundle = await rollup({ input, plugins: [installed], onLog: (level, log) => warnings.push(log.message) });
    await bundle.write({ file: path.join(out, 'game.mjs'), format });
    await bundle.close();
    return warnings;
  },
};

describe('A page that is bundled', () => {
  let world;
  let root; // with the package installed
  before(async () => {
    world = await World.start();
    root = mkdtempSync(path.join(os.tmpdir(), 'party-sockets-'));
    const run = (...parameters) => promisify(execFile)('npm', parameters, { cwd: root });
    await run('pack', '--silent', client);
    const [packed] = readdirSync(root);
    writeFileSync(path.join(root, 'package.json'), '{"private":true,"type":"module"}');
    await run('install', '--offline', '--no-audit', '--no-fund', '--silent', `./${packed}`);
    writeFileSync(path.join(root, 'game.js'), game.replace('relay', `'${world.url}'`));
  });
  after(async () => {
    rmSync(root, { recursive: true });
    await world.stop();
  });

  for (const bundler of Object.keys(bundlers)) for (const format of ['es', 'iife'])
    it(`by ${bundler} as ${format} has the module once, without warnings, and names its relay`, async () => {
      const out = path.join(root, `${bundler}-${format}`);
      mkdirSync(out);
      assert.deepEqual(await bundlers[bundler](root, out, format), []);
      assert.deepEqual(readdirSync(out), ['game.mjs']); // and no second copy beside it
      const script = readFileSync(path.join(out, 'game.mjs'), 'utf8');
      assert.equal(script.split(onlyOnceInTheModule).length - 1, 1);
      const own = ['WebSocket', 'document', 'game', 'lost'].map((name) => [name, globalThis[name]]);
      try {
        globalThis.WebSocket = WebSocket;
        globalThis.document = { baseURI: page };
        const served = path.join(out, 'served.mjs'); // which a page has from its server, and Node from a file
        writeFileSync(served, script.replaceAll('import.meta.url', JSON.stringify(`${page}game.mjs`)));
        await import(pathToFileURL(served));
        await assert.rejects(globalThis.lost, { code: 'bad-address', message: /^Name the address/ });
        assert.equal(await globalThis.game, 3);
      } finally {
        for (const [name, value] of own) globalThis[name] = value;
      }
    });
});
