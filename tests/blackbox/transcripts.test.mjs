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
//     zoe leaves                          zoe closes its connection
//     zoe is silent                       zoe has been sent nothing more
//     http > GET /room/$ROOM              a request without an upgrade
//     http < 200 {"clients":...}          its answer
//
// $ROOM stands for the code that the first `created` tells, $ROOM2 for that of the second, and
// $lower for the first in lower case. At the end nobody may have been sent anything more.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { it } from 'node:test';
import { describeAtOnce } from './support/suite.mjs';

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

class Session {
  #server;
  #clients = new Map();
  #codes = [];
  #answer;

  constructor(server) {
    this.#server = server;
  }

  async play({ line, where }) {
    const [, who, verb, rest] = /^(\w+) (=|>|<|x|leaves|is silent)(?: (.*))?$/.exec(line) ?? [];
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
    else if (verb === '>') client.sendText(text);
    else if (verb === '<') assert.equal(this.#named(await client.nextText()), this.#named(text));
    else if (verb === 'leaves') await client.close();
    else if (verb === 'is silent') await client.expectSilence();
    else await this.#expectClosed(client, text);
  }

  #open(protocol) {
    return this.#server.client({ protocols: protocol === 'none' ? [] : [protocol] });
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

  /** Names for codes, in a text that was received; a new code is given the next name. */
  #named(text) {
    const [, code] = /^\{"type":"created","room":"([^"$]+)"/.exec(text) ?? [];
    if (code && !this.#codes.includes(code)) this.#codes.push(code);
    const withNames = (result, one, index) => result.replaceAll(one, nameOfCode(index));
    return this.#codes.reduce(withNames, text);
  }

  /** Codes for names, in a text of the file, as far as the codes are known. */
  #filled(text) {
    const withCodes = (result, code, index) =>
      result.replaceAll(new RegExp(`\\${nameOfCode(index)}\\b`, 'g'), code);
    const codes = this.#codes.reduce(withCodes, text);
    return codes.replaceAll('$lower', this.#codes[0]?.toLowerCase());
  }
}

const nameOfCode = (index) => (index === 0 ? '$ROOM' : `$ROOM${index + 1}`);

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
