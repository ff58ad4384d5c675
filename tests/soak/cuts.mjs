// Python clients over a proxy that cuts, for as long as the rest of the soak, beside it, and on a relay of their own.
//
//     node tests/soak/cuts.mjs    this part alone, with SECONDS, SEED and PARTY_SOCKETS_BINARY as for `make soak`

import { fileURLToPath } from 'node:url';
import { Server } from '../blackbox/support/server.mjs';
import { Exchange, playAlone } from './exchange.mjs';
import { cutting } from './plan.mjs';

export class Cuts {
  #server;
  #exchange;

  static async start() {
    const cuts = new Cuts();
    cuts.#server = await Server.start({ loops: 2 });
    cuts.#exchange = new Exchange('Python clients over a proxy that cuts', [cuts.#server.port], cutting);
    return cuts;
  }

  /** Waits for the end, prints the figures, and tells `report(check, text)` what is wrong. */
  async end(report) {
    await this.#exchange.end(report);
    await this.#server.stop().catch((error) => report('stop', error.message));
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const cuts = await Cuts.start();
  await playAlone((report) => cuts.end(report));
}
