// Slow readers: what may wait for them is bounded in bytes and in time. They get every message in
// order up to some point, and are then closed with 1013; nobody else is affected.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { eventually, slowness } from './support/deadline.mjs';
import { opcodes } from './support/frames.mjs';
import { request } from './support/http.mjs';
import { patience } from './support/server.mjs';
import { describeWithOptions, describeWithServer } from './support/suite.mjs';
import { it } from './support/testing.mjs';

const queueBytes = 1_000_000;
const payload = 'x'.repeat(10_000);

/** A room of two and a guest that has stopped reading. */
async function roomWithDeafGuest(server) {
  const { code, members } = await server.room(['host', 'witness']);
  const guest = await server.rawWebSocket();
  await guest.join('guest', code);
  for (const member of members) await member.expect({ type: 'peer_joined', clientId: 'guest' });
  guest.socket.pause();
  const [host, witness] = members;
  return { host, witness, guest };
}

/**
 * The host talks on until it hears that the guest has left, and so does the witness, who misses
 * nothing. Returns how often the host spoke.
 */
async function talkUntilGone(host, witness) {
  const gone = { type: 'peer_left', clientId: 'guest' };
  let hasLeft = false;
  const leaving = host.next().then((event) => {
    assert.deepEqual(event, gone);
    hasLeft = true;
  });
  const heard = [];
  let count = 0;
  while (!hasLeft && count < 20_000) {
    host.relay({ count, payload });
    heard.push(await witness.next());
    count++;
  }
  await leaving;
  heard.push(await witness.next());
  const messages = heard.filter(({ type }) => type === 'message');
  assert.deepEqual(
    messages.map(({ data }) => data.count),
    Array.from({ length: count }, (_, number) => number),
  );
  assert.deepEqual(
    heard.filter(({ type }) => type !== 'message'),
    [gone],
  );
  return count;
}

/** Reads the messages that were queued, checks that none is missing, and the close at the end. */
async function expectUnbrokenPrefix(guest, spoken) {
  guest.socket.resume();
  for (let expected = 0; ; expected++) {
    const frame = await guest.readFrame();
    if (frame.opcode === opcodes.ping) {
      expected--;
      continue;
    }
    if (frame.opcode === opcodes.close) {
      assert.equal(frame.payload.readUInt16BE(), 1013);
      assert.equal(frame.payload.subarray(2).toString(), 'too slow');
      assert.ok(expected > 0 && expected < spoken, `${expected} of ${spoken} arrived`);
      return;
    }
    assert.equal(JSON.parse(frame.payload).data.count, expected);
  }
}

describeWithOptions('--max-queue-bytes', queueBytes, '--max-message-rate', 0, '--max-byte-rate', 0)(
  'A full queue',
  (server) => {
    it('closes its connection with 1013, after an unbroken part of what was sent', async () => {
      const { host, witness, guest } = await roomWithDeafGuest(server);
      const spoken = await talkUntilGone(host, witness);
      assert.ok(spoken * payload.length > queueBytes);
      await expectUnbrokenPrefix(guest, spoken);
      await witness.expectSilence();
      assert.ok((await server.events())['too slow: queue full'] > 0);
    });

    it('frees what it held', async () => {
      const { host, witness } = await roomWithDeafGuest(server);
      await talkUntilGone(host, witness);
      await server.disconnectAll();
      await eventually(async () => {
        const events = await server.events();
        return events['bytes buffered now'] < 100_000;
      }, 'Empty queues');
    });

    it('does not come of one long message, which an empty queue always takes', async () => {
      const { host, guest } = await roomWithDeafGuest(server);
      const long = 'y'.repeat(4 * queueBytes);
      host.relay(long, 'guest');
      host.relay('z', 'host');
      await host.expectMessage('host', 'z');
      guest.socket.resume();
      assert.equal((await guest.readEvent()).data, long);
      await host.expectSilence();
    });

    it('is not what pongs nobody reads make forever', async () => {
      const { host, guest } = await roomWithDeafGuest(server);
      const pings = Buffer.concat(
        Array.from({ length: 5_000 }, () => Buffer.from([0x89, 0x80, 0, 0, 0, 0])),
      );
      let event;
      const leaving = host.next().then((next) => (event = next));
      await eventually(() => {
        if (!event && guest.socket.writableLength < 1_000_000) guest.socket.write(pings);
        return event;
      }, 'The end of who only pings');
      assert.deepEqual(await leaving, { type: 'peer_left', clientId: 'guest' });
    });
  },
);

const stallTimeout = 500 * slowness;
const unlimited = ['--max-message-rate', 0, '--max-byte-rate', 0];
describeWithOptions('--stall-timeout', `${stallTimeout}ms`, ...unlimited, ...patience)(
  'Output that stalls',
  (server) => {
    /** So much that the kernel's buffers on both sides do not take it all. */
    const tooMuch = 'x'.repeat(10_000_000);

    it('closes its connection with 1013 after the stall timeout', async () => {
      const { host, witness, guest } = await roomWithDeafGuest(server);
      const begin = Date.now();
      for (let count = 0; count < 300; count++) host.relay({ count, payload });
      for (let count = 0; count < 300; count++) await witness.nextText();
      await host.expect({ type: 'peer_left', clientId: 'guest' });
      assert.ok(Date.now() - begin >= stallTimeout);
      await witness.expect({ type: 'peer_left', clientId: 'guest' });
      await expectUnbrokenPrefix(guest, 300);
      assert.ok((await server.events())['too slow: output stalled'] > 0);
    });

    it('ends also one that has begun to read a long message', async () => {
      const { host, guest } = await roomWithDeafGuest(server);
      host.relay(tooMuch, 'guest');
      await host.expect({ type: 'peer_left', clientId: 'guest' });
      guest.socket.resume();
      await guest.whenGone();
    });

    it('is not what a reader has who is slow, but reads', async () => {
      const { host, guest } = await roomWithDeafGuest(server);
      host.relay(tooMuch, 'guest');
      let taken = 0;
      let isGone = false;
      guest.socket.removeAllListeners('data'); // keeping ten million bytes would take its time
      guest.socket.on('data', (bytes) => (taken += bytes.length));
      guest.socket.on('end', () => (isGone = true));
      guest.socket.on('close', () => (isGone = true));
      const begin = Date.now();
      while (Date.now() - begin < 3 * stallTimeout) {
        guest.socket.resume();
        await pause(10);
        guest.socket.pause();
        await pause(stallTimeout / 10);
      }
      guest.socket.resume();
      await eventually(() => isGone || taken > tooMuch.length, 'The whole message');
      assert.ok(!isGone, 'was taken for stalled');
      guest.send({ type: 'send', data: 'all of it' });
      await host.expectMessage('guest', 'all of it');
    });
  },
);

const requestTimeout = 300 * slowness;
describeWithOptions('--request-timeout', `${requestTimeout}ms`)('Requests', (server) => {
  async function expectGone(connection) {
    const begin = Date.now();
    connection.socket.resume();
    await connection.whenGone();
    return Date.now() - begin;
  }

  it('have a bounded time to be complete, however busily their bytes come', async () => {
    const silent = await server.raw();
    const half = await server.raw();
    half.write('GET / HTTP/1.1\r\nHost: a\r\n');
    const dripping = await server.raw();
    const timer = setInterval(() => dripping.write('X'), requestTimeout / 10);
    await Promise.all([silent, half, dripping].map(expectGone));
    clearInterval(timer);
    assert.ok((await server.events())['requests timed out'] >= 3);
  });

  it('and their responses a bounded time to be read', async () => {
    const deaf = await server.raw();
    deaf.socket.pause();
    const many = request('/').repeat(1_000);
    const begin = Date.now();
    let isGone = false;
    deaf.socket.on('close', () => (isGone = true));
    deaf.socket.on('error', () => (isGone = true));
    await eventually(() => {
      if (!isGone && deaf.socket.writableLength < 1_000_000) deaf.write(many);
      return isGone;
    }, 'The end of who reads no response');
    assert.ok(Date.now() - begin >= requestTimeout);
  });
});

describeWithServer('Requests', (server) => {
  it('that are pipelined without end are answered as they are read, in order', async () => {
    const connection = await server.raw();
    const count = 2_000;
    for (let number = 0; number < count; number++)
      connection.write(request(number % 2 ? '/health' : '/ready'));
    for (let number = 0; number < count; number++) {
      const { body } = await connection.readResponse();
      assert.equal(body, number % 2 ? '{"status":"ok"}' : '{"status":"ready"}');
    }
  });
});
