// What the Dockerfile says, as far as it says things that way: one instruction a line, two stages.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const repository = fileURLToPath(new URL('../../../', import.meta.url));

const lines = readFileSync(`${repository}/Dockerfile`, 'utf8').split('\n');
const instructions = lines
  .filter((line) => line && !line.startsWith('#'))
  .map((line) => {
    const [, name, rest] = /^([A-Z]+) (.*)$/.exec(line);
    return { name, rest };
  });
const secondStage = instructions.findLastIndex(({ name }) => name === 'FROM');

/** The instructions of the stage that builds, and of the image that is left. */
export const buildStage = instructions.slice(0, secondStage);
export const imageStage = instructions.slice(secondStage);

/** The only one of its kind in the image's stage. */
export function imageInstruction(wanted) {
  const found = imageStage.filter(({ name }) => name === wanted);
  if (found.length !== 1) throw new Error(`The Dockerfile has ${found.length} ${wanted}`);
  return found[0].rest;
}

/** Whether .dockerignore keeps a file of the repository from the build: the last match decides. */
export function isIgnored(file) {
  const patterns = readFileSync(`${repository}/.dockerignore`, 'utf8').split('\n');
  let ignored = false;
  for (const line of patterns.filter((one) => one && !one.startsWith('#'))) {
    const pattern = line
      .replace(/^!/, '')
      .replace(/[.+]/g, '\\$&')
      .replace(/\*\*\/|\*/g, (stars) => (stars === '*' ? '[^/]*' : '(.*/)?'));
    if (new RegExp(`^${pattern}(/|$)`).test(file)) ignored = !line.startsWith('!');
  }
  return ignored;
}
