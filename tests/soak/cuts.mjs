// Python clients over a proxy that cuts (tests/python), for as long as the rest of the soak, beside it, and on a
// relay of their own. They check each other's deliveries; the figures are printed at the end.
//
//     node tests/soak/cuts.mjs    this part alone, with SECONDS, SEED and PARTY_SOCKETS_BINARY as for `make soak`

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { seed } from '../blackbox/support/random.mjs';
import { Server } from '../blackbox/support/server.mjs';
import { cutting, deadlines, seconds } from './plan.mjs';

const exchange = fileURLToPath(new URL('../python/exchange.py', import.meta.url));

/** How the table names the figures of the exchange. */
const rows = {
  cut: 'connections cut',
  sent: 'messages sent',
  delivered: 'deliveries checked',
  recovered: 'came back, recovered',
  'not recovered': 'came back, not recovered',
  'new epochs': 'of these in a new epoch',
  'volatile skipped': 'volatile messages skipped',
  'missed knowingly': 'messages missed by who was not recovered',
  lost: 'messages lost',
};

export class Cuts {
  #server;
  #outcome;

  static async start() {
    const cuts = new Cuts();
    cuts.#server = await Server.start({ loops: 2 });
    const options = Object.entries({ seed, seconds, ...cutting }).flatMap(([name, value]) => [`--${name}`, value]);
    const running = promisify(execFile)('python3', [exchange, cuts.#server.port, ...options].map(String), {
      timeout: (seconds + deadlines.cuttingSeconds) * 1000,
      killSignal: 'SIGKILL',
      maxBuffer: 2 ** 22,
    });
    process.once('exit', () => running.child.kill('SIGKILL'));
    cuts.#outcome = running.catch((error) => error); // which has the output, too
    return cuts;
  }

  /** Waits for the end, prints the figures, and tells `report(check, text)` what is wrong. */
  async end(report) {
    const { stdout, stderr, code, signal } = await this.#outcome;
    const last = stdout.trim().split('\n').at(-1);
    if (!last.endsWith('}')) report('cuts', `no figures: ${signal ?? code}, ${stderr}`);
    else this.#judge(JSON.parse(last), report);
    if (stderr) report('cuts', stderr);
    await this.#server.stop().catch((error) => report('stop', error.message));
  }

  #judge(figures, report) {
    console.log('\nPython clients over a proxy that cuts');
    const kinds = Object.keys(figures).filter((name) => name.startsWith('cut by '));
    const names = { ...rows, ...Object.fromEntries(kinds.map((name) => [name, `connections ${name}`])) };
    for (const [name, row] of Object.entries(names)) console.log(`${row.padEnd(48)}${figures[name]}`);
    console.log();
    for (const violation of figures.violations) report('cuts', violation);
    if (figures.cut === 0 || figures.recovered === 0) report('cuts', 'nothing was cut, or nobody came back');
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));
  let failed = 0;
  console.log(`seed ${seed}, ${seconds} s`);
  const cuts = await Cuts.start();
  await cuts.end((check, text) => {
    failed = 1;
    console.log(`  FAIL ${text}`);
  });
  console.log(`${1 - failed} passed, ${failed} failed`);
  process.exit(failed);
}
