// Chooses which side of the game this page is: the shared screen, a phone that plays, or one that watches. The lobby's
// elements begin by themselves, once they are in the page.

import '../party-lobby.js';
import { roundSecondsDefault } from './game.js';
import { host } from './host.js';
import { play } from './phone.js';
import { element } from './screens.js';
import { watch } from './watch.js';

const query = () => new URLSearchParams(location.search);
const isHost = () => location.hash === '#host' && !query().has('room');
const isHosting = isHost();

/** A page has too much under way to become another one. So it is loaded anew. */
onhashchange = () => {
  if (isHost() !== isHosting) location.reload();
};

/** Goes to this page's address as `change` leaves it. */
function go(change) {
  const address = new URL(location);
  change(address);
  location.assign(address);
}

const watchInstead = (address) => address.searchParams.set('watch', '');

function hostHere(address) {
  address.searchParams.delete('room');
  address.hash = 'host';
}

/** Where a phone begins, and where each end leads on. */
function prepareStart(phone) {
  const button = element('just-watch');
  button.onclick = () => go(watchInstead);
  element('host').onclick = () => go(hostHere);
  phone.addEventListener('party', () => Object.assign(button, { slot: 'fields', hidden: false }));
  phone.addEventListener('end', ({ detail: { reason } }) => {
    phone.classList.toggle('start', reason === 'code');
    Object.assign(button, { slot: 'ways', hidden: reason !== 'room-full' });
    element('return').hidden = true;
    if (reason === 'code') offerReturn(phone);
  });
}

/** Somebody who was in a room, and came without its code, may go back: if there still is that room. */
async function offerReturn(phone) {
  const { name, room } = phone.known;
  if (!room) return;
  const response = await fetch(`../room/${encodeURIComponent(room)}`).catch(() => null);
  if (response?.status === 404) phone.known = { ...phone.known, room: '' };
  if (!response?.ok || phone.getAttribute('phase') !== 'over') return;
  element('return-button').textContent = name ? `Back to room ${room} as ${name}` : `Back to room ${room}`;
  element('return-button').onclick = () => phone.join(room);
  element('return').hidden = false;
}

document.querySelector('main').append(element(isHosting ? 'screen' : 'phone').content);
if (isHosting) {
  host(Math.max(3, Math.min(Number(query().get('seconds')) || roundSecondsDefault, 120)));
} else {
  const phone = document.querySelector('party-phone');
  phone.toggleAttribute('audience', query().has('watch'));
  // All tabs of a browser are one player, unless each keeps its seat to itself.
  if (query().has('own-tab')) phone.options = { storage: sessionStorage };
  prepareStart(phone);
  query().has('watch') ? watch(phone) : play(phone);
}
