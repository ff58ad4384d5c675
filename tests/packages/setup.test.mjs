// What scripts/setup does to a machine, and says to who may not.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FreshMachine } from './support/fresh_machine.mjs';

async function onFreshMachine(settings, work) {
  const machine = new FreshMachine(settings);
  try {
    await work(machine);
  } finally {
    machine.remove();
  }
}

describe('scripts/setup', { concurrency: true }, () => {
  const statuses = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 };
  for (const [signal, status] of Object.entries(statuses)) {
    it(`lets services start again when ${signal} ends it`, () =>
      onFreshMachine({ hasSudo: true }, async (machine) => {
        const outcome = await machine.interrupt('test', signal);
        assert.deepEqual(outcome, { status, wasGuarded: true, isGuarded: false });
      }));
  }

  it('tells who may not install what to run, and what that starts', () =>
    onFreshMachine({}, async (machine) => {
      const advice = await machine.advice('test');
      assert.match(advice, /Run: sudo apt-get update && sudo apt-get install .* caddy haproxy /);
      assert.match(advice, /starts services.*: sudo systemctl disable --now caddy haproxy nginx nats-server\n$/);
      assert.doesNotMatch(await machine.advice('build'), /services/);
    }));

  for (const program of ['npm', 'apt-get']) {
    it(`lets ${program} say why it fails`, () =>
      onFreshMachine({ hasSudo: true }, async (machine) => {
        const { status, output } = await machine.failure(program);
        assert.equal(status, 3);
        assert.match(output, new RegExp(`^${program} says why$`, 'm'));
      }));
  }

  it('brings browsers, proxies and NATS only to what uses them', () =>
    onFreshMachine({}, async (machine) => {
      const needs = async (purpose) => {
        const names = await machine.packages(purpose);
        const known = ['libcmocka-dev', 'libnats-dev', 'nodejs', 'chromium', 'caddy', 'nats-server'];
        return known.filter((name) => names.includes(name));
      };
      assert.deepEqual(await needs('build'), ['libnats-dev']);
      assert.deepEqual(await needs('cluster'), ['libnats-dev', 'nats-server']);
      const units = ['libcmocka-dev', 'libnats-dev'];
      assert.deepEqual(await needs('units'), units);
      assert.deepEqual(await needs('blackbox'), [...units, 'nodejs']);
      assert.deepEqual(await needs('browsers'), [...units, 'nodejs', 'chromium']);
      assert.deepEqual(await needs('proxies'), [...units, 'nodejs', 'caddy']);
      assert.deepEqual(await needs('test'), [...units, 'nodejs', 'chromium', 'caddy', 'nats-server']);
    }));

  it('brings a second compiler and its analyser only to what looks at the code', () =>
    onFreshMachine({}, async (machine) => {
      const lint = await machine.packages('lint');
      for (const name of ['clang', 'clang-tidy', 'clang-format']) assert.ok(lint.includes(name), name);
      for (const name of ['nodejs', 'chromium', 'caddy']) assert.ok(!lint.includes(name), name);
      assert.ok(!(await machine.packages('test')).includes('clang'));
    }));

  it('brings what judges the unit, and what that judge calls', () =>
    onFreshMachine({}, async (machine) => {
      const names = await machine.packages('test');
      for (const name of ['systemd', 'man-db']) assert.ok(names.includes(name), name);
    }));
});

describe('make on a machine that lacks everything', { concurrency: true }, () => {
  const advice = /missing. Run: (sudo )?apt-get update && (sudo )?apt-get install -y .* gcc .* meson .*\n/;

  for (const targets of [[], ['release'], ['all']]) {
    it(`installs nothing by itself, and says what to do: make ${targets}`, () =>
      onFreshMachine({ hasSudo: true }, async (machine) => {
        const { status, output } = await machine.make(...targets);
        assert.equal(status, 2);
        assert.match(output, advice);
        assert.equal(output.split('\n').length, 3); // and the line of make
      }));
  }

  for (const target of ['run', 'cluster', 'test']) {
    it(`installs for make ${target}`, () =>
      onFreshMachine({ hasSudo: true }, async (machine) => {
        const { status, output } = await machine.make(target);
        assert.equal(status, null);
        assert.match(output, /^Installing: gcc .* meson/m);
      }));

    it(`says what to do to who may not install: make ${target}`, () =>
      onFreshMachine({}, async (machine) => {
        const { status, output } = await machine.make(target);
        assert.equal(status, 2);
        assert.match(output, advice);
      }));
  }
});
