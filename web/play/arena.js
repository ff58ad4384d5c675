// The field on which worms crawl: movement, stars and bumps. Pure, as game.js is; its caller gives it the time.
// A worm that leaves the field comes back on the other side. The lines of a team do its own worms no harm.

export const width = 1600; // of a field for up to eight worms; more of them have a larger one
export const height = 900;
export const thickness = 20;
const crowd = 8;
const enlargementMax = 1.6; // a worm must not become too thin for those at the back of the room

const stepSeconds = 1 / 60;
const stepsMax = 10; // in one call; after a standstill, the screen does not make up for the lost time
const speed = 280; // units of the field a second
const turnRate = 3.3; // radians a second
const latenessMax = 0.15; // seconds of latency that the game takes off; they come back with time
const pathLengthStart = 45; // points; each step adds one
const pathLengthMax = 300;
const pathLengthPerStar = 18;
const neckLength = 16; // points of its own line that a worm can't bump into
const starReach = 34;
const starsMax = 30;
const droppedEach = 25; // so many points of a worm that bumped become one star
const pointsForBump = 2;
const outSeconds = 1.5;
const safeSeconds = 1.8;
const placesTried = 12;

/** A new field for these players; `round` is one of the rounds in game.js. */
export function newArena(round, players, random = Math.random) {
  const crowding = Math.max(1, players.length / crowd);
  const enlargement = Math.min(Math.sqrt(crowding), enlargementMax);
  const arena = { round, random, worms: [], stars: [], unspentSeconds: 0 };
  Object.assign(arena, { width: width * enlargement, height: height * enlargement });
  Object.assign(arena, { starsMin: Math.round(round.stars * crowding), starsMax: starsMax * crowding });
  for (const player of players) addWorm(arena, player);
  fillUpStars(arena);
  return arena;
}

/** `team` is what the worms of a team have in common; null: this worm is alone. */
export function addWorm(arena, { index, team = null }) {
  if (wormOf(arena, index)) return;
  const worm = { index, team, turn: 0, turnedFor: 0, pathLength: pathLengthStart };
  worm.latenessLeft = latenessMax;
  enter(arena, worm);
  arena.worms.push(worm);
}

export function removeWorm(arena, index) {
  arena.worms = arena.worms.filter((worm) => worm.index !== index);
}

export function wormOf(arena, index) {
  return arena.worms.find((worm) => worm.index === index);
}

/**
 * Steers a worm left (-1), right (1) or straight on (0) from now on. The network may have delayed the
 * beginning or the end of the last turn. So the time counts for which the button was held on the phone.
 */
export function steer(arena, index, turn, heldMilliseconds) {
  const worm = wormOf(arena, index);
  if (!worm || ![-1, 0, 1].includes(turn)) return;
  if (worm.turn && turn !== worm.turn && Number.isFinite(heldMilliseconds)) {
    const missing = heldMilliseconds / 1000 - worm.turnedFor;
    const taken = Math.max(-worm.latenessLeft, Math.min(missing, worm.latenessLeft));
    worm.heading += worm.turn * turnRate * taken;
    worm.latenessLeft -= Math.abs(taken);
  }
  worm.turn = turn;
  worm.turnedFor = 0;
}

/** After a pause, nobody can bump for a moment: thumbs have to find their buttons. */
export function protect(arena) {
  for (const worm of arena.worms) worm.safeFor = Math.max(worm.safeFor, safeSeconds);
}

/** Lets time pass, in steps of equal length. Returns what happened: stars, crashes and bumps. */
export function advance(arena, seconds) {
  const happenings = [];
  arena.unspentSeconds = Math.min(arena.unspentSeconds + seconds, stepsMax * stepSeconds);
  for (; arena.unspentSeconds >= stepSeconds; arena.unspentSeconds -= stepSeconds)
    happenings.push(...step(arena));
  return happenings;
}

function step(arena) {
  for (const worm of arena.worms) {
    worm.latenessLeft = Math.min(worm.latenessLeft + stepSeconds, latenessMax);
    worm.outFor > 0 ? wait(arena, worm) : crawl(arena, worm);
  }
  const happenings = [...eat(arena), ...bump(arena)];
  fillUpStars(arena);
  return happenings;
}

function wait(arena, worm) {
  worm.outFor -= stepSeconds;
  if (worm.outFor <= 0) enter(arena, worm);
}

/** Puts a worm at one of a few random places: the one with the largest distance to all lines and heads. */
function enter(arena, worm) {
  const others = arena.worms.filter((other) => other !== worm && other.outFor <= 0);
  const places = Array.from({ length: placesTried }, () => randomPlace(arena));
  const rooms = places.map((place) => roomAround(place, others));
  const best = places[rooms.indexOf(Math.max(...rooms))];
  const heading = arena.random() * 2 * Math.PI;
  Object.assign(worm, { ...best, heading, path: [], outFor: 0, safeFor: safeSeconds });
}

function roomAround(place, worms) {
  let room = Infinity;
  for (const worm of worms) {
    room = Math.min(room, distance(place, worm));
    for (const point of worm.path) room = Math.min(room, distance(place, point));
  }
  return room;
}

function crawl(arena, worm) {
  worm.heading += worm.turn * turnRate * stepSeconds;
  worm.turnedFor += stepSeconds;
  worm.safeFor -= stepSeconds;
  const length = stepLength(arena);
  worm.x = (worm.x + Math.cos(worm.heading) * length + arena.width) % arena.width;
  worm.y = (worm.y + Math.sin(worm.heading) * length + arena.height) % arena.height;
  worm.path.push({ x: worm.x, y: worm.y });
  while (worm.path.length > worm.pathLength) worm.path.shift();
}

const stepLength = ({ round }) => speed * round.speed * stepSeconds;

function eat(arena) {
  const happenings = [];
  for (const worm of arena.worms.filter((worm) => worm.outFor <= 0)) {
    const eaten = arena.stars.filter((star) => distance(star, worm) < starReach);
    arena.stars = arena.stars.filter((star) => !eaten.includes(star));
    for (const star of eaten) {
      worm.pathLength = Math.min(worm.pathLength + pathLengthPerStar, pathLengthMax);
      happenings.push({ type: 'star', index: worm.index, points: arena.round.worth, ...star });
    }
  }
  return happenings;
}

/** Finds all bumps first and then carries them out. So when two heads meet, both worms are out. */
function bump(arena) {
  const bumps = arena.worms
    .filter((worm) => worm.outFor <= 0 && worm.safeFor <= 0)
    .map((worm) => ({ worm, owner: ownerOfLineAt(arena, worm) }))
    .filter(({ owner }) => owner);
  const losers = bumps.map(({ worm }) => worm);
  for (const worm of losers) crash(arena, worm);
  return bumps.flatMap(({ worm, owner }) => {
    const crashed = { type: 'crash', index: worm.index, points: 0, x: worm.x, y: worm.y };
    const scored = { ...crashed, type: 'bump', index: owner.index, points: pointsForBump };
    return losers.includes(owner) ? [crashed] : [crashed, scored];
  });
}

function ownerOfLineAt(arena, head) {
  return arena.worms.find((worm) => {
    const isOwn = worm === head;
    if (!isOwn && (worm.safeFor > 0 || areMates(worm, head))) return false;
    return isOnLine(arena, head, worm.path, worm.path.length - (isOwn ? neckLength : 0));
  });
}

const areMates = (a, b) => a.team !== null && a.team === b.team;

/**
 * Whether the head touches one of the first `count` points. The next points can't be nearer than the length of
 * the steps to them allows, so most of them need no look: with 30 worms that makes the difference.
 */
function isOnLine(arena, head, path, count) {
  const length = stepLength(arena);
  for (let i = 0; i < count; ) {
    const gap = distanceAround(arena, path[i], head) - thickness;
    if (gap < 0) return true;
    i += Math.max(1, Math.floor(gap / length));
  }
  return false;
}

function crash(arena, worm) {
  const dropped = worm.path.filter((_, i) => i % droppedEach === droppedEach - 1);
  arena.stars = [...arena.stars, ...dropped].slice(0, arena.starsMax);
  Object.assign(worm, { path: [], pathLength: pathLengthStart, outFor: outSeconds });
}

function fillUpStars(arena) {
  while (arena.stars.length < arena.starsMin) arena.stars.push(randomPlace(arena));
}

function randomPlace({ random, width, height }) {
  const margin = 60;
  return {
    x: margin + random() * (width - 2 * margin),
    y: margin + random() * (height - 2 * margin),
  };
}

const distance = (a, b) => Math.sqrt((a.x - b.x) ** 2 + (a.y - b.y) ** 2);

/** The same, where the field has no edges, as for worms. */
function distanceAround({ width, height }, a, b) {
  const x = Math.abs(a.x - b.x);
  const y = Math.abs(a.y - b.y);
  return Math.sqrt(Math.min(x, width - x) ** 2 + Math.min(y, height - y) ** 2);
}
