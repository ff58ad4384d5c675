// Every number of the soak in one place: how the server is started, how much of what happens, and
// what is allowed.

export const serverSettings = {
  loops: 2,
  // Options of the server, as on its command line. Whole queues are heaped on one client here, and
  // their senders leave: at the rate of bytes that took longer than anybody waits for a goodbye.
  options: ['--max-byte-rate', 0],
};

/** How long there is life; coming to rest twice takes some seconds more. */
export const seconds = Number(process.env.SECONDS ?? 600);
if (!(seconds > 0)) throw new Error(`SECONDS is not a number above 0: ${process.env.SECONDS}`);

/** After how much of it memory is measured first: a minute, or less in a run that is shorter. */
export const firstMeasurementSeconds = Math.min(60, seconds / 3);

/** Rooms that stand from the start to the end, with the same residents. */
export const base = {
  openRooms: 5, // have visitors
  fullRooms: 3, // have none, since nobody fits in
  residents: 3, // in each, besides its screen and its witness
};

export const crowd = {
  rooms: 24, // besides the base
  guests: 260, // in all rooms
  guestsPerRoom: 20,
  stuckAtOnce: 3, // each may hold a queue of 16 MiB in the server
  vandalsAtOnce: 80,
};

/** How often each thing happens in a second. Joins that fail stay below 200 a minute. */
export const rates = {
  say: 1800,
  flood: 0.8,
  stall: 5,
  bury: 0.15,
  leave: 14,
  replace: 6,
  replaceByMany: 1,
  comeBack: 4,
  getStuck: 0.15,
  endRoom: 0.8,
  vandal: 12,
};

export const floodMessages = 400;

/** Messages of a mebibyte and more that are heaped on one who does not read: beyond its queue. */
export const buryMessages = 20;

/**
 * What is heaped on one client in each of some rooms before memory is measured: enough to fill the
 * kernel's buffers, and then more small pieces than a loop keeps memory for. There are so many rooms
 * that each loop has some of them.
 */
export const storm = { rooms: 10, hugeMessages: 5, plainMessages: 1000, seconds: 5 };

/**
 * Python clients over a proxy that cuts, as options of tests/python/exchange.py: some hundred cuts in ten minutes.
 * What is said while a member is silent mostly has room in the log, and sometimes not.
 */
export const cutting = { rooms: 4, members: 5, rate: 6, largest: 700, 'cut-every': 20, 'cuts-most': 500 };

/** A cluster whose nodes fail (nodes.mjs), with clients as above. */
export const failing = {
  nodes: 3,
  enterSeconds: 5, // in which all clients enter, which none can while NATS is away
  calmSeconds: 6, // at most, from one fault to the next, when all is whole again
  standStillSeconds: [2, 10], // one of these; after the longer time others have the node's rooms
  longSeconds: 60, // for which a node stands still, or NATS is away: nobody's seat is held for longer
  oneOfThreeSeconds: 8, // for which one of three nats-servers is away
  cutOffSeconds: 10,
  wholeSeconds: 60, // until each node has its share again
  exchange: { rooms: 6, members: 5, rate: 6, largest: 300, 'cut-every': 20, 'cuts-most': 500 },
};

/** A connection with more unsent output than this says nothing more for a while. */
export const unsentBytesMax = 2 ** 20;

/**
 * Growth of the server's memory between the two measurements. What malloc keeps of freed memory is
 * partly chance, so a reading beyond it is taken again after some more life: a leak does not shrink.
 */
export const memoryGrowthMax = 0.05;
export const remeasure = { times: 3, seconds: 5 };

export const deadlines = {
  settleSeconds: 45, // for a room to come to rest: a queue may take 15 s to be flushed
  // For a client that vanished to be announced: 10 s of silence, and time to notice.
  vanishSeconds: 20,
  measureSeconds: 40,
  cuttingSeconds: 150, // for all to arrive when nothing is cut any more, and for everybody to leave
};

export const progressSeconds = 10;
