// Players and phases, as far as the room's state carries them: web/play/game.js.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  addPlayer, begin, interrupt, isEverybodyReady, newGame, playerAt, playersMax, removePlayer, rounds, setAway,
  setPaused, setPlayers, setReady, skip, tick, waitsForNextGame,
} from '../../web/play/game.js';
import { addPoints, ranking, winners, winnerText } from '../../web/play/scores.js';
import { pack, unpack } from '../../web/play/state.js';
import { colors, soloMax, takenColors } from '../../web/play/teams.js';

function gameOf(...names) {
  const game = newGame(10);
  names.forEach((name, i) => addPlayer(game, i + 1, { name, color: i }));
  return game;
}

/** Lets time pass until another phase begins; tells how many seconds that took. */
function untilNextPhase(game) {
  for (let seconds = 1; seconds <= 1000; seconds++) if (tick(game, 1)) return seconds;
  throw new Error(`The phase ${game.phase} has no end`);
}

test('no two of eight have the same colour', () => {
  const game = newGame();
  for (let index = 1; index <= playersMax; index++) addPlayer(game, index, { name: `P${index}`, color: 3 });
  assert.equal(playerAt(game, 1).color, 3);
  assert.equal(new Set(game.players.slice(0, soloMax).map(({ color }) => color)).size, soloMax);
});

const known = (index, more) => ({ index, name: `P${index}`, fields: {}, isAway: false, isReady: false, ...more });

test('players are those whom the lobby knows', () => {
  const game = newGame();
  const first = [known(1, { fields: { color: '3' } }), known(2, { isReady: true }), known(4, { isAway: true })];
  setPlayers(game, first, []);
  assert.deepEqual(game.players.map(({ index, name }) => [index, name]), [[1, 'P1'], [2, 'P2'], [4, 'P4']]);
  assert.deepEqual(game.players.map(({ isReady }) => isReady), [false, true, false]);
  assert.deepEqual(game.players.map(({ isAway }) => isAway), [false, false, true]);
  assert.equal(playerAt(game, 1).color, 3);
  setPlayers(game, [first[0]], first);
  assert.deepEqual(game.players.map(({ index }) => index), [1]);
});

test('who says nothing new keeps the colour, also over a reload of the screen', () => {
  const game = newGame();
  const first = [known(1, { fields: { color: '3' } }), known(2, { fields: { color: '3' } })];
  setPlayers(game, first, []);
  const { color } = playerAt(game, 2);
  assert.notEqual(color, 3);
  setPlayers(game, [first[1]], first); // now the colour is free
  assert.equal(playerAt(game, 2).color, color);
  setPlayers(game, [{ ...first[1], isReady: true }], []);
  assert.equal(playerAt(game, 2).color, color);
  setPlayers(game, [{ ...first[1], fields: { color: '5' } }], [first[1]]);
  assert.equal(playerAt(game, 2).color, 5);
});

test('a colour is one of ours, whatever a phone says', () => {
  for (const color of [-1, 8, 1.5, '1', 'length', '__proto__', null, NaN, {}, [2]]) {
    const game = newGame();
    addPlayer(game, 1, { name: 'Ada', color });
    assert.ok(Number.isInteger(playerAt(game, 1).color), String(color));
    assert.ok(colors[playerAt(game, 1).color]);
  }
});

test('name and colour may change before a game, but not during it', () => {
  const game = gameOf('Ada', 'Ben');
  addPlayer(game, 1, { name: 'Ida', color: 5 });
  assert.equal(playerAt(game, 1).name, 'Ida');
  assert.equal(playerAt(game, 1).color, 5);
  begin(game);
  addPlayer(game, 1, { name: 'Eve', color: 6 });
  assert.equal(playerAt(game, 1).name, 'Ida');
  assert.equal(game.players.length, 2);
});

test('who is away keeps name and colour, also when all seats are taken', () => {
  const game = gameOf(...'ABCDEFGH');
  setAway(game, 4, true);
  assert.deepEqual(takenColors(game, 4), [0, 1, 2, 4, 5, 6, 7], 'its own is free for itself');
  for (let index = 9; index <= playersMax; index++) addPlayer(game, index, { name: `${index}` });
  addPlayer(game, playersMax + 1, { name: 'One too many' });
  assert.equal(game.players.length, playersMax);
  assert.equal(playerAt(game, 4).name, 'D');
  assert.equal(playerAt(game, 4).color, 3);
});

test('who has lost the seat is no player, and leaves name and colour to others', () => {
  const game = gameOf(...'ABCDEFGH');
  removePlayer(game, 4);
  removePlayer(game, 99);
  assert.equal(game.players.map(({ name }) => name).join(''), 'ABCEFGH');
  assert.ok(!takenColors(game, 9).includes(3));
  addPlayer(game, 9, { name: 'D', color: 7 });
  assert.equal(playerAt(game, 9).name, 'D');
  assert.equal(playerAt(game, 9).color, 3);
});

test('it starts when two are here and all who are here are ready', () => {
  const game = gameOf('Ada');
  setReady(game, 1, true);
  assert.ok(!isEverybodyReady(game), 'one alone');
  addPlayer(game, 2, { name: 'Ben' });
  assert.ok(!isEverybodyReady(game));
  setReady(game, 2, 'yes');
  assert.ok(!isEverybodyReady(game), 'only true is true');
  setReady(game, 2, true);
  assert.ok(isEverybodyReady(game));
  addPlayer(game, 3, { name: 'Cem' });
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
  addPlayer(game, 3, { name: 'In time' });
  untilNextPhase(game);
  addPlayer(game, 4, { name: 'Late' });
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
    index: 1, name: 'Ada', color: 0, team: null, score: 4, isReady: false, isAway: false, inRound: true,
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
  addPlayer(game, 3, { name: 'Late' });
  assert.deepEqual(winners(game), [], 'nobody has won who has nothing');
  assert.equal(winnerText(game), 'Nobody scored.');
  addPoints(game, 2, 1);
  untilNextPhase(game);
  const places = ranking(game).map(({ name, place }) => [name, place]);
  assert.deepEqual(places, [['Ben', 1], ['Ada', 2], ['Late', undefined]]);
  assert.deepEqual(winners(game).map(({ name }) => name), ['Ben']);
  assert.equal(winnerText(game), 'Ben wins!');
});

test('equals share a place', () => {
  const game = gameOf('Ada', 'Ben', 'Cem', 'Dia');
  begin(game);
  untilNextPhase(game);
  for (const [index, points] of [[1, 2], [2, 5], [3, 5], [4, 1]]) addPoints(game, index, points);
  const places = ranking(game).map(({ name, place }) => `${place} ${name}`);
  assert.deepEqual(places, ['1 Ben', '1 Cem', '3 Ada', '4 Dia']);
  assert.equal(winnerText(game), 'Ben & Cem share it!');
});

test('a pause: time stands still, nothing is skipped, and then all goes on', () => {
  const game = gameOf('Ada', 'Ben');
  setPaused(game, true);
  assert.equal(game.isPaused, false, 'a lobby needs none');
  begin(game);
  untilNextPhase(game);
  tick(game, 3);
  setPaused(game, true);
  skip(game);
  assert.ok(!tick(game, 1000));
  assert.equal(game.secondsLeft, 7);
  setPaused(game, false);
  assert.equal(untilNextPhase(game), 7);
  assert.equal(game.phase, 'countdown');
});

test('a pause outlives a reload of the screen', () => {
  const game = gameOf('Ada', 'Ben');
  begin(game);
  untilNextPhase(game);
  tick(game, 3);
  setPaused(game, true);
  const loaded = unpack(JSON.parse(JSON.stringify(pack(game))));
  interrupt(loaded);
  assert.ok(!tick(loaded, 1000));
  setPaused(loaded, false);
  untilNextPhase(loaded);
  assert.equal(untilNextPhase(loaded), 7, 'the rest of the round');
});

test('the state has all of the game, and is far below what a room keeps', () => {
  const game = newGame();
  for (let index = 1; index <= playersMax; index++) addPlayer(game, index, { name: '🦄'.repeat(12) });
  begin(game);
  untilNextPhase(game);
  for (const { index } of game.players) addPoints(game, index, 1000 + index);
  setAway(game, 7, true);
  const text = JSON.stringify(pack(game));
  assert.deepEqual(unpack(JSON.parse(text)), game);
  assert.ok(Buffer.byteLength(text) < 16_384 / 4, `${Buffer.byteLength(text)} bytes`);
});

test('with 30 names as people have them, the state is about a kilobyte', (context) => {
  const game = newGame();
  for (let index = 1; index <= playersMax; index++) addPlayer(game, index, { name: `Player ${index}` });
  begin(game);
  untilNextPhase(game);
  for (const { index } of game.players) addPoints(game, index, index);
  const bytes = Buffer.byteLength(JSON.stringify(pack(game)));
  context.diagnostic(`${bytes} bytes`);
  assert.ok(bytes < 1200, `${bytes} bytes`);
});
