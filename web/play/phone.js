// A phone with two big buttons. It sends which button is pressed, and shows what the screen decided.

import { prepareButtons, releaseButtons } from './buttons.js';
import { playerAt } from './game.js';
import { entryOf, isTeamGame, scoreText } from './scores.js';
import { element, keepAwake, letSleep, paint, say, show, showLock } from './screens.js';
import { unpack } from './state.js';
import { describeOwnScore, describeStatus } from './status.js';
import { colors, soloMax, takenColors } from './teams.js';
import { makeTeller } from './words.js';

let phone; // the lobby's element: it joins the room, asks for the name, and tells every end
let party;
let game;
let sendTurn;
const tell = makeTeller(() => 'Go!', () => describeOwnScore(game, self()));

export function play(lobby) {
  phone = lobby;
  phone.texts = { change: 'Change name or colour' };
  prepareColors();
  // A late turn is worthless. The phone measured how long the last turn took, so no network is in it.
  sendTurn = prepareButtons((turn, held) => party?.send('host', { type: 'turn', turn, held }, { volatile: true }));
  phone.addEventListener('party', ({ detail }) => {
    party = detail;
    game = undefined;
    listen();
    keepAwake();
    showGame();
  });
  for (const name of ['start', 'stop']) phone.addEventListener(name, showGame);
  phone.addEventListener('end', letSleep);
}

function listen() {
  const showRoom = () => showLock(party.settings.locked);
  party.on('state', (state) => {
    game = unpack(state);
    showGame();
  });
  party.on('message', feel);
  party.on('connection', (status) => status === 'connected' && sendTurn()); // the last turn may have been lost
  party.on('room', showRoom);
  showRoom();
}

function prepareColors() {
  const choices = colors.map(({ name }, color) => {
    const input = document.createElement('input');
    Object.assign(input, { type: 'radio', name: 'color', value: color, ariaLabel: name });
    paint(input, { color });
    return input;
  });
  element('colors').replaceChildren(...choices);
}

/** The colours that others have can't be chosen. */
function showColors() {
  const taken = game ? takenColors(game, party.id) : [];
  const choices = [...element('colors').children];
  for (const [color, choice] of choices.entries()) choice.disabled = taken.includes(color);
  const free = choices.filter((choice) => !choice.disabled);
  if (!free.some(({ checked }) => checked)) free[0].checked = true;
  const isWish = game && game.players.filter(({ index }) => index !== party.id).length >= soloMax;
  element('colors-title').textContent = isWish ? 'The team you would like' : 'Your colour';
}

const self = () => game && playerAt(game, party.id);

function showGame() {
  const player = self();
  const isPlaying = phone.isStarted && game?.phase === 'round' && player?.inRound && !game.isPaused;
  showColors();
  paint(document.body, player);
  for (const name of document.querySelectorAll('.own-name')) name.textContent = player?.name;
  showScore(player);
  if (!isPlaying) releaseButtons();
  if (isPlaying) show('pad');
  else if (player) showStatus(player);
  if (isPlaying) say(tell(game));
}

function showScore(player) {
  const hasScore = player?.inRound && game.phase !== 'lobby';
  const team = hasScore && isTeamGame(game) && entryOf(game, player);
  for (const score of document.querySelectorAll('.own-score'))
    score.textContent = hasScore ? scoreText(player) : '';
  for (const score of document.querySelectorAll('.team-score'))
    score.textContent = team ? `${team.name}: ${team.score}` : '';
}

function showStatus(player) {
  const [title, text] = describeStatus(game, player);
  element('status-title').textContent = title;
  element('status-text').textContent = text;
  const beReady = game.phase === 'results' ? 'Play again' : 'I’m ready';
  if (phone.texts.beReady !== beReady) {
    phone.texts.beReady = beReady;
    phone.update();
  }
  phone.classList.toggle('ready', player.isReady);
  show('status', phone.isStarted ? '' : 'waiting');
  const score = game.phase === 'results' && player.inRound ? describeOwnScore(game, player) : '';
  tell(game);
  say(`${title} ${score} ${text}`);
}

/** Vibrates when something happens to our worm, which the player sees on the screen. */
function feel(data, from) {
  const patterns = { star: 30, bump: [30, 40, 30], crash: 250 };
  if (from !== party.host || !patterns[data?.type]) return; // other phones can also send us messages
  if (navigator.userActivation?.hasBeenActive) navigator.vibrate?.(patterns[data.type]);
  const pad = element('pad');
  pad.classList.remove(...Object.keys(patterns));
  void pad.offsetWidth; // the animation begins anew
  pad.classList.add(data.type);
}
