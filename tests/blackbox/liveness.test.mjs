// Silent connections: pings, and the end of those that do not answer.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { slowness } from './support/deadline.mjs';
import { json, opcodes, pong } from './support/frames.mjs';
import { describeWithOptions } from './support/suite.mjs';

const pingInterval = 200 * slowness;
const idleTimeout = 600 * slowness;
const describeWithServer = describeWithOptions(
  '--ping-interval',
  `${pingInterval}ms`,
  '--idle-timeout',
  `${idleTimeout}ms`,
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
});
