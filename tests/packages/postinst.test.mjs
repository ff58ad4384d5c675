// What the package does with a relay that runs when it is upgraded. systemctl is a stand-in.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { binary, Server } from '../blackbox/support/server.mjs';
import { repository } from './support/dockerfile.mjs';

describe('debian/party-sockets.postinst', () => {
  let folder;
  let server;
  beforeEach(() => (folder = mkdtempSync(path.join(os.tmpdir(), 'party-postinst-'))));
  afterEach(() => {
    server?.kill();
    rmSync(folder, { recursive: true });
  });

  /** Runs the script, with `pid` as what systemctl says, and the binary under test as the installed one. */
  async function configure(pid, before = '0.0.9') {
    const text = readFileSync(path.join(repository, 'debian/party-sockets.postinst'), 'utf8')
      .replace('/usr/bin/party-sockets', binary)
      .replace('/run/systemd/system', folder);
    const script = path.join(folder, 'postinst');
    writeFileSync(script, text, { mode: 0o755 });
    writeFileSync(path.join(folder, 'systemctl'), `#!/bin/sh\necho "$*" >> ${folder}/asked\necho ${pid}\n`, {
      mode: 0o755,
    });
    const env = { ...process.env, PATH: `${folder}:${process.env.PATH}` };
    const { stderr } = await promisify(execFile)(script, ['configure', before], { env });
    return stderr;
  }

  it('has the relay that runs replace itself, while people play', async () => {
    server = await Server.start();
    const { members } = await server.room(['host', 'guest']);
    assert.equal(await configure(server.pid), '');
    assert.match(server.stderr, /with 1 room and 2 connections of before/);
    members[0].relay('hello');
    await members[1].expectMessage('host', 'hello');
    assert.equal(
      readFileSync(path.join(folder, 'asked'), 'utf8'),
      'show --property MainPID --value party-sockets.service\n',
    );
    await server.stop();
  });

  it('does nothing when nothing runs', async () => {
    assert.equal(await configure(0), '');
  });

  it('leaves a process alone that can not, and says what to do', async () => {
    const stderr = await configure(process.pid);
    assert.match(stderr, /can't be upgraded[^]*systemctl restart party-sockets when it suits you/);
  });

  it('asks nobody at the first installation', async () => {
    assert.equal(await configure(process.pid, ''), '');
  });
});
