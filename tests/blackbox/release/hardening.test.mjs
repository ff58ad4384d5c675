// The binary itself is read: that it was built as Debian builds what faces the network. A build for
// a sanitizer is not meant.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { binary } from '../support/server.mjs';

async function output(program, ...parameters) {
  const options = { maxBuffer: 1 << 30, env: { ...process.env, LC_ALL: 'C' } };
  return (await promisify(execFile)(program, [...parameters, binary], options)).stdout;
}

describe('The release build', () => {
  let header, segments, dynamic, symbols;

  before(async () => {
    [header, segments, dynamic, symbols] = await Promise.all([
      output('readelf', '--file-header', '--wide'),
      output('readelf', '--segments', '--wide'),
      output('readelf', '--dynamic', '--wide'),
      output('readelf', '--dyn-syms', '--wide'),
    ]);
  });

  it('is loaded at an address that nobody knows (PIE)', () => {
    assert.match(header, /Type: +DYN/);
    assert.match(dynamic, /\(FLAGS_1\).*\bPIE\b/);
  });

  it('has its tables of functions read-only before it runs (full RELRO)', () => {
    assert.match(segments, /GNU_RELRO/);
    assert.match(dynamic, /\(FLAGS(_1)?\).*\b(BIND_)?NOW\b/);
  });

  it('executes nothing on the stack', () => {
    assert.match(segments, /GNU_STACK +\S+ +\S+ +\S+ +\S+ +\S+ +RW +/);
  });

  it('checks what it writes to buffers (_FORTIFY_SOURCE) and its stack frames', () => {
    assert.match(symbols, /\b__\w+_chk\b/);
    assert.match(symbols, /\b__stack_chk_fail\b/);
  });

  it('marks where calls may go, and probes large frames page by page', async (t) => {
    if (!/X86-64/.test(header)) return t.skip('of x86-64 alone');
    const main = await output('objdump', '--disassemble', '--no-show-raw-insn');
    // Of our own code: what is linked in statically was built by others.
    const functions = main.split(/\n\n/);
    const named = (name) => functions.find((one) => one.includes(`<${name}>:`));
    assert.match(named('main'), /<main>:\n.*\bendbr64\b/);
    assert.match(named('loop_thread_run'), /<loop_thread_run>:\n.*\bendbr64\b/);
    assert.ok(functions.some((one) => /sub +\$0x1000,%rsp\n.*or[ql]? +\$0x0,\(%rsp\)/.test(one)));
  });
});
