// A phone: two big buttons. It sends what is pressed and shows what the screen decided.

import { Party } from '/party-sockets.js';
import { colors, nameLengthMax, playerAt, ranking } from './game.js';
import {
  element, keepAwake, paint, say, show, showBanner, showNotice,
} from './screens.js';

let party;
let game;
let memory; // what this browser keeps: its secret id in the room, its name and colour
let isEditing = false;
let held = []; // directions, the one pressed last behind
let turn = 0;
let turnedAt = 0;

/** `player` tells several phones of one browser apart, for trying things out. */
export async function play(code, player) {
  show('entering');
  memory = recall(code, player);
  try {
    party = await Party.join(undefined, code, { clientId: memory.id });
  } catch (error) {
    refuse(error, code);
    return;
  }
  prepareForm();
  prepareButtons();
  party.on('state', (state) => {
    game = state;
    showGame();
  });
  party.on('message', feel);
  party.on('join', showConnection);
  party.on('leave', showConnection);
  party.on('connection', showConnection);
  party.on('closed', end);
  keepAwake();
  showGame();
  sendTurn();
}

/**
 * In localStorage, so that the seat is found again when the tab was closed; the SDK by itself keeps
 * it for the tab only. A second tab takes the seat over, and the first one is told so.
 */
function recall(code, player) {
  const key = `wiggle-room ${player}`.trim();
  const fresh = { room: code, id: newId() };
  try {
    const known = JSON.parse(localStorage.getItem(key)) ?? {};
    const kept = { ...known, ...(known.room === code ? {} : fresh) };
    localStorage.setItem(key, JSON.stringify(kept));
    return { ...kept, key };
  } catch {
    return fresh; // storage is forbidden; then a reload is another player
  }
}

const newId = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), String).join('-');

function remember(values) {
  Object.assign(memory, values);
  const { key, ...kept } = memory;
  if (key) localStorage.setItem(key, JSON.stringify(kept));
}

function prepareForm() {
  const form = element('name-form');
  const choices = colors.map(({ name }, color) => {
    const input = Object.assign(document.createElement('input'), { type: 'radio', name: 'color' });
    input.value = color;
    input.setAttribute('aria-label', name);
    paint(input, { color });
    return input;
  });
  element('colors').replaceChildren(...choices);
  form.elements.name.maxLength = nameLengthMax;
  form.elements.name.value = memory.name ?? '';
  form.onsubmit = (event) => {
    event.preventDefault();
    const color = Number(form.elements.color.value);
    remember({ name: form.elements.name.value, color });
    party.send(0, { type: 'hello', name: memory.name, color });
    isEditing = false;
    document.activeElement.blur(); // the keyboard goes away
  };
}

function prepareButtons() {
  element('ready').onclick = () => {
    const { isReady } = playerAt(game, party.id);
    party.send(0, { type: 'ready', isReady: !isReady });
  };
  element('change').onclick = () => {
    isEditing = true;
    showGame();
  };
  for (const [button, direction] of [[element('left'), -1], [element('right'), 1]]) {
    button.onpointerdown = (event) => {
      button.setPointerCapture(event.pointerId); // a thumb may slide off
      press(direction);
    };
    button.onlostpointercapture = () => release(direction);
    button.oncontextmenu = (event) => event.preventDefault();
  }
  const keys = { ArrowLeft: -1, ArrowRight: 1 };
  onkeydown = ({ key, repeat }) => keys[key] && !repeat && press(keys[key]);
  onkeyup = ({ key }) => keys[key] && release(keys[key]);
  onblur = () => setHeld([]);
}

const press = (direction) => setHeld([...held.filter((other) => other !== direction), direction]);
const release = (direction) => setHeld(held.filter((other) => other !== direction));

function setHeld(directions) {
  held = directions;
  for (const [id, direction] of [['left', -1], ['right', 1]])
    element(id).classList.toggle('held', held.includes(direction));
  if ((held.at(-1) ?? 0) !== turn) sendTurn();
}

/** How long the last turn took is measured here, where no network is between. */
function sendTurn() {
  const now = performance.now();
  turn = held.at(-1) ?? 0;
  party.send(0, { type: 'turn', turn, held: now - turnedAt }, { volatile: true });
  turnedAt = now;
}

function showGame() {
  const player = game && playerAt(game, party.id);
  paint(document.body, player);
  if (!player || isEditing) return showForm();
  const isLate = game.phase === 'round' && !player.inRound;
  const isPad = game.phase === 'round' && !isLate;
  if (!isPad && held.length > 0) setHeld([]);
  if (isPad) showPad(player);
  else if (game.phase === 'lobby' || game.phase === 'results') showReady(player);
  else showWait(player, isLate);
}

function showForm() {
  const form = element('name-form');
  const taken = game?.players.filter(({ index }) => index !== party.id).map(({ color }) => color) ?? [];
  for (const input of form.elements.color) input.disabled = taken.includes(Number(input.value));
  const free = [...form.elements.color].filter((input) => !input.disabled);
  const isChosen = free.some((input) => input.checked);
  if (!isChosen && free.length > 0)
    (free.find((input) => Number(input.value) === memory.color) ?? free[0]).checked = true;
  show('name');
}

function showReady(player) {
  const isOver = game.phase === 'results';
  const { place } = ranking(game).find(({ index }) => index === party.id);
  element('ready-name').textContent = player.name;
  element('ready-title').textContent = !isOver ? 'Hi!' : place === 1 ? 'You win!' : `Place ${place}`;
  element('ready-score').textContent = isOver ? points(player) : '';
  element('ready').textContent = player.isReady ? 'Ready!' : isOver ? 'Play again' : 'I’m ready';
  element('ready').setAttribute('aria-pressed', player.isReady);
  element('ready-hint').textContent = readyHint(player);
  show('ready-room');
  say(`${element('ready-title').textContent} ${element('ready-hint').textContent}`);
}

function readyHint({ isReady }) {
  const others = game.players.filter(({ index, isAway }) => index !== party.id && !isAway);
  const waiting = others.filter((other) => !other.isReady).map(({ name }) => name);
  if (!isReady) return 'Your worm turns while you hold left or right.';
  if (others.length === 0) return 'Wait for friends, or press Start on the big screen.';
  return `Waiting for ${waiting.join(', ')}`;
}

function showWait(player, isLate) {
  element('wait-name').textContent = player.name;
  element('wait-title').textContent = isLate ? 'You’re in!' : 'Look up!';
  element('wait-text').textContent = isLate
    ? 'A round is under way. You play in the next one.'
    : 'The next round is about to begin on the big screen.';
  element('wait-score').textContent = points(player);
  show('wait');
  say(`${element('wait-title').textContent} ${element('wait-text').textContent}`);
}

function showPad(player) {
  element('pad-name').textContent = player.name;
  element('pad-score').textContent = points(player);
  show('pad');
  say('Go!');
}

const points = ({ score }) => (score === 1 ? '1 point' : `${score} points`);

/** What happened to our worm: one sees it on the screen and feels it here. */
function feel(data, from) {
  const patterns = { star: 30, bump: [30, 40, 30], crash: 250 };
  if (from !== 0 || !patterns[data?.type]) return; // others can write to us, too
  navigator.vibrate?.(patterns[data.type]);
  const pad = element('pad');
  pad.classList.remove('star', 'bump', 'crash');
  void pad.offsetWidth; // the animation begins anew
  pad.classList.add(data.type);
}

function showConnection() {
  const isScreenHere = party.peers.includes(0);
  if (party.status === 'reconnecting') showBanner('Reconnecting …');
  else showBanner(isScreenHere ? '' : 'The big screen is away. Waiting for it …');
  if (party.status === 'connected') sendTurn(); // the last one may have been lost
}

function refuse({ code, message }, room) {
  const again = ['Try again', () => location.reload()];
  const offersCode = { offersCode: true };
  if (code === 'room-not-found')
    showNotice('No such room', `There is no room ${room}. Mind big and small letters.`, ...again, offersCode);
  else if (code === 'room-full')
    showNotice('The room is full', 'All seats are taken. Try again when somebody has left.', ...again, offersCode);
  else if (code === 'unreachable')
    showNotice('No connection', 'The relay does not answer. Is this phone in the right network?', ...again);
  else showNotice('That did not work', `The relay says: ${message}.`, ...again, offersCode);
}

function end(reason) {
  const again = () => location.reload();
  if (reason === 'replaced')
    showNotice('Playing elsewhere', 'Your seat is in another tab now.', 'Play here instead', again);
  else if (reason === 'gave-up')
    showNotice('Connection lost', 'Your seat is kept as long as the room lives.', 'Try again', again);
  else
    showNotice('The party is over', 'The room was closed. Thanks for playing!', 'Start page', () =>
      location.assign('./'), { offersCode: true });
}
