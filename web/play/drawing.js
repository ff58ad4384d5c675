// The field on a canvas. Each frame is drawn anew, so any size and any reload looks right at once.

import { height, thickness, width } from './arena.js';
import { colorOf, colors } from './teams.js';

const ink = '#1c1633';
const isCalm = matchMedia('(prefers-reduced-motion: reduce)');
const sparkSeconds = 0.7;
const sparksMax = 200;
let sparks = [];

export function sparkle({ type, x, y, points }, player) {
  if (!player) return;
  const now = performance.now() / 1000;
  const color = type === 'star' ? '#ffe9a3' : colors[colorOf(player)].value;
  const count = isCalm.matches ? 0 : { star: 8, crash: 24, bump: 0 }[type];
  const speed = () => 60 + Math.random() * (type === 'star' ? 120 : 320);
  const dots = Array.from({ length: count }, () => ({ angle: Math.random() * 7, speed: speed() }));
  const text = points ? `+${points}` : '';
  sparks = [...sparks, { x, y, color, dots, text, begunAt: now }].slice(-sparksMax);
}

export function drawArena(canvas, arena, players) {
  const dots = fit(canvas);
  const pen = canvas.getContext('2d');
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.clearRect(0, 0, canvas.width, canvas.height);
  if (!arena) return;
  const scale = dots / arena.width;
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.textSize = 26 * Math.sqrt(arena.width / width); // many names would hide worms if they were as large
  pen.font = `800 ${pen.textSize}px ${getComputedStyle(canvas).fontFamily}`;
  pen.textAlign = 'center';
  pen.lineJoin = pen.lineCap = 'round';
  const now = performance.now() / 1000;
  for (const star of arena.stars) drawStar(pen, star, now);
  const crawling = arena.worms.filter(({ outFor }) => outFor <= 0);
  const known = new Map(players.map((player) => [player.index, player]));
  const worms = crawling.filter(({ index }) => known.has(index));
  for (const worm of worms) drawWorm(pen, worm, arena, known.get(worm.index));
  for (const worm of worms) drawName(pen, worm, arena, known.get(worm.index));
  sparks = sparks.filter(({ begunAt }) => now - begunAt < sparkSeconds);
  for (const spark of sparks) drawSpark(pen, spark, arena, now - spark.begunAt);
}

/** Gives the canvas as many dots as the screen has. Returns how many it is wide. */
function fit(canvas) {
  const dots = Math.round(canvas.clientWidth * devicePixelRatio);
  if (canvas.width !== dots) {
    canvas.width = dots;
    canvas.height = Math.round((dots * height) / width);
  }
  return dots;
}

function drawWorm(pen, worm, arena, player) {
  pen.globalAlpha = worm.safeFor > 0 ? 0.55 : 1;
  pen.strokeStyle = colors[colorOf(player)].value;
  pen.lineWidth = thickness;
  pen.beginPath();
  worm.path.forEach(({ x, y }, i) => {
    const last = worm.path[i - 1];
    const isAcross = !last || Math.abs(x - last.x) > arena.width / 2 || Math.abs(y - last.y) > arena.height / 2;
    if (isAcross) pen.moveTo(x, y);
    pen.lineTo(x, y);
  });
  pen.stroke();
  drawHead(pen, worm, pen.strokeStyle);
  pen.globalAlpha = 1;
}

function drawName(pen, { x, y }, arena, { name }) {
  const size = pen.textSize;
  drawText(pen, name, x, y < 2.7 * size ? y + 2.1 * size : y - 1.25 * size, arena);
}

/** Draws a text around `x`, but never outside the field. Its dark edge makes it readable on any worm. */
function drawText(pen, text, x, y, arena) {
  const half = pen.measureText(text).width / 2 + 8;
  const inside = Math.max(half, Math.min(x, arena.width - half));
  pen.lineWidth = pen.textSize / 4;
  pen.strokeStyle = ink;
  pen.strokeText(text, inside, y);
  pen.fillStyle = '#fff';
  pen.fillText(text, inside, y);
}

function drawHead(pen, { x, y, heading }, color) {
  dot(pen, x, y, thickness * 0.8, color);
  for (const side of [-0.7, 0.7]) {
    const eye = { x: x + Math.cos(heading + side) * 12, y: y + Math.sin(heading + side) * 12 };
    dot(pen, eye.x, eye.y, 6.5, '#fff');
    dot(pen, eye.x + Math.cos(heading) * 2.5, eye.y + Math.sin(heading) * 2.5, 3.2, ink);
  }
}

function dot(pen, x, y, radius, color) {
  pen.fillStyle = color;
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
  pen.fill();
}

function drawStar(pen, { x, y }, now) {
  const size = 20 + (isCalm.matches ? 0 : 2.5 * Math.sin(now * 4 + x));
  pen.beginPath();
  for (let i = 0; i < 10; i++) {
    const angle = (i * Math.PI) / 5 - Math.PI / 2;
    const radius = i % 2 ? size * 0.5 : size;
    pen.lineTo(x + Math.cos(angle) * radius, y + Math.sin(angle) * radius);
  }
  pen.closePath();
  pen.fillStyle = pen.strokeStyle = '#ffd84a';
  pen.lineWidth = 6;
  pen.stroke();
  pen.fill();
}

function drawSpark(pen, { x, y, color, dots, text }, arena, age) {
  pen.globalAlpha = 1 - age / sparkSeconds;
  for (const { angle, speed } of dots)
    dot(pen, x + Math.cos(angle) * speed * age, y + Math.sin(angle) * speed * age, 6, color);
  pen.globalAlpha = 1;
  if (text) drawText(pen, text, x, y - 30 - 60 * age, arena);
}
