// Protocol 2: the snapshot that the host keeps with the server, for whoever joins later.

import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expectSilence, peerJoined, peerLeft, replaced, state } from './support/member.mjs';
import { describeWithServer } from './support/suite.mjs';
import { it } from './support/testing.mjs';

const capBytes = 16_384;
const spanBytes = 65_536;

const range = (count) => Array.from({ length: count }, (_, index) => index);
const setState = (span) => `{"type":"set_state","data":${span}}`;
const stateText = (span) => `{"type":"state","data":${span}}`;
const bytesOf = (text) => Buffer.byteLength(text);

/** Joins, and expects this text as the snapshot, or nothing. */
async function expectReplay(server, code, span, clientId = 'late') {
  const client = await server.member();
  await client.join(clientId, code);
  if (span !== undefined) assert.equal(await client.nextText(), stateText(span));
  await client.expectSilence();
  return client;
}

describeWithServer('set_state', (server) => {
  it('It is pushed to everyone else, not to the host', async () => {
    const { members } = await server.party(['host', 'zoe', 'adam']);
    const [host, zoe, adam] = members;
    host.setState({ round: 1 });
    for (const member of [zoe, adam])
      assert.equal(await member.nextText(), '{"type":"state","data":{"round":1}}');
    await expectSilence(...members);
  });

  it('It is replayed to every newcomer, right after `joined`', async () => {
    const { code, members } = await server.party(['host']);
    members[0].setState([1, 2]);
    await members[0].expectSilence();
    for (const name of ['zoe', 'adam', 'eve']) await expectReplay(server, code, '[1,2]', name);
    await members[0].expect(...[1, 2, 3].map(peerJoined));
    await members[0].expectSilence();
  });

  it('Only the newest is replayed', async () => {
    const { code, members } = await server.party(['host', 'zoe']);
    for (const round of range(5)) members[0].setState({ round });
    for (const round of range(5)) await members[1].expect(state({ round }));
    await expectReplay(server, code, '{"round":4}');
  });

  it('It is replayed to a member that comes back', async () => {
    const { code, members } = await server.party(['host', 'zoe']);
    const [host, zoe] = members;
    host.setState('before');
    await zoe.expect(state('before'));
    await zoe.close();
    await host.expect(peerLeft(1));
    host.setState('meanwhile');
    await expectReplay(server, code, '"meanwhile"', 'zoe');
  });

  it('It is replayed to who replaces a live connection', async () => {
    const { code, members } = await server.party(['host', 'zoe']);
    members[0].setState('kept');
    await members[1].expect(state('kept'));
    await expectReplay(server, code, '"kept"', 'zoe');
    await members[1].expectClosed(...replaced);
  });

  it('It is replayed to a host that comes back, or that replaces itself', async () => {
    const { code, members } = await server.party(['host', 'zoe']);
    members[0].setState('kept');
    await members[1].expect(state('kept'));
    await members[0].close();
    await members[1].expect(peerLeft(0));
    const back = await expectReplay(server, code, '"kept"', 'host');
    await members[1].expect(peerJoined(0));
    const again = await expectReplay(server, code, '"kept"', 'host');
    await back.expectClosed(...replaced);
    again.setState('new');
    await members[1].expect(state('new'));
    await expectSilence(again, members[1]);
  });

  it('Where none was set, nothing is replayed', async () => {
    const { code } = await server.party(['host']);
    await expectReplay(server, code, undefined);
  });

  it('null is a state: pushed, and replayed', async () => {
    const { code, members } = await server.party(['host', 'zoe']);
    members[0].setState(1);
    members[0].setState(null);
    await members[1].expect(state(1), state(null));
    await expectReplay(server, code, 'null');
  });

  it('It is gone with the room, and never in another one', async () => {
    const one = await server.party(['host', 'zoe']);
    const other = await server.party(['host', 'zoe']);
    one.members[0].setState('of the first room');
    await one.members[1].expect(state('of the first room'));
    await expectReplay(server, other.code, undefined);
    for (const member of other.members) await member.expect(peerJoined(2));
    await expectSilence(...other.members);
    one.members[0].closeRoom();
    await one.members[1].whenClosed();
    const next = await server.party(['host', 'zoe']);
    await expectReplay(server, next.code, undefined);
  });

  it('What is sent is what is pushed and replayed, to the byte', async () => {
    const { code, members } = await server.party(['host', 'zoe']);
    const spans = [
      '{ "a" : [ 1 ,\t2 ] ,\r\n"b":{}}',
      '[1e400,-0,0.10,1E+2,12345678901234567890]',
      '"\\u00e9\\/\\ud83d\\ude00\\ud800\\u0000\\n"',
      '"\u00e9\u{1f600}\u2028"',
      '{"a":1,"a":2}',
      'true',
      '""',
      '{}',
    ];
    for (const span of spans) {
      members[0].sendText(setState(span));
      assert.equal(await members[1].nextText(), stateText(span));
      const late = await expectReplay(server, code, span);
      await members[1].expect(peerJoined(2));
      await late.close();
      await members[1].expect(peerLeft(2));
      await members[0].expect(peerJoined(2), peerLeft(2));
    }
    await expectSilence(...members);
  });

  it('Fields may be in any order, escaped and repeated: the last data counts', async () => {
    const { code, members } = await server.party(['host', 'zoe']);
    members[0].sendText(' {"d\\u0061ta":[3] , "x":1, "\\u0074ype" : "set\\u005fstate"} ');
    assert.equal(await members[1].nextText(), stateText('[3]'));
    members[0].sendText('{"data":1,"type":"set_state","data":2,"to":0}');
    assert.equal(await members[1].nextText(), stateText('2'));
    await expectReplay(server, code, '2');
  });

  it('Many members get it, each one all of it', async () => {
    const { code, members } = await server.party(['host'], { maxClients: 200 });
    const guests = await server.members(120);
    await Promise.all(guests.map((guest, count) => guest.join(`guest ${count}`, code)));
    const span = JSON.stringify('x'.repeat(capBytes - 2));
    members[0].sendText(setState(span));
    await Promise.all(
      guests.map(async (guest) => {
        let text;
        do text = await guest.nextText();
        while (text.startsWith('{"type":"peer_joined"'));
        assert.equal(text, stateText(span));
      }),
    );
    await expectSilence(...guests);
    const late = await server.members(20);
    await Promise.all(
      late.map(async (member, count) => {
        await member.join(`late ${count}`, code);
        assert.equal(await member.nextText(), stateText(span));
      }),
    );
  });
});

describeWithServer('Who may set state', (server) => {
  it('A guest may not, whatever it sends, and nobody hears of it', async () => {
    const { code, members } = await server.party(['host', 'zoe']);
    members[0].setState('kept');
    await members[1].expect(state('kept'));
    const tooLarge = setState(`"${'x'.repeat(70_000)}"`);
    for (const text of [setState('1'), '{"type":"set_state"}', tooLarge]) {
      members[1].sendText(text);
      await members[1].expectError('Only the host can set state');
    }
    await expectSilence(...members);
    await expectReplay(server, code, '"kept"');
  });

  it('Nobody may outside a room', async () => {
    const client = await server.member();
    for (const text of [setState('1'), '{"type":"set_state"}']) {
      client.sendText(text);
      await client.expectError('Not in a room');
    }
  });

  it('A host that has been replaced may not any more, its successor may', async () => {
    const { code, members } = await server.party(['host', 'zoe']);
    const again = await server.member();
    assert.deepEqual(await again.join('host', code), { index: 0, peers: [1] });
    await members[0].expectClosed(...replaced);
    again.setState(1);
    await members[1].expect(state(1));
  });

  it('While the host is gone nobody else becomes it', async () => {
    const { members } = await server.party(['host', 'zoe']);
    await members[0].close();
    await members[1].expect(peerLeft(0));
    members[1].setState(1);
    await members[1].expectError('Only the host can set state');
  });

  it('State data is required, and what is kept stays', async () => {
    const { code, members } = await server.party(['host', 'zoe']);
    members[0].setState('kept');
    for (const text of ['{"type":"set_state"}', '{"type":"set_state","Data":1}']) {
      members[0].sendText(text);
      await members[0].expectError('State data is required');
    }
    await members[1].expect(state('kept'));
    await expectSilence(...members);
    await expectReplay(server, code, '"kept"');
  });
});

describeWithServer('The size of a state', (server) => {
  /** The compact form must have `bytes`: that many are admitted, one more is not. */
  async function expectCap(spanOf) {
    const { code, members } = await server.party(['host']);
    members[0].sendText(setState(spanOf(capBytes)));
    await members[0].expectSilence();
    members[0].sendText(setState(spanOf(capBytes + 1)));
    await members[0].expectError('State too large');
    await expectReplay(server, code, spanOf(capBytes));
  }

  it('16384 bytes of compact form are admitted, 16385 are not', () =>
    expectCap((bytes) => `"${'x'.repeat(bytes - 2)}"`));

  it('White space outside strings does not count, of whatever kind', () =>
    expectCap((bytes) => {
      const around = ' \t\r\n'.repeat(100);
      const compact = bytesOf('{"a":[1,true],"pad":""}');
      const pad = 'x'.repeat(bytes - compact);
      const tokens = ['{', '"a"', ':', '[', '1', ',', 'true', ']', ',', '"pad"', ':'];
      return [...tokens, `"${pad}"`, '}'].join(around);
    }));

  it('White space in strings counts, names of fields included', () =>
    expectCap((bytes) => {
      const compact = bytesOf('{"  ":"   "}');
      return `{ "  ${' '.repeat(bytes - compact)}" : "   " }`;
    }));

  it('Numbers count as they were written', () =>
    expectCap((bytes) => {
      const numbers = '1.000,1E+0005,-0.0,1e400,';
      return `[ ${numbers} "${'x'.repeat(bytes - bytesOf(`[${numbers}""]`))}" ]`;
    }));

  const units = {
    'a letter of two bytes': ['\u00e9', 2],
    'a letter of three bytes': ['\u4e16', 3],
    'a character of four bytes': ['\u{1f600}', 4],
    'U+2028': ['\u2028', 3],
    'an escaped letter of one byte': ['\\u0041', 1],
    'an escaped letter of two bytes': ['\\u00e9', 2],
    'the same in capitals': ['\\u00E9', 2],
    'an escaped letter of three bytes': ['\\u4e16', 3],
    'an escaped U+2028': ['\\u2028', 3],
    'an escaped U+FFFF': ['\\uffff', 3],
    'an escaped U+007F': ['\\u007f', 1],
    'an escaped surrogate pair': ['\\ud83d\\ude00', 4],
    'a high surrogate alone': ['\\ud83dx', 7],
    'a low surrogate alone': ['\\ude00', 6],
    'two surrogates in the wrong order': ['\\ude00x\\ud83dx', 14],
    'two high surrogates': ['\\ud83d\\ud83dx', 13],
    'an escaped slash': ['\\/', 1],
    'a slash escaped by its number': ['\\u002f', 1],
    'an escaped quote': ['\\"', 2],
    'a quote escaped by its number': ['\\u0022', 2],
    'an escaped backslash': ['\\\\', 2],
    'a backslash escaped by its number': ['\\u005c', 2],
    'a line feed': ['\\n', 2],
    'a tab': ['\\t', 2],
    'a line feed escaped by its number': ['\\u000a', 2],
    'a backspace escaped by its number': ['\\u0008', 2],
    'U+0000': ['\\u0000', 6],
    'U+001F': ['\\u001F', 6],
    'U+000B, which has no short escape': ['\\u000b', 6],
  };
  for (const [what, [unit, bytes]] of Object.entries(units)) {
    it(`${what} counts ${bytes}`, async () => {
      assert.equal(bytesOf(JSON.stringify(JSON.parse(`"${unit}"`))) - 2, bytes);
      const count = 1_000;
      await expectCap((total) => `"${unit.repeat(count)}${'x'.repeat(total - 2 - count * bytes)}"`);
    });
  }

  it('A surrogate at the end of one string and one at the start of the next are no pair', () =>
    expectCap((bytes) => {
      const [head, tail] = ['["\\ud83d","\\ude00', '"]'];
      return head + 'x'.repeat(bytes - head.length - tail.length) + tail;
    }));

  it('Escapes count the same in names of fields', () =>
    expectCap((bytes) => {
      const compact = bytesOf('{"":0}') + 500 * 2;
      return `{"${'\\u00e9'.repeat(500)}${'x'.repeat(bytes - compact)}": 0}`;
    }));

  it('A span may have 65536 bytes, however small its compact form, not 65537', async () => {
    const { code, members } = await server.party(['host']);
    const span = `[${' '.repeat(spanBytes - 2)}]`;
    members[0].sendText(setState(span));
    await members[0].expectSilence();
    members[0].sendText(setState(`[${' '.repeat(spanBytes - 1)}]`));
    await members[0].expectError('State too large');
    await expectReplay(server, code, span);
  });

  it('A state that is refused is pushed to nobody, and the one before stays', async () => {
    const { code, members } = await server.party(['host', 'zoe']);
    members[0].setState('kept');
    for (const size of [capBytes, spanBytes, 1_000_000]) {
      members[0].setState('x'.repeat(size));
      await members[0].expectError('State too large');
    }
    await members[1].expect(state('kept'));
    await expectSilence(...members);
    await expectReplay(server, code, '"kept"');
  });
});

describeWithServer('The order of a state and what comes after', (server) => {
  const stepCount = 400;

  /** Every step is a state and then a message of the same number. */
  async function play(host, guestCount) {
    for (const step of range(stepCount)) {
      host.setState(step);
      host.relay(step);
      if (step % 5 === 4) await nextTurn();
    }
    const events = await host.take(guestCount);
    assert.ok(events.every(({ type }) => type === 'peer_joined'));
    host.relay('end');
  }

  /** `joined`, then the state, then what the host sent after that state, without a gap. */
  async function watch(guest, code, clientId) {
    await guest.join(clientId, code);
    let last = await guest.next();
    assert.equal(last.type, 'state', JSON.stringify(last));
    let mayLackItsMessage = true; // when that was sent before the guest came
    for (;;) {
      const event = await guest.next();
      if (event.type === 'peer_joined') continue;
      if (event.data === 'end') break;
      if (event.type === 'state') {
        assert.ok(mayLackItsMessage || last.type === 'message');
        assert.equal(event.data, last.data + 1);
      } else {
        assert.deepEqual([event.type, last.type], ['message', 'state']);
        assert.equal(event.data, last.data);
      }
      mayLackItsMessage = false;
      last = event;
    }
    assert.equal(last.data, stepCount - 1);
    assert.ok(mayLackItsMessage || last.type === 'message');
  }

  it('Nothing older than the state follows `joined`, and nothing newer is missing', async () => {
    const guestCount = 20;
    const { code, members } = await server.party(['host']);
    members[0].setState(-1);
    await members[0].expectSilence();
    const guests = await server.members(guestCount);
    const comeOneByOne = async () => {
      const watching = [];
      for (const [count, guest] of guests.entries()) {
        watching.push(watch(guest, code, `guest ${count}`));
        for (let turns = 0; turns < 4; turns++) await nextTurn();
      }
      await Promise.all(watching);
    };
    await Promise.all([play(members[0], guestCount), comeOneByOne()]);
  });
});
