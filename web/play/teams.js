// Colours and teams. Up to eight players have a colour each. More than eight share colours: then a player's colour
// is a wish, and the teams are formed when a game begins. Pure, as game.js is.

export const colors = [
  { name: 'Red', value: '#ff6b6b' },
  { name: 'Orange', value: '#ffa23a' },
  { name: 'Yellow', value: '#ffe04d' },
  { name: 'Green', value: '#6bdb6f' },
  { name: 'Teal', value: '#35d9cb' },
  { name: 'Blue', value: '#6ab0ff' },
  { name: 'Violet', value: '#bd97ff' },
  { name: 'Pink', value: '#ff8fd4' },
];

export const soloMax = colors.length; // more players than this form teams
const teamSizeMin = 3;
const teamSizeMax = 5;

/** The colour that a player is seen in: the team's, or the own one. */
export const colorOf = (player) => player?.team ?? player?.color;
export const teamName = (color) => `Team ${colors[color].name}`;

/** The colours that `index` can't have: those of up to seven others. Beside more others, all can be shared. */
export function takenColors({ players }, index) {
  const others = players.filter((player) => player.index !== index);
  return others.length < soloMax ? others.map(({ color }) => color) : [];
}

/** The wanted colour if this player can have it, or one that few have. */
export function pickColor(game, self, wanted) {
  const taken = takenColors(game, self.index);
  if (Number.isInteger(wanted) && colors[wanted] && !taken.includes(wanted)) return wanted;
  const others = game.players.filter((player) => player !== self);
  return order((color) => others.filter((other) => other.color === color).length)[0];
}

/** The first eight players have a colour each again; who is earlier in the list keeps the own one. */
export function spreadColors(players) {
  const used = [];
  for (const player of players.slice(0, soloMax)) {
    if (used.includes(player.color)) player.color = freeColor(players, used);
    used.push(player.color);
  }
}

/** A colour that nobody has had so far; if possible, one that nobody later in the list has either. */
function freeColor(players, used) {
  const free = colors.map((_, color) => color).filter((color) => !used.includes(color));
  return free.find((color) => !players.some((player) => player.color === color)) ?? free[0];
}

/**
 * How many teams so many players form: teams of three to five. They are equally large if that is possible,
 * since a team's score is what all its worms scored; otherwise, some have one worm more.
 */
export function teamCount(playerCount) {
  const counts = colors.map((_, i) => i + 1).reverse();
  const fits = counts.filter(
    (count) => playerCount >= count * teamSizeMin && playerCount <= count * teamSizeMax,
  );
  return fits.find((count) => playerCount % count === 0) ?? fits[0];
}

/**
 * Puts each player into a team, and returns the teams. Their colours are those that most players want. Who wants
 * one of them gets it while there is place; those who are here come before those who are away.
 */
export function formTeams(players) {
  const wishes = (color) => players.filter((player) => player.color === color).length;
  const teams = order((color) => -wishes(color)).slice(0, teamCount(players.length));
  const equalSize = Math.floor(players.length / teams.length);
  const sizeOf = (team) => players.filter((player) => player.team === team).length;
  for (const player of players) player.team = null;
  const sorted = [...players].sort((a, b) => a.isAway - b.isAway);
  for (const player of sorted)
    if (teams.includes(player.color) && sizeOf(player.color) < equalSize) player.team = player.color;
  for (const player of sorted.filter(({ team }) => team === null))
    player.team = smallestTeam(teams, players, player.color);
  return teams.sort((a, b) => a - b).map((color) => ({ color, score: 0 }));
}

/** The colour of the team that has the fewest players: the wanted one, if it is one of several. */
export function smallestTeam(teams, players, wanted) {
  const sizeOf = (team) => players.filter((player) => player.team === team).length;
  const least = Math.min(...teams.map(sizeOf));
  const smallest = teams.filter((team) => sizeOf(team) === least);
  return smallest.includes(wanted) ? wanted : smallest[0];
}

/** All colours, those with the smallest `weight` first. */
const order = (weight) => colors.map((_, color) => color).sort((a, b) => weight(a) - weight(b));
