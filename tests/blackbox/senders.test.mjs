// Fast senders: who sends more than --max-message-rate is read no faster than that, by not being
// read. Nothing is lost, nobody is thrown out, and nobody else has to wait.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { slowness } from './support/deadline.mjs';
import { continuation, frame, json, opcodes, ping, pong, text } from './support/frames.mjs';
import { describeWithOptions } from './support/suite.mjs';

const rate = 100;
const burst = 2 * rate;

describeWithOptions('--max-message-rate', rate)('The message rate', (server) => {
  async function roomWithSender() {
    const { code, members } = await server.room(['host']);
    const sender = await server.rawWebSocket();
    await sender.join('sender', code);
    await members[0].expect({ type: 'peer_joined', clientId: 'sender' });
    return { host: members[0], sender, code };
  }

  /** Sends frames that a message ends, and returns how long it took for that to arrive, in ms. */
  async function timeOf(sender, host, frames) {
    const begin = Date.now();
    sender.write(...frames, json({ type: 'send', data: 'last' }));
    for (;;) {
      const { data } = await host.next();
      if (data === 'last') return Date.now() - begin;
    }
  }

  /** What so many frames beyond the burst take at least: one was used up for joining. */
  const leastTime = (frameCount) => ((frameCount + 1 - burst) / rate) * 1_000 - 50;

  it('slows down who exceeds it, and loses nothing', async () => {
    const { host, sender } = await roomWithSender();
    const count = burst + rate;
    const begin = Date.now();
    sender.write(
      ...Array.from({ length: count }, (_, data) => json({ type: 'send', data })),
    );
    for (let data = 0; data < count; data++) await host.expectMessage('sender', data);
    const elapsed = Date.now() - begin;
    assert.ok(elapsed >= leastTime(count), `${count} messages in ${elapsed} ms`);
    assert.ok((await server.events())['pauses for the message rate'] > 0);
  });

  const frames = {
    pings: () => ping(),
    pongs: () => pong(),
    'empty fragments': () => continuation('', { final: false }),
    'messages that are no JSON': () => text('?'),
  };
  for (const [name, make] of Object.entries(frames)) {
    it(`counts ${name}`, async () => {
      const { host, sender } = await roomWithSender();
      const many = Array.from({ length: burst + rate }, make);
      if (name === 'empty fragments') {
        many.unshift(frame(opcodes.text, '{"type":"send",', { final: false }));
        many.push(continuation('"data":1}'));
      }
      const elapsed = await timeOf(sender, host, many);
      assert.ok(elapsed >= leastTime(many.length), `${many.length} frames in ${elapsed} ms`);
    });
  }

  it('lets a burst through at once, and a sender within it for as long as it likes', async () => {
    const { host, sender } = await roomWithSender();
    const half = Array.from({ length: burst / 2 }, () => ping());
    const elapsed = await timeOf(sender, host, half);
    assert.ok(elapsed < 500 * slowness, `${elapsed} ms`);
  });

  it('is not what the others in the room are slowed down by', async () => {
    const { host, sender, code } = await roomWithSender();
    const guest = await server.client();
    await guest.join('guest', code);
    await host.expect({ type: 'peer_joined', clientId: 'guest' });
    sender.write(...Array.from({ length: burst + 5 * rate }, () => json({ type: 'send', to: 'sender' })));
    const begin = Date.now();
    for (let data = 0; data < 20; data++) {
      guest.relay(data, 'host');
      await host.expectMessage('guest', data);
    }
    assert.ok(Date.now() - begin < 1_000 * slowness);
  });

  it('holds also for one who moves to another loop on the way', async () => {
    const { members, code } = await server.room(['host']);
    const sender = await server.rawWebSocket();
    const join = json({ type: 'join', clientId: 'sender', room: code });
    const elapsed = await timeOf(sender, members[0], [
      join,
      ...Array.from({ length: burst + rate }, (_, data) => json({ type: 'send', data })),
    ]);
    assert.ok(elapsed >= leastTime(burst + rate), `${elapsed} ms`);
  });

  it('does not keep a throttled connection from leaving when it closes', async () => {
    const { host, sender } = await roomWithSender();
    sender.write(...Array.from({ length: burst + rate }, () => ping()));
    sender.terminate();
    await host.expect({ type: 'peer_left', clientId: 'sender' });
  });
});

describeWithOptions('--max-message-rate', 0)('Without a message rate', (server) => {
  it('any number of frames is read, in order, a share a turn', async () => {
    const { code, members } = await server.room(['host']);
    const sender = await server.rawWebSocket();
    await sender.join('sender', code);
    const count = 20_000;
    const begin = Date.now();
    sender.write(...Array.from({ length: count }, (_, data) => json({ type: 'send', data })));
    await members[0].expect({ type: 'peer_joined', clientId: 'sender' });
    for (let data = 0; data < count; data++) await members[0].expectMessage('sender', data);
    assert.ok(Date.now() - begin < 10_000 * slowness);
    const events = await server.events();
    assert.ok(events['shares of a turn used up'] > 0);
    assert.equal(events['pauses for the message rate'], undefined);
  });
});
