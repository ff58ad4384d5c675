// Parts of the page that both sides use: one section at a time, lists of players, a button that asks first.

import { scoreText } from './scores.js';
import { colorOf, colors, soloMax } from './teams.js';

const askMilliseconds = 4_000;

export const element = (id) => document.getElementById(id);

const lobby = () => document.querySelector('party-screen, party-phone');

let shown; // the section of a phone, and its slot
let spoken; // the last text

/** Shows one section of a phone: in the game, or in the lobby's slot. */
export function show(name, slot = '') {
  if (shown === name + slot) return;
  shown = name + slot;
  for (const section of document.querySelectorAll('party-phone > section')) section.hidden = section.id !== name;
  element(name).slot = slot;
  const heading = element(name).querySelector('h1, header'); // a screen reader goes on here
  Object.assign(heading, { tabIndex: -1 }).focus();
}

/** Speaks a text, if there is one, for players with a screen reader. */
export function say(text) {
  if (text && text !== spoken) lobby().say(text);
  spoken = text || spoken;
}

export function paint(target, player) {
  target.style.setProperty('--color', colors[colorOf(player)]?.value ?? '');
}

/**
 * Lists players, with a button for each if there is `throwOut(index)`. Items stay where they are as long as their
 * players do, since a button may have the focus. Anybody may choose a name, so it is text, never markup.
 */
export function listPlayers(list, players, describe, throwOut) {
  const known = new Map([...list.children].map((item) => [Number(item.dataset.index), item]));
  const items = players.map((player) => known.get(player.index) ?? newItem(player.index, throwOut));
  for (const item of known.values()) if (!items.includes(item)) item.remove();
  list.classList.toggle('many', players.length > soloMax);
  list.hidden = players.length === 0;
  items.forEach((item, i) => {
    if (list.children[i] !== item) list.insertBefore(item, list.children[i] ?? null);
    fillItem(item, players[i], describe);
  });
}

function newItem(index, throwOut) {
  const item = document.createElement('li');
  item.dataset.index = index;
  item.append(part('span', 'name'), part('span', 'detail'));
  if (throwOut) {
    const button = part('button', 'throw-out');
    button.textContent = '×';
    askFirst(button, 'Throw out?', () => throwOut(index));
    item.append(button);
  }
  return item;
}

function part(tag, className) {
  return Object.assign(document.createElement(tag), { className });
}

function fillItem(item, player, describe) {
  const [name, detail, button] = item.children;
  name.textContent = player.place ? `${player.place}. ${player.name}` : player.name;
  detail.textContent = describe(player);
  if (button) button.ariaLabel = `Throw out ${player.name}`;
  item.classList.toggle('away', player.isAway === true);
  item.classList.toggle('ready', player.isReady === true);
  item.classList.toggle('first', player.place === 1);
  item.classList.toggle('newcomer', player.color === undefined);
  paint(item, player);
}

export function describeReady({ color, isAway, isReady }) {
  if (isAway) return 'away';
  if (color === undefined) return 'no name yet';
  return isReady ? 'ready' : 'not ready';
}

export function describeScore(player) {
  if (player.color === undefined) return describeReady(player);
  const more = player.isAway ? ', away' : player.isReady ? ', ready' : '';
  return (player.inRound ? scoreText(player) : 'new here') + more;
}

/** Tells in all places of the page that the room is locked, or that it is not. */
export function showLock(isLocked) {
  lobby().classList.toggle('locked', isLocked);
  for (const hint of document.querySelectorAll('.locked')) hint.hidden = !isLocked;
}

/** The button asks before it acts: what it does can't be undone, and other buttons are close by. */
export function askFirst(button, question, act) {
  const label = button.textContent;
  let timer;
  const stopAsking = () => {
    clearTimeout(timer);
    timer = undefined;
    button.textContent = label;
  };
  button.onclick = () => {
    if (timer) {
      stopAsking();
      act();
      return;
    }
    button.textContent = question;
    say(`${question} Then press again.`);
    timer = setTimeout(stopAsking, askMilliseconds);
  };
}

let wakeLock; // a promise of the last lock; a browser releases it when the page is hidden

/** Keeps the device awake, where the browser allows it: a sleeping phone is no controller. */
export function keepAwake() {
  document.addEventListener('visibilitychange', askForWakeLock);
  askForWakeLock();
}

export async function letSleep() {
  document.removeEventListener('visibilitychange', askForWakeLock);
  (await wakeLock)?.release();
}

function askForWakeLock() {
  if (document.visibilityState !== 'visible') return;
  wakeLock = navigator.wakeLock?.request('screen').catch(() => {});
}
