// The Dockerfile's first stage, step by step in a clean Debian, which is not quite the slim image
// but has no more that matters. What it makes becomes build/clean/image, and container.test.mjs judges
// it.

import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { it } from 'node:test';
import { CleanRoot, folder, knownFiles, run } from '../support/clean_root.mjs';
import { buildStage, isIgnored, repository } from '../support/dockerfile.mjs';
import * as image from '../support/image.mjs';

const sentFiles = async () => (await knownFiles()).filter((file) => !isIgnored(file));

function copyInto(root, file, target) {
  mkdirSync(path.dirname(root.file(target)), { recursive: true });
  copyFileSync(path.join(repository, file), root.file(target));
}

async function copy(root, rest, workingFolder) {
  const [source, target] = rest.split(' ');
  const files = source === '.' ? await sentFiles() : [source];
  for (const file of files)
    copyInto(root, file, path.join(workingFolder, source === '.' ? file : target));
}

/** Carries out one instruction; returns the working folder, which it may have changed. */
async function follow(root, { name, rest }, workingFolder) {
  if (name === 'WORKDIR') {
    mkdirSync(root.file(rest), { recursive: true });
    return rest;
  }
  if (name === 'RUN') await root.sh(rest, workingFolder);
  else if (name === 'COPY') await copy(root, rest, workingFolder);
  else throw new Error(`${name} is not understood`);
  return workingFolder;
}

it('The Dockerfile builds the image in a clean Debian', async () => {
  const root = await CleanRoot.make('build');
  const [from, ...steps] = buildStage;
  assert.match(from.rest, /^debian:bookworm-slim AS build$/);
  let workingFolder = '/';
  for (const step of steps) workingFolder = await follow(root, step, workingFolder);
  await run('cp', '--archive', root.file(image.built), path.join(folder, 'image'));
});
