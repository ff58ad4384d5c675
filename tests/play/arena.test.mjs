// The field on which worms crawl: web/play/arena.js.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  addWorm, advance, height, newArena, protect, removeWorm, steer, thickness, width, wormOf,
} from '../../web/play/arena.js';

const plain = { speed: 1, stars: 0, worth: 1 };
const gold = { speed: 1.4, stars: 10, worth: 2 };
const frame = 1 / 60;

/** Numbers that look random and are the same in each run. */
function randomOf(seed) {
  return () => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return seed / 2 ** 31;
  };
}

const playersOf = (indices) => indices.map((index) => ({ index, team: null }));

function arenaOf(indices, round = plain) {
  return newArena(round, playersOf(indices), randomOf(7));
}

function put(arena, index, x, y, heading = 0) {
  return Object.assign(wormOf(arena, index), { x, y, heading, path: [], safeFor: 0 });
}

/** Frames of a screen, one after the other; returns what happened in them. */
function run(arena, seconds) {
  const frames = Math.round(seconds / frame);
  return Array.from({ length: frames }, () => advance(arena, frame + 1e-9)).flat();
}

const near = (a, b, within = 1e-6) => Math.abs(a - b) <= within;

test('a worm crawls straight on, and comes back on the other side', () => {
  const arena = arenaOf([1]);
  const worm = put(arena, 1, width - 10, 450);
  run(arena, 0.5);
  assert.ok(worm.x > 0 && worm.x < 200, `at ${worm.x}`);
  assert.equal(worm.y, 450);
  put(arena, 1, 800, 5, -Math.PI / 2);
  run(arena, 0.5);
  assert.ok(worm.y < height && worm.y > height - 200, `at ${worm.y}`);
});

test('it turns as long as a button is held', () => {
  const arena = arenaOf([1]);
  const worm = put(arena, 1, 800, 450);
  steer(arena, 1, 1, 0);
  run(arena, 0.3);
  const right = worm.heading;
  assert.ok(right > 0.5);
  steer(arena, 1, -1, 300);
  assert.ok(near(worm.heading, right, 0.02), 'it was held as long as it seemed');
  run(arena, 0.6);
  assert.ok(worm.heading < -0.5);
  const left = worm.heading;
  steer(arena, 1, 0, 600);
  assert.ok(near(worm.heading, left, 0.02), 'and so was the next turn');
  const { heading } = worm;
  run(arena, 0.3);
  assert.equal(worm.heading, heading);
});

test('a turn is as long as on the phone, however late its end comes', () => {
  const turned = (secondsHere) => {
    const arena = arenaOf([1]);
    const worm = put(arena, 1, 800, 450);
    steer(arena, 1, 1, 0);
    run(arena, secondsHere);
    steer(arena, 1, 0, 200);
    return worm.heading;
  };
  const exact = turned(0.2);
  assert.ok(exact > 0.6);
  for (const seconds of [0.1, 0.15, 0.25, 0.3])
    assert.ok(near(turned(seconds), exact, 0.02), `${seconds} s: ${turned(seconds)}, not ${exact}`);
});

test('a phone that lies about its turns gains little', () => {
  const arena = arenaOf([1]);
  const worm = put(arena, 1, 800, 450);
  steer(arena, 1, 1, 0);
  steer(arena, 1, 0, 1e9);
  assert.ok(worm.heading > 0 && worm.heading < 0.6, `${worm.heading}`);
  steer(arena, 1, 1, 0);
  steer(arena, 1, 0, -1e9);
  assert.ok(worm.heading > -0.6 && worm.heading < 0.6, `${worm.heading}`);
});

test('however often it lies, it gains no more than that until as much time has passed', () => {
  const arena = arenaOf([1]);
  const worm = put(arena, 1, 800, 450);
  const lie = () => {
    const { heading } = worm;
    for (let i = 0; i < 100; i++) steer(arena, 1, (i + 1) % 2, 1e9);
    return worm.heading - heading;
  };
  const gained = lie();
  assert.ok(gained > 0.4 && gained < 0.6, `${gained}`);
  run(arena, 0.05);
  assert.ok(near(lie(), gained / 3, 0.06));
  run(arena, 10);
  assert.ok(near(lie(), gained, 0.06));
});

test('a turn that is told again is not corrected', () => {
  const arena = arenaOf([1]);
  const worm = put(arena, 1, 800, 450);
  for (let i = 0; i < 3; i++) steer(arena, 1, 1, 1e9);
  assert.equal(worm.heading, 0);
});

test('what is no turn, or comes from nobody, changes nothing', () => {
  const arena = arenaOf([1]);
  const before = JSON.stringify(arena);
  for (const turn of [2, -2, 0.5, '1', null, undefined, NaN, {}, [1]]) steer(arena, 1, turn, 10);
  steer(arena, 99, 1, 10);
  assert.equal(JSON.stringify(arena), before);
  for (const held of ['10', null, undefined, NaN, Infinity, {}]) steer(arena, 1, 1, held);
  assert.ok(Number.isFinite(wormOf(arena, 1).heading));
});

test('a star makes longer, gives points, and is replaced', () => {
  const arena = arenaOf([1], { speed: 1, stars: 1, worth: 2 });
  const worm = put(arena, 1, 800, 450);
  const { pathLength } = worm;
  arena.stars = [{ x: 900, y: 450 }];
  const happenings = run(arena, 0.5);
  assert.deepEqual(happenings, [{ type: 'star', index: 1, points: 2, x: 900, y: 450 }]);
  assert.ok(worm.pathLength > pathLength);
  assert.equal(arena.stars.length, 1);
});

test('who bumps into a line is out and becomes stars, and its owner has points', () => {
  const arena = arenaOf([1, 2]);
  put(arena, 2, 700, 450);
  run(arena, 0.6); // a line behind it
  const worm = put(arena, 1, wormOf(arena, 2).x - 40, 300, Math.PI / 2);
  worm.path = Array.from({ length: 60 }, (_, i) => ({ x: 100 + i, y: 800 }));
  worm.pathLength = 60;
  const happenings = run(arena, 0.6);
  assert.deepEqual(happenings.map(({ type, index, points }) => [type, index, points]), [
    ['crash', 1, 0],
    ['bump', 2, 2],
  ]);
  assert.ok(worm.outFor > 0);
  assert.ok(arena.stars.length > 0);
  assert.ok(worm.pathLength < 60, 'it begins anew as a short one');
  run(arena, 2);
  assert.ok(worm.outFor <= 0);
  assert.ok(worm.path.length > 0);
});

test('of two heads that meet both are out, and nobody has points', () => {
  const arena = arenaOf([1, 2]);
  put(arena, 1, 700, 450);
  put(arena, 2, 900, 450, Math.PI);
  const happenings = run(arena, 1);
  assert.deepEqual(happenings.map(({ type }) => type), ['crash', 'crash']);
  assert.deepEqual(happenings.map(({ index }) => index), [1, 2]);
});

test('one can bump into oneself, but only into what is far enough behind', () => {
  const arena = arenaOf([1]);
  const worm = put(arena, 1, 800, 450);
  steer(arena, 1, 1, 0);
  assert.deepEqual(run(arena, 4), [], 'a short worm goes round in a circle');
  worm.pathLength = 200;
  const happenings = run(arena, 4);
  assert.equal(happenings[0]?.type, 'crash');
  assert.equal(happenings.filter(({ type }) => type === 'bump').length, 0);
});

test('who has just come is safe, and dangerous for nobody', () => {
  const arena = arenaOf([1, 2]);
  put(arena, 1, 700, 450);
  put(arena, 2, 800, 450, Math.PI).safeFor = 5;
  assert.deepEqual(run(arena, 0.5), []);
});

test('worms come and go in the midst of a round', () => {
  const arena = arenaOf([1]);
  addWorm(arena, { index: 2 });
  addWorm(arena, { index: 2 });
  assert.equal(arena.worms.length, 2);
  assert.ok(wormOf(arena, 2).safeFor > 0);
  removeWorm(arena, 1);
  removeWorm(arena, 99);
  assert.deepEqual(arena.worms.map(({ index }) => index), [2]);
  run(arena, 0.1);
});

test('a new worm comes where others are far', () => {
  const random = randomOf(3);
  const arena = newArena(plain, playersOf([1]), random);
  const crowded = Array.from({ length: 100 }, () => {
    put(arena, 1, random() * width, random() * height);
    run(arena, 0.3);
    addWorm(arena, { index: 2 });
    const { x, y } = wormOf(arena, 2);
    removeWorm(arena, 2);
    return Math.min(...wormOf(arena, 1).path.map((point) => Math.hypot(point.x - x, point.y - y)));
  });
  assert.ok(Math.min(...crowded) > 10 * thickness, `${Math.min(...crowded)}`);
});

test('a screen that stood still does not run after the time', () => {
  const arena = arenaOf([1]);
  const worm = put(arena, 1, 100, 450);
  advance(arena, 3600);
  assert.ok(worm.turnedFor < 0.5, `it crawled for ${worm.turnedFor} s`);
});

test('a line is as dangerous across the edge of the field', () => {
  const arena = arenaOf([1, 2]);
  put(arena, 1, 400, height - 5, 0).path = Array.from({ length: 60 }, (_, i) => ({ x: 300 + i, y: height - 5 }));
  wormOf(arena, 1).pathLength = 60;
  put(arena, 2, 330, 8); // and goes beside it
  const [first] = run(arena, 0.05);
  assert.equal(`${first?.type} ${first?.index}`, 'crash 2');
});

test('the lines of a team do its own worms no harm; each can still bump into itself', () => {
  const mates = newArena(plain, [{ index: 1, team: 3 }, { index: 2, team: 3 }, { index: 3, team: 0 }], randomOf(7));
  put(mates, 1, 700, 450);
  put(mates, 2, 900, 450, Math.PI);
  put(mates, 3, 100, 100);
  assert.deepEqual(run(mates, 1), [], 'heads of a team may meet');
  put(mates, 3, wormOf(mates, 1).x - 60, 400, Math.PI / 2);
  const [first] = run(mates, 0.4);
  assert.equal(`${first?.type} ${first?.index}`, 'crash 3', 'who is of another team');
  const worm = put(mates, 1, 800, 450);
  worm.pathLength = 200;
  steer(mates, 1, 1, 0);
  assert.equal(run(mates, 4).find(({ index }) => index === 1)?.type, 'crash');
});

test('after a pause nobody can bump for a moment, and nobody is safe for less time than before', () => {
  const arena = arenaOf([1, 2]);
  put(arena, 1, 700, 450);
  put(arena, 2, 900, 450, Math.PI).safeFor = 5;
  protect(arena);
  assert.ok(wormOf(arena, 1).safeFor > 1);
  assert.equal(wormOf(arena, 2).safeFor, 5);
});

test('more than eight worms have a larger field and more stars, and begin apart from each other', () => {
  const indices = Array.from({ length: 30 }, (_, i) => i + 1);
  const eight = arenaOf(indices.slice(0, 8), gold);
  const thirty = arenaOf(indices, gold);
  assert.deepEqual([eight.width, eight.height, eight.stars.length], [width, height, 10]);
  assert.ok(thirty.width > 1.4 * width && thirty.width < 1.7 * width);
  assert.equal(thirty.width / thirty.height, width / height);
  assert.ok(thirty.stars.length > 30);
  const gaps = thirty.worms.flatMap((a) =>
    thirty.worms.filter((b) => b !== a).map((b) => Math.hypot(a.x - b.x, a.y - b.y)),
  );
  assert.ok(Math.min(...gaps) > 4 * thickness, `${Math.min(...gaps)}`);
});

for (const count of [8, 30])
  test(`${count} worms that turn at random: bounded, within the field, and quick`, (context) => {
    const random = randomOf(5);
    const players = Array.from({ length: count }, (_, i) => ({ index: i + 1, team: null }));
    const arena = newArena(gold, players, random);
    const begunAt = performance.now();
    let crashes = 0;
    for (let second = 0; second < 60; second++) {
      for (const { index } of arena.worms) steer(arena, index, Math.floor(random() * 3) - 1, 500);
      crashes += run(arena, 1).filter(({ type }) => type === 'crash').length;
      assert.ok(arena.stars.length >= (10 * count) / 8 - 1 && arena.stars.length <= (30 * count) / 8);
      for (const { x, y, path } of arena.worms) {
        assert.ok(x >= 0 && x <= arena.width && y >= 0 && y <= arena.height);
        assert.ok(path.length <= 300);
      }
    }
    assert.ok(crashes > 5, `${crashes} crashes`);
    const milliseconds = performance.now() - begunAt;
    context.diagnostic(`60 s of play took ${Math.round(milliseconds)} ms, with ${crashes} crashes`);
    assert.ok(milliseconds < 30_000, `60 s of play took ${milliseconds} ms`);
  });
