// Parts of the page that both sides use: one screen at a time, lists of players, a banner, a notice.

import { colors } from './game.js';

export const element = (id) => document.getElementById(id);

export function show(name) {
  if (document.body.dataset.screen === name) return;
  document.body.dataset.screen = name;
  const screens = document.querySelectorAll('main > section');
  for (const screen of screens) screen.hidden = screen.id !== name;
  scrollTo(0, 0);
  const heading = element(name).querySelector('h1, h2, header'); // a screen reader goes on here
  if (heading) Object.assign(heading, { tabIndex: -1 }).focus();
}

/** Speaks a text, for players with a screen reader. */
export function say(text) {
  if (element('spoken').textContent !== text) element('spoken').textContent = text;
}

export function showBanner(text) {
  element('banner').textContent = text;
  element('banner').hidden = !text;
}

export function paint(target, player) {
  target.style.setProperty('--color', player ? colors[player.color].value : '');
}

/** Lists players. Anybody may choose a name, so the page shows names as text, never as markup. */
export function listPlayers(list, players, describe) {
  const items = players.map((player) => {
    const item = document.createElement('li');
    const name = player.place ? `${player.place}. ${player.name}` : player.name;
    item.append(part('name', name), part('detail', describe(player)));
    item.classList.toggle('away', player.isAway);
    item.classList.toggle('ready', player.isReady);
    item.classList.toggle('first', player.place === 1);
    paint(item, player);
    return item;
  });
  list.replaceChildren(...items);
}

function part(className, text) {
  const span = document.createElement('span');
  span.className = className;
  span.textContent = text;
  return span;
}

/** Shows a notice that ends the game for this page. The big button calls `action`. */
export function showNotice(title, text, label, action, { offersCode = false } = {}) {
  element('notice-title').textContent = title;
  element('notice-text').textContent = text;
  element('notice-button').textContent = label;
  element('notice-button').onclick = action;
  element('notice-code').hidden = !offersCode;
  showBanner('');
  show('notice');
  say(`${title} ${text}`);
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
