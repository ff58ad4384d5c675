// `describeWithServer` runs a group of tests once per number of loops (LOOPS_UNDER_TEST, "1,4" by
// default). Each run has a server of its own; its connections are closed after every test, and the
// last test of the group is that the server stops cleanly.

import { after, afterEach, before } from 'node:test';
import { nodeCount } from './nodes.mjs';
import { Server } from './server.mjs';
import { describe, it, nodesOf } from './testing.mjs';
import { Turns } from './turns.mjs';

export const loopCounts = (process.env.LOOPS_UNDER_TEST ?? '1,4').split(',').map(Number);

/** As `describeWithServer`, for servers with these settings. */
export const describeWithSettings =
  (settings) =>
  (subject, body) => {
    for (const loops of loopCounts) {
      describe(`${subject}, with --loops ${loops}`, () => {
        const server = new Server({ loops, nodes: nodesOf(subject), ...settings });
        server.prepare?.();
        before(() => server.start());
        afterEach(() => server.disconnectAll());
        after(() => server.kill());

        body(server);

        it('The server stops with status 0, and no sanitizer complained', () => server.stop());
      });
    }
  };

/** As `describeWithServer`, for servers that are started with these options. */
export const describeWithOptions = (...options) => describeWithSettings({ options });

export const describeWithServer = describeWithOptions();

/**
 * A group of tests, once per number of loops, that run at the same time: each has servers of its
 * own, which it gets from `withServer(settings, work)` and which must stop cleanly.
 */
export function describeAtOnce(subject, body) {
  for (const loops of loopCounts) {
    describe(`${subject}, with --loops ${loops}`, { concurrency: true }, () => {
      body((settings, work) => withServer({ loops, nodes: nodesOf(subject), ...settings }, work), loops);
    });
  }
}

/** Of tests that run at the same time: more clusters would take each other's time. */
const turns = new Turns(nodeCount > 1 ? 6 : Infinity);

const withServer = (settings, work) => turns.take(() => withServerNow(settings, work));

async function withServerNow(settings, work) {
  const server = new Server(settings);
  try {
    await server.start();
    await work(server);
    await server.stop();
  } finally {
    server.kill();
    await server.disconnectAll();
  }
}
