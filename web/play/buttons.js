// The two buttons of a phone, for thumbs, arrow keys or clicks. When two are held, the later one counts.

import { element } from './screens.js';

const buttons = [
  { name: 'left', direction: -1, key: 'ArrowLeft' },
  { name: 'right', direction: 1, key: 'ArrowRight' },
];
const clickMilliseconds = 200; // so long is a turn by Enter or by a screen reader

let held = []; // { source, direction }, the latest press last; a source is a finger, a key or a click
let turn = 0;
let tell = () => {};

/** Calls `steer(turn, milliseconds)` with each new direction, and with how long the last one was held. */
export function prepareButtons(steer) {
  let turnedAt = performance.now();
  tell = () => {
    const now = performance.now();
    turn = directionHeld();
    steer(turn, now - turnedAt);
    turnedAt = now;
  };
  for (const { name, direction } of buttons) {
    const button = element(name);
    button.onpointerdown = ({ pointerId }) => {
      button.setPointerCapture(pointerId); // a thumb may slide off the button
      press(pointerId, direction);
    };
    button.onlostpointercapture = ({ pointerId }) => release(pointerId);
    button.onclick = ({ detail }) => detail === 0 && tap(direction); // otherwise the click is a pointer's
    button.oncontextmenu = (event) => event.preventDefault();
  }
  onkeydown = ({ key, repeat }) => {
    const button = buttons.find((button) => button.key === key);
    if (button && !repeat && !element('pad').hidden) press(key, button.direction);
  };
  onkeyup = ({ key }) => release(key);
  onblur = releaseButtons;
  return tell;
}

export const releaseButtons = () => hold([]);
const press = (source, direction) => hold([...held, { source, direction }]);
const release = (source) => hold(held.filter((press) => press.source !== source));
const directionHeld = () => held.at(-1)?.direction ?? 0;

function tap(direction) {
  const source = Symbol('click');
  press(source, direction);
  setTimeout(release, clickMilliseconds, source);
}

function hold(presses) {
  held = presses;
  for (const { name, direction } of buttons)
    element(name).classList.toggle('held', held.some((press) => press.direction === direction));
  if (directionHeld() !== turn) tell();
}
