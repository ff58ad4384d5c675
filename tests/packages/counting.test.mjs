// What tests/run makes of what the suites print: how many passed, failed and were skipped.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { repository } from './support/dockerfile.mjs';

const folder = mkdtempSync(path.join(os.tmpdir(), 'party-counting-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** The last line of a run that consists of these shell commands, and its status. */
function count(commands) {
  const script = `logs=${folder}; . tests/support/counting.sh; ${commands}; tell`;
  const { NODE_TEST_CONTEXT, ...env } = process.env; // Node's own, for runners within a test
  const { status, stdout } = spawnSync('bash', ['-uc', script], { cwd: repository, env });
  return [stdout.toString().trim().split('\n').at(-1), status];
}

/** The same of a program that has printed this. */
function tap(text, status = 0) {
  const log = path.join(folder, 'program.log');
  writeFileSync(log, text);
  return count(`tap_add "a program" ${status} ${log}`);
}

describe('A program that prints TAP', () => {
  it('has passed and failed tests', () => {
    assert.deepEqual(tap('1..3\nok 1 - a\nnot ok 2 - b\nok 3 - c\n', 1), [
      '2 passed, 1 failed, 0 skipped', 1,
    ]);
  });

  it('has skipped tests, as cmocka says it and as the protocol does', () => {
    assert.deepEqual(tap('1..3\nok 1 - a\nnot ok 2 # SKIP b\nok 3 - c # skip no data\n'), [
      '1 passed, 0 failed, 2 skipped', 0,
    ]);
  });

  it('has failed when it ends badly or without a test', () => {
    assert.deepEqual(tap('1..2\nok 1 - a\n', 1), ['1 passed, 1 failed, 0 skipped', 1]);
    assert.deepEqual(tap('not ok 1 # SKIP a\n', 139), ['0 passed, 1 failed, 1 skipped', 1]);
    assert.deepEqual(tap(''), ['0 passed, 1 failed, 0 skipped', 1]);
  });
});

describe('What Meson runs', () => {
  /** The last line for a test log of Meson's, and what was kept of its tests. */
  function meson(...tests) {
    const build = path.join(folder, 'build');
    mkdirSync(path.join(build, 'meson-logs'), { recursive: true });
    const lines = tests.map((test) => `${JSON.stringify(test)}\n`).join('');
    writeFileSync(path.join(build, 'given'), lines);
    // Stands in for Meson, which leaves such a log.
    return count(`meson() { cp ${build}/given ${build}/meson-logs/testlog.json; }; meson_tests ${build}`);
  }
  const unit = { name: 'party-sockets:unit / json', returncode: 0, stdout: '1..2\nok 1 - a\nok 2 - b\n' };

  it('is counted by what each program printed', () => {
    const other = { name: 'fuzz / json', returncode: 1, stdout: 'ok 1 - c\nnot ok 2 - d\n', stderr: 'd is wrong' };
    assert.deepEqual(meson(unit, other), ['3 passed, 1 failed, 0 skipped', 1]);
    assert.match(readFileSync(path.join(folder, 'fuzz-json.log'), 'utf8'), /not ok 2 - d\nd is wrong/);
  });

  it('has failed when a program died or printed nothing, and when Meson ran nothing', () => {
    assert.deepEqual(meson({ ...unit, returncode: -6 }), ['2 passed, 1 failed, 0 skipped', 1]);
    assert.deepEqual(meson({ name: 'unit / x', returncode: 0 }), ['0 passed, 1 failed, 0 skipped', 1]);
    const ended = count(`meson() { cp ${folder}/build/given ${folder}/build/meson-logs/testlog.json; return 137; };` +
      `printf '%s\\n' '${JSON.stringify(unit)}' > ${folder}/build/given; meson_tests ${folder}/build`);
    assert.deepEqual(ended, ['2 passed, 1 failed, 0 skipped', 1]);
    const nothing = count(`meson() { false; }; meson_tests ${folder}/nowhere`);
    assert.deepEqual(nothing, ['0 passed, 1 failed, 0 skipped', 1]);
  });
});

describe("Node's own runner", () => {
  const node = (body) => {
    const text = `import { describe, it } from 'node:test';\n${body}`;
    writeFileSync(path.join(folder, 'some.test.mjs'), text);
    return count(`node_tests node ${folder}`);
  };

  it('has passed, failed and skipped tests', () => {
    const body = `describe('all', () => {
      it('a', () => {});
      it('b', () => { throw new Error('b'); });
      it('c', (test) => test.skip('no data'));
      it.skip('d', () => {});
    });`;
    assert.deepEqual(node(body), ['1 passed, 1 failed, 2 skipped', 1]);
    assert.deepEqual(node(`it('a', () => {}); it.skip('b', () => {});`), [
      '1 passed, 0 failed, 1 skipped', 0,
    ]);
  });

  it('has failed when there is no test', () => {
    assert.deepEqual(node(`describe('all', () => {});`), ['0 passed, 1 failed, 0 skipped', 1]);
  });

  it('has failed when a test never ends', () => {
    const body = `it('a', () => {}); it('b', () => new Promise(() => {}));`;
    assert.deepEqual(node(body), ['1 passed, 1 failed, 0 skipped', 1]);
  });
});

describe('A suite that is skipped as a whole', () => {
  it('is one skipped test, and no reason to fail', () => {
    const line = '1 passed, 0 failed, 1 skipped';
    assert.deepEqual(count('skip "the vectors" "no folder of them"; add a 1 0 0 log'), [line, 0]);
  });

  it('is a reason to fail when nothing else was tested', () => {
    const line = '0 passed, 0 failed, 1 skipped';
    assert.deepEqual(count('skip "the vectors" "no folder of them"'), [line, 1]);
  });
});

describe('A server for the suites', () => {
  /** What becomes of it when it says this, and over which pollers the suites run. */
  function starts(says) {
    const binary = path.join(folder, 'server');
    writeFileSync(binary, `#!/bin/bash\n${says}\nsleep 10\n`, { mode: 0o755 });
    return count(`add a 1 0 0 log; find_pollers ${binary}; add "\${pollers[*]}" \${#pollers[@]} 0 0 log`);
  }

  it('is tested over each poller with which it starts', () => {
    assert.deepEqual(starts('echo party-sockets listening on http://localhost:1'), [
      '3 passed, 0 failed, 0 skipped', 0,
    ]);
  });

  it('is not tested over io_uring where the kernel lacks that', () => {
    const lacks = 'party-sockets: --poller io_uring: the kernel does not have it (Linux 6.1) or does not allow it';
    const says = `if [[ $* == *io_uring* ]]; then echo "${lacks}"; exit 2; else echo listening; fi`;
    assert.deepEqual(starts(says), ['2 passed, 0 failed, 1 skipped', 0]);
  });

  it('has failed when it does not start', () => {
    assert.deepEqual(starts('echo "runtime error: boom"; exit 1'), ['1 passed, 2 failed, 0 skipped', 1]);
  });
});
