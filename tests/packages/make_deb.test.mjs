// What scripts/make-deb does around the build of the package, whose place a stand-in has here.
// `make package-test` makes the package itself.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { repository } from './support/dockerfile.mjs';
import { filesBelow } from './support/files.mjs';

const run = promisify(execFile);

describe('scripts/make-deb', () => {
  let folder;
  const file = (name) => path.join(folder, 'tree', name);
  const git = (...parameters) => run('git', ['-C', file(''), ...parameters]);
  const made = () => filesBelow(file('build/deb')).map((name) => path.basename(name));

  /** With a stand-in for dpkg-buildpackage. */
  function makeDeb(commands) {
    const stub = path.join(folder, 'dpkg-buildpackage');
    writeFileSync(stub, `#!/bin/sh\n${commands}\n`, { mode: 0o755 });
    const PATH = `${folder}:${process.env.PATH}`;
    return run(file('scripts/make-deb'), { env: { ...process.env, PATH } });
  }
  const listFiles = 'ls * > ../new.deb';

  beforeEach(async () => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'party-deb-'));
    mkdirSync(file('build/deb'), { recursive: true });
    mkdirSync(file('scripts'));
    cpSync(path.join(repository, 'scripts/make-deb'), file('scripts/make-deb'));
    writeFileSync(file('build/deb/old.deb'), '');
    writeFileSync(file('.gitignore'), '/build/\n');
    writeFileSync(file('tracked'), '');
    await git('init', '--quiet');
    await git('add', '--all');
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('builds what git knows, and what is new and not ignored', async () => {
    writeFileSync(file('new'), '');
    await makeDeb(listFiles);
    assert.deepEqual(made(), ['build.log', 'new.deb']);
    assert.equal(readFileSync(file('build/deb/new.deb'), 'utf8'), 'new\ntracked\n\nscripts:\nmake-deb\n');
  });

  it('says in a sentence that files are missing, and keeps the old package', async () => {
    rmSync(file('tracked'));
    await assert.rejects(makeDeb(listFiles), {
      stderr: 'make deb: files are missing, git restore or git rm them: tracked\n',
    });
    assert.deepEqual(made(), ['old.deb']);
  });

  it('says in a sentence that there is no repository, and keeps the old package', async () => {
    rmSync(file('.git'), { recursive: true });
    await assert.rejects(makeDeb(listFiles), { stderr: /^make deb: this is no git repository.*\n$/ });
    assert.deepEqual(made(), ['old.deb']);
  });

  it('keeps the old package when the new one can not be built, and says why', async () => {
    await assert.rejects(makeDeb('echo the reason; exit 1'), {
      stderr: /^the reason\nmake deb: .*build\.log\n$/,
    });
    assert.deepEqual(made(), ['old.deb']);
  });
});
