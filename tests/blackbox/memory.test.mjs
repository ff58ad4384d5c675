// One budget for all that is buffered. When it is spent, those go first who hold much for long; an
// honest upload, and everybody who plays, is left alone.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { eventually, slowness } from './support/deadline.mjs';
import { json, opcodes, text } from './support/frames.mjs';
import { describeWithOptions } from './support/suite.mjs';
import { it } from './support/testing.mjs';

const budget = 8_000_000;
const slack = 1_000_000; // what one turn may bring before the budget is looked at
const hostileCount = 60;
const perHostile = 200_000; // 12 MB in all

describeWithOptions('--max-buffered-bytes', budget, '--max-message-rate', 0, '--max-byte-rate', 0)(
  'The budget for memory',
  (server) => {
    async function bufferedBytes() {
      return (await server.events())['bytes buffered now'];
    }

    /** Loops weigh and shed in turns of their own, and what arrives meanwhile is shed in the next ones. */
    const expectTheBudget = () => eventually(async () => (await bufferedBytes()) < budget + slack, 'The budget');

    /** Connections that announce 16 MiB each, send some of it, and then very little. */
    async function slowUploads(bytesEach = perHostile, most = hostileCount) {
      const uploads = [];
      for (let count = 0; count < most; count++) {
        const upload = await server.rawWebSocket();
        upload.socket.on('error', () => {});
        // With this mask whatever a test writes later is text, too; else it would be closed for what is none.
        upload.write(text(' '.repeat(bytesEach), { length: 16 * 1024 * 1024, mask: Buffer.alloc(4) }));
        uploads.push(upload);
      }
      return uploads;
    }

    /** Slow uploads, one after the other, until the budget is nearly spent; nobody is closed. */
    async function fillUp(bytesEach) {
      await eventually(async () => (await bufferedBytes()) < slack, 'All from before is gone');
      for (let bytes = await bufferedBytes(); bytes <= budget - slack; bytes = await bufferedBytes()) {
        await slowUploads(bytesEach, 1);
        await eventually(async () => (await bufferedBytes()) >= bytes + bytesEach, 'An upload');
      }
    }

    it('is kept: slow uploads beyond it are closed with 1013', async () => {
      const uploads = await slowUploads();
      await eventually(async () => (await server.events())['closed to free memory'] > 0, 'A victim');
      await expectTheBudget();
      const victim = await Promise.race(
        uploads.map(async (upload) => {
          const frame = await upload.readFrame();
          return frame.opcode === opcodes.close ? frame.payload : new Promise(() => {});
        }),
      );
      assert.equal(victim.readUInt16BE(), 1013);
      assert.equal(victim.subarray(2).toString(), 'out of memory');
    });

    it('is kept by those who never read, too; their room goes on', async () => {
      const { code, members } = await server.room(['host', 'guest'], 1_000);
      for (let count = 0; count < hostileCount; count++) {
        const deaf = await server.rawWebSocket();
        await deaf.join(`deaf ${count}`, code);
        deaf.socket.pause();
        for (const member of members) await member.next();
      }
      const gone = new Set();
      let heard = 0;
      for (let count = 0; gone.size === 0 && count < 3_000; count++) {
        members[0].relay({ count, filler: 'x'.repeat(900) }); // copied for each
        for (;;) {
          const event = await members[1].next();
          if (event.type === 'peer_left') gone.add(event.clientId);
          else if (event.type === 'message') {
            assert.equal(event.data.count, heard++);
            break;
          }
        }
        assert.ok(heard === count + 1);
      }
      assert.ok(gone.size > 0, 'Somebody was closed');
      await expectTheBudget();
    });

    const shedCount = async () => (await server.events())['closed to free memory'] ?? 0;

    /**
     * Bytes weigh by the time in which nothing has moved. On a busy machine an honest upload stands still as well,
     * when nobody turns to it or to the server. So those that are to be heavier have been there for much longer.
     */
    const growOld = () => pause(700 * slowness);

    it('does not fall on an honest upload, nor on who plays', async () => {
      const { members } = await server.room(['host', 'guest']);
      await fillUp(400_000); // each a third of the honest one
      await growOld();
      const before = await shedCount();
      const honest = 'y'.repeat(1_200_000);
      members[0].relay(honest, 'guest');
      await members[1].expectMessage('host', honest);
      members[1].relay('still here');
      await members[0].expectMessage('guest', 'still here');
      assert.ok((await shedCount()) > before, 'There was no memory for it without victims');
    });

    it('does not fall on an honest upload that takes some time', async () => {
      const { members, code } = await server.room(['host']);
      const uploads = await slowUploads(120_000, 65); // 7.8 MB
      const honest = await server.rawWebSocket();
      await honest.join('honest', code);
      await members[0].expect({ type: 'peer_joined', clientId: 'honest' });
      await growOld();
      const before = await shedCount();
      const message = json({ type: 'send', data: 'y'.repeat(1_000_000) });
      for (let at = 0, turn = 0; at < message.length; at += 33_000, turn++) {
        honest.write(message.subarray(at, at + 33_000));
        for (let index = turn % 10; index < uploads.length; index += 10) uploads[index].socket.write('z');
        await pause(50); // 660 KB a second
      }
      assert.equal((await members[0].next()).data.length, 1_000_000);
      assert.ok((await shedCount()) > before, 'There was no memory for it without victims');
    });

    it('counts a payload that many wait for once', async () => {
      const { code, members } = await server.room(['host'], 1_000);
      for (let count = 0; count < 20; count++) {
        const deaf = await server.rawWebSocket();
        await deaf.join(`deaf ${count}`, code);
        deaf.socket.pause();
        await members[0].next();
      }
      let before = await shedCount();
      let unchanged = 0; // uploads of before may still be closed for memory
      await eventually(async () => {
        const now = await shedCount();
        unchanged = now === before ? unchanged + 1 : 0;
        before = now;
        return unchanged >= 20;
      }, 'An end of what was before');
      members[0].relay('z'.repeat(3_000_000)); // twenty times that is beyond the budget
      members[0].relay('done', 'host');
      await members[0].expectMessage('host', 'done');
      await eventually(async () => (await bufferedBytes()) > 3_000_000, 'A long queue');
      assert.ok((await bufferedBytes()) < 3_000_000 + 20 * 70_000 + slack);
      assert.equal(await shedCount(), before);
    });

    it('is all free again when everybody is gone', async () => {
      await slowUploads(50_000);
      await server.disconnectAll();
      await eventually(async () => (await bufferedBytes()) < 100_000, 'Freed memory');
    });
  },
);

describeWithOptions('--max-buffered-bytes', budget, '--max-request-bytes', 65_536)(
  'The budget for memory, with long requests',
  (server) => {
    it('is kept: heads that never end are counted, and closed beyond it', async () => {
      const head = `GET / HTTP/1.1\r\nCookie: ${'x'.repeat(60_000)}`;
      let gone = 0;
      for (let count = 0; count < 200; count++) {
        const connection = await server.raw();
        connection.socket.on('error', () => {});
        connection.socket.on('close', () => gone++);
        connection.write(head);
      }
      const lost = async () => (await server.events())['closed to free memory'] > 0;
      await eventually(lost, 'A victim');
      // Loops weigh and shed in turns of their own; heads that arrive meanwhile are shed in the next ones.
      await eventually(async () => (await server.events())['bytes buffered now'] < budget + slack, 'The budget');
      await eventually(() => gone > 0, 'The end of its connection');
      const { members } = await server.room(['host', 'guest']);
      members[0].relay('still here');
      await members[1].expectMessage('host', 'still here');
    });
  },
);
