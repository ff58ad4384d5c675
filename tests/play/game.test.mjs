// Players and phases, as far as the room's state carries them: web/play/game.js.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  addPoints, begin, colors, interrupt, isEverybodyReady, isFull, newGame, playerAt, playersMax,
  ranking, rounds, seat, setAway, setReady, skip, takenColors, tick, winners,
} from '../../web/play/game.js';

function gameOf(...names) {
  const game = newGame(10);
  names.forEach((name, i) => seat(game, i + 1, { name, color: i }));
  return game;
}

/** Lets time pass until another phase begins; tells how many seconds that took. */
function untilNextPhase(game) {
  for (let seconds = 1; seconds <= 1000; seconds++) if (tick(game, 1)) return seconds;
  throw new Error(`The phase ${game.phase} has no end`);
}

const nameOf = (name) => gameOf(name).players[0].name;

test('what a phone calls itself is text of at most twelve characters', () => {
  assert.equal(nameOf('  Ada \n\t Lovelace King '), 'Ada Lovelace');
  assert.equal(nameOf('\u202eevil\u0000\u200b'), 'evil');
  assert.equal(nameOf('🦄'.repeat(99)), '🦄'.repeat(12));
  assert.equal(nameOf(`Z${'\u0335'.repeat(40)}`), 'Z\u0335');
  assert.equal(nameOf('x'.repeat(1_000_000)), 'x'.repeat(12));
});

test('who has no name gets one', () => {
  const invisible = ['\u200b', '\u3164', '\u2800\u2800', '\u034f', '\ufe0f', '\u{e0041}', '\uffa0'];
  for (const name of ['', '   ', undefined, null, 7, {}, ['Ada'], ...invisible])
    assert.equal(nameOf(name), 'Player 1');
});

test('no two have the same name or colour', () => {
  const game = newGame();
  for (let index = 1; index <= playersMax; index++) seat(game, index, { name: 'Ada', color: 3 });
  const names = game.players.map(({ name }) => name);
  assert.deepEqual(names.slice(0, 3), ['Ada', 'Ada 2', 'Ada 3']);
  assert.equal(new Set(names).size, playersMax);
  assert.equal(playerAt(game, 1).color, 3);
  assert.equal(new Set(game.players.map(({ color }) => color)).size, playersMax);
});

test('a name that is taken gets a number, and is no longer for it', () => {
  const names = gameOf('🦄'.repeat(12), '🦄'.repeat(12), 'Ada Lovelace', 'Ada Lovelace\u3164');
  assert.deepEqual(names.players.map(({ name }) => name), [
    '🦄'.repeat(12), `${'🦄'.repeat(10)} 2`, 'Ada Lovelace', 'Ada Lovela 2',
  ]);
});

test('a colour is one of ours, whatever a phone says', () => {
  for (const color of [-1, 8, 1.5, '1', 'length', '__proto__', null, NaN, {}, [2]]) {
    const game = newGame();
    seat(game, 1, { name: 'Ada', color });
    assert.ok(Number.isInteger(playerAt(game, 1).color), String(color));
    assert.ok(colors[playerAt(game, 1).color]);
  }
});

test('name and colour may change before a game, but not during it', () => {
  const game = gameOf('Ada', 'Ben');
  seat(game, 1, { name: 'Ida', color: 5 });
  assert.equal(playerAt(game, 1).name, 'Ida');
  assert.equal(playerAt(game, 1).color, 5);
  begin(game);
  seat(game, 1, { name: 'Eve', color: 6 });
  assert.equal(playerAt(game, 1).name, 'Ida');
  assert.equal(game.players.length, 2);
});

test('a ninth player gets the seat of one who is away', () => {
  const game = gameOf(...'ABCDEFGH');
  setAway(game, 4, true);
  seat(game, 9, { name: 'I' });
  assert.equal(game.players.length, playersMax);
  assert.equal(playerAt(game, 4), undefined);
  assert.equal(playerAt(game, 9).color, 3);
});

test('of those who are away it is the one with the colour that is wanted', () => {
  const game = gameOf(...'ABCDEFGH');
  setAway(game, 4, true);
  setAway(game, 6, true);
  assert.deepEqual(takenColors(game, 9), [0, 1, 2, 4, 6, 7]);
  assert.ok(takenColors(game, 1).includes(3), 'a seat for oneself is there, and nobody replaced');
  seat(game, 9, { name: 'I', color: 5 });
  assert.equal(playerAt(game, 9).color, 5);
  assert.equal(playerAt(game, 6), undefined);
  assert.equal(game.players.length, playersMax);
});

test('nobody who is here is thrown out for somebody else', () => {
  const game = gameOf(...'ABCDEFGH');
  assert.ok(isFull(game));
  seat(game, 9, { name: 'I' });
  assert.equal(game.players.map(({ name }) => name).join(''), 'ABCDEFGH');
  setAway(game, 1, true);
  assert.ok(!isFull(game));
  assert.ok(!isFull(gameOf(...'ABCDEFG')));
});

test('it starts when two are here and all who are here are ready', () => {
  const game = gameOf('Ada');
  setReady(game, 1, true);
  assert.ok(!isEverybodyReady(game), 'one alone');
  seat(game, 2, { name: 'Ben' });
  assert.ok(!isEverybodyReady(game));
  setReady(game, 2, 'yes');
  assert.ok(!isEverybodyReady(game), 'only true is true');
  setReady(game, 2, true);
  assert.ok(isEverybodyReady(game));
  seat(game, 3, { name: 'Cem' });
  assert.ok(!isEverybodyReady(game));
  setAway(game, 3, true);
  assert.ok(isEverybodyReady(game), 'nobody waits for who is away');
  begin(game);
  assert.ok(!isEverybodyReady(game), 'it has begun');
});

test('nobody is ready in the midst of a game, and strangers never are', () => {
  const game = gameOf('Ada', 'Ben');
  setReady(game, 99, true);
  assert.equal(game.players.length, 2);
  begin(game);
  setReady(game, 1, true);
  assert.equal(playerAt(game, 1).isReady, false);
});

test('three rounds, each after a countdown, then results', () => {
  const game = gameOf('Ada', 'Ben');
  assert.ok(!tick(game, 1000), 'a lobby has no end');
  begin(game);
  const phases = [];
  while (game.phase !== 'results') {
    const { phase, round } = game;
    phases.push([phase, round, untilNextPhase(game)]);
  }
  const expected = rounds.flatMap((_, round) => [
    ['countdown', round, round === 0 ? 4 : 6],
    ['round', round, 10],
  ]);
  assert.deepEqual(phases, expected);
  assert.ok(!tick(game, 1000), 'results have no end');
});

test('countdowns and rounds may be skipped', () => {
  const game = gameOf('Ada', 'Ben');
  begin(game);
  for (const phase of ['round', 'countdown', 'round', 'countdown', 'round', 'results']) {
    skip(game);
    assert.ok(tick(game, 0.01));
    assert.equal(game.phase, phase);
  }
});

test('a game can be played again: scores begin anew, players stay', () => {
  const game = gameOf('Ada', 'Ben');
  begin(game);
  addPoints(game, 2, 5);
  while (game.phase !== 'results') untilNextPhase(game);
  assert.equal(playerAt(game, 2).score, 5);
  setReady(game, 1, true);
  setReady(game, 2, true);
  assert.ok(isEverybodyReady(game));
  begin(game);
  assert.equal(game.phase, 'countdown');
  assert.equal(game.round, 0);
  assert.deepEqual(game.players.map(({ score }) => score), [0, 0]);
});

test('nothing begins without players, or in the midst of a game', () => {
  const game = gameOf('Ada');
  setAway(game, 1, true);
  begin(game);
  assert.equal(game.phase, 'lobby');
  setAway(game, 1, false);
  begin(game);
  untilNextPhase(game);
  addPoints(game, 1, 3);
  begin(game);
  assert.equal(game.phase, 'round');
  assert.equal(playerAt(game, 1).score, 3);
});

test('who comes during a round plays in the next one', () => {
  const game = gameOf('Ada', 'Ben');
  begin(game);
  seat(game, 3, { name: 'In time' });
  untilNextPhase(game);
  seat(game, 4, { name: 'Late' });
  assert.equal(playerAt(game, 3).inRound, true);
  assert.equal(playerAt(game, 4).inRound, false);
  untilNextPhase(game);
  untilNextPhase(game);
  assert.equal(playerAt(game, 4).inRound, true);
});

test('who is away keeps name and score', () => {
  const game = gameOf('Ada', 'Ben');
  begin(game);
  addPoints(game, 1, 4);
  setAway(game, 1, true);
  setAway(game, 99, true);
  while (game.phase !== 'results') untilNextPhase(game);
  setAway(game, 1, false);
  assert.deepEqual(playerAt(game, 1), {
    index: 1, name: 'Ada', color: 0, score: 4, isReady: false, isAway: false, inRound: true,
  });
});

test('who went away is not ready any more; who comes again while here still is', () => {
  const game = gameOf('Ada', 'Ben');
  setReady(game, 1, true);
  setAway(game, 1, false);
  assert.equal(playerAt(game, 1).isReady, true);
  setAway(game, 1, true);
  assert.equal(playerAt(game, 1).isReady, false);
});

test('a round that is interrupted goes on with the time it had left', () => {
  const game = gameOf('Ada', 'Ben');
  begin(game);
  untilNextPhase(game);
  tick(game, 7);
  addPoints(game, 1, 2);
  const loaded = JSON.parse(JSON.stringify(game)); // as from the relay
  interrupt(loaded);
  assert.equal(loaded.phase, 'countdown');
  assert.equal(playerAt(loaded, 1).score, 2);
  untilNextPhase(loaded);
  assert.equal(untilNextPhase(loaded), 3);
  assert.equal(loaded.round, 1);
  untilNextPhase(loaded);
  assert.equal(untilNextPhase(loaded), 10, 'the next one is whole again');
});

test('who came too late for the last round has no place', () => {
  const game = gameOf('Ada', 'Ben');
  begin(game);
  while (game.round < 2 || game.phase !== 'round') untilNextPhase(game);
  seat(game, 3, { name: 'Late' });
  assert.deepEqual(winners(game), [], 'nobody has won who has nothing');
  addPoints(game, 2, 1);
  untilNextPhase(game);
  const places = ranking(game).map(({ name, place }) => [name, place]);
  assert.deepEqual(places, [['Ben', 1], ['Ada', 2], ['Late', undefined]]);
  assert.deepEqual(winners(game).map(({ name }) => name), ['Ben']);
});

test('equals share a place', () => {
  const game = gameOf('Ada', 'Ben', 'Cem', 'Dia');
  begin(game);
  untilNextPhase(game);
  for (const [index, points] of [[1, 2], [2, 5], [3, 5], [4, 1]]) addPoints(game, index, points);
  const places = ranking(game).map(({ name, place }) => `${place} ${name}`);
  assert.deepEqual(places, ['1 Ben', '1 Cem', '3 Ada', '4 Dia']);
});

test('the state of a full game is far below what a room keeps', () => {
  const game = newGame();
  for (let index = 1; index <= playersMax; index++) seat(game, index, { name: '🦄'.repeat(12) });
  assert.ok(Buffer.byteLength(JSON.stringify(game)) < 16_384 / 4);
});
