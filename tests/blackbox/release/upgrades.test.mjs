// One upgrade after the other while four hundred players play, a hundred and more on a quick machine: the load
// generator looks for what is lost or comes in a wrong order, and nobody is cut off. And one upgrade of thousands of
// clients on one loop, which the kernel has to let go of one by one.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { eventually, slowness, withDeadline } from '../support/deadline.mjs';
import { patience, runToEnd, Server } from '../support/server.mjs';

const leastUpgrades = 20;
const rooms = 80; // of five
const many = 5_000;
// It is in either build that has the benchmarks; how it was built does not matter here.
const bench = ['release', 'asan']
  .map((build) => fileURLToPath(new URL(`../../../build/${build}/bench/party-bench`, import.meta.url)))
  .find(existsSync);

for (const protocol of [1, 2, 3])
  it(`Upgrades in a row lose nothing of ${rooms} rooms of protocol ${protocol}`, async (t) => {
    if (!bench) return t.skip('the load generator was not built');
    const directory = mkdtempSync(path.join(os.tmpdir(), 'party-upgrades-'));
    const options = [...patience, '--max-message-rate', 0, '--max-byte-rate', 0];
    const server = await Server.start({ loops: 2, options });
    const json = path.join(directory, 'results.json');
    const parameters = { url: `ws://127.0.0.1:${server.port}`, protocol, rooms, duration: 12, json };
    const given = Object.entries({ ...parameters, speed: 0.5 }).flatMap(([name, value]) => [`--${name}`, value]);
    const generator = spawn(bench, ['party', ...given.map(String), '--quiet'], { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    generator.stderr.on('data', (bytes) => (said += bytes));
    try {
      const ended = once(generator, 'exit');
      const all = async () => (await server.stats()).clients >= 5 * rooms;
      await eventually(all, 'Everybody');
      let count = 0;
      for (; generator.exitCode === null; count++) {
        const { status, stderr } = await runToEnd(['--upgrade', server.pid]);
        assert.deepEqual([status, stderr], [0, ''], server.stderr);
      }
      assert.ok(count >= leastUpgrades, `${count} upgrades; the generator said: ${said}`);
      const [status] = await withDeadline(ended, 'The end of the generator');
      assert.equal(status, 0, said);
      const results = JSON.parse(readFileSync(json, 'utf8'));
      assert.ok(results.deliveries > 1_000);
      assert.deepEqual([results.lost, results.misordered], [0, 0]);
    } finally {
      generator.kill();
      server.kill();
      await server.outcome();
      rmSync(directory, { recursive: true });
    }
  });

it(`An upgrade ends no connection of ${many} on one loop`, async (t) => {
  if (!bench) return t.skip('the load generator was not built');
  const options = [...patience, '--max-connections-per-address', many + 100];
  const server = await Server.start({ loops: 1, options });
  const url = `ws://127.0.0.1:${server.port}`;
  const given = ['--url', url, '--clients', many, '--duration', 120 * slowness, '--quiet'].map(String);
  const generator = spawn(bench, ['idle', ...given], { stdio: 'ignore' });
  try {
    const all = async () => (await server.stats()).clients === many;
    await eventually(all, 'Everybody');
    assert.equal((await runToEnd(['--upgrade', server.pid])).status, 0, server.stderr);
    assert.match(server.stderr, new RegExp(` and ${many} connections of before`));
    assert.ok(await all());
  } finally {
    generator.kill();
    server.kill();
    await server.outcome();
  }
});
