// The ready lobby: <party-screen> and <party-phone> in pages of a game's own web server, over the real relay. The
// pages have a policy that is as strict as that of the relay's own pages.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, it } from 'node:test';
import { Network } from '../blackbox/sdk/network.mjs';
import { eventually } from '../blackbox/support/deadline.mjs';
import { Server } from '../blackbox/support/server.mjs';
import { Pages } from './support/pages.mjs';
import { describeWithBrowser, desktop, findOverflow, phone as phoneSize, takeScreenshot } from './support/browser.mjs';

/** A page for both sides. It keeps what its element fires, and what its party says to the game. */
const html = (relay) => `<!doctype html><html lang="en"><meta charset="utf-8"><title>Lobby</title>
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark"><body>
<script type="module">
import { texts } from '${relay}/party-lobby.js';
const query = new URLSearchParams(location.search);
const fields = '<label slot="fields">Colour <select name="color"><option>red<option>blue</select></label>';
const isPhone = query.has('room') || query.has('phone');
document.body.innerHTML = isPhone
  ? '<party-phone>' + fields + '<main><h2>The game of the phone</h2></main></party-phone>'
  : '<party-screen max-clients="4"><h1 slot="title">Test</h1><main><h2>The game</h2></main></party-screen>';
window.texts = texts;
window.element = document.body.firstChild;
window.told = [];
window.messages = [];
if (query.has('relay')) element.setAttribute('relay', query.get('relay'));
/** A WebSocket whose relay refuses every join. */
window.refusing = (code, message) => class {
  readyState = 1;
  protocol = 'party-sockets.v3';
  constructor() { setTimeout(() => this.onopen()); }
  send() { setTimeout(() => this.onmessage({ data: JSON.stringify({ type: 'error', code, message }) })); }
  close() {}
};
if (query.has('lang')) element.lang = query.get('lang');
if (query.has('audience')) element.setAttribute('audience', '5');
if (query.has('own')) element.options = { storage: sessionStorage };
if (query.has('hold')) element.setAttribute('hold', query.get('hold'));
if (query.has('seats')) element.setAttribute('max-clients', query.get('seats'));
if (query.has('join-url')) element.setAttribute('join-url', query.get('join-url'));
if (query.has('two')) document.body.append(element.cloneNode(true));
window.writes = 0;
const write = (store, name, value) => Reflect.set(store, name, value, store) && ++writes;
const read = (store, name) => (typeof store[name] === 'function' ? store[name].bind(store) : store[name]);
if (query.has('counted')) element.options = { storage: new Proxy(localStorage, { get: read, set: write }) };
if (query.has('text')) element.texts = { start: query.get('text') };
for (const name of ['party', 'start', 'stop', 'end', 'players'])
  element.addEventListener(name, ({ detail }) => told.push(name === 'party' ? [name] : [name, detail]));
element.addEventListener('party', ({ detail }) => detail.on('message', (data, from) => messages.push([data, from])));
</script>`;

let server;
let pages;
before(async () => {
  server = await Server.start();
  const relay = `http://127.0.0.1:${server.port}`;
  const sources = `script-src ${relay} 'unsafe-inline'; style-src 'self'; img-src ${relay}; connect-src *`;
  const headers = { 'Content-Security-Policy': `default-src 'none'; ${sources}` };
  pages = await Pages.start((name) => (/^(index|other)\.html$/.test(name) ? html(relay) : undefined), headers);
});
after(async () => {
  pages.close();
  await server.stop();
});

describeWithBrowser('The ready lobby', (browser) => {
  const text = (page, selector) => page.locator(selector).innerText();
  const phase = (page, name) => page.waitForSelector(`[phase=${name}]`);
  const becomes = (page, selector, expected) =>
    eventually(async () => (await text(page, selector)) === expected, `“${expected}” in ${selector}`);
  const players = (page) => page.evaluate(() => element.players);
  const told = (page, name) => page.evaluate((event) => told.filter(([one]) => one === event).length, name);
  const focused = (page) =>
    page.evaluate(() => (document.activeElement.shadowRoot?.activeElement ?? document.activeElement).textContent);

  async function open(query = '', options = desktop) {
    browser.expectFaults(new RegExp(`a request to http://127.0.0.1:${server.port}/(party-|room/)`)); // the relay's
    return browser.open(`${pages.origin}/${query}`, { locale: 'en-GB', ...options });
  }

  async function openScreen(query, options = desktop) {
    const screen = await open(query, options);
    await phase(screen, 'lobby');
    return { screen, code: await text(screen, '#room') };
  }

  async function enter(code, name, options = phoneSize) {
    const phone = await open(`?room=${code}`, options);
    await phase(phone, 'name');
    await phone.fill('#name', name);
    await phone.click('#form button');
    await phase(phone, 'lobby');
    return phone;
  }

  /** A member without a page, which may say anything. */
  async function stranger(code, number = 0) {
    const member = await server.member({ protocols: ['party-sockets.v3'] });
    const clientId = `a secret of stranger ${number}`;
    member.send({ type: 'join', clientId, session: 'of a stranger', attempt: 1, room: code });
    assert.equal((await member.next()).type, 'joined');
    return { say: (data) => member.send({ type: 'send', to: 'host', data: { $lobby: data } }) };
  }

  it('brings phones in, starts the game on both sides, and comes back to the lobby', async () => {
    const { screen, code } = await openScreen();
    assert.equal(await text(screen, '#nobody'), 'Take your phones: who is first?');
    const link = `${pages.origin.replace('http://', '')}/?room=${code}`;
    assert.equal(await text(screen, '#link'), link);
    assert.match(await screen.getAttribute('#qr', 'alt'), new RegExp(`Scan.*${code}`));
    await screen.waitForFunction(() => element.shadowRoot.querySelector('#qr').naturalWidth > 0);
    assert.ok(await screen.evaluate(() => document.activeElement === document.body), 'loading takes no focus');
    assert.ok(await screen.isDisabled('#start'));

    const ada = await enter(code, 'Ada');
    await becomes(screen, '#players bdi', 'Ada');
    await becomes(screen, '#news', 'Ada: here');
    assert.equal(await text(ada, '#hello'), 'Hi, Ada!');
    await ada.click('#ready');
    await becomes(screen, '#players i', 'ready');
    assert.equal(await ada.getAttribute('#ready', 'aria-pressed'), 'true');
    const known = { index: 1, name: 'Ada', fields: { color: 'red' }, isAway: false };
    assert.deepEqual(await players(screen), [{ ...known, isReady: true }]);

    await screen.click('#start');
    for (const page of [screen, ada]) {
      await phase(page, 'game');
      assert.equal(await told(page, 'start'), 1);
      await becomes(page, '#news', 'It starts!');
      assert.ok(await page.isVisible('main h2'));
      assert.ok(!(await page.isVisible('section[data-in=lobby]')));
      assert.match(await focused(page), /^The game/);
    }
    await screen.evaluate(() => element.stop());
    for (const page of [screen, ada]) {
      await phase(page, 'lobby');
      assert.equal(await told(page, 'stop'), 1);
      assert.ok(!(await page.isVisible('main h2')));
    }
    assert.deepEqual(await players(screen), [{ ...known, isReady: false }]);
    // No game sees the lobby's own messages.
    for (const page of [screen, ada]) assert.deepEqual(await page.evaluate(() => messages), []);
  });

  it('comes back to where it was, whichever side is reloaded', async () => {
    const { screen, code } = await openScreen();
    const ada = await enter(code, 'Ada');
    await ada.click('#ready');
    await becomes(screen, '#players i', 'ready');
    await screen.reload();
    await phase(screen, 'lobby');
    await becomes(screen, '#players i', 'ready');
    assert.equal(await text(screen, '#room'), code);
    await ada.reload();
    await phase(ada, 'lobby');
    await becomes(ada, '#hello', 'Hi, Ada!');
    assert.equal(await ada.getAttribute('#ready', 'aria-pressed'), 'true');
    await screen.click('#start');
    await phase(ada, 'game');
    await ada.reload();
    await phase(ada, 'game');
    await screen.reload();
    await phase(screen, 'game');
    assert.deepEqual((await players(screen)).map(({ name }) => name), ['Ada']);
    for (const page of [screen, ada]) assert.equal(await told(page, 'start'), 1);
    await screen.evaluate(() => element.stop());
    await phase(ada, 'lobby');
  });

  it('takes a player who comes back behind the end of the seat for the same one', async () => {
    const { screen, code } = await openScreen('?hold=0');
    const ada = await enter(code, 'Ada');
    await ada.click('#change');
    await ada.selectOption('select', 'blue');
    await ada.click('#form button');
    await phase(ada, 'lobby');
    await ada.reload();
    await phase(ada, 'lobby');
    await becomes(ada, '#hello', 'Hi, Ada!');
    const again = { name: 'Ada', fields: { color: 'blue' }, isReady: false, isAway: false };
    assert.deepEqual(await players(screen), [{ index: 2, ...again }], 'in another seat');

    // Another tab beside that one is another player, and another room has not heard of Ada.
    const asksWho = async (page, code) => {
      await page.goto(`${pages.origin}/?room=${code}`);
      await phase(page, 'name');
      assert.equal(await page.inputValue('#name'), 'Ada');
    };
    await asksWho(await ada.context().newPage(), code);
    await asksWho(ada, (await openScreen()).code);
  });

  it('has the names of a screen that forgot them from the phones', async () => {
    const { screen, code } = await openScreen();
    await enter(code, 'Ada');
    await becomes(screen, '#players bdi', 'Ada');
    await screen.evaluate(() => {
      for (const store of [sessionStorage, localStorage])
        for (const key of ['party-screen']) store.removeItem(key);
    });
    await screen.reload();
    await becomes(screen, '#players bdi', 'Ada');
  });

  it('shows names as text: cut, without what can’t be seen, and each once', async () => {
    const { screen, code } = await openScreen();
    await enter(code, '<img src=x> and more than sixteen');
    await becomes(screen, '#players bdi', '<img src=x> and');
    const other = await enter(code, '<IMG SRC=x> and\u202e\u0007 ');
    const second = screen.locator('#players li:nth-child(2) bdi');
    await eventually(async () => (await second.innerText()) === '<IMG SRC=x> an 2', 'The second name');
    await becomes(other, '#hello', 'Hi, <IMG SRC=x> an 2!');
    await other.click('#ready'); // the name stays
    await becomes(screen, '#players li:nth-child(2) i', 'ready');
    assert.equal(await second.innerText(), '<IMG SRC=x> an 2');
  });

  it('takes characters out of names that can’t be seen, and heaps of accents', async () => {
    const { screen, code } = await openScreen();
    const { say } = await stranger(code);
    const heap = '\u0335'.repeat(40);
    const names = { [`Z${heap}`]: 'Z\u0335\u0335', 'A\u3164\u034f\ufe0fda': 'Ada', ['🦄'.repeat(20)]: '🦄'.repeat(16) };
    for (const [said, shown] of Object.entries(names)) {
      say({ name: said });
      await becomes(screen, '#players bdi', shown);
    }
    for (const invisible of ['\u200b', '\u3164', '\u2800\u2800', '\u034f', '\ufe0f', '\u{e0041}', '\uffa0', '']) {
      say({ name: 'Ada' });
      await becomes(screen, '#players bdi', 'Ada');
      say({ name: invisible });
      await becomes(screen, '#players bdi', 'Player 1');
    }
  });

  it('tells the game of each item, and of seats without a name', async () => {
    const { screen, code } = await openScreen();
    await screen.evaluate(() =>
      element.addEventListener('item', ({ detail: { item, player } }) => {
        item.style.setProperty('--color', player.fields.color ?? 'none');
        item.children[1].textContent = `${player.name} of ${element.seats.length}`;
      }));
    const ada = await enter(code, 'Ada');
    await becomes(screen, '#players i', 'Ada of 1');
    const item = screen.locator('#players li').first();
    assert.equal(await item.evaluate((li) => li.style.getPropertyValue('--color')), 'red');
    await ada.click('#ready');
    await screen.waitForSelector('#players [part~=ready]');
    await stranger(code);
    await becomes(screen, '#players li:nth-child(2) i', 'of 2');
    assert.deepEqual((await players(screen)).map(({ name }) => name), ['Ada']);
    await ada.evaluate(() => element.party.detach());
    await screen.waitForSelector('#players [part~=away]');
  });

  it('shows what the page puts into its slots', async () => {
    const { code } = await openScreen();
    const phone = await open('?phone', phoneSize);
    await phone.evaluate(() => {
      for (const slot of ['title', 'ways', 'waiting'])
        element.insertAdjacentHTML('beforeend', `<h3 slot="${slot}">${slot}</h3>`);
    });
    for (const slot of ['title', 'ways']) assert.ok(await phone.isVisible(`[slot=${slot}]`));
    await phone.fill('#code', code);
    await phone.press('#code', 'Enter');
    await phase(phone, 'name');
    for (const slot of ['title', 'ways', 'waiting']) assert.ok(await phone.isHidden(`[slot=${slot}]`));
    await phone.fill('#name', 'Ada');
    await phone.press('#name', 'Enter');
    await phase(phone, 'lobby');
    assert.ok(await phone.isVisible('[slot=waiting]'));
    assert.ok(await phone.isHidden('#hello'), 'the page says hello itself');
  });

  it('watches without a seat', async () => {
    const { screen, code } = await openScreen('?audience');
    const eve = await open(`?room=${code}&audience`, phoneSize);
    await phase(eve, 'game');
    assert.deepEqual(await screen.evaluate(() => element.seats), []);
    assert.ok(await eve.isHidden('#banner'));
    await screen.evaluate(() => element.party.setState('seen'));
    await eventually(async () => (await eve.evaluate(() => element.party.state)) === 'seen', 'The state');
    await eve.reload();
    await phase(eve, 'game');
    const { screen: other } = await openScreen();
    await eve.goto(`${pages.origin}/?room=${await text(other, '#room')}&audience`);
    await becomes(eve, '#title', 'The room is full.'); // for those who watch
  });

  it('shows the address that the relay’s picture has', async () => {
    const address = 'http://192.168.0.9:8080/?a=1&amp;room=BCDF';
    const context = await browser.context(pages.origin, { ...desktop, locale: 'en-GB' });
    browser.expectFaults(new RegExp(`a request to http://127.0.0.1:${server.port}/(party-|room/)`));
    const headers = { 'Access-Control-Allow-Origin': '*' };
    const body = `<svg xmlns="http://www.w3.org/2000/svg"><title>${address}</title></svg>`;
    await context.route('**/qr.svg', (route) => route.fulfill({ contentType: 'image/svg+xml', headers, body }));
    const screen = await context.newPage();
    await screen.goto(pages.origin);
    await becomes(screen, '#link', '192.168.0.9:8080/?a=1&room=BCDF');
    assert.equal(await screen.getAttribute('#link', 'href'), 'http://192.168.0.9:8080/?a=1&room=BCDF');
    assert.match(await screen.getAttribute('#qr', 'alt'), /192\.168\.0\.9/);
  });

  it('asks for the name also while the screen is away, and remembers where it is told to', async () => {
    const { screen, code } = await openScreen();
    const address = screen.url();
    await screen.goto('about:blank');
    const ada = await open(`?room=${code}&own`, phoneSize);
    await becomes(ada, '#banner', 'The big screen is away …');
    await phase(ada, 'name');
    await ada.fill('#name', 'Ada');
    await ada.press('#name', 'Enter');
    await screen.goto(address);
    await becomes(screen, '#players bdi', 'Ada');
    const keys = (store) => ada.evaluate((name) => Object.keys(window[name]).filter((key) => key === 'party-phone'), store);
    assert.equal((await keys('sessionStorage')).length, 1);
    assert.deepEqual(await keys('localStorage'), []);
    assert.deepEqual(await ada.evaluate(() => [element.known.name, element.known.room]), ['Ada', code]);
    await screen.click('#players button');
    await screen.click('#players button');
    await phase(ada, 'over');
    assert.equal(await ada.evaluate(() => element.known.room), '');
  });

  it('takes no harm from what strangers say', async () => {
    const { screen, code } = await openScreen();
    const { say } = await stranger(code);
    for (const data of [null, 0, 'text', [], { name: 7 }, { name: {}, fields: 'text' }, { isStarted: true }]) say(data);
    const many = Object.fromEntries(Array.from({ length: 99 }, (_, i) => [`f${i}${'x'.repeat(999)}`, 'y'.repeat(999)]));
    say({ name: ' \u200b ', isReady: 'yes', fields: { number: 1, object: {}, ...many } });
    await eventually(async () => (await players(screen)).length === 1, 'The stranger');
    const [{ name, isReady, fields }] = await players(screen);
    assert.deepEqual([name, isReady], ['Player 1', false]);
    const lengths = Object.entries(fields).flat().map(({ length }) => length);
    assert.deepEqual(lengths, Array(32).fill(200));
    assert.deepEqual(await screen.evaluate(() => [element.isStarted, messages]), [false, []]);
  });

  it('sends the page’s own fields, and remembers them with the name', async () => {
    const { screen, code } = await openScreen();
    const ada = await open(`?room=${code}`, phoneSize);
    await phase(ada, 'name');
    await ada.selectOption('select', 'blue');
    await ada.fill('#name', 'Ada');
    await ada.press('#name', 'Enter');
    await becomes(screen, '#players bdi', 'Ada');
    assert.deepEqual((await players(screen))[0].fields, { color: 'blue' });
    await ada.click('#change');
    await ada.fill('#name', 'Eve');
    await ada.selectOption('select', 'red');
    await ada.click('#form button');
    await becomes(screen, '#players bdi', 'Eve');
    const eve = { index: 1, name: 'Eve', fields: { color: 'red' }, isReady: false };
    assert.deepEqual(await ada.evaluate(() => element.player), eve);
    const next = await openScreen();
    await ada.goto(`${pages.origin}/?room=${next.code}`);
    await phase(ada, 'name');
    assert.deepEqual([await ada.inputValue('#name'), await ada.inputValue('select')], ['Eve', 'red']);
  });

  it('throws out after it has asked, and the phone does not come back by itself', async () => {
    const { screen, code } = await openScreen();
    const ada = await enter(code, 'Ada');
    await becomes(screen, '#players bdi', 'Ada');
    const kick = screen.locator('#players button');
    assert.equal(await kick.getAttribute('aria-label'), 'Throw Ada out?');
    await kick.click();
    await becomes(screen, '#players button', 'Throw Ada out?');
    await becomes(screen, '#news', 'Throw Ada out?');
    await screen.click('h1'); // on second thoughts
    await becomes(screen, '#players button', '✕');
    await kick.click();
    await kick.click();
    await phase(ada, 'over');
    assert.equal(await text(ada, '#title'), 'The host has thrown you out.');
    await becomes(screen, '#news', 'Ada: gone');
    assert.deepEqual(await players(screen), []);
    await ada.reload();
    await phase(ada, 'over');
    assert.equal(await text(ada, '#title'), 'The host has thrown you out.');
    assert.deepEqual(await screen.evaluate(() => element.party.peers), []);
    await ada.click('#again');
    await phase(ada, 'name');
  });

  it('locks the room, and says so', async () => {
    const { screen, code } = await openScreen();
    const isPressed = () => screen.getAttribute('#lock', 'aria-pressed');
    assert.equal(await isPressed(), 'false');
    await screen.click('#lock');
    await becomes(screen, '#news', 'The room is locked. Nobody new gets in.');
    assert.equal(await isPressed(), 'true');
    const phone = await open(`?room=${code}`, phoneSize);
    await phase(phone, 'over');
    assert.equal(await text(phone, '#title'), 'The room is locked. Nobody new gets in.');
    await screen.click('#lock');
    await eventually(async () => (await isPressed()) === 'false', 'The open room');
    await phone.click('#again');
    await phase(phone, 'name');
  });

  it('takes a code in any case, or a link, and a reload comes back', async () => {
    const { code } = await openScreen();
    const phone = await open('?phone', phoneSize);
    await phase(phone, 'over');
    assert.equal(await text(phone, '#title'), 'Play along! Type the code on the big screen.');
    await phone.fill('#code', 'zzzz');
    await phone.click('#again');
    await becomes(phone, '#title', 'No such room. Is each letter right?');
    await phone.fill('#code', `${code.toLowerCase().slice(0, 2)} ${code.toLowerCase().slice(2)}`);
    await phone.press('#code', 'Enter');
    await phase(phone, 'name');
    await phone.reload();
    await phase(phone, 'name');
    await phone.evaluate(() => element.party.leave());
    await becomes(phone, '#title', 'The party is over.');
    for (const link of [`http://elsewhere.example/?room=${code}`, `http://elsewhere.example/#${code}`]) {
      await phone.evaluate((room) => element.join(room), link);
      await phase(phone, 'name');
    }
    await phone.goto(`${pages.origin}/?phone`);
    assert.equal(await phone.inputValue('#code'), code); // it offers to go back
  });

  it('tells when the screen is away, when the party is over, and asks for a password', async () => {
    const { screen, code } = await openScreen();
    const ada = await enter(code, 'Ada');
    await screen.evaluate(() => element.party.setRoom({ password: 'secret' }));
    const eve = await open(`?room=${code}`, phoneSize);
    await becomes(eve, '#title', 'This room has a password.');
    assert.equal(await text(eve, '#again'), 'Join');
    await eve.fill('#password', 'wrong');
    await eve.click('#again');
    await becomes(eve, '#title', 'The password is wrong.');
    await eve.fill('#password', 'secret');
    await eve.click('#again');
    await phase(eve, 'name');
    const address = screen.url();
    await screen.goto('about:blank');
    await becomes(ada, '#banner', 'The big screen is away …');
    await screen.goto(address);
    await phase(screen, 'lobby');
    assert.equal(await text(screen, '#room'), code);
    await ada.waitForSelector('#banner[hidden]', { state: 'attached' });
    await screen.evaluate(() => element.party.closeRoom());
    for (const page of [ada, eve, screen]) {
      await becomes(page, '#title', 'The party is over.');
      assert.equal(await page.evaluate(() => told.at(-1)[1].reason), 'room-closed');
    }
    await screen.click('#again');
    await phase(screen, 'lobby');
    assert.notEqual(await text(screen, '#room'), code);
  });

  it('tells that a connection is lost, and comes back to its place', async (context) => {
    browser.expectFaults(/ERR_(CONNECTION|EMPTY|INTERNET)/);
    const { screen, code } = await openScreen();
    const network = await Network.to(server.port);
    context.after(() => network.close());
    const ada = await enter(`${code}&relay=${network.url}`, 'Ada');
    await becomes(screen, '#players bdi', 'Ada');
    network.fail();
    await becomes(ada, '#banner', 'Reconnecting …');
    await becomes(screen, '#players i', 'away');
    await becomes(screen, '#news', 'Ada: away');
    await screen.evaluate(() => element.start());
    network.restore();
    await phase(ada, 'game');
    await becomes(screen, '#news', 'Ada: here');
  });

  it('lets go when the element is taken out of the page, and comes back with it', async () => {
    const { screen, code } = await openScreen();
    const ada = await enter(code, 'Ada');
    await becomes(screen, '#players bdi', 'Ada');
    await ada.evaluate(() => element.remove());
    await becomes(screen, '#players i', 'away');
    await ada.evaluate(() => document.body.append(element));
    await phase(ada, 'lobby');
    await becomes(screen, '#players i', '');
    const move = () => {
      document.body.prepend(element); // no reason to let go
      return new Promise((resolve) => setTimeout(() => resolve(element.party?.status)));
    };
    assert.equal(await ada.evaluate(move), 'connected');
    assert.deepEqual((await players(screen)).map(({ index, name }) => [index, name]), [[1, 'Ada']]);
  });

  const seats = (screen) => screen.evaluate(() => [...element.party.peers, ...element.party.away]);

  it('leaves one room for another, and hears no more of the first', async () => {
    const { screen: first, code } = await openScreen();
    const { screen: second, code: other } = await openScreen();
    const ada = await enter(code, 'Ada');
    await becomes(first, '#players bdi', 'Ada');
    await ada.evaluate((room) => element.join(room), other);
    await phase(ada, 'name');
    await eventually(async () => (await seats(first)).length === 0, 'The seat of before is free');
    await first.evaluate(() => element.party.closeRoom());
    await phase(first, 'over');
    await ada.fill('#name', 'Ada');
    await ada.press('#name', 'Enter');
    await becomes(second, '#players bdi', 'Ada');
    assert.equal(await ada.evaluate(() => element.party.room), other);
    // An attempt that another one follows at once leaves nothing behind, and tells nothing.
    const { screen: third, code: last } = await openScreen();
    await ada.evaluate(([one, two]) => Promise.all([element.join('ZZZZ'), element.join(one), element.join(two)]), [
      other, last,
    ]);
    await phase(ada, 'name');
    assert.deepEqual(await seats(third), [1]);
    assert.equal(await told(ada, 'end'), 0);
  });

  it('takes no seat for an element that is taken away on its way in, and one that comes back takes one', async () => {
    const { screen, code } = await openScreen();
    const gone = await open('?phone', phoneSize);
    await phase(gone, 'over');
    await gone.evaluate((room) => {
      element.join(room);
      element.remove();
    }, code);
    const back = await open('?phone', phoneSize);
    await phase(back, 'over');
    await back.evaluate(async (room) => {
      history.replaceState(null, '', `?room=${room}`);
      element.join(room);
      element.remove();
      await new Promise((resolve) => setTimeout(resolve));
      document.body.append(element);
    }, code);
    await phase(back, 'name');
    assert.deepEqual(await seats(screen), [1]);
  });

  it('makes two rooms of two screens in a page', async () => {
    const screen = await open('?two');
    const codes = () => screen.evaluate(() =>
      [...document.querySelectorAll('party-screen')].map((one) => one.party?.room));
    await eventually(async () => (await codes()).every(Boolean), 'Two rooms');
    const [one, other] = await codes();
    assert.notEqual(one, other);
    await screen.reload();
    await eventually(async () => (await codes()).every(Boolean), 'Two rooms again');
    assert.equal((await codes())[0], one);
  });

  it('leaves the page’s own fields as they are, remembers them, and sends all that is chosen', async () => {
    const { screen, code } = await openScreen();
    const phone = await open('?phone', phoneSize);
    await phase(phone, 'over');
    await phone.evaluate(() => element.insertAdjacentHTML('beforeend', `<div slot="fields">
      <input type="radio" name="size" value="S"><input type="radio" name="size" value="L" checked>
      <input type="checkbox" name="news" value="yes" checked><input type="checkbox" name="extra" value="ice">
      <input type="checkbox" name="extra" value="mint"><input type="file" name="file">
      <select multiple name="days"><option>Mo<option>Tu<option>We</select></div>`));
    const chosen = () => phone.evaluate(() =>
      [...element.querySelectorAll('input:checked, [multiple] option:checked')].map(({ value }) => value));
    const join = async (room) => {
      await phone.evaluate((where) => element.join(where), room);
      await phase(phone, 'name');
    };
    await join(code);
    assert.deepEqual(await chosen(), ['L', 'yes']);
    await phone.selectOption('[multiple]', ['Mo', 'We']);
    for (const value of ['S', 'ice', 'mint']) await phone.check(`[value=${value}]`);
    await phone.uncheck('[value=yes]');
    await phone.fill('#name', 'Ada');
    await phone.press('#name', 'Enter');
    await becomes(screen, '#players bdi', 'Ada');
    const fields = { color: 'red', size: 'S', news: '', extra: 'ice\nmint', days: 'Mo\nWe' };
    assert.deepEqual((await players(screen))[0].fields, fields);
    await phone.evaluate(() => {
      for (const input of element.querySelectorAll('input')) input.checked = input.defaultChecked;
      for (const option of element.querySelectorAll('option')) option.selected = false;
    });
    await join((await openScreen()).code);
    assert.deepEqual(await chosen(), ['S', 'ice', 'mint', 'Mo', 'We']);
  });

  it('refuses names that nobody can see, and tells names apart that look alike', async () => {
    const { screen, code } = await openScreen();
    const ada = await enter(code, 'Ada');
    const eve = await open(`?room=${code}`, phoneSize);
    await phase(eve, 'name');
    for (const blank of ['  ', '\u3164', '\u2800\u2800', '\u115f', '\ufe0f', '\u0301\u0301']) {
      await eve.fill('#name', blank);
      await eve.press('#name', 'Enter');
      const message = () => element.shadowRoot.querySelector('#name').validationMessage;
      assert.equal(await eve.evaluate(message), 'Who are you?');
      assert.equal(await eve.getAttribute('party-phone', 'phase'), 'name');
    }
    await eve.fill('#name', '\uff21da'); // a wide A
    await eve.press('#name', 'Enter');
    await becomes(eve, '#hello', 'Hi, Ada 2!');
    await ada.click('#change');
    await ada.fill('#name', 'ที่'); // one letter and two marks, as Thai has them
    await ada.press('#name', 'Enter');
    await becomes(screen, '#players li:first-child bdi', 'ที่');
  });

  it('has the start button in sight, whoever many are here', async () => {
    const laptop = { viewport: { width: 1280, height: 720 } };
    const { screen, code } = await openScreen('?seats=31', laptop);
    for (let number = 1; number <= 30; number++) {
      const { say } = await stranger(code, number);
      say({ name: `Player of ${number}` });
      if (![8, 30].includes(number)) continue;
      await eventually(async () => (await players(screen)).length === number, `${number} players`);
      await screen.waitForSelector(`#players li:nth-child(${number})`);
      const { y, height } = await screen.locator('#start').boundingBox();
      assert.ok(y >= 0 && y + height <= 720, `${number} players: the button is at ${y}`);
      assert.deepEqual(await findOverflow(screen, 'input, #news'), []);
      await takeScreenshot(screen, `lobby-${number}`);
    }
    await screen.click('#start');
    await phase(screen, 'game');
  });

  it('writes what it remembers when that changes, and wherever the page is', async () => {
    const { screen, code } = await openScreen('?counted');
    await enter(code, 'Ada');
    await becomes(screen, '#players bdi', 'Ada');
    const before = await screen.evaluate(() => writes);
    assert.ok(before > 0);
    await screen.evaluate(async () => {
      for (let count = 0; count < 5; count++) element.update();
      await element.party.setState({ round: 1 }); // `change` comes with it
      await element.party.ping();
    });
    assert.equal(await screen.evaluate(() => writes), before);
    await screen.goto(`${pages.origin}/other.html`);
    await becomes(screen, '#players bdi', 'Ada');
    assert.equal(await text(screen, '#room'), code);
    assert.equal(await screen.evaluate(() => element.known.room), code);
  });

  it('watches also by an option', async () => {
    const { code } = await openScreen('?audience');
    const eve = await open('?phone', phoneSize);
    await phase(eve, 'over');
    await eve.evaluate((room) => {
      element.options = { audience: true };
      element.join(room);
    }, code);
    await phase(eve, 'game');
  });

  it('takes no double click for an answer', async () => {
    const { screen, code } = await openScreen();
    for (const number of [1, 2]) (await stranger(code, number)).say({ name: `Ada ${number}` });
    await screen.waitForSelector('#players li:nth-child(2)');
    await screen.dblclick('#players li:first-child button');
    await becomes(screen, '#players li:first-child button', 'Throw Ada 1 out?');
    await screen.evaluate(() => element.party.ping()); // whoever is thrown out is so by then
    assert.deepEqual(await seats(screen), [1, 2]);
    await screen.click('#players li:first-child button');
    await eventually(async () => (await seats(screen)).join() === '2', 'One is out');
  });

  it('takes another mark in the address for what it is', async () => {
    const phone = await open('?phone#top', phoneSize);
    await phase(phone, 'over');
    assert.equal(await text(phone, '#title'), 'Play along! Type the code on the big screen.');
    assert.equal(await phone.inputValue('#code'), '');
  });

  it('tells people nothing that is for the page’s author', async () => {
    browser.expectFaults(/joinUrl needs|comes before the code|relay/); // the author has it in the console
    const screen = await open('?join-url=phone.html');
    const phone = await open('?phone', phoneSize);
    await phone.fill('#code', 'http://elsewhere.example/phone.html');
    await phone.click('#again');
    const other = await open('?phone&relay=nothing://', phoneSize);
    await other.fill('#code', 'BCDF');
    await other.click('#again');
    for (const page of [screen, phone, other]) {
      await becomes(page, '#title', 'That did not work.');
      const [, { reason, message }] = await page.evaluate(() => told.at(-1));
      assert.match(reason, /^(mistake|bad-address)$/);
      assert.ok(message.length > 10);
    }
  });

  it('speaks German where the page does, and the page’s own words', async () => {
    const { screen } = await openScreen('?lang=de');
    assert.equal(await text(screen, 'section[data-in=lobby] h2'), 'Wer ist da?');
    assert.equal(await text(screen, '#start'), 'Los');
    for (const lang of ['DE', 'de-AT', 'de_CH']) {
      await screen.evaluate((language) => {
        element.removeAttribute('lang');
        document.documentElement.lang = language;
        element.update();
      }, lang);
      assert.equal(await text(screen, '#start'), 'Los', lang);
    }
    const { screen: other } = await openScreen('?lang=fr&text=Go!');
    assert.equal(await text(other, 'section[data-in=lobby] h2'), 'Who is here');
    assert.equal(await text(other, '#start'), 'Go!');
    await other.evaluate(() => {
      element.lang = 'de';
      element.update();
    });
    assert.equal(await text(other, '#lock'), 'Raum sperren');
  });

  it('has words for every reason, in each language', async () => {
    const types = readFileSync(new URL('../../client/party-sockets.d.ts', import.meta.url), 'utf8');
    const protocol = readFileSync(new URL('../../docs/protocol.md', import.meta.url), 'utf8');
    const union = (name) => {
      const [, members] = new RegExp(`export type ${name} =(.*?);\\n\\n`, 's').exec(types);
      return members.match(/(?<= {2}\| ')[a-z-]+(?=')/g);
    };
    const ofJoin = /^\| `join` \| `already-in-room`.*$/m.exec(protocol)[0].match(/(?<=`)[a-z]+-[a-z-]+(?=`)/g);
    // What only a mistake in the page's code can bring about is told in the server's words.
    const mistakes = ['already-in-room', 'peer-not-found', 'not-host', 'state-too-large', 'message-too-big',
      'not-utf-8', 'bad-frame', 'bad-address', 'mixed-content', 'not-supported', 'refused'];
    const noJoins = /^(audience-(muted|busy)|token-)/;
    const reasons = [...union('CloseReason'), ...union('ErrorCode'), ...ofJoin]
      .filter((reason) => !mistakes.includes(reason) && !noJoins.test(reason));
    assert.ok(reasons.length > 20, reasons.join());
    const page = await open('?phone');
    await phase(page, 'over');
    const explained = (lang, reason) => page.evaluate(async ([language, code]) => {
      element.lang = language;
      element.options = { WebSocket: refusing(code, 'in the words of the server') };
      await element.join('BCDF').catch(() => {}); // a mistake of the page's author is thrown
      return element.shadowRoot.querySelector('#title').textContent;
    }, [lang, reason]);
    for (const lang of ['en', 'de']) {
      for (const reason of reasons)
        assert.doesNotMatch(await explained(lang, reason), /words of the server|undefined|^(That did|Das ging)/, reason);
      for (const reason of mistakes) assert.match(await explained(lang, reason), /^(That did|Das ging)/, reason);
    }
    assert.equal(await page.evaluate(() => told.at(-1)[1].message), 'in the words of the server');
    const [english, german] = await page.evaluate(() => [Object.keys(texts.en), Object.keys(texts.de)]);
    assert.deepEqual(german, english);
  });

  /** Contrasts of all visible texts below 4.5:1, by computed colours. Translucent grounds lie on what is below. */
  const findFaint = (page) => page.evaluate(() => {
    const rgba = (color) => {
      const canvas = Object.assign(document.createElement('canvas'), { width: 1, height: 1 }).getContext('2d');
      canvas.fillStyle = color;
      canvas.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
      return [r, g, b, a / 255];
    };
    const over = ([r, g, b, a], below) => [r, g, b].map((value, i) => value * a + below[i] * (1 - a));
    const parentOf = (node) => node.assignedSlot ?? node.parentElement ?? node.getRootNode().host;
    const groundOf = (node) => (node ? over(rgba(getComputedStyle(node).backgroundColor), groundOf(parentOf(node)))
      : matchMedia('(prefers-color-scheme: dark)').matches ? [18, 18, 18] : [255, 255, 255]);
    const luminance = (color) => {
      const linear = (part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
      const [r, g, b] = color.map((value) => linear(value / 255));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const found = { count: 0, faint: [] };
    const visit = (root) => {
      for (const node of root.querySelectorAll('*')) {
        if (node.shadowRoot) visit(node.shadowRoot);
        const texts = [...node.childNodes].filter((child) => child.nodeType === 3 && child.data.trim());
        const hasText = node.matches('input') || texts.length > 0;
        if (!hasText || !node.checkVisibility() || node.matches('option, script')) continue;
        found.count++;
        const ground = groundOf(node);
        const color = over(rgba(getComputedStyle(node).color), ground);
        const [light, dark] = [luminance(color), luminance(ground)].sort((one, other) => other - one);
        const ratio = (light + 0.05) / (dark + 0.05);
        if (ratio < 4.5) found.faint.push([node.outerHTML.slice(0, 90), ratio]);
      }
    };
    visit(document.body);
    return found;
  });

  for (const colorScheme of ['light', 'dark'])
    it(`is easy to read and fits, in ${colorScheme} colours`, async () => {
      const look = async (page, name, least) => {
        const { count, faint } = await findFaint(page);
        assert.ok(count >= least, `${count} texts of ${name}`);
        assert.deepEqual(faint, [], name);
        assert.deepEqual(await findOverflow(page, 'input, #news'), [], name);
        await takeScreenshot(page, `lobby-${name}-${colorScheme}`);
      };
      const { screen, code } = await openScreen('', { ...desktop, colorScheme });
      await screen.waitForFunction(() => element.shadowRoot.querySelector('#qr').naturalWidth > 0);
      await look(screen, 'empty', 9);
      const small = { ...phoneSize, viewport: { width: 320, height: 640 }, colorScheme };
      const phone = await open('?phone', small);
      await phase(phone, 'over');
      await look(phone, 'code', 3);
      await phone.fill('#code', code);
      await phone.click('#again');
      await phase(phone, 'name');
      await look(phone, 'name', 4);
      await phone.fill('#name', 'WWWWWWWWWWWWWWWW');
      await phone.click('#form button');
      await phase(phone, 'lobby');
      await look(phone, 'waiting', 4);
      await phone.click('#ready');
      await becomes(screen, '#players i', 'ready');
      await look(phone, 'ready', 4);
      await screen.click('#lock');
      await becomes(screen, '#locked', 'The room is locked. Nobody new gets in.');
      await screen.click('#players button');
      await becomes(screen, '#players button', 'Throw WWWWWWWWWWWWWWWW out?');
      await look(screen, 'crowd', 12);
      await screen.setViewportSize({ width: 360, height: 740 });
      await look(screen, 'crowd-small', 12);
      await screen.goto('about:blank');
      await becomes(phone, '#banner', 'The big screen is away …');
      await look(phone, 'screen-away', 5);
    });
});
