// Chooses which side of the game this page is: the shared screen, or a phone.

import { roundSecondsDefault } from './game.js';
import { host } from './host.js';
import { play } from './phone.js';
import { show } from './screens.js';

const query = new URLSearchParams(location.search);

for (const form of document.querySelectorAll('form.code')) {
  form.onsubmit = (event) => {
    event.preventDefault();
    const code = form.elements.room.value.trim();
    if (code) location.assign(`?room=${encodeURIComponent(code)}`);
  };
}

document.getElementById('host').onclick = () => {
  location.hash = 'host'; // then a reload hosts again
  begin();
};

function begin() {
  const seconds = Math.max(3, Math.min(Number(query.get('seconds')) || roundSecondsDefault, 120));
  if (query.get('room')) play(query.get('room'), query.get('player') ?? '');
  else if (location.hash === '#host') host(seconds);
  else show('choose');
}

begin();
