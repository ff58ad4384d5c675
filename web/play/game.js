// Players and phases. The room's state has them, and a reload of the screen brings them back.
// This module knows no page, no network and no clock. Phones may send anything, so it checks everything.

import { isTeamGame } from './scores.js';
import { formTeams, pickColor, smallestTeam, soloMax, spreadColors } from './teams.js';

export const playersMax = 30;
export const roundSecondsDefault = 20;

export const rounds = [
  { title: 'Warm-up', hint: 'Grab stars. Bump into nobody.', speed: 1, stars: 5, worth: 1 },
  { title: 'Rush hour', hint: 'Everything is faster.', speed: 1.4, stars: 6, worth: 1 },
  { title: 'Gold rush', hint: 'Stars count double!', speed: 1.2, stars: 10, worth: 2 },
];

const countdownSeconds = 4;
const breakSeconds = 6; // the countdown between two rounds shows the scores

/** The phases: lobby; then countdown and round, three times; then results. A new game begins there. */
export function newGame(roundSeconds = roundSecondsDefault) {
  const time = { secondsLeft: 0, roundSeconds, secondsToPlay: 0, isPaused: false };
  return { phase: 'lobby', round: 0, ...time, teams: [], players: [] };
}

export function playerAt(game, index) {
  return game.players.find((player) => player.index === index);
}

export const isIdle = (game) => game.phase === 'lobby' || game.phase === 'results';
const isHere = (player) => !player.isAway;

/**
 * Takes over whom the lobby knows: who has a seat and a name, who is away, and who is ready. `before` is what it knew
 * the last time. Who says nothing new keeps the colour, whatever he or she wished for.
 */
export function setPlayers(game, known, before) {
  for (const { index } of game.players) if (!known.some((player) => player.index === index)) removePlayer(game, index);
  for (const { index, name, fields, isAway, isReady } of known) {
    const last = before.find((player) => player.index === index);
    const isChanged = last && (last.name !== name || last.fields.color !== fields.color);
    if (isChanged || !playerAt(game, index)) addPlayer(game, index, { name, color: Number.parseInt(fields.color, 10) });
    setAway(game, index, isAway);
    setReady(game, index, isReady && !isAway);
  }
}

/** Makes who has a seat in the room a player, or changes a player's name and colour before a game. */
export function addPlayer(game, index, { name, color }) {
  let player = playerAt(game, index);
  if (player && !isIdle(game)) return;
  if (!player) {
    if (game.players.length >= playersMax) return; // the room has no more seats, so this can't be
    player = { index, team: null, score: 0, isReady: false, isAway: false, inRound: false };
    game.players.push(player);
  }
  player.name = name;
  player.color = pickColor(game, player, color);
  if (!isIdle(game) && isTeamGame(game)) {
    const teams = game.teams.map((team) => team.color);
    player.team = smallestTeam(teams, game.players, player.color);
  }
}

/** The room does not hold this player's seat any more: nobody can come back to it. */
export function removePlayer(game, index) {
  game.players = game.players.filter((player) => player.index !== index);
  const isSolo = isIdle(game) ? game.players.length <= soloMax : !isTeamGame(game);
  if (isSolo) spreadColors(game.players);
}

export function setReady(game, index, isReady) {
  const player = playerAt(game, index);
  if (player && isIdle(game)) player.isReady = isReady === true;
}

/** A player who is away keeps the seat and the score, and nobody waits for this player. */
export function setAway(game, index, isAway) {
  const player = playerAt(game, index);
  if (!player) return;
  player.isAway = isAway;
  if (isAway) player.isReady = false;
}

/** Never true for one player alone, whose friends may be on their way. That player can press start. */
export function isEverybodyReady(game) {
  const here = game.players.filter(isHere);
  return here.length >= 2 && here.every((player) => player.isReady);
}

/** Begins a game: of teams, if there are more than eight players now. It stays one, whoever comes or leaves. */
export function begin(game) {
  if (!isIdle(game) || !game.players.some(isHere)) return;
  for (const player of game.players) Object.assign(player, { score: 0, team: null, inRound: false });
  game.teams = game.players.length > soloMax ? formTeams(game.players) : [];
  if (!isTeamGame(game)) spreadColors(game.players);
  countDown(game, 0, countdownSeconds);
}

function countDown(game, round, seconds) {
  for (const player of game.players) player.isReady = false;
  Object.assign(game, { phase: 'countdown', round, secondsLeft: seconds });
  game.secondsToPlay = game.roundSeconds;
}

/** Lets time pass, unless there is a pause. Returns whether another phase has begun. */
export function tick(game, seconds) {
  if (isIdle(game) || game.isPaused) return false;
  game.secondsLeft -= seconds;
  if (game.secondsLeft > 0) return false;
  if (game.phase === 'countdown') play(game);
  else if (game.round + 1 < rounds.length) countDown(game, game.round + 1, breakSeconds);
  else Object.assign(game, { phase: 'results', secondsLeft: 0 });
  return true;
}

/** Time stands still, or goes on. Between games there is none. */
export function setPaused(game, isPaused) {
  game.isPaused = isPaused && !isIdle(game);
}

/** Ends this countdown or this round. */
export function skip(game) {
  if (!isIdle(game) && !game.isPaused) game.secondsLeft = 0;
}

function play(game) {
  for (const player of entrants(game)) player.inRound = true; // players who come later have to wait
  Object.assign(game, { phase: 'round', secondsLeft: game.secondsToPlay });
}

/** Who plays in the next round of this game. A ninth player has no colour in a game that began without teams. */
const entrants = (game) => (isTeamGame(game) ? game.players : game.players.slice(0, soloMax));

/** Whether this player plays in the next game only. */
export const waitsForNextGame = (game, player) => !isIdle(game) && !entrants(game).includes(player);

/** After a reload of the screen: another countdown begins, and then the rest of the round. */
export function interrupt(game) {
  if (game.phase !== 'round') return;
  game.secondsToPlay = game.secondsLeft;
  Object.assign(game, { phase: 'countdown', secondsLeft: countdownSeconds });
}
