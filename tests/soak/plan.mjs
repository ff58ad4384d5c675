// Every number of the soak in one place: how the server is started, how much of what happens, and
// what is allowed.

export const serverSettings = {
  loops: 2,
  // Options of the server, as on its command line.
  options: [],
};

export const seconds = Number(process.env.SECONDS ?? 600);

/** When memory is measured first: after a minute, or early enough in a run that is shorter. */
export const firstMeasurementSeconds = Math.min(60, seconds / 3);

/** Rooms that stand from the start to the end, with the same residents. */
export const base = {
  openRooms: 5, // have visitors
  fullRooms: 3, // have none, since nobody fits in
  residents: 3, // in each, besides its screen and its witness
};

export const crowd = {
  rooms: 24, // besides the base
  guests: 190, // in all rooms
  guestsPerRoom: 14,
  stuckAtOnce: 3, // each may hold a queue of 16 MiB in the server
  vandalsAtOnce: 80,
};

/** How often each thing happens in a second. Joins that fail stay below 200 a minute. */
export const rates = {
  say: 700,
  flood: 0.6,
  stall: 3,
  leave: 8,
  replace: 3,
  replaceByMany: 0.6,
  comeBack: 2,
  getStuck: 0.15,
  endRoom: 0.8,
  vandal: 9,
};

export const floodMessages = 400;

/** A connection with more unsent output than this says nothing more for a while. */
export const unsentBytesMax = 2 ** 20;

/** Growth of the server's memory between the two measurements. */
export const memoryGrowthMax = 0.05;

export const deadlines = {
  settleSeconds: 45, // for a room to come to rest: long queues are flushed first
  // For a client that vanished to be announced: 10 s of silence, and time to notice.
  vanishSeconds: 20,
  measureSeconds: 40,
};

export const progressSeconds = 10;
