// More than eight players: colours that are shared, teams, and their scores.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  addPlayer, begin, newGame, playerAt, playersMax, removePlayer, setAway, skip, tick, waitsForNextGame,
} from '../../web/play/game.js';
import {
  addPoints, contest, entryOf, isTeamGame, ranking, winners, winnerText,
} from '../../web/play/scores.js';
import { soloMax, takenColors, teamCount } from '../../web/play/teams.js';
import { describePhase, describeScores, isScoreDue } from '../../web/play/words.js';

function gameOf(count, colorAt = (i) => i % soloMax) {
  const game = newGame(10);
  for (let i = 0; i < count; i++) addPlayer(game, i + 1, { name: `P${i + 1}`, color: colorAt(i) });
  return game;
}

const colorsIn = ({ players }) => players.map(({ color }) => color);
const areDifferent = (values) => new Set(values).size === values.length;

function nextPhase(game) {
  skip(game);
  assert.ok(tick(game, 0.01));
}

/** The players in each team, by colour. */
function sizes(game) {
  const size = (color) => game.players.filter(({ team }) => team === color).length;
  return game.teams.map(({ color }) => size(color));
}

test('teams have three to five worms, equally many where that is possible', () => {
  for (let count = soloMax + 1; count <= playersMax; count++) {
    const game = gameOf(count);
    begin(game);
    const all = sizes(game);
    assert.equal(all.length, teamCount(count));
    assert.equal(all.reduce((a, b) => a + b), count);
    assert.ok(Math.min(...all) >= 3 && Math.max(...all) <= 5, `${count}: ${all}`);
    const isPossible = [2, 3, 4, 5, 6, 7, 8].some((n) => count % n === 0 && count / n >= 3 && count / n <= 5);
    assert.equal(Math.max(...all) - Math.min(...all), isPossible ? 0 : 1, `${count}: ${all}`);
  }
  assert.equal(teamCount(30), 6);
  assert.equal(teamCount(29), 8, 'if they can’t be equal, then many and small');
});

test('eight have a colour each; beside eight others, each colour can be had', () => {
  const game = gameOf(8, () => 3);
  assert.ok(areDifferent(colorsIn(game)));
  addPlayer(game, 9, { name: 'Nina', color: 3 });
  assert.equal(playerAt(game, 9).color, 3);
  assert.deepEqual(takenColors(game, 5), []);
  addPlayer(game, 5, { name: 'P5', color: 3 });
  assert.equal(playerAt(game, 5).color, 3);
  addPlayer(game, 10, { name: 'Otto', color: 'none' });
  const few = colorsIn(game).filter((color) => color === playerAt(game, 10).color);
  assert.ok(few.length <= 2, 'one that few have');
});

test('when only eight are left, they have a colour each, and who was there first keeps it', () => {
  const game = gameOf(10, () => 3);
  addPlayer(game, 2, { name: 'P2', color: 3 });
  addPlayer(game, 9, { name: 'P9', color: 3 });
  const before = colorsIn(game);
  removePlayer(game, 10);
  assert.deepEqual(colorsIn(game), before.slice(0, 9), 'nine share colours');
  removePlayer(game, 1);
  assert.ok(areDifferent(colorsIn(game)));
  assert.equal(playerAt(game, 2).color, 3);
  begin(game);
  assert.ok(!isTeamGame(game));
  assert.ok(game.players.every(({ team }) => team === null));
});

test('nine are teams, and each is in the wanted one while there is place', () => {
  const wanted = [5, 5, 5, 5, 1, 1, 1, 7, 7];
  const game = gameOf(9, () => 0);
  wanted.forEach((color, i) => addPlayer(game, i + 1, { name: `P${i + 1}`, color }));
  begin(game);
  assert.deepEqual(game.teams, [1, 5, 7].map((color) => ({ color, score: 0 })));
  assert.deepEqual(game.players.map(({ team }) => team), [5, 5, 5, 7, 1, 1, 1, 7, 7]);
});

test('those who are here form teams before those who are away', () => {
  const game = gameOf(12, () => 2);
  for (let index = 1; index <= 12; index++) addPlayer(game, index, { name: 'x', color: 2 });
  setAway(game, 1, true);
  begin(game);
  const inRed = game.players.filter(({ team }) => team === 2).map(({ index }) => index);
  assert.deepEqual(inRed, [2, 3, 4]);
});

test('a game of teams stays one, whoever leaves; the next one is for each alone', () => {
  const game = gameOf(9, () => 4);
  addPlayer(game, 2, { name: 'P2', color: playerAt(game, 1).color });
  begin(game);
  nextPhase(game);
  const teams = game.players.map(({ team }) => team);
  addPoints(game, 9, 4);
  removePlayer(game, 9);
  removePlayer(game, 8);
  assert.ok(isTeamGame(game));
  assert.deepEqual(game.players.map(({ team }) => team), teams.slice(0, 7));
  assert.equal(contest(game)[0].color, teams[8], 'what a worm has scored stays with its team');
  assert.equal(winners(game)[0].score, 4);
  while (game.phase !== 'results') nextPhase(game);
  addPlayer(game, 3, { name: 'P3', color: 7 });
  assert.equal(entryOf(game, playerAt(game, 3)).color, teams[2], 'a new colour changes no result');
  begin(game);
  assert.ok(!isTeamGame(game));
  assert.ok(game.players.every(({ team }) => team === null));
  assert.ok(areDifferent(colorsIn(game)));
});

test('who comes during a game of teams is in the smallest one', () => {
  const game = gameOf(10);
  begin(game);
  assert.deepEqual(sizes(game), [5, 5]);
  const { team } = playerAt(game, 1);
  removePlayer(game, 1);
  addPlayer(game, 11, { name: 'Late' });
  assert.equal(playerAt(game, 11).team, team);
  nextPhase(game);
  assert.ok(playerAt(game, 11).inRound);
});

test('a ninth who comes during a game without teams plays in the next one, which has teams', () => {
  const game = gameOf(8);
  begin(game);
  addPlayer(game, 9, { name: 'Nina', color: 0 });
  assert.ok(waitsForNextGame(game, playerAt(game, 9)));
  assert.ok(!waitsForNextGame(game, playerAt(game, 8)));
  nextPhase(game);
  assert.equal(playerAt(game, 9).inRound, false);
  assert.equal(playerAt(game, 8).inRound, true);
  while (game.phase !== 'results') nextPhase(game);
  assert.ok(!waitsForNextGame(game, playerAt(game, 9)));
  begin(game);
  assert.ok(isTeamGame(game));
  nextPhase(game);
  assert.ok(playerAt(game, 9).inRound);
});

test('the ninth has the place of one of the eight who leaves, and a colour of its own', () => {
  const game = gameOf(8);
  begin(game);
  addPlayer(game, 9, { name: 'Nina', color: 0 });
  removePlayer(game, 4);
  assert.ok(areDifferent(colorsIn(game)));
  assert.equal(playerAt(game, 1).color, 0);
  nextPhase(game);
  assert.ok(playerAt(game, 9).inRound);
});

test('a team wins with what all its worms have; a worm has its own score, too', () => {
  const game = gameOf(9);
  begin(game);
  assert.equal(winnerText(game), 'Nobody scored.');
  nextPhase(game);
  const [first, second, other] = [1, 9, 2].map((index) => playerAt(game, index));
  assert.equal(first.team, second.team);
  addPoints(game, 1, 2);
  addPoints(game, 9, 2);
  addPoints(game, 2, 3);
  assert.deepEqual(winners(game).map(({ name, score }) => [name, score]), [['Team Red', 4]]);
  assert.equal(winnerText(game), 'Team Red wins!');
  assert.equal(ranking(game)[0].name, 'P2', 'the best worm');
  assert.equal(entryOf(game, other).place, 2);
  addPoints(game, 2, 1);
  assert.match(winnerText(game), /^Team Red & Team \w+ share it!$/);
});

test('listeners hear the start, those in front, and the end', () => {
  const game = gameOf(4);
  assert.equal(describePhase(game, 'BCDF'), 'Room BCDF is open.');
  begin(game);
  assert.equal(describePhase(game), 'Round 1 of 3: Warm-up. Grab stars. Bump into nobody.');
  nextPhase(game);
  assert.equal(describePhase(game), 'Go!');
  assert.equal(describeScores(game), '');
  for (const index of [1, 2, 3, 4]) addPoints(game, index, index);
  assert.equal(describeScores(game), 'P4 4 points, P3 3 points, P2 2 points.');
  nextPhase(game);
  assert.match(describePhase(game), /^Round 2 of 3: Rush hour\. .* P4 4 points, P3/);
  while (game.phase !== 'results') nextPhase(game);
  assert.equal(
    describePhase(game),
    'The game is over. P4 wins! P4 4 points, P3 3 points, P2 2 points.',
  );
});

test('scores are told each tenth second of a round, and neither at its beginning nor at its end', () => {
  const due = (seconds) => {
    const game = newGame(seconds);
    addPlayer(game, 1, { name: 'Ada' });
    begin(game);
    const told = [];
    while (game.round === 0) {
      tick(game, 0.1);
      if (isScoreDue(game)) told.push(Math.ceil(game.secondsLeft));
    }
    return [...new Set(told)];
  };
  assert.deepEqual(due(20), [10]);
  assert.deepEqual(due(25), [20, 10]);
  assert.deepEqual(due(9), []);
});
