// Golden transcripts: whole sessions, text by text in order, so that any change of the wire shows
// as a difference. Each file in transcripts/ is played against a server of its own. Its lines:
//
//     # a remark
//     server --host-grace 500ms           options of the server (before anything else)
//     zoe = party-sockets.v2              opens a connection that offers this subprotocol
//     zoe = none                          the same, and offers none
//     zoe > {"type":...}                  zoe sends this text
//     zoe < {"type":...}                  the next text that zoe gets is exactly this one
//     zoe x 4000 replaced                 zoe's connection is closed with that code and reason
//     zoe leaves                          zoe closes its connection, without a code
//     zoe leaves 1000                     zoe closes its connection, with this code
//     zoe is cut off                      zoe's connection ends without a word
//     zoe is silent                       zoe has been sent nothing more
//     zoe > binary 00 ff                  zoe sends a binary message of these bytes
//     zoe < binary 00 ff                  the next that zoe gets is this binary message
//     http > GET /room/$ROOM              a request without an upgrade
//     http < 200 {"clients":...}          its answer
//
// $ROOM stands for the code that the first `created` tells, $ROOM2 for that of the second, and
// $lower for the first in lower case. In the same way $EPOCH, $EPOCH2, ... stand for the epochs of
// protocol 3 in the order in which they are told. At the end nobody may have been sent anything
// more.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describeAtOnce } from './support/suite.mjs';
import { it } from './support/testing.mjs';

const folder = new URL('transcripts/', import.meta.url);
const files = readdirSync(folder).filter((name) => name.endsWith('.txt'));

function readTranscript(name) {
  const lines = readFileSync(new URL(name, folder), 'utf8').split('\n');
  const steps = lines.map((line, index) => ({ line, where: `${name}:${index + 1}` }));
  const isServer = ({ line }) => line.startsWith('server ');
  const options = steps.filter(isServer).flatMap(({ line }) => line.split(' ').slice(1));
  const isStep = (step) => step.line && !step.line.startsWith('#') && !isServer(step);
  return { options, steps: steps.filter(isStep) };
}

const nameOf = (kind, index) => (index === 0 ? kind : `${kind}${index + 1}`);

/** Names for what the server makes up, given in the order in which it tells them. */
class Names {
  #kind;
  #pattern;
  #values = [];

  constructor(kind, pattern) {
    this.#kind = kind;
    this.#pattern = pattern;
  }

  get first() {
    return this.#values[0];
  }

  /** Names in the place of values, in a text that was received. */
  name(text) {
    const [, value] = this.#pattern.exec(text) ?? [];
    if (value && !this.#values.includes(value)) this.#values.push(value);
    const withNames = (result, one, index) => result.replaceAll(one, nameOf(this.#kind, index));
    return this.#values.reduce(withNames, text);
  }

  /** Values in the place of names, in a text of the file, as far as the values are known. */
  fill(text) {
    const withValues = (result, value, index) =>
      result.replaceAll(new RegExp(`\\${nameOf(this.#kind, index)}\\b`, 'g'), value);
    return this.#values.reduce(withValues, text);
  }
}

class Session {
  #server;
  #clients = new Map();
  #codes = new Names('$ROOM', /^\{"type":"created","room":"([^"$]+)"/);
  #epochs = new Names('$EPOCH', /"epoch":"([0-9a-f]{16})"/);
  #answer;

  constructor(server) {
    this.#server = server;
  }

  async play({ line, where }) {
    const [, who, verb, rest] = /^(\w+) (=|>|<|x|leaves|is cut off|is silent)(?: (.*))?$/.exec(line) ?? [];
    assert.ok(who, `${where} is no step: ${line}`);
    const text = this.#filled(rest ?? '');
    try {
      if (who === 'http') await this.#http(verb, text);
      else await this.#step(who, verb, text);
    } catch (error) {
      throw new Error(`${where}: ${line}\n${error.message}`, { cause: error });
    }
  }

  async expectNothingElse() {
    for (const [who, client] of this.#clients)
      if (client.isOpen) await this.play({ line: `${who} is silent`, where: 'the end' });
  }

  async #step(who, verb, text) {
    const client = this.#clients.get(who);
    if (verb === '=') this.#clients.set(who, await this.#open(text));
    else if (verb === '>') send(client, text);
    else if (verb === '<') assert.equal(this.#named(await client.nextText()), this.#named(text));
    else if (verb === 'leaves') await client.close(text === '' ? undefined : Number(text));
    else if (verb === 'is cut off') await client.terminate();
    else if (verb === 'is silent') await expectSilence(client);
    else await this.#expectClosed(client, text);
  }

  #open(protocol) {
    const protocols = protocol === 'none' ? [] : [protocol];
    return this.#server.client({ protocols, readsBinary: true });
  }

  async #expectClosed(client, text) {
    const [, code, reason] = /^(\d+) ?(.*)$/.exec(text);
    await assert.rejects(client.next(), new RegExp(`closed with ${code} ${reason}`));
    await client.expectClosed(Number(code), reason);
  }

  async #http(verb, text) {
    if (verb === '>') {
      const [method, target] = text.split(' ');
      const { status, body } = await this.#server.get(target, { method });
      this.#answer = `${status} ${body}`;
    } else assert.equal(this.#named(this.#answer), this.#named(text));
  }

  #named(text) {
    return this.#epochs.name(this.#codes.name(text));
  }

  #filled(text) {
    const codes = this.#codes.fill(text).replaceAll('$lower', this.#codes.first?.toLowerCase());
    return this.#epochs.fill(codes);
  }
}

function send(client, text) {
  const [, bytes] = /^binary (.*)$/.exec(text) ?? [];
  if (bytes === undefined) client.sendText(text);
  else client.sendBinary(Buffer.from(bytes.replaceAll(' ', ''), 'hex'));
}

/** In protocol 3 the question is a `ping`, which does not count. */
async function expectSilence(client) {
  if (client.socket.protocol !== 'party-sockets.v3') return client.expectSilence();
  client.send({ type: 'ping' });
  const { type, code } = await client.next();
  return assert.ok(type === 'pong' || code === 'not-in-room', `${type} ${code} is the next`);
}

describeAtOnce('Transcripts', (withServer) => {
  for (const name of files) {
    it(name, () => {
      const { options, steps } = readTranscript(name);
      return withServer({ options }, async (server) => {
        const session = new Session(server);
        for (const step of steps) await session.play(step);
        await session.expectNothingElse();
      });
    });
  }
});
