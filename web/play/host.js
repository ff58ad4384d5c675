// The screen decides what happens. Phones send which button was pressed. They get the state of the game when
// it changes, and a message when something happens to their worm.

import { Party } from '../party-sockets.js';
import { addWorm, advance, newArena, removeWorm, steer } from './arena.js';
import { drawArena, sparkle } from './drawing.js';
import {
  addPoints, begin, interrupt, isEverybodyReady, newGame, playerAt, playersMax, ranking, rounds,
  scoreText, seat, setAway, setReady, skip, tick, winners,
} from './game.js';
import {
  element, keepAwake, letSleep, listPlayers, paint, say, show, showBanner, showNotice,
} from './screens.js';
import { playSound } from './sounds.js';

const seats = playersMax + 2; // one for this screen, and a spare one: nobody takes ours during a reload
const publishMilliseconds = 100; // between two states, however often phones write
const askMilliseconds = 4_000;

let party;
let game;
let arena;
let published; // the last state as text

export async function host(roundSeconds) {
  show('entering');
  try {
    party = await Party.create(undefined, { resume: true, maxClients: seats });
  } catch (error) {
    showNotice('No room for you yet', `The relay says: ${error.message}.`, 'Try again', reload);
    return;
  }
  game = party.state ?? newGame(roundSeconds);
  interrupt(game);
  for (const { index } of [...game.players]) setAway(game, index, !party.peers.includes(index));
  listen();
  showRoom();
  keepAwake();
  enterPhase();
  requestAnimationFrame((now) => runFrame(now, now));
}

function listen() {
  party.on('message', receive);
  for (const name of ['join', 'back']) party.on(name, (index) => come(index));
  for (const name of ['leave', 'away']) party.on(name, (index) => go(index));
  party.on('connection', (status) => showBanner(status === 'reconnecting' ? 'Reconnecting …' : ''));
  party.on('closed', end);
  for (const button of document.querySelectorAll('.start')) button.onclick = () => start();
  element('skip').onclick = () => skip(game);
  for (const button of document.querySelectorAll('.end')) button.onclick = () => askToEnd(button);
}

/** Takes a message of a phone. A phone is somebody's browser and may send anything. */
function receive(data, from) {
  if (data?.type === 'turn') {
    if (arena) steer(arena, from, data.turn, data.held);
    return;
  }
  if (data?.type === 'hello') seat(game, from, data);
  if (data?.type === 'ready') {
    setReady(game, from, data.isReady);
    if (isEverybodyReady(game)) start();
  }
  publish();
}

function come(index) {
  if (!playerAt(game, index)) return; // new players send `hello` first
  setAway(game, index, false);
  if (arena && playerAt(game, index).inRound) addWorm(arena, index);
  publish();
}

function go(index) {
  setAway(game, index, true);
  if (arena) removeWorm(arena, index);
  publish();
}

function start() {
  begin(game);
  enterPhase();
}

function enterPhase() {
  const here = game.players.filter((player) => !player.isAway).map((player) => player.index);
  arena = game.phase === 'round' ? newArena(rounds[game.round], here) : null;
  publish();
  announce();
  if (game.phase !== 'lobby') playSound(game.phase);
}

/** Sets the state. The relay keeps it for phones that join later, and for our own reload. */
const publish = pace(publishMilliseconds, () => {
  const state = { ...game, secondsLeft: Math.ceil(game.secondsLeft) };
  const text = JSON.stringify(state);
  if (text === published || party.status === 'closed') return;
  published = text;
  party.setState(state);
  showGame();
});

/** A function that calls `act` at once, and then at most once in `milliseconds`. */
function pace(milliseconds, act) {
  let timer;
  let isCalled;
  return function call() {
    isCalled = Boolean(timer);
    if (isCalled) return;
    act();
    timer = setTimeout(() => {
      timer = null;
      if (isCalled) call();
    }, milliseconds);
  };
}

function runFrame(now, before) {
  if (party.status === 'closed') return;
  requestAnimationFrame((later) => runFrame(later, now));
  if (party.status !== 'connected') return; // without a connection nobody can steer
  const seconds = Math.min((now - before) / 1000, 0.25);
  if (tick(game, seconds)) enterPhase();
  if (arena) happen(advance(arena, seconds));
  drawArena(element('field'), arena, game.players);
  showTime();
  publish();
}

function happen(happenings) {
  for (const happening of happenings) {
    const { type, index, points } = happening;
    addPoints(game, index, points);
    party.send(index, { type }, { volatile: true });
    sparkle(happening, playerAt(game, index));
    playSound(type);
  }
}

function showGame() {
  const { phase, players } = game;
  show({ lobby: 'lobby', results: 'results' }[phase] ?? 'arena');
  element('countdown').hidden = phase !== 'countdown';
  element('lobby-empty').hidden = players.length > 0;
  const isAnybodyHere = players.some((player) => !player.isAway);
  for (const button of document.querySelectorAll('.start')) button.disabled = !isAnybodyHere;
  listPlayers(element('lobby-players'), players, describeReady);
  listPlayers(element('arena-players'), players, (player) => `${player.score}`);
  listPlayers(element('countdown-players'), game.round > 0 ? ranking(game) : [], describeScore);
  listPlayers(element('results-players'), ranking(game), describeScore);
  element('winner').textContent = winnerText();
  paint(element('results'), ranking(game)[0]);
}

const describeReady = ({ isAway, isReady }) => (isAway ? 'away' : isReady ? 'ready' : 'not ready');

function describeScore(player) {
  const more = player.isAway ? ', away' : player.isReady ? ', ready' : '';
  return (player.inRound ? scoreText(player) : 'new here') + more;
}

function winnerText() {
  const names = winners(game).map(({ name }) => name);
  if (names.length === 0) return 'Nobody scored.';
  return names.length === 1 ? `${names[0]} wins!` : `${names.join(' & ')} share it!`;
}

function announce() {
  const { title, hint } = rounds[game.round];
  const texts = {
    lobby: `Room ${party.room} is open.`,
    countdown: `Round ${game.round + 1} of ${rounds.length}: ${title}. ${hint}`,
    round: 'Go!',
    results: winnerText(),
  };
  say(texts[game.phase]);
  element('round-number').textContent = `Round ${game.round + 1} of ${rounds.length}`;
  element('round-title').textContent = title;
  element('round-hint').textContent = hint;
  element('arena-round').textContent = title;
}

function showTime() {
  const seconds = Math.ceil(Math.max(game.secondsLeft, 0));
  element('countdown-seconds').textContent = seconds;
  element('arena-time').textContent = game.phase === 'round' ? seconds : '';
}

/** Shows the QR code and its address, which is the code's title: the relay knows what phones can reach. */
async function showRoom() {
  const svg = await fetchSvg(`../room/${party.room}/qr.svg`).catch(() => null);
  const address = svg?.querySelector('title')?.textContent ?? location.href;
  if (svg) element('qr').replaceChildren(document.importNode(svg, true));
  element('qr').hidden = !svg;
  for (const code of document.querySelectorAll('.room-code')) code.textContent = party.room;
  element('address').textContent = address.replace(/^https?:\/\/|[?#].*/g, '');
  element('this-screen').onclick = () => {
    open(`?room=${party.room}&player=${Math.random().toString(36).slice(2)}`, '_blank', 'noopener');
  };
}

async function fetchSvg(path) {
  const response = await fetch(path);
  if (!response.ok) return null;
  return new DOMParser().parseFromString(await response.text(), 'image/svg+xml').documentElement;
}

/** Asks before it closes the room: that ends the game for all, and other buttons are close by. */
function askToEnd(button) {
  if (button.textContent === 'Really close?') party.closeRoom();
  button.textContent = 'Really close?';
  setTimeout(() => (button.textContent = 'Close the room'), askMilliseconds);
}

function end(reason) {
  letSleep();
  const [title, text, label] = {
    replaced: ['The party is elsewhere', 'It goes on in another tab.', 'Show it here instead'],
    'room-closed': ['The party is over', 'You closed the room. Thanks for playing!'],
    'gave-up': ['Connection lost', 'The relay could not be reached any more.', 'Try again'],
    'room-full': ['The room is full', 'Somebody has the seat of this screen.', 'Try again'],
  }[reason] ?? ['The party is over', 'The room is gone.'];
  showNotice(title, text, label ?? 'Open a new room', reload);
}

const reload = () => location.reload();
