// The server's memory, measured when nobody but the base is there and everything has settled.

import { readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { request } from '../blackbox/support/http.mjs';
import { RawConnection } from '../blackbox/support/raw.mjs';
import { deadlines } from './plan.mjs';
import { until } from './waiting.mjs';

/** Resident memory in KiB. */
export async function residentMemory(pid) {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const field = (name) => Number(new RegExp(`^${name}:\\s*(\\d+) kB$`, 'm').exec(status)?.[1]);
  return { total: field('VmRSS'), anonymous: field('RssAnon') };
}

/** Rooms and clients as the server tells them. */
export async function liveCounts(port) {
  const raw = await RawConnection.open(port);
  try {
    raw.write(request('/stats'));
    const { rooms, clients } = JSON.parse((await raw.readResponse()).body);
    return { rooms, clients };
  } finally {
    raw.terminate();
  }
}

const stillReadings = 4;

/** Memory once the server tells these counts and the readings stand still. */
export async function measure({ port, pid, ledger }, { rooms, clients }) {
  let counts;
  const isAtBase = async () => {
    counts = await liveCounts(port);
    return counts.rooms === rooms && counts.clients === clients;
  };
  if (!(await until(isAtBase, deadlines.measureSeconds))) {
    const text = `${counts.rooms} rooms and ${counts.clients} clients, not ${rooms} and ${clients}`;
    ledger.report('memory', `the server says ${text} when only the base is there`);
  }
  const end = Date.now() + deadlines.measureSeconds * 1000;
  let memory = await residentMemory(pid);
  for (let still = 0; still < stillReadings && Date.now() < end;) {
    await pause(500);
    const next = await residentMemory(pid);
    still = next.total === memory.total ? still + 1 : 0;
    memory = next;
  }
  return memory;
}
