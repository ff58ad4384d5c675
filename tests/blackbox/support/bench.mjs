// Runs the load generator (PARTY_BENCH_BINARY) to its end.

import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { slowness } from './deadline.mjs';

const defaultBinary = fileURLToPath(
  new URL('../../../build/asan/bench/party-bench', import.meta.url),
);
const binary = path.resolve(process.env.PARTY_BENCH_BINARY ?? defaultBinary);

/** The least that a relay could do, which is built beside the generator. */
export const floorBinary = path.join(path.dirname(binary), 'party-floor');

/** For `describe` and `it`: why they are skipped, or false. */
export const skip = !existsSync(binary) && `there is no ${binary}`;

const folder = mkdtempSync(path.join(os.tmpdir(), 'party-bench-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
let runs = 0;

/** `{ status, stdout, stderr, report }`; `report` is the JSON it wrote, if it did. */
export function bench(...parameters) {
  const file = path.join(folder, `${runs++}.json`);
  const options = ['--json', file, ...parameters.slice(1)].map(String);
  return new Promise((resolve) => {
    execFile(binary, [parameters[0], ...options], { timeout: 60_000 * slowness }, (error, stdout, stderr) => {
      const report = existsSync(file) ? JSON.parse(readFileSync(file)) : undefined;
      resolve({ status: error ? (error.code ?? error.signal) : 0, stdout, stderr, report });
    });
  });
}
