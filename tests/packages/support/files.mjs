import { readdirSync } from 'node:fs';
import path from 'node:path';

/** The paths of all files below a folder, sorted. */
export function filesBelow(root) {
  return readdirSync(root, { withFileTypes: true })
    .flatMap((entry) => {
      const file = path.join(root, entry.name);
      return entry.isDirectory() ? filesBelow(file) : [file];
    })
    .sort();
}
