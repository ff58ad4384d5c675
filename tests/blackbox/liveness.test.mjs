// Silent connections: pings, and the end of those that do not answer.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { slowness } from './support/deadline.mjs';
import { close, json, opcodes, pong } from './support/frames.mjs';
import { describeWithOptions } from './support/suite.mjs';
import { it } from './support/testing.mjs';

const pingInterval = 200 * slowness;
const idleTimeout = 600 * slowness;
const describeWithServer = describeWithOptions(
  '--ping-interval',
  `${pingInterval}ms`,
  '--idle-timeout',
  `${idleTimeout}ms`,
  ...['--max-byte-rate', 0],
);

/** So many pings take twice the idle timeout. */
const pingCount = (2 * idleTimeout) / pingInterval;

describeWithServer('Liveness', (server) => {
  /** A room of one, and a guest of whom nothing is heard unless a test sends something. */
  async function roomWithSilentGuest() {
    const { code, members } = await server.room(['host']);
    const guest = await server.rawWebSocket();
    await guest.join('guest', code);
    await members[0].expect({ type: 'peer_joined', clientId: 'guest' });
    return { host: members[0], guest };
  }

  async function nextPing(connection) {
    const { opcode, payload } = await connection.readFrame();
    assert.equal(opcode, opcodes.ping);
    return payload;
  }

  async function expectToLeave(host) {
    await host.expect({ type: 'peer_left', clientId: 'guest' });
    await host.expectSilence();
  }

  it('A silent connection is pinged, in a room or not', async () => {
    const { guest } = await roomWithSilentGuest();
    await nextPing(guest);
    await nextPing(await server.rawWebSocket());
  });

  it('One that never answers is gone after the idle timeout, and this is heard once', async () => {
    const start = Date.now();
    const { host } = await roomWithSilentGuest();
    await expectToLeave(host);
    assert.ok(Date.now() - start >= idleTimeout);
  });

  it('A connection in no room that never answers is ended', async () => {
    const silent = await server.rawWebSocket();
    await silent.whenGone();
  });

  it('What the server sends does not keep a silent connection alive', async () => {
    const { host } = await roomWithSilentGuest();
    const timer = setInterval(() => host.relay('anybody there?'), pingInterval / 4);
    try {
      await host.expect({ type: 'peer_left', clientId: 'guest' });
    } finally {
      clearInterval(timer);
    }
  });

  it('A connection that answers pings stays', async () => {
    const { host, guest } = await roomWithSilentGuest();
    for (let count = 0; count < pingCount; count++) guest.write(pong(await nextPing(guest)));
    guest.send({ type: 'send', data: 'here' });
    await host.expectMessage('guest', 'here');
    await host.expectSilence();
  });

  it('Any frame is a sign of life, not only a pong', async () => {
    const { host, guest } = await roomWithSilentGuest();
    for (let count = 0; count < pingCount; count++) {
      await nextPing(guest);
      guest.write(json({ type: 'send', data: count }));
      await host.expectMessage('guest', count);
    }
    await host.expectSilence();
  });

  it('A process that stood still takes nobody for silent', async () => {
    const { host, guest } = await roomWithSilentGuest();
    const answering = (async () => {
      for (;;) guest.write(pong(await nextPing(guest)));
    })().catch(() => {});
    server.signal('SIGSTOP');
    await pause(2 * idleTimeout);
    server.signal('SIGCONT');
    await pause(idleTimeout / 2); // whoever was taken for gone would be by now
    host.relay('still there?', 'guest');
    await host.expectSilence();
    server.signal('SIGSTOP'); // the same with nobody to answer in time
    await pause(2 * idleTimeout);
    server.signal('SIGCONT');
    host.relay('and now?', 'host');
    await host.expectMessage('host', 'and now?');
    guest.terminate();
    await answering;
  });

  /** Reads a long message little by little, for several idle timeouts, and says nothing; how many bytes. */
  async function readSlowly({ host, guest }) {
    let taken = 0;
    await nextPing(guest); // which is not answered
    guest.socket.removeAllListeners('data');
    guest.socket.pause();
    host.relay('x'.repeat(12_000_000), 'guest');
    const begin = Date.now();
    while (Date.now() - begin < 3 * idleTimeout) {
      const { readableLength } = guest.socket;
      taken += guest.socket.read(Math.min(readableLength, 65_536))?.length ?? 0;
      await pause(pingInterval / 16);
    }
    return taken;
  }

  it('One who reads a long message slowly is not silent while it advances', async () => {
    // The kernel may choose a receive buffer that takes the whole message at once: then nothing advances, and
    // another guest tries.
    for (let tries = 1; ; tries++) {
      const { host, guest } = await roomWithSilentGuest();
      const taken = await readSlowly({ host, guest });
      host.relay('still there?', 'guest');
      const answer = host.expectSilence().then(() => true);
      if (!(await (tries < 4 ? answer.catch(() => false) : answer))) continue;
      assert.ok(taken > 0 && taken < 12_000_000, `${taken} bytes were read`);
      guest.terminate();
      await host.expect({ type: 'peer_left', clientId: 'guest' });
      return;
    }
  });

  it('One who stops reading in the middle of it and says nothing is gone in time', async () => {
    const { host, guest } = await roomWithSilentGuest();
    guest.socket.pause();
    host.relay('x'.repeat(12_000_000), 'guest');
    const begin = Date.now();
    await host.expect({ type: 'peer_left', clientId: 'guest' });
    assert.ok(Date.now() - begin < 4 * idleTimeout);
    await host.expectSilence();
    assert.ok((await server.events())['gone after the idle timeout'] > 0);
  });

  it('One who never answers a close is ended all the same', async () => {
    const { host, guest } = await roomWithSilentGuest();
    guest.write(close(1000));
    await host.expect({ type: 'peer_left', clientId: 'guest' });
    await guest.expectClose(1000);
    await guest.whenClosed();
    await host.expectSilence();
  });
});
