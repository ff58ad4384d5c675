// The game as the room's state: all of it, in a short form, since each of 30 phones gets it up to ten times a second.
// Pure, as game.js is.

const flags = ['isReady', 'isAway', 'inRound'];

/** Seconds are whole: the state changes as often as what phones show. */
export function pack(game) {
  const { players, teams, secondsLeft, ...rest } = game;
  return {
    ...rest,
    secondsLeft: Math.ceil(secondsLeft),
    teams: teams.map(({ color, score }) => [color, score]),
    players: players.map(packPlayer),
  };
}

export function unpack({ players, teams, ...rest }) {
  return {
    ...rest,
    teams: teams.map(([color, score]) => ({ color, score })),
    players: players.map(unpackPlayer),
  };
}

function packPlayer(player) {
  const { index, name, color, team, score } = player;
  const bits = flags.reduce((sum, flag, bit) => sum + (player[flag] ? 1 << bit : 0), 0);
  return [index, name, color, team, score, bits];
}

function unpackPlayer([index, name, color, team, score, bits]) {
  const player = { index, name, color, team, score };
  flags.forEach((flag, bit) => (player[flag] = Boolean(bits & (1 << bit))));
  return player;
}
