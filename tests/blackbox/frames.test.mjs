// The WebSocket layer: frames, fragments, control frames, closing, and what each fault leads to.

import {
  close,
  closePayload,
  continuation,
  fragments,
  frame,
  json,
  opcodes,
  ping,
  pong,
  text,
} from './support/frames.mjs';
import { describeWithOptions } from './support/suite.mjs';
import { it } from './support/testing.mjs';
import { badUtf8 } from './support/utf8.mjs';

const messageLimit = 100_000;
const describeWithServer = describeWithOptions('--max-message-bytes', messageLimit);

const protocolError = 1002;
const badData = 1007;
const tooBig = 1009;

/** A `send` to oneself of exactly this length. */
function messageOfLength(length) {
  const envelope = JSON.stringify({ type: 'send', to: 'me', data: '' });
  return JSON.stringify({ type: 'send', to: 'me', data: 'x'.repeat(length - envelope.length) });
}

/** A WebSocket that is alone in its room, with the id `me`. */
async function loner(server) {
  const socket = await server.rawWebSocket();
  await socket.create('me');
  return socket;
}

async function expectOwn(socket, data) {
  await socket.expect({ type: 'message', from: 'me', data });
}

/**
 * Writes `bytes` as a member of a room and expects to be closed with this code and the end of the
 * connection. The witness in that room hears `peer_left`, and another room goes on.
 */
async function expectFault(server, bytes, code) {
  const { members } = await server.room(['host', 'guest']);
  const witness = await server.client();
  const room = await witness.create('witness');
  const offender = await server.rawWebSocket();
  await offender.join('offender', room);
  await witness.expect({ type: 'peer_joined', clientId: 'offender' });

  offender.write(bytes);
  await offender.expectClose(code);

  await witness.expect({ type: 'peer_left', clientId: 'offender' });
  await witness.expectSilence();
  members[0].relay('the show goes on');
  await members[1].expectMessage('host', 'the show goes on');
}

describeWithServer('A WebSocket fault', (server) => {
  const faults = {
    'a text frame without a mask': text('{}', { masked: false }),
    'a ping without a mask': ping('', { masked: false }),
    'a close frame without a mask': frame(opcodes.close, closePayload(1000), { masked: false }),
    'the reserved bit RSV1': text('{}', { reserved: 4 }),
    'the reserved bit RSV2': text('{}', { reserved: 2 }),
    'the reserved bit RSV3': text('{}', { reserved: 1 }),
    'a reserved bit in a ping': ping('', { reserved: 4 }),
    'a fragmented ping': ping('', { final: false }),
    'a fragmented pong': pong('', { final: false }),
    'a fragmented close frame': frame(opcodes.close, '', { final: false }),
    'a ping of 126 bytes': ping('x'.repeat(126)),
    'a pong of 65536 bytes': pong('x'.repeat(65536)),
    'a close frame of 126 bytes': close(1000, 'x'.repeat(124)),
    'a continuation of nothing': continuation('{}'),
    'a text frame amid a fragmented text': Buffer.concat([text('{', { final: false }), text('}')]),
    'a binary frame amid a fragmented text': Buffer.concat([
      text('{', { final: false }),
      frame(opcodes.binary, '}'),
    ]),
    'a length of 125 in 16 bits': text('x'.repeat(125), { lengthForm: 16 }),
    'a length of 0 in 16 bits': text('', { lengthForm: 16 }),
    'a length of 125 in 64 bits': text('x'.repeat(125), { lengthForm: 64 }),
    'a length of 65535 in 64 bits': text('x'.repeat(65535), { lengthForm: 64 }),
    'a ping with its length in 16 bits': ping('x', { lengthForm: 16 }),
    'a length with the top bit': text('', { length: 2n ** 63n, lengthForm: 64 }),
    'a length with all bits': text('', { length: 2n ** 64n - 1n, lengthForm: 64 }),
    'a close frame of one byte': frame(opcodes.close, 'x'),
  };
  for (const [fault, bytes] of Object.entries(faults)) {
    it(`${fault} closes that connection only, with 1002`, () =>
      expectFault(server, bytes, protocolError));
  }

  for (const opcode of [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]) {
    it(`the reserved opcode ${opcode} closes that connection only, with 1002`, () =>
      expectFault(server, frame(opcode, 'x'), protocolError));
  }

  for (const code of [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]) {
    it(`a close frame with the code ${code} closes that connection only, with 1002`, () =>
      expectFault(server, close(code), protocolError));
  }

  for (const [fault, bytes] of Object.entries(badUtf8)) {
    const bad = Buffer.concat([Buffer.from('{"type":"'), Buffer.from(bytes)]);
    it(`${fault} in a text closes that connection only, with 1007`, () =>
      expectFault(server, text(bad), badData));

    it(`${fault} in the reason of a close frame closes that connection only, with 1007`, () =>
      expectFault(server, close(1000, bytes), badData));

    it(`${fault} is met with 1007 before the frame is complete`, () =>
      expectFault(server, text(bad, { length: bad.length + 1_000 }), badData));
  }

  it('a text that ends within a character closes that connection only, with 1007', () =>
    expectFault(server, text(Buffer.from([0x22, 0xe2, 0x82])), badData));

  it('bad UTF-8 that is split over fragments closes that connection only, with 1007', () =>
    expectFault(
      server,
      Buffer.concat(fragments(opcodes.text, Buffer.from([0x22, 0xf0, 0x90, 0x22]), 2, 3)),
      badData,
    ));

  it('bad UTF-8 in the first of several fragments is met with 1007 before the others come', () =>
    expectFault(server, text(Buffer.from([0x22, 0xff]), { final: false }), badData));

  it('messages before a fault in the same packet are relayed', async () => {
    const { code, members } = await server.room(['host']);
    const guest = await server.rawWebSocket();
    await guest.join('guest', code);
    guest.write(
      json({ type: 'send', data: 'so long' }),
      text('', { reserved: 4 }),
      json({ type: 'send', data: 'lost' }),
    );
    await guest.expectClose(protocolError);
    await members[0].expect({ type: 'peer_joined', clientId: 'guest' });
    await members[0].expectMessage('guest', 'so long');
    await members[0].expect({ type: 'peer_left', clientId: 'guest' });
    await members[0].expectSilence();
  });
});

describeWithServer('The message limit', (server) => {
  it('A message of exactly the limit passes, in one frame or in fragments', async () => {
    const socket = await loner(server);
    const message = messageOfLength(messageLimit);
    const { data } = JSON.parse(message);
    socket.write(text(message));
    await expectOwn(socket, data);
    socket.write(...fragments(opcodes.text, message, 1, 30_000, 60_000, messageLimit));
    await expectOwn(socket, data);
  });

  const tooLong = messageOfLength(messageLimit + 1);
  const faults = {
    'one byte beyond the limit in one frame': text(tooLong),
    'one byte beyond the limit in a binary frame': frame(opcodes.binary, tooLong),
    'one byte beyond the limit summed over fragments': Buffer.concat(
      fragments(opcodes.text, tooLong, 10, 50_000),
    ),
    'a length beyond the limit that is only announced': text('', { length: messageLimit + 1 }),
    'an announced length of 2^40': text('', { length: 2n ** 40n }),
    'an announced length of 2^63 - 1': text('', { length: 2n ** 63n - 1n }),
    'a continuation that announces more than is left': Buffer.concat([
      text('x'.repeat(60_000), { final: false }),
      continuation('', { length: 40_001 }),
    ]),
  };
  for (const [fault, bytes] of Object.entries(faults)) {
    it(`${fault} closes that connection only, with 1009`, () => expectFault(server, bytes, tooBig));
  }

  it('Control frames between fragments do not count', async () => {
    const socket = await loner(server);
    const message = messageOfLength(messageLimit);
    const [start, end] = fragments(opcodes.text, message, 1_000);
    socket.write(start);
    for (let count = 0; count < 20; count++) {
      socket.write(ping('x'.repeat(125)));
      await socket.expectFrame(opcodes.pong, 'x'.repeat(125));
    }
    socket.write(end);
    await expectOwn(socket, JSON.parse(message).data);
  });
});

describeWithServer('Frames and fragments', (server) => {
  const note = (data) => JSON.stringify({ type: 'send', to: 'me', data });

  it('Messages around the borders of the length forms arrive, in the shortest form', async () => {
    const socket = await loner(server);
    const envelope = JSON.stringify({ type: 'message', from: 'me', data: '' }).length;
    for (const border of [126, 65536]) {
      for (const length of [border - 2, border - 1, border, border + 1]) {
        const data = 'y'.repeat(length - envelope);
        socket.write(text(note(data)));
        await expectOwn(socket, data);
      }
    }
    for (const length of [125, 126, 127, 65535, 65536, 65537]) {
      const message = messageOfLength(length);
      socket.write(text(message));
      await expectOwn(socket, JSON.parse(message).data);
    }
  });

  it('Any mask and any length are unmasked rightly', async () => {
    const socket = await loner(server);
    const masks = [
      [0, 0, 0, 0],
      [255, 255, 255, 255],
      [1, 2, 3, 4],
      [0, 0, 0, 128],
    ].map((mask) => Buffer.from(mask));
    const texts = Array.from({ length: 140 }, (_, length) => 'abcdefg'.repeat(20).slice(0, length));
    socket.write(
      ...texts.map((data, index) => text(note(data), { mask: masks[index % masks.length] })),
    );
    for (const data of texts) await expectOwn(socket, data);
  });

  it('A message may come in fragments of one byte, and with empty ones', async () => {
    const socket = await loner(server);
    const message = Buffer.from(note('in pieces: ä€😀'));
    socket.write(
      ...fragments(
        opcodes.text,
        message,
        ...Array.from({ length: message.length }, (_, index) => index),
      ),
    );
    await expectOwn(socket, 'in pieces: ä€😀');
    socket.write(...fragments(opcodes.binary, message, 0, 0, 5, 5, message.length, message.length));
    await expectOwn(socket, 'in pieces: ä€😀');
  });

  it('Fragments and control frames may arrive byte by byte', async () => {
    const socket = await loner(server);
    const [start, middle, end] = fragments(opcodes.text, note('slow €'), 7, 38);
    await socket.writeByteByByte(start, ping('1'), middle, ping(''), pong('unasked'), end);
    await socket.expectFrame(opcodes.pong, '1');
    await socket.expectFrame(opcodes.pong, '');
    await expectOwn(socket, 'slow €');
  });

  it('A ping is answered with a pong of the same payload', async () => {
    const socket = await loner(server);
    for (const payload of ['', 'x', Buffer.from([0, 255, 128]), Buffer.alloc(125, 7)]) {
      socket.write(ping(payload));
      await socket.expectFrame(opcodes.pong, payload);
    }
  });

  it('A ping between fragments is answered before the message is complete', async () => {
    const socket = await loner(server);
    const [start, end] = fragments(opcodes.text, note('whole'), 9);
    socket.write(start, ping('amid'));
    await socket.expectFrame(opcodes.pong, 'amid');
    socket.write(end);
    await expectOwn(socket, 'whole');
  });

  it('A pong that nobody asked for is ignored', async () => {
    const socket = await loner(server);
    socket.write(pong(), pong('x'.repeat(125)), text(note(1)));
    await expectOwn(socket, 1);
  });

  it('Half a frame moves with its connection when that joins a room', async () => {
    const { code, members } = await server.room(['host']);
    for (let cut = 1; cut < 12; cut++) {
      const guest = await server.rawWebSocket();
      const message = json({ type: 'send', data: cut });
      guest.write(
        json({ type: 'join', clientId: `guest-${cut}`, room: code }),
        message.subarray(0, cut),
      );
      await guest.readEvent();
      guest.write(message.subarray(cut));
      await members[0].expect({ type: 'peer_joined', clientId: `guest-${cut}` });
      await members[0].expectMessage(`guest-${cut}`, cut);
      guest.terminate();
      await members[0].expect({ type: 'peer_left', clientId: `guest-${cut}` });
    }
  });
});

describeWithServer('Closing', (server) => {
  for (const code of [
    1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999,
  ]) {
    it(`The close code ${code} is echoed with its reason, then the connection ends`, async () => {
      for (const reason of ['', 'good night 😀', 'x'.repeat(123)]) {
        const socket = await server.rawWebSocket();
        socket.write(close(code, reason));
        await socket.expectClose(code, reason);
      }
    });
  }

  it('A close frame without a code is echoed without one', async () => {
    const socket = await server.rawWebSocket();
    socket.write(close());
    await socket.expectFrame(opcodes.close);
    await socket.expectEnd();
  });

  it('What comes before a close frame is handled, what comes after it is not', async () => {
    const { code, members } = await server.room(['host']);
    const guest = await server.rawWebSocket();
    await guest.join('guest', code);
    const message = (data) => json({ type: 'send', data });
    guest.write(message('before'), close(1000), message('after'), ping('after'), close(1001));
    await guest.expectClose(1000, '');
    await members[0].expect({ type: 'peer_joined', clientId: 'guest' });
    await members[0].expectMessage('guest', 'before');
    await members[0].expect({ type: 'peer_left', clientId: 'guest' });
    await members[0].expectSilence();
  });

  it('A close frame between fragments closes, and the message begun is dropped', async () => {
    const { code, members } = await server.room(['host']);
    const guest = await server.rawWebSocket();
    await guest.join('guest', code);
    const [start] = fragments(opcodes.text, '{"type":"send","data":1}', 8);
    guest.write(start, close(3001, 'enough'));
    await guest.expectClose(3001, 'enough');
    await members[0].expect({ type: 'peer_joined', clientId: 'guest' });
    await members[0].expect({ type: 'peer_left', clientId: 'guest' });
    await members[0].expectSilence();
  });

  it('A close frame may arrive byte by byte', async () => {
    const socket = await server.rawWebSocket();
    await socket.writeByteByByte(close(4321, 'slowly'));
    await socket.expectClose(4321, 'slowly');
  });

  it('Answers that were due before the close frame arrive before it', async () => {
    const socket = await loner(server);
    const notes = Array.from({ length: 100 }, (_, data) => json({ type: 'send', to: 'me', data }));
    socket.write(...notes, close(1000));
    for (let data = 0; data < 100; data++) await expectOwn(socket, data);
    await socket.expectClose(1000, '');
  });
});
