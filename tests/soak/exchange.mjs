// Python clients that exchange numbered messages over proxies that cut (tests/python/exchange.py), beside whatever
// else happens. They check each other's deliveries; the figures are printed at the end.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { seed } from '../blackbox/support/random.mjs';
import { deadlines, seconds } from './plan.mjs';

const program = fileURLToPath(new URL('../python/exchange.py', import.meta.url));

/** How the table names the figures. */
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

export class Exchange {
  #title;
  #outcome;

  /** Begins, for as long as a soak lasts. Each connection goes to one of these ports; `options` are the program's. */
  constructor(title, ports, options) {
    this.#title = title;
    const given = Object.entries({ seed, seconds, ...options }).flatMap(([name, value]) => [`--${name}`, value]);
    const running = promisify(execFile)('python3', [program, ...ports, ...given].map(String), {
      timeout: (seconds + deadlines.cuttingSeconds) * 1000,
      killSignal: 'SIGKILL',
      maxBuffer: 2 ** 22,
    });
    process.once('exit', () => running.child.kill('SIGKILL'));
    this.#outcome = running.catch((error) => error); // which has the output, too
  }

  /** Waits for the end, prints the figures, and tells `report(check, text)` what is wrong. */
  async end(report) {
    const { stdout, stderr, code, signal } = await this.#outcome;
    const last = stdout.trim().split('\n').at(-1);
    if (!last.endsWith('}')) report('exchange', `no figures: ${signal ?? code}, ${stderr}`);
    else this.#judge(JSON.parse(last), report);
    if (stderr) report('exchange', stderr);
  }

  #judge(figures, report) {
    console.log(`\n${this.#title}`);
    const kinds = Object.keys(figures).filter((name) => name.startsWith('cut by '));
    const names = { ...rows, ...Object.fromEntries(kinds.map((name) => [name, `connections ${name}`])) };
    for (const [name, row] of Object.entries(names)) console.log(`${row.padEnd(48)}${figures[name]}`);
    console.log();
    for (const violation of figures.violations) report('exchange', violation);
    if (figures.cut === 0 || figures.recovered === 0) report('exchange', 'nothing was cut, or nobody came back');
  }
}

/** Runs a part of the soak alone: `play(report)`. Ends the process, behind the line of all test programs. */
export async function playAlone(play) {
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));
  let failed = 0;
  console.log(`seed ${seed}, ${seconds} s`);
  await play((check, text) => {
    failed = 1;
    console.log(`  FAIL ${text}`);
  });
  console.log(`${1 - failed} passed, ${failed} failed`);
  process.exit(failed);
}
