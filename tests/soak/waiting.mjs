import { setTimeout as pause } from 'node:timers/promises';

/** Whether the condition came true in time. It is looked at 20 times a second. */
export async function until(condition, seconds) {
  const end = Date.now() + seconds * 1000;
  while (!(await condition())) {
    if (Date.now() > end) return false;
    await pause(50);
  }
  return true;
}
