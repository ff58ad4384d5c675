// Who has how many points, and who wins: a player, or with more than eight players a team. Pure, as game.js is.

import { teamName } from './teams.js';

export const isTeamGame = ({ teams }) => teams.length > 0;

export const scoreText = ({ score }) => (score === 1 ? '1 point' : `${score} points`);

export function addPoints({ players, teams }, index, points) {
  const player = players.find((player) => player.index === index);
  if (!player) return;
  player.score += points;
  const team = teams.find(({ color }) => color === player.team);
  if (team) team.score += points; // and keeps them when the player leaves
}

/** The best first, each with a place. Equal scores share a place. */
function place(scorers) {
  const sorted = [...scorers].sort((a, b) => b.score - a.score);
  const placeOf = ({ score }) => sorted.findIndex((other) => other.score === score) + 1;
  return sorted.map((scorer) => ({ ...scorer, place: placeOf(scorer) }));
}

/** All players, the best first. Those who did not play come last, without a place. */
export function ranking({ players }) {
  const placed = place(players.filter(({ inRound }) => inRound));
  return [...placed, ...players.filter(({ inRound }) => !inRound)];
}

/** The teams in the form of players: a list can show both. */
export const teamEntries = ({ teams }) =>
  teams.map((team) => ({ ...team, index: team.color, name: teamName(team.color), inRound: true }));

/** Those who can win, the best first: teams, or players. */
export const contest = (game) => (isTeamGame(game) ? place(teamEntries(game)) : ranking(game));

/** The winners: several if they share the first place, and none without a point. */
export const winners = (game) => contest(game).filter(({ place, score }) => place === 1 && score > 0);

/** The player's own entry in the contest, or the team's. */
export const entryOf = (game, player) =>
  contest(game).find((entry) =>
    isTeamGame(game) ? entry.color === player.team : entry.index === player.index,
  );

export function winnerText(game) {
  const names = winners(game).map(({ name }) => name);
  if (names.length === 0) return 'Nobody scored.';
  return names.length === 1 ? `${names[0]} wins!` : `${names.join(' & ')} share it!`;
}
