// The screen decides what happens. Phones send which button was pressed. They get the state of the game when
// it changes, and a message when something happens to their worm.

import { addWorm, advance, newArena, protect, removeWorm, steer } from './arena.js';
import { showAudience, showBoard, showLocked, showRound, showTime } from './board.js';
import { drawArena, sparkle } from './drawing.js';
import {
  begin, interrupt, isEverybodyReady, isIdle, newGame, playerAt, playersMax, rounds, setPaused, setPlayers, skip, tick,
} from './game.js';
import { addPoints } from './scores.js';
import { askFirst, describeReady, element, keepAwake, letSleep, paint, say } from './screens.js';
import { playSound } from './sounds.js';
import { pack, unpack } from './state.js';
import { describePhase, describeScores, makeTeller } from './words.js';

const publishMilliseconds = 100; // between two states, however often phones write

let screen; // the lobby's element: it makes the room, and knows who is here
let party;
let game;
let arena;
let known; // the players, as the lobby told them the last time
let published; // the last state as text
const tell = makeTeller((game) => describePhase(game, party.room), describeScores);

export function host(roundSeconds) {
  screen = document.querySelector('party-screen');
  // The link is the relay's: it leads to this game, and the relay knows what phones can reach. The screen has a seat.
  screen.options = { joinUrl: undefined, maxClients: playersMax + 1, maxAudience: 100 };
  screen.texts = { kick: 'Throw out {name}?', locked: 'Locked: nobody new gets in' };
  screen.addEventListener('party', ({ detail }) => {
    party = detail;
    published = undefined;
    known = [];
    game = party.state ? unpack(party.state) : newGame(roundSeconds);
    interrupt(game);
    listen();
    keepAwake();
    enterPhase();
    requestAnimationFrame((now) => runFrame(now, now));
  });
  screen.addEventListener('players', ({ detail }) => takePlayers(detail));
  screen.addEventListener('item', ({ detail: { item, player } }) => {
    const { color } = playerAt(game, player.index) ?? {};
    item.children[1].textContent = describeReady({ ...player, color });
    item.part.toggle('newcomer', color === undefined);
    paint(item, { color });
  });
  screen.addEventListener('start', start);
  screen.addEventListener('end', letSleep);
  listenToButtons();
}

function listen() {
  party.on('message', receive);
  for (const name of ['join', 'back', 'away', 'leave']) party.on(name, showGame); // newcomers are no state
  party.on('room', () => showLocked(party.settings.locked));
  party.on('audience', showAudience);
  showLocked(party.settings.locked);
  for (const code of document.querySelectorAll('.room-code')) code.textContent = party.room;
}

function listenToButtons() {
  element('arena-lock').onclick = () => (party.settings.locked ? party.unlock() : party.lock());
  askFirst(element('end'), 'Really close?', () => party.closeRoom());
  element('skip').onclick = () => skip(game);
  element('this-screen').onclick = () => open(`?room=${party.room}&own-tab`, '_blank', 'noopener');
  listenForPause();
}

function listenForPause() {
  for (const name of ['pause-game', 'go-on']) element(name).onclick = togglePause;
  document.addEventListener('keydown', ({ key, repeat, ctrlKey, altKey, metaKey }) => {
    if (key.toLowerCase() === 'p' && !repeat && !ctrlKey && !altKey && !metaKey) togglePause();
  });
}

/** Time stands still. The state says so, thus phones show it, and a reload of this page changes nothing. */
function togglePause() {
  const wasPaused = game.isPaused;
  setPaused(game, !wasPaused);
  if (game.isPaused === wasPaused) return; // between games
  if (wasPaused && arena) protect(arena);
  publish();
}

/** Takes a message of a phone. A phone is somebody's browser and may send anything. */
function receive(data, from) {
  if (arena && data?.type === 'turn') steer(arena, from, data.turn, data.held);
}

/** The lobby tells who came, is away, back, ready or gone. */
function takePlayers(players) {
  const countReady = () => game.players.filter(({ isReady }) => isReady).length;
  const readyBefore = countReady();
  setPlayers(game, players, known);
  known = players;
  if (arena) {
    for (const { index } of arena.worms) if (!isCrawling(playerAt(game, index))) removeWorm(arena, index);
    for (const player of game.players.filter(isCrawling)) addWorm(arena, player);
  }
  if (isEverybodyReady(game) && countReady() > readyBefore) screen.start(); // who goes does not start it
  publish();
}

const isCrawling = (player) => player?.inRound && !player.isAway;

function start() {
  begin(game);
  enterPhase();
}

function enterPhase() {
  arena = game.phase === 'round' ? newArena(rounds[game.round], game.players.filter(isCrawling)) : null;
  publish();
  showRound(game);
  screen.texts.start = game.phase === 'results' ? 'Play again' : 'Start';
  isIdle(game) ? screen.stop() : screen.start();
  say(tell(game));
  if (game.phase !== 'lobby') playSound(game.phase);
}

/** Sets the state. The relay keeps it for phones that join later, and for our own reload. */
const publish = pace(publishMilliseconds, () => {
  const state = pack(game);
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
  if (arena && !game.isPaused) happen(advance(arena, seconds));
  drawArena(element('field'), arena, game.players);
  showTime(game);
  say(tell(game));
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
  const newcomers = screen.seats.filter(({ name }) => !name); // who has a seat, and no name yet
  const named = newcomers.map((seat) => ({ ...seat, name: `Player ${seat.index}` }));
  showBoard(game, [...game.players, ...named], throwOut);
}

/** The relay tells everybody, us too, and the thrown out phone never comes back by itself. */
function throwOut(index) {
  party.kick(index);
}
