// Where the kernel does not allow io_uring, as containers often have it.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runToEnd, Server } from '../support/server.mjs';

const environment = { NO_IO_URING: '1' };

describe('Without io_uring', () => {
  it('--poller auto means epoll', async () => {
    const server = await Server.start({ environment: { ...environment, POLLER: 'auto' } });
    try {
      assert.equal(await server.poller(), 'epoll');
      await (await server.client()).create('host');
    } finally {
      await server.disconnectAll();
      await server.stop();
    }
  });

  it('--poller io_uring is refused with a sentence', async () => {
    const { status, stdout, stderr } = await runToEnd(['--poller', 'io_uring'], environment);
    assert.deepEqual({ status, stdout }, { status: 2, stdout: '' });
    assert.match(stderr, /^party-sockets: --poller io_uring: [^\n]+\n$/);
  });
});
