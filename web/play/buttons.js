// The two buttons of a phone, by thumbs or arrow keys. Of two that are held the later one counts.

import { element } from './screens.js';

const buttons = [
  { name: 'left', direction: -1, key: 'ArrowLeft' },
  { name: 'right', direction: 1, key: 'ArrowRight' },
];
let held = []; // directions, the latest last
let turn = 0;
let tell = () => {};

/** `steer(turn, milliseconds)` hears each new direction, and how long the last one was held. */
export function prepareButtons(steer) {
  let turnedAt = performance.now();
  tell = () => {
    const now = performance.now();
    turn = held.at(-1) ?? 0;
    steer(turn, now - turnedAt);
    turnedAt = now;
  };
  for (const { name, direction } of buttons) {
    const button = element(name);
    button.onpointerdown = ({ pointerId }) => {
      button.setPointerCapture(pointerId); // a thumb may slide off
      press(direction);
    };
    button.onlostpointercapture = () => release(direction);
    button.oncontextmenu = (event) => event.preventDefault();
  }
  const directionOf = (event) => buttons.find(({ key }) => key === event.key)?.direction;
  onkeydown = (event) => directionOf(event) && !event.repeat && press(directionOf(event));
  onkeyup = (event) => directionOf(event) && release(directionOf(event));
  onblur = releaseButtons;
  return tell;
}

export const releaseButtons = () => hold([]);
const press = (direction) => hold([...held.filter((other) => other !== direction), direction]);
const release = (direction) => hold(held.filter((other) => other !== direction));

function hold(directions) {
  held = directions;
  for (const { name, direction } of buttons)
    element(name).classList.toggle('held', held.includes(direction));
  if ((held.at(-1) ?? 0) !== turn) tell();
}
