// Waiting with a deadline. No test sleeps and hopes: it waits for an event and fails with a clear
// sentence when the event is late. TEST_SLOWNESS stretches all deadlines, for builds that are slow.

import { setTimeout as pause } from 'node:timers/promises';

export const slowness = Number(process.env.TEST_SLOWNESS ?? 1);
export const deadlineMilliseconds = 10_000 * slowness;

/** The outcome of `promise`, or an error naming `what` when it is late. `times`: of the usual deadline. */
export async function withDeadline(promise, what, times = 1) {
  const late = new Error(`${what}: nothing within ${times * deadlineMilliseconds} ms`);
  let timer;
  const expiry = new Promise((_, reject) => {
    timer = setTimeout(reject, times * deadlineMilliseconds, late);
  });
  try {
    return await Promise.race([promise, expiry]);
  } finally {
    clearTimeout(timer);
  }
}

/** Repeats `attempt` until it returns something true, and returns that. `times`: of the usual deadline. */
export async function eventually(attempt, what, times = 1) {
  const end = Date.now() + times * deadlineMilliseconds;
  for (;;) {
    const outcome = await attempt();
    if (outcome) return outcome;
    if (Date.now() > end) throw new Error(`${what}: not within ${times * deadlineMilliseconds} ms`);
    await pause(5);
  }
}
