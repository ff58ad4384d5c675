// Fast senders: who sends more than --max-message-rate or --max-byte-rate is read no faster than
// that, by not being read. Nothing is lost, nobody is thrown out, and nobody else has to wait.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { eventually, slowness } from './support/deadline.mjs';
import { continuation, frame, json, opcodes, ping, pong, text } from './support/frames.mjs';
import { upgradeRequest } from './support/http.mjs';
import { describeWithOptions } from './support/suite.mjs';
import { it } from './support/testing.mjs';

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
    assert.ok((await server.events())['pauses for the message or byte rate'] > 0);
  });

  it('is no higher for the connection that takes the seat over', async () => {
    const { host, sender, code } = await roomWithSender();
    const begin = Date.now(); // what is earned while the next one comes counts as well
    await timeOf(sender, host, Array.from({ length: burst }, () => ping()));
    const heir = await server.rawWebSocket();
    await heir.join('sender', code);
    await timeOf(heir, host, Array.from({ length: rate }, () => ping()));
    const elapsed = Date.now() - begin;
    assert.ok(elapsed >= leastTime(burst + rate), `${elapsed} ms`);
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

const byteRate = 100_000;
const byteBurst = 8 * byteRate;

describeWithOptions('--max-byte-rate', byteRate)('The byte rate', (server) => {
  async function joinAsSender(code) {
    const sender = await server.rawWebSocket({
      headers: { 'Sec-WebSocket-Protocol': 'party-sockets.v2' },
    });
    sender.send({ type: 'join', clientId: 'sender', room: code });
    await sender.readEvent();
    return sender;
  }

  async function roomWithSender() {
    const { code, members } = await server.party(['host']);
    const sender = await joinAsSender(code);
    await members[0].expect({ type: 'peer_joined', index: 1 });
    return { host: members[0], sender, code };
  }

  /** A message whose frame has so many bytes, header included. */
  const message = (bytes, name) => {
    const empty = JSON.stringify({ type: 'send', data: [name, ''] });
    const header = bytes < 132 ? 6 : bytes < 65_544 ? 8 : 14;
    return json({ type: 'send', data: [name, 'x'.repeat(bytes - header - empty.length)] });
  };

  /** Sends these and returns when each of them arrived, in ms, in their order. */
  async function timesOf({ host, sender }, messages) {
    const begin = Date.now();
    sender.write(...messages);
    const times = [];
    for (const name of messages.keys()) {
      const { data } = await host.next();
      assert.equal(data[0], name);
      times.push(Date.now() - begin);
    }
    return times;
  }

  const expectTime = (time, bytes, what) => {
    const least = (bytes / byteRate) * 1_000;
    assert.ok(time >= least - 100, `${what} after ${time} ms, not before ${least}`);
    assert.ok(time <= least + 1_000 * slowness, `${what} after ${time} ms, not ${least}`);
  };

  it('lets a burst through at once, slows down what follows, and loses nothing', async () => {
    const room = await roomWithSender();
    const count = 24;
    const messages = Array.from({ length: count }, (_, name) => message(byteBurst / 16, name));
    const times = await timesOf(room, messages);
    expectTime(times[14], 0, 'The burst');
    expectTime(times[23], byteBurst / 2, 'The last');
    assert.ok((await server.events())['pauses for the message or byte rate'] > 0);
  });

  it('lets a longer message through when the burst is whole, and then has a debt', async () => {
    const room = await roomWithSender();
    const messages = [message(2 * byteBurst, 0), message(1_000, 1), message(byteBurst, 2)];
    room.host.relay('meanwhile', 1);
    const times = await timesOf(room, messages.slice(0, 2));
    expectTime(times[0], 0, 'The long one');
    expectTime(times[1], byteBurst, 'The one behind it');
  });

  it('leaves that debt to the connection that takes the seat over', async () => {
    const { host, sender, code } = await roomWithSender();
    const begin = Date.now(); // what is earned while the next one comes counts as well
    await timesOf({ host, sender }, [message(1.2 * byteBurst, 0)]);
    const heir = await joinAsSender(code);
    await timesOf({ host, sender: heir }, [message(byteBurst / 16, 0)]);
    expectTime(Date.now() - begin, 0.2 * byteBurst, 'What the next connection sends');
  });

  it('makes a longer message wait for a whole burst', async () => {
    const room = await roomWithSender();
    const times = await timesOf(room, [message(byteBurst / 4, 0), message(1.1 * byteBurst, 1)]);
    expectTime(times[0], 0, 'The first');
    expectTime(times[1], byteBurst / 4, 'The long one');
  });

  it('is each sender\'s own, and does not hold up what it is told', async () => {
    const room = await roomWithSender();
    room.sender.write(message(2 * byteBurst, 0), message(1_000, 1));
    await room.host.next();
    const begin = Date.now();
    for (let data = 0; data < 20; data++) room.host.relay(data, 1);
    for (let data = 0; data < 20; data++)
      assert.deepEqual(await room.sender.readEvent(), { type: 'message', from: 0, data });
    assert.ok(Date.now() - begin < 1_000 * slowness);
  });

  it('does not keep who has said goodbye behind a long message', async () => {
    const { host, sender } = await roomWithSender();
    sender.write(message(2 * byteBurst, 0), frame(opcodes.close, [0x03, 0xe8]));
    const begin = Date.now();
    await host.next();
    await host.expect({ type: 'peer_left', index: 1 });
    assert.ok(Date.now() - begin < 2_000 * slowness);
  });
});

describeWithOptions()('The byte rate unless it is set', (server) => {
  it('is 512 KiB a second, 4 MiB at once: three messages of 8 MiB take 16 s and more', async () => {
    const { members } = await server.party(['host', 'phone']);
    const data = 'x'.repeat(8 * 1024 * 1024);
    const begin = Date.now();
    for (let count = 0; count < 2; count++) members[0].relay(data);
    assert.equal((await members[1].next()).data.length, data.length);
    const first = Date.now() - begin;
    assert.ok(first < 5_000 * slowness, `${first}`);
    // The debt of 4 MiB and the whole burst that the second one needs: 16 s. It is not waited for.
    await pause(2_000);
    members[1].relay('still here');
    await members[0].expectMessage(1, 'still here');
    await members[1].expectSilence();
  });
});

const idleTimeout = 600 * slowness;
describeWithOptions(
  ...['--max-message-rate', 5, '--ping-interval', `${idleTimeout / 3}ms`],
  ...['--idle-timeout', `${idleTimeout}ms`],
)('Who is throttled', (server) => {
  it('is not silent, for as long as it takes to read what was sent', async () => {
    const { members, code } = await server.room(['host']);
    const sender = await server.rawWebSocket(); // answers no ping
    await sender.join('sender', code);
    await members[0].expect({ type: 'peer_joined', clientId: 'sender' });
    const count = 9 + Math.ceil((5 * 2 * idleTimeout) / 1_000);
    const begin = Date.now();
    sender.write(...Array.from({ length: count }, (_, data) => json({ type: 'send', data })));
    for (let data = 0; data < count; data++) await members[0].expectMessage('sender', data);
    assert.ok(Date.now() - begin > 1.5 * idleTimeout);
    await members[0].expect({ type: 'peer_left', clientId: 'sender' }); // now it is
  });
});

const turns = 'shares of a turn used up';

describeWithOptions('--max-message-rate', 0)('Shares of a turn', (server) => {
  const sharesUsedUp = async () => (await server.events())[turns] ?? 0;

  it('are counted in deliveries, too', async () => {
    const { code } = await server.room(['host'], 1_000);
    const members = await server.clients(200);
    await Promise.all(members.map((member, index) => member.join(`${index}`, code)));
    const before = await sharesUsedUp();
    const sender = await server.rawWebSocket();
    await sender.join('sender', code);
    sender.write(...Array.from({ length: 50 }, (_, data) => json({ type: 'send', data }))); // 10,000
    await eventually(async () => (await sharesUsedUp()) > before, 'A share that is used up');
  });

  it('are counted in bytes that go out', async () => {
    const { members } = await server.room(['host', 'guest']);
    const before = await sharesUsedUp();
    const data = 'x'.repeat(8_000_000);
    members[0].relay(data, 'guest');
    await members[1].expectMessage('host', data);
    assert.ok((await sharesUsedUp()) > before);
  });

  it('are counted in bytes that are parsed, and a long message arrives whole', async () => {
    const { members } = await server.room(['host', 'guest']);
    const before = await sharesUsedUp();
    const data = Array.from({ length: 300_000 }, (_, index) => ({ index, text: '\n"' }));
    members[0].relay(data, 'guest');
    members[0].relay('behind it', 'guest');
    await members[1].expectMessage('host', data);
    await members[1].expectMessage('host', 'behind it');
    assert.ok((await sharesUsedUp()) > before + 20);
  });

  it('keep a long join that moves to another loop whole', async () => {
    const { members, code } = await server.room(['host']);
    const filler = Array.from({ length: 50_000 }, (_, index) => index);
    for (const clientId of ['a', 'b', 'c', 'd']) {
      const guest = await server.client();
      guest.send({ filler, type: 'join', clientId, room: code.toLowerCase() });
      guest.relay(clientId);
      assert.equal((await guest.next()).room, code);
      await members[0].expect({ type: 'peer_joined', clientId });
      await members[0].expectMessage(clientId, clientId);
      await guest.close();
      await members[0].expect({ type: 'peer_left', clientId });
    }
  });

  it('are nobody else’s: one who is held, moves and resets at once harms no other', async () => {
    const { members, code } = await server.room(['host']);
    const others = await Promise.all(Array.from({ length: 3 }, () => server.room(['other'])));
    const frames = Array.from({ length: 64 }, () => json({}));
    const rooms = [code, ...others.map((other) => other.code)];
    for (let round = 0; round < 12; round++) {
      const connections = await Promise.all(Array.from({ length: 50 }, () => server.raw()));
      for (const connection of connections) connection.write(upgradeRequest());
      for (const connection of connections) await connection.readResponse();
      for (const [index, connection] of connections.entries()) {
        const join = json({ type: 'join', clientId: `${round} ${index}`, room: rooms[index % 4] });
        connection.write(...frames, join);
      }
      for (const connection of connections) connection.reset(); // while some of them are held
    }
    members[0].relay('unharmed', 'host');
    for (;;) {
      const event = await members[0].next();
      if (event.type === 'message') break;
    }
    await eventually(
      async () => (await server.events())['bytes buffered now'] < 100_000,
      'Everything given back',
    );
  });
});

describeWithOptions('--max-message-rate', 0, '--max-byte-rate', 0)('Without a message rate', (server) => {
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
    assert.equal(events['pauses for the message or byte rate'], undefined);
  });
});
