// A few beeps. Browsers allow sounds only after somebody touched the page. Until then the page is silent.

const tunes = { // [hertz, seconds from now]
  countdown: [[440, 0], [554, 0.12], [659, 0.24]],
  round: [[659, 0], [880, 0.12]],
  results: [[523, 0], [659, 0.15], [784, 0.3], [1047, 0.45]],
  star: [[1319, 0], [1760, 0.06]],
  crash: [[160, 0], [110, 0.09]],
  bump: [[784, 0], [988, 0.08]],
};

let context;

export function playSound(name) {
  if (!navigator.userActivation?.hasBeenActive) return;
  context ??= new AudioContext();
  for (const [hertz, delay] of tunes[name]) beep(hertz, context.currentTime + delay);
}

function beep(hertz, at) {
  const oscillator = new OscillatorNode(context, { type: 'triangle', frequency: hertz });
  const volume = new GainNode(context, { gain: 0 });
  volume.gain.setValueAtTime(0.12, at);
  volume.gain.exponentialRampToValueAtTime(0.001, at + 0.25);
  oscillator.connect(volume).connect(context.destination);
  oscillator.start(at);
  oscillator.stop(at + 0.25);
}
