// Players and phases. The room's state has them, and a reload of the screen brings them back.
// This module knows no page, no network and no clock. Phones may send anything, so it checks everything.

export const playersMax = 8;
export const nameLengthMax = 12;
export const roundSecondsDefault = 20;

export const colors = [
  { name: 'Red', value: '#ff6b6b' },
  { name: 'Orange', value: '#ffa23a' },
  { name: 'Yellow', value: '#ffe04d' },
  { name: 'Green', value: '#6bdb6f' },
  { name: 'Teal', value: '#35d9cb' },
  { name: 'Blue', value: '#6ab0ff' },
  { name: 'Violet', value: '#bd97ff' },
  { name: 'Pink', value: '#ff8fd4' },
];

export const rounds = [
  { title: 'Warm-up', hint: 'Grab stars. Bump into nobody.', speed: 1, stars: 5, worth: 1 },
  { title: 'Rush hour', hint: 'Everything is faster.', speed: 1.4, stars: 6, worth: 1 },
  { title: 'Gold rush', hint: 'Stars count double!', speed: 1.2, stars: 10, worth: 2 },
];

const countdownSeconds = 4;
const breakSeconds = 6; // the countdown between two rounds shows the scores

/** The phases: lobby; then countdown and round, three times; then results. A new game begins there. */
export function newGame(roundSeconds = roundSecondsDefault) {
  return { phase: 'lobby', round: 0, secondsLeft: 0, roundSeconds, secondsToPlay: 0, players: [] };
}

export function playerAt(game, index) {
  return game.players.find((player) => player.index === index);
}

export const isIdle = (game) => game.phase === 'lobby' || game.phase === 'results';
const isHere = (player) => !player.isAway;

/** Whether players who are here have all seats. The game throws none of them out for another player. */
export const isFull = ({ players }) => players.length >= playersMax && players.every(isHere);

/** Gives a new player a seat, or changes a player's name and colour before a game. */
export function seat(game, index, { name, color }) {
  let player = playerAt(game, index);
  if (player && !isIdle(game)) return;
  if (!player) {
    if (isFull(game)) return;
    if (game.players.length >= playersMax) replaceAbsent(game, color);
    player = { index, score: 0, isReady: false, isAway: false, inRound: false };
    game.players.push(player);
  }
  player.name = uniqueName(game, player, cleanName(name) || `Player ${index}`);
  player.color = freeColor(game, player, color);
}

/** Removes an absent player: the one with the wanted colour, if there is one. */
function replaceAbsent(game, color) {
  const away = game.players.filter((player) => player.isAway);
  const replaced = away.find((player) => player.color === color) ?? away[0];
  game.players = game.players.filter((player) => player !== replaced);
}

/** The colours that `index` can't have. If no seat is free, it may have an absent player's colour. */
export function takenColors({ players }, index) {
  const others = players.filter((player) => player.index !== index);
  const lasting = others.length < playersMax ? others : others.filter(isHere);
  return lasting.map(({ color }) => color);
}

function cleanName(name) {
  if (typeof name !== 'string') return '';
  const visible = name.slice(0, 100).replace(/\p{Default_Ignorable_Code_Point}/gu, '');
  const plain = visible.normalize('NFC').replace(/[\p{C}\p{Z}\s\u2800]+/gu, ' ').trim();
  const slim = plain.replace(/(\p{M})\p{M}+/gu, '$1'); // at most one accent on a letter
  return shorten(slim, nameLengthMax);
}

const shorten = (name, length) => [...name].slice(0, length).join('').trim();

function uniqueName({ players }, self, name) {
  const isTaken = (wanted) => players.some((other) => other !== self && other.name === wanted);
  let unique = name;
  for (let count = 2; isTaken(unique); count++)
    unique = `${shorten(name, nameLengthMax - ` ${count}`.length)} ${count}`;
  return unique;
}

function freeColor({ players }, self, wanted) {
  const isFree = (color) => !players.some((other) => other !== self && other.color === color);
  if (Number.isInteger(wanted) && colors[wanted] && isFree(wanted)) return wanted;
  return colors.findIndex((_, color) => isFree(color));
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

export function addPoints(game, index, points) {
  const player = playerAt(game, index);
  if (player) player.score += points;
}

/** Never true for one player alone, whose friends may be on their way. That player can press start. */
export function isEverybodyReady(game) {
  const here = game.players.filter(isHere);
  return here.length >= 2 && here.every((player) => player.isReady);
}

export function begin(game) {
  if (!isIdle(game) || !game.players.some(isHere)) return;
  for (const player of game.players) player.score = 0;
  countDown(game, 0, countdownSeconds);
}

function countDown(game, round, seconds) {
  for (const player of game.players) player.isReady = false;
  Object.assign(game, { phase: 'countdown', round, secondsLeft: seconds });
  game.secondsToPlay = game.roundSeconds;
}

/** Lets time pass. Returns whether another phase has begun. */
export function tick(game, seconds) {
  if (isIdle(game)) return false;
  game.secondsLeft -= seconds;
  if (game.secondsLeft > 0) return false;
  if (game.phase === 'countdown') play(game);
  else if (game.round + 1 < rounds.length) countDown(game, game.round + 1, breakSeconds);
  else Object.assign(game, { phase: 'results', secondsLeft: 0 });
  return true;
}

/** Ends this countdown or this round. */
export function skip(game) {
  if (!isIdle(game)) game.secondsLeft = 0;
}

function play(game) {
  for (const player of game.players) player.inRound = true; // players who come later have to wait
  Object.assign(game, { phase: 'round', secondsLeft: game.secondsToPlay });
}

/** After a reload of the screen: another countdown begins, and then the rest of the round. */
export function interrupt(game) {
  if (game.phase !== 'round') return;
  game.secondsToPlay = game.secondsLeft;
  Object.assign(game, { phase: 'countdown', secondsLeft: countdownSeconds });
}

export const scoreText = ({ score }) => (score === 1 ? '1 point' : `${score} points`);

/** All players, the best first, each with a place. Equal scores share a place. Others come last, without one. */
export function ranking({ players }) {
  const sorted = players.filter(({ inRound }) => inRound).sort((a, b) => b.score - a.score);
  const place = ({ score }) => sorted.findIndex((other) => other.score === score) + 1;
  const placed = sorted.map((player) => ({ ...player, place: place(player) }));
  return [...placed, ...players.filter(({ inRound }) => !inRound)];
}

/** The winners: several if they share the first place, and none without a point. */
export const winners = (game) =>
  ranking(game).filter(({ place, score }) => place === 1 && score > 0);
