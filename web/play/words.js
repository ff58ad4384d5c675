// What the page says to those who listen to it, in a live region: a game's start, scores and end. Pure, as game.js is.

import { rounds } from './game.js';
import { contest, scoreText, winnerText } from './scores.js';

const spokenEvery = 10; // seconds between scores; a listener has to hear the rest of the room, too
const spokenMax = 3; // names at once; a list of 30 would last longer than a round

export const roundName = ({ round }) => `Round ${round + 1} of ${rounds.length}`;

/** What a phase, or a pause in it, begins with. */
export function describePhase(game, room) {
  const { phase, round, isPaused } = game;
  const { title, hint } = rounds[round];
  if (isPaused) return 'Pause.';
  const score = round > 0 ? describeScores(game) : '';
  if (phase === 'lobby') return `Room ${room} is open.`;
  if (phase === 'countdown') return `${roundName(game)}: ${title}. ${hint} ${score}`.trim();
  if (phase === 'round') return 'Go!';
  const points = describeScores(game);
  return points ? `The game is over. ${winnerText(game)} ${points}` : `The game is over. ${winnerText(game)}`;
}

/** Those in front, the first ones alone: `Ada 5 points, Ben 1 point.` */
export function describeScores(game) {
  const scorers = contest(game).filter(({ place, score }) => place && score > 0);
  const names = scorers.slice(0, spokenMax).map((scorer) => `${scorer.name} ${scoreText(scorer)}`);
  return names.length > 0 ? `${names.join(', ')}.` : '';
}

/** Whether it is time to speak of scores: at each tenth second of a round, but not at its beginning or end. */
export function isScoreDue({ phase, secondsLeft, secondsToPlay, isPaused }) {
  const seconds = Math.ceil(secondsLeft);
  if (phase !== 'round' || isPaused || seconds === 0 || seconds > secondsToPlay - 2) return false;
  return seconds % spokenEvery === 0;
}

/**
 * A function that takes the game as often as one likes. It gives what is to be said now, once: that another phase or
 * a pause began, or scores when they are due; otherwise ''.
 */
export function makeTeller(describePhase, describeScores) {
  let phaseTold;
  let secondTold;
  return (game) => {
    const { phase, round, isPaused } = game;
    const seconds = Math.ceil(game.secondsLeft);
    const [phaseNow, secondNow] = [`${phase} ${round} ${isPaused}`, `${round} ${seconds}`];
    if (phaseNow !== phaseTold) {
      phaseTold = phaseNow;
      return describePhase(game);
    }
    if (!isScoreDue(game) || secondNow === secondTold) return '';
    secondTold = secondNow;
    return `${seconds} seconds left. ${describeScores(game)}`.trim();
  };
}
