// What a phone tells its player while there is nothing to steer: what goes on, and how it ended. Pure, as game.js is.

import { rounds, waitsForNextGame } from './game.js';
import { entryOf, isTeamGame, scoreText, winners } from './scores.js';
import { soloMax, teamName } from './teams.js';

const namedMax = 3; // of those whom all wait for

/** A title and a text. */
export function describeStatus(game, player) {
  const { phase, isPaused } = game;
  if (isPaused) return ['Pause', 'Everything stands still. The big screen goes on soon.'];
  if (waitsForNextGame(game, player))
    return ['You’re in!', 'A game for eight is under way. You play in the next one, in teams.'];
  if (phase === 'countdown') return ['Look up!', describeCountdown(player)];
  if (phase === 'round') return ['You’re in!', describeWaiting(game)];
  const isNew = phase === 'results' && !player.inRound;
  const title = phase === 'lobby' || isNew ? 'Hi!' : describeOutcome(game, player);
  if (player.isReady) return [title, describeMissing(game, player)];
  return [title, isNew ? 'You did not play this time.' : describeSteering(game)];
}

function describeCountdown({ team }) {
  const text = 'A round is about to begin on the big screen.';
  return team === null ? text : `You are in ${teamName(team)}. ${text}`;
}

function describeWaiting({ round }) {
  if (round + 1 < rounds.length) return 'A round is under way. You play in the next one.';
  return 'The last round is under way. Play again is next.';
}

function describeSteering({ players }) {
  const steering = 'Your worm turns while you hold left or right.';
  return players.length > soloMax ? `${steering} So many play in teams of a colour.` : steering;
}

/** The player's, or the team's. */
function describeOutcome(game, player) {
  const best = winners(game);
  const { index, place } = entryOf(game, player);
  if (best.length === 0) return 'Nobody scored';
  const hasWon = best.some((entry) => entry.index === index);
  if (isTeamGame(game)) return hasWon ? 'Your team wins!' : `Your team: place ${place}`;
  return hasWon ? 'You win!' : `Place ${place}`;
}

function describeMissing({ players }, { index }) {
  const others = players.filter((player) => player.index !== index && !player.isAway);
  const missing = others.filter(({ isReady }) => !isReady).map(({ name }) => name);
  if (missing.length === 0) return 'Wait for friends, or press Start on the big screen.';
  const more = missing.length > namedMax ? ` and ${missing.length - namedMax} more` : '';
  return `Waiting for ${missing.slice(0, namedMax).join(', ')}${more}.`;
}

export function describeOwnScore(game, player) {
  const own = `You have ${scoreText(player)}.`;
  if (!isTeamGame(game)) return own;
  const team = entryOf(game, player);
  return `${own} ${team.name} has ${team.score}.`;
}
