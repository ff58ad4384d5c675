await import(`${location.protocol === 'https:' ? '' : `http://${location.hostname}:3000`}/party-lobby.js`);
const screen = document.querySelector('party-screen');
const at = (id) => document.getElementById(id);
let game; // Only this screen knows the right answers. The relay keeps them as the room's private state, for a reload.

const readQuestions = () => at('questions').value.trim().split('\n').map((line) => {
  const [question, right, ...wrong] = line.split('/').map((text) => text.trim());
  const options = [right, ...wrong].sort(() => Math.random() - 0.5);
  return { question, options, right: options.indexOf(right) };
});
at('questions').oninput = ({ target }) => {
  const bytes = new TextEncoder().encode(JSON.stringify(readQuestions())).length; // a state has at most 16,384
  target.setCustomValidity(bytes > 15_000 ? `Too long: ${bytes} bytes of at most 15,000` : ''); // scores need some, too
  target.reportValidity();
};

function publish() {
  const { round, questions, answers, scores, isShown } = game;
  const { question, options, right } = questions[round];
  screen.party.setState(game, { private: true });
  screen.party.setState({ question, options, answered: Object.keys(answers), ...(isShown && { right, answers }) });
  at('question').textContent = question;
  at('options').textContent = options.join(' · ');
  at('hint').textContent = isShown ? `Right: ${options[right]}` : `${Object.keys(answers).length} answered`;
  at('next').textContent = isShown ? 'Next' : 'Show the answer';
  at('scores').textContent = screen.players.map(({ index, name }) => `${name}: ${scores[index] ?? 0}`).join(' · ');
}
function showAnswer() {
  game.isShown = true;
  for (const [index, answer] of Object.entries(game.answers))
    if (answer === game.questions[game.round].right) game.scores[index] = (game.scores[index] ?? 0) + 1;
}

screen.addEventListener('party', ({ detail: party }) => {
  game = party.privateState;
  party.on('message', (data, from) => { // from somebody's phone, which may send anything
    if (!screen.isStarted || game.isShown || from in game.answers || !Number.isInteger(data?.answer)) return;
    game.answers[from] = data.answer;
    if (screen.players.every(({ index, isAway }) => isAway || index in game.answers)) showAnswer();
    publish();
  });
});
screen.addEventListener('start', () => {
  if (!game && !at('questions').checkValidity()) return screen.stop();
  game ??= { questions: readQuestions(), round: 0, answers: {}, scores: {}, isShown: false };
  publish();
});
at('next').onclick = () => {
  if (!game.isShown) showAnswer();
  else if (game.round + 1 === game.questions.length) game = null;
  else Object.assign(game, { round: game.round + 1, answers: {}, isShown: false });
  if (game) return publish();
  at('final').textContent = at('scores').textContent;
  screen.party.setState(null, { private: true });
  screen.stop();
};
