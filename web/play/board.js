// What the big screen shows of the game and of the room. It decides nothing: host.js does.

import { rounds } from './game.js';
import { contest, isTeamGame, ranking, teamEntries, winnerText } from './scores.js';
import { describeScore, element, listPlayers, paint, showLock } from './screens.js';
import { colors, soloMax } from './teams.js';
import { roundName } from './words.js';

const bareScore = ({ score }) => `${score}`;
const briefly = (team) => ({ ...team, name: colors[team.color].name });

/** `crowd` are the players, and those who have no name yet. `throwOut(index)` is what the buttons beside them do. */
export function showBoard(game, crowd, throwOut) {
  const screen = document.querySelector('party-screen');
  const isOver = game.phase === 'results';
  screen.classList.toggle('results', isOver);
  screen.classList.toggle('many', crowd.length > soloMax);
  element('results').hidden = !isOver;
  showArena(game, crowd, throwOut);
  listPlayers(element('results-teams'), isTeamGame(game) ? contest(game) : [], describeScore);
  listPlayers(element('results-players'), ranking({ players: crowd }), describeScore, throwOut);
  element('winner').textContent = winnerText(game);
  paint(screen, isOver ? contest(game)[0] : undefined);
}

/** The names of 30 players would leave no field. So teams take their place here, and the names are in the pause. */
function showArena(game, crowd, throwOut) {
  const { isPaused, phase, players, round } = game;
  const isOfTeams = isTeamGame(game);
  listPlayers(element('arena-teams'), isOfTeams ? teamEntries(game).map(briefly) : [], bareScore);
  listPlayers(element('arena-players'), isOfTeams ? [] : players, bareScore, throwOut);
  listPlayers(element('countdown-players'), round > 0 ? contest(game) : [], describeScore);
  listPlayers(element('pause-players'), isPaused ? ranking({ players: crowd }) : [], describeScore, throwOut);
  element('countdown').hidden = phase !== 'countdown' || isPaused;
  element('skip').disabled = isPaused;
  showPause(isPaused);
}

/** The button that ends the pause has the focus then. */
function showPause(isPaused) {
  if (element('pause').hidden !== isPaused) return;
  element('pause').hidden = !isPaused;
  element('pause-game').ariaPressed = isPaused;
  element(isPaused ? 'go-on' : 'pause-game').focus();
}

export function showRound(game) {
  const { title, hint } = rounds[game.round];
  element('round-number').textContent = roundName(game);
  element('round-title').textContent = title;
  element('round-hint').textContent = hint;
  element('arena-round').textContent = title;
}

export function showTime({ phase, secondsLeft }) {
  const seconds = Math.ceil(Math.max(secondsLeft, 0));
  element('countdown-seconds').textContent = seconds;
  element('arena-time').textContent = phase === 'round' ? seconds : '';
}

export function showLocked(isLocked) {
  showLock(isLocked);
  element('arena-lock').ariaPressed = isLocked;
}

export function showAudience(count) {
  for (const place of document.querySelectorAll('.audience')) {
    place.textContent = `${count} watching`;
    place.hidden = count === 0;
  }
}
