// What the soak prints.

import { residentMemory } from './memory.mjs';

const mebibytes = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

export const newTotals = () => ({
  clients: 0,
  rooms: 0,
  messages: 0,
  deliveries: 0,
  bytes: 0,
  replacements: 0,
  resets: 0,
  faults: 0,
  errors: 0,
  tooSlow: 0,
  rests: 0,
  closes: {},
  lag: 0,
});

/** One line about now; `since` is the number of seconds since the line before. */
export async function printProgress(world, churn, vandals, { at, since, before }) {
  const { totals, pid, ledger } = world;
  const { rooms, clients } = churn.counts;
  const { total } = await residentMemory(pid);
  const perSecond = (name) => Math.round((totals[name] - before[name]) / since);
  console.log(
    [
      `${String(Math.round(at)).padStart(4)} s`,
      `${rooms} rooms`,
      `${clients} clients`,
      `${vandals.running} vandals`,
      `${perSecond('messages')} messages/s`,
      `${perSecond('deliveries')} deliveries/s`,
      `${mebibytes(perSecond('bytes'))}/s`,
      `server ${mebibytes(total * 1024)}`,
      `self ${mebibytes(process.memoryUsage.rss())}, lag ${Math.round(totals.lag)} ms`,
      `${ledger.violationCount} violations`,
    ].join(', '),
  );
  totals.lag = 0;
}

export function describeMemory({ total, anonymous }) {
  return `${total} KiB resident, ${anonymous} KiB anonymous`;
}

export function printTable({ totals }, vandals, memories) {
  const rows = [
    ['clients', totals.clients],
    ['rooms', totals.rooms],
    ['rooms brought to rest and compared', totals.rests],
    ['messages sent', totals.messages],
    ['deliveries checked', totals.deliveries],
    ['bytes received', mebibytes(totals.bytes)],
    ['replacements', totals.replacements],
    ['resets', totals.resets],
    ['players who broke the protocol', totals.faults],
    ['closed for being too slow', totals.tooSlow],
    ['messages to one who had left', totals.errors],
    ...Object.entries(totals.closes).map(([code, count]) => [`closed with ${code}`, count]),
    ...Object.entries(vandals.counts).map(([kind, count]) => [`vandals: ${kind}`, count]),
    ...Object.entries(memories).map(([name, memory]) => [name, describeMemory(memory)]),
  ];
  console.log();
  for (const [name, value] of rows) console.log(`${name.padEnd(48)}${value}`);
  console.log();
}
