// A phone with two big buttons. It sends which button is pressed, and shows what the screen decided.

import { Party } from '../party-sockets.js';
import { prepareButtons, releaseButtons } from './buttons.js';
import {
  colors, isFull, isIdle, nameLengthMax, playerAt, ranking, rounds, scoreText, takenColors, winners,
} from './game.js';
import {
  element, keepAwake, letSleep, paint, say, show, showBanner, showNotice,
} from './screens.js';

let party;
let game;
let memory; // what this browser stores: its secret id in the room, its name and colour
let hello; // the name and colour of the form
let isEditing = false;
let sendTurn;

/** `player` tells several players in one browser apart, for tests by hand. */
export async function play(room, player) {
  show('entering');
  memory = recall(room, `wiggle-room ${player}`.trim());
  try {
    party = await Party.join(undefined, room, { clientId: memory.id });
  } catch (error) {
    refuse(error, room);
    return;
  }
  prepareForm();
  prepareStatus();
  // A late turn is worthless. The phone measured how long the last turn took, so no network is in it.
  const steer = (turn, held) => party.send(0, { type: 'turn', turn, held }, { volatile: true });
  sendTurn = prepareButtons(steer);
  listen();
  showConnection();
  showGame();
}

function listen() {
  party.on('state', (state) => {
    game = state;
    showGame();
  });
  party.on('message', feel);
  for (const name of ['join', 'back'])
    party.on(name, (peer) => {
      if (peer === 0 && hello && !self()) party.send(0, hello); // the screen was away when we sent `hello`
    });
  for (const name of ['join', 'away', 'back', 'leave', 'connection']) party.on(name, showConnection);
  party.on('closed', end);
  keepAwake();
}

/**
 * Reads the id from localStorage, so that the player has the seat again after the tab was closed. The SDK by
 * itself stores the id for the tab only. A second tab takes the seat over, and the first tab says so.
 */
function recall(room, key) {
  const id = Array.from(crypto.getRandomValues(new Uint32Array(4)), String).join('-');
  try {
    const known = JSON.parse(localStorage.getItem(key)) ?? {};
    const kept = known.room === room ? known : { ...known, room, id };
    localStorage.setItem(key, JSON.stringify(kept));
    return { ...kept, key };
  } catch {
    return { id }; // the browser forbids storage; then a reload is another player
  }
}

function remember(values) {
  const { key, ...kept } = Object.assign(memory, values);
  if (key) localStorage.setItem(key, JSON.stringify(kept));
}

function prepareForm() {
  const form = element('name-form');
  const choices = colors.map(({ name }, color) => {
    const input = document.createElement('input');
    Object.assign(input, { type: 'radio', name: 'color', value: color, ariaLabel: name });
    paint(input, { color });
    return input;
  });
  element('colors').replaceChildren(...choices);
  form.elements.name.maxLength = nameLengthMax;
  form.elements.name.value = memory.name ?? '';
  form.onsubmit = (event) => {
    event.preventDefault();
    remember({ name: form.elements.name.value, color: Number(form.elements.color.value) });
    hello = { type: 'hello', name: memory.name, color: memory.color };
    party.send(0, hello);
    isEditing = false;
    document.activeElement.blur(); // the keyboard goes away
  };
}

function showForm() {
  const taken = game ? takenColors(game, party.id) : [];
  const choices = [...element('name-form').elements.color];
  for (const [color, choice] of choices.entries()) choice.disabled = taken.includes(color);
  const free = choices.filter((choice) => !choice.disabled);
  const chosen = free.find(({ checked }) => checked);
  const known = free.find(({ value }) => Number(value) === memory.color);
  (chosen ?? known ?? free[0]).checked = true;
  show('name');
}

function prepareStatus() {
  element('ready').onclick = () => {
    party.send(0, { type: 'ready', isReady: !self().isReady });
  };
  element('change').onclick = () => {
    isEditing = true;
    showGame();
  };
}

const self = () => game && playerAt(game, party.id);

function showGame() {
  const player = self();
  if (game && !player && isFull(game)) {
    party.close(); // the last free seat is the screen's
    return;
  }
  if (game && !isIdle(game)) isEditing = false;
  const isPlaying = game?.phase === 'round' && player?.inRound;
  paint(document.body, player);
  for (const name of document.querySelectorAll('.own-name')) name.textContent = player?.name;
  for (const score of document.querySelectorAll('.own-score'))
    score.textContent = player?.inRound && game.phase !== 'lobby' ? scoreText(player) : '';
  if (!isPlaying) releaseButtons();
  if (!player || isEditing) showForm();
  else if (isPlaying) show('pad');
  else showStatus(player);
}

function showStatus(player) {
  const [title, text] = describe(player);
  element('status-title').textContent = title;
  element('status-text').textContent = text;
  element('ready').textContent = game.phase === 'results' ? 'Play again' : 'I’m ready';
  element('ready').setAttribute('aria-pressed', player.isReady);
  element('ready').hidden = element('change').hidden = !isIdle(game);
  show('status');
  say(`${title} ${text}`);
}

function describe({ index, isReady, inRound }) {
  const { phase, round } = game;
  if (phase === 'countdown') return ['Look up!', 'A round is about to begin on the big screen.'];
  if (phase === 'round' && round + 1 < rounds.length)
    return ['You’re in!', 'A round is under way. You play in the next one.'];
  if (phase === 'round')
    return ['You’re in!', 'The last round is under way. Play again is next.'];
  const isNew = phase === 'results' && !inRound;
  const steering = 'Your worm turns while you hold left or right.';
  const hint = isNew ? 'You did not play this time.' : steering;
  return [phase === 'lobby' || isNew ? 'Hi!' : outcome(index), isReady ? whoIsMissing() : hint];
}

function outcome(index) {
  const best = winners(game);
  if (best.length === 0) return 'Nobody scored';
  if (best.some((player) => player.index === index)) return 'You win!';
  return `Place ${ranking(game).find((player) => player.index === index).place}`;
}

function whoIsMissing() {
  const others = game.players.filter(({ index, isAway }) => index !== party.id && !isAway);
  const missing = others.filter(({ isReady }) => !isReady).map(({ name }) => name);
  if (missing.length > 0) return `Waiting for ${missing.join(', ')}.`;
  return 'Wait for friends, or press Start on the big screen.';
}

/** Vibrates when something happens to our worm, which the player sees on the screen. */
function feel(data, from) {
  const patterns = { star: 30, bump: [30, 40, 30], crash: 250 };
  if (from !== 0 || !patterns[data?.type]) return; // other phones can also send us messages
  if (navigator.userActivation?.hasBeenActive) navigator.vibrate?.(patterns[data.type]);
  const pad = element('pad');
  pad.classList.remove(...Object.keys(patterns));
  void pad.offsetWidth; // the animation begins anew
  pad.classList.add(data.type);
}

function showConnection() {
  const isScreenHere = party.peers.includes(0);
  if (party.status === 'reconnecting') showBanner('Reconnecting …');
  else showBanner(isScreenHere ? '' : 'The big screen is away. Waiting for it …');
  if (party.status === 'connected') sendTurn(); // the last turn may have been lost
}

const reload = () => location.reload();

const full = ['The room is full', 'All seats are taken. Maybe somebody leaves?'];

function refuse({ code, message }, room) {
  const [title, text] = {
    'room-not-found': ['No such room', `There is no room ${room}. Is each letter right?`],
    'room-full': full,
    unreachable: ['No connection', 'The relay does not answer. Is this the right network?'],
  }[code] ?? ['That did not work', `The relay says: ${message}.`];
  showNotice(title, text, 'Try again', reload, { offersCode: true });
}

function end(reason) {
  letSleep();
  const [title, text, label = 'Try again'] = {
    replaced: ['Playing elsewhere', 'Another tab has your seat.', 'Play here instead'],
    'gave-up': ['Connection lost', 'Your seat is kept while the room lives.'],
    'room-full': ['The room is full', 'Your seat was taken while you were away.'],
    left: full,
  }[reason] ?? ['The party is over', 'The room was closed. Thanks for playing!', 'Start page'];
  const leadOn = label === 'Start page' ? () => location.assign('./') : reload;
  showNotice(title, text, label, leadOn, { offersCode: title === full[0] });
}
