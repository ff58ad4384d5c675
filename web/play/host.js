// The screen: it decides what happens. Phones send what was pressed, and are told the state of the
// game when that changes, and what happened to them when it happens.

import { Party } from '/party-sockets.js';
import { addWorm, advance, newArena, removeWorm, steer } from './arena.js';
import { drawArena, sparkle } from './drawing.js';
import {
  addPoints, begin, interrupt, isEverybodyReady, newGame, playerAt, playersMax, ranking, rounds,
  scoreText, seat, setAway, setReady, skip, tick,
} from './game.js';
import {
  element, keepAwake, listPlayers, paint, say, show, showBanner, showNotice,
} from './screens.js';
import { playSound } from './sounds.js';

let party;
let game;
let arena;

export async function host(roundSeconds) {
  show('entering');
  try {
    party = await Party.create(undefined, { resume: true, maxClients: playersMax + 1 });
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
  party.on('join', (index) => come(index));
  party.on('leave', (index) => go(index));
  party.on('connection', (status) => showBanner(status === 'reconnecting' ? 'Reconnecting …' : ''));
  party.on('error', () => {}); // somebody had left when we told them something
  party.on('closed', end);
  for (const button of document.querySelectorAll('.start')) button.onclick = () => start();
  element('skip').onclick = () => skip(game);
  element('end').onclick = () => party.closeRoom();
}

/** Anything may come here: a phone is somebody's browser. */
function receive(data, from) {
  if (data?.type === 'turn') {
    if (arena) steer(arena, from, data.turn, data.held);
    return;
  }
  if (data?.type === 'hello') seat(game, from, data);
  else if (data?.type === 'ready') setReady(game, from, data.isReady);
  else return;
  if (isEverybodyReady(game)) start();
  else publish();
}

function come(index) {
  if (!playerAt(game, index)) return; // they introduce themselves first
  setAway(game, index, false);
  if (arena && playerAt(game, index).inRound) addWorm(arena, index);
  publish();
}

function go(index) {
  setAway(game, index, true);
  if (arena) removeWorm(arena, index);
  if (isEverybodyReady(game)) start();
  else publish();
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

/** The relay keeps it, for whoever joins later and for our own reload. */
function publish() {
  party.setState(game);
  showGame();
}

function runFrame(now, before) {
  requestAnimationFrame((later) => runFrame(later, now));
  if (party.status !== 'connected') return; // nobody could steer
  const seconds = Math.min((now - before) / 1000, 0.25);
  if (tick(game, seconds)) enterPhase();
  if (arena) happen(advance(arena, seconds));
  drawArena(element('field'), arena, game.players);
  showTime();
}

function happen(happenings) {
  for (const happening of happenings) {
    const { type, index, points } = happening;
    addPoints(game, index, points);
    party.send(index, { type }, { volatile: true });
    sparkle(happening, playerAt(game, index));
    playSound(type);
  }
  if (happenings.length > 0) publish();
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
  return scoreText(player) + more;
}

function winnerText() {
  const winners = ranking(game).filter(({ place }) => place === 1);
  const names = winners.map(({ name }) => name);
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

/** The QR code's title is the address that it stands for; the relay knows what phones can reach. */
async function showRoom() {
  const svg = await fetchSvg(`/room/${party.room}/qr.svg`).catch(() => null);
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

function end(reason) {
  const texts = {
    replaced: 'This party goes on in another tab.',
    'room-closed': 'You closed the room. Thanks for playing!',
    'gave-up': 'The relay could not be reached any more.',
  };
  showNotice('The party is over', texts[reason] ?? 'The room is gone.', 'Open a new room', reload);
}

const reload = () => location.reload();
