// What a phone tells its player: web/play/status.js.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  addPlayer, begin, newGame, playerAt, setAway, setPaused, setReady, skip, tick,
} from '../../web/play/game.js';
import { addPoints } from '../../web/play/scores.js';
import { describeOwnScore, describeStatus } from '../../web/play/status.js';

function gameOf(count) {
  const game = newGame(10);
  for (let index = 1; index <= count; index++) addPlayer(game, index, { name: `P${index}`, color: index - 1 });
  return game;
}

function nextPhase(game) {
  skip(game);
  assert.ok(tick(game, 0.01));
}

function play(game, points) {
  begin(game);
  nextPhase(game);
  for (const [index, score] of Object.entries(points)) addPoints(game, Number(index), score);
  while (game.phase !== 'results') nextPhase(game);
}

const status = (game, index) => describeStatus(game, playerAt(game, index)).join(' | ');
const title = (game, index) => describeStatus(game, playerAt(game, index))[0];

test('before a game: how to steer, and who is missing', () => {
  const game = gameOf(2);
  assert.equal(status(game, 1), 'Hi! | Your worm turns while you hold left or right.');
  setReady(game, 1, true);
  assert.equal(status(game, 1), 'Hi! | Waiting for P2.');
  setAway(game, 2, true);
  assert.equal(status(game, 1), 'Hi! | Wait for friends, or press Start on the big screen.');
});

test('with many others: that there are teams, and some of those who are missing', () => {
  const game = gameOf(12);
  assert.match(status(game, 1), /hold left or right\. So many play in teams of a colour\.$/);
  setReady(game, 1, true);
  assert.equal(status(game, 1), 'Hi! | Waiting for P2, P3, P4 and 8 more.');
});

test('before and during a round, and in a pause', () => {
  const game = gameOf(2);
  begin(game);
  assert.equal(status(game, 1), 'Look up! | A round is about to begin on the big screen.');
  setPaused(game, true);
  assert.equal(status(game, 1), 'Pause | Everything stands still. The big screen goes on soon.');
  setPaused(game, false);
  nextPhase(game);
  addPlayer(game, 3, { name: 'Late' });
  assert.equal(status(game, 3), 'You’re in! | A round is under way. You play in the next one.');
  while (game.round < 2 || game.phase !== 'round') nextPhase(game);
  addPlayer(game, 4, { name: 'Later' });
  assert.equal(status(game, 4), 'You’re in! | The last round is under way. Play again is next.');
});

test('which team one is in, and that a ninth has to wait for teams', () => {
  const teams = gameOf(9);
  begin(teams);
  assert.equal(status(teams, 1), 'Look up! | You are in Team Red. A round is about to begin on the big screen.');
  const eight = gameOf(8);
  begin(eight);
  addPlayer(eight, 9, { name: 'Nina' });
  assert.equal(
    status(eight, 9), 'You’re in! | A game for eight is under way. You play in the next one, in teams.',
  );
});

test('how it ended for one alone', () => {
  const game = gameOf(4);
  play(game, {});
  assert.equal(title(game, 1), 'Nobody scored');
  play(game, { 1: 1, 2: 5, 3: 5 });
  assert.deepEqual([1, 2, 3, 4].map((index) => title(game, index)), ['Place 3', 'You win!', 'You win!', 'Place 4']);
  assert.equal(describeOwnScore(game, playerAt(game, 1)), 'You have 1 point.');
  addPlayer(game, 5, { name: 'New' });
  assert.equal(status(game, 5), 'Hi! | You did not play this time.');
});

test('how it ended for a team', () => {
  const game = gameOf(9);
  play(game, { 1: 2, 2: 3 });
  const [red, orange] = [playerAt(game, 1), playerAt(game, 2)];
  assert.notEqual(red.team, orange.team);
  assert.equal(title(game, 1), 'Your team: place 2');
  assert.equal(title(game, 2), 'Your team wins!');
  const mate = game.players.find(({ index, team }) => index !== 2 && team === orange.team);
  assert.equal(title(game, mate.index), 'Your team wins!');
  assert.equal(describeOwnScore(game, mate), 'You have 0 points. Team Orange has 3.');
  assert.equal(describeOwnScore(game, orange), 'You have 3 points. Team Orange has 3.');
});
