// Makes the Debian that the tests beside this copy.

import { makeBase } from '../support/clean_root.mjs';

await makeBase();
