import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';

/** The names of what the loader loads for this program or library, the loader itself included. */
export async function neededBy(file) {
  const { stdout } = await promisify(execFile)('readelf', ['--wide', '-d', '-l', file]);
  const libraries = stdout.matchAll(/\(NEEDED\).*\[(.+)\]/g);
  const loaders = stdout.matchAll(/program interpreter: (.+)\]/g);
  const names = [...libraries, ...loaders].map(([, name]) => path.basename(name));
  return [...new Set(names)].sort();
}
