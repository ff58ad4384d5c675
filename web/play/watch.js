// A phone that watches: it has no seat. It shows what the room's state says, and sends nothing.

import { rounds } from './game.js';
import { contest, isTeamGame, ranking, winnerText } from './scores.js';
import {
  describeReady, describeScore, element, keepAwake, letSleep, listPlayers, say, show, showLock,
} from './screens.js';
import { unpack } from './state.js';
import { describePhase, describeScores, makeTeller, roundName } from './words.js';

let tell;

export function watch(phone) {
  phone.addEventListener('party', ({ detail: party }) => {
    tell = makeTeller((game) => describePhase(game, party.room), describeScores);
    const showRoom = () => showLock(party.settings.locked);
    party.on('state', showGame);
    party.on('room', showRoom);
    element('play-along').onclick = () => location.assign(`?room=${encodeURIComponent(party.room)}`);
    keepAwake();
    showRoom();
    show('watch');
  });
  phone.addEventListener('end', letSleep);
}

function showGame(state) {
  const game = unpack(state);
  const list = element('watch-players');
  const [title, text] = describe(game);
  element('watch-title').textContent = title;
  element('watch-text').textContent = text;
  say(tell(game));
  const isLobby = game.phase === 'lobby';
  listPlayers(element('watch-teams'), isTeamGame(game) ? contest(game) : [], describeScore);
  listPlayers(list, isLobby ? game.players : ranking(game), isLobby ? describeReady : describeScore);
}

function describe(game) {
  const { phase, round, secondsLeft, players, isPaused } = game;
  const { title, hint } = rounds[round];
  if (isPaused) return ['Pause', 'The big screen goes on soon.'];
  if (phase === 'lobby' && players.length === 0) return ['Nobody plays yet', 'Who is first?'];
  if (phase === 'lobby') return ['Soon it starts', 'When all are ready.'];
  if (phase === 'countdown') return [title, `${roundName(game)} begins. ${hint}`];
  if (phase === 'round') return [title, `${roundName(game)}: ${secondsLeft} s left`];
  return [winnerText(game), 'Maybe they play again.'];
}
