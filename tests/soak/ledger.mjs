// What is checked, by name, and what was found to be wrong. A check that nothing was held against
// has passed.

export const checks = {
  missing: 'nothing missing',
  doubled: 'nothing doubled',
  foreign: 'nothing foreign',
  intact: 'contents intact',
  order: 'one order for all',
  peers: 'peers consistent with the membership',
  replies: 'no error without cause',
  closes: 'no close without cause',
  garbage: 'garbage answered as the protocol says',
  cuts: 'nothing lost and nothing doubled over a proxy that cuts',
  memory: 'memory stays',
  stop: 'the server stopped cleanly',
  run: 'the run went as planned',
};

const shownPerCheck = 8;

/** Ids may hold anything. */
const printable = (text) =>
  text.replace(/[\u0000-\u0009\u000b-\u001f\u007f]|\p{Surrogate}/gu, '?').slice(0, 400);

export class Ledger {
  #violations = new Map(Object.keys(checks).map((check) => [check, 0]));

  report(check, text) {
    const count = this.#violations.get(check) + 1;
    this.#violations.set(check, count);
    if (count <= shownPerCheck) console.log(`  FAIL ${checks[check]}: ${printable(text)}`);
    if (count === shownPerCheck) console.log(`  (more of "${checks[check]}" is only counted)`);
  }

  get violationCount() {
    return [...this.#violations.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Lines for the report, and the counts. */
  outcome() {
    const lines = [...this.#violations].map(([check, count]) =>
      count === 0 ? `ok   ${checks[check]}` : `FAIL ${checks[check]}: ${count} violations`,
    );
    const failed = [...this.#violations.values()].filter((count) => count > 0).length;
    return { lines, passed: lines.length - failed, failed };
  }
}
