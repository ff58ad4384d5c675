// Pages of the recipes in the SDK's README, built by bundlers: components that show what a recipe gives them.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import esbuild from 'esbuild';
import { compile } from 'svelte/compiler';
import { build, createLogger } from 'vite';

const client = new URL('../../../client/', import.meta.url);
const modules = fileURLToPath(new URL('../node_modules', import.meta.url));

const readme = readFileSync(new URL('README.md', client), 'utf8');
const found = readme.matchAll(/^The file `([\w-]+)\.js`.*?^```js\n(.*?)^```.*?^```js\n(.*?)^```/gms);

/** By name: the recipe's code, and the line that uses it. */
export const recipes = Object.fromEntries(Array.from(found, ([, name, code, usage]) => [name, { code, usage }]));

/** What a component shows: the recipe's view as JSON. The test finds its party as `party`. */
const shown = `(({ party, peers, state, status, error }) => JSON.stringify({
  room: (globalThis.party = party)?.room, id: party?.id, why: party?.closeReason, peers, state, status,
  error: error?.code,
}))`;

/** Pages of the recipes. `mount(element)` returns how to unmount, and `go(code)` goes to another room. */
const pages = {
  'follow-party': `
    import { followParty } from './follow-party.js';
    export function mount(element) {
      const draw = (text) => (element.title = text);
      USAGE
      const letGoOfAll = followParty(relay, code, (view) => (element.textContent = ${shown}(view)));
      return () => [letGo(), letGoOfAll(), element.replaceChildren()];
    }`,

  react: `
    import { createElement, StrictMode, useEffect } from 'react';
    import { createRoot } from 'react-dom/client';
    import { useParty } from './react.js';
    globalThis.effects = 0;
    function View({ code }) {
      USAGE
      useEffect(() => void effects++, []);
      return ${shown}({ party, peers, state, status, error });
    }
    let root;
    let mounts = 0;
    export function mount(element) {
      root ??= createRoot(element);
      const key = mounts++;
      globalThis.go = (code) => root.render(createElement(StrictMode, null, createElement(View, { key, code })));
      go(globalThis.code);
      return () => root.render(null);
    }`,

  svelte: `
    import { mount as show, unmount } from 'svelte';
    import View from './View.svelte';
    export function mount(element) {
      const view = show(View, { target: element });
      return () => unmount(view);
    }`,

  vue: `
    import { createApp, ref } from 'vue';
    import { useParty } from './vue.js';
    const View = {
      setup() {
        const code = ref(globalThis.code);
        globalThis.go = (next) => (code.value = next);
        USAGE
        return () => ${shown}(view.value);
      },
    };
    export function mount(element) {
      const app = createApp(View);
      app.mount(element);
      return () => app.unmount();
    }`,
};

const svelteView = `<script>
  import { partyStore } from './svelte.js';
  const { relay, code } = globalThis;
  USAGE
</script>
{${shown}($view)}`;

/** Writes the sources of a page into `folder`. */
function writePage(folder, name) {
  const { usage } = recipes[name];
  mkdirSync(folder);
  for (const [file, { code }] of Object.entries(recipes)) writeFileSync(path.join(folder, `${file}.js`), code);
  writeFileSync(path.join(folder, 'View.svelte'), svelteView.replace('USAGE', () => recipes.svelte.usage));
  writeFileSync(path.join(folder, 'page.js'), pages[name].replace('USAGE', () => usage));
  writeFileSync(path.join(folder, 'index.html'), '<script type="module" src="main.js"></script>');
  const main = `import { mount } from './page.js';
    const element = document.body.appendChild(document.createElement('output'));
    const unmounts = [];
    globalThis.mount = () => void unmounts.push(mount(element));
    globalThis.unmount = () => void unmounts.pop()();`;
  writeFileSync(path.join(folder, 'main.js'), main);
}

const aliases = { 'party-sockets': fileURLToPath(new URL('party-sockets.js', client)) };
const development = { 'process.env.NODE_ENV': '"development"' }; // in which React mounts twice

async function buildWithEsbuild(folder) {
  const svelte = {
    name: 'svelte',
    setup: ({ onLoad }) =>
      onLoad({ filter: /\.svelte$/ }, ({ path: file }) => {
        const { js, warnings } = compile(readFileSync(file, 'utf8'), { filename: file });
        return { contents: js.code, warnings: warnings.map(({ message: text }) => ({ text })) };
      }),
  };
  const { warnings } = await esbuild.build({
    absWorkingDir: folder,
    entryPoints: ['main.js'],
    outfile: 'dist/main.js',
    bundle: true,
    format: 'esm',
    conditions: ['svelte'],
    nodePaths: [modules],
    alias: aliases,
    define: development,
    plugins: [svelte],
    logLevel: 'silent',
  });
  return warnings;
}

async function buildWithVite(folder) {
  const warnings = [];
  const log = createLogger('warn');
  for (const level of ['warn', 'warnOnce', 'error']) log[level] = (text) => warnings.push(text);
  const vue = path.join(modules, 'vue/dist/vue.runtime.esm-bundler.js');
  await build({
    root: folder,
    configFile: false,
    customLogger: log,
    resolve: { alias: { ...aliases, vue } },
    build: { modulePreload: false, rollupOptions: { output: { entryFileNames: 'main.js' } } },
  });
  return warnings;
}

const builders = {
  'follow-party': buildWithEsbuild,
  react: buildWithEsbuild,
  svelte: buildWithEsbuild,
  vue: buildWithVite,
};

/** Builds the page of a recipe into `dist/main.js` of a new folder, and returns the bundler's warnings. */
export function buildPage(folder, name) {
  writePage(folder, name);
  return builders[name](folder);
}
