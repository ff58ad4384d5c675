// ops/grafana-dashboard.json and docs/operations.md tell of the metrics that there are: every query
// is PromQL about series that /metrics has, every panel has its place, and the table is complete.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before } from 'node:test';
import { parser } from '@prometheus-io/lezer-promql';
import { readMetrics } from './support/metrics.mjs';
import { Server } from './support/server.mjs';
import { describe, it } from './support/testing.mjs';

const read = (name) => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8');
const dashboard = JSON.parse(read('ops/grafana-dashboard.json'));
const operations = read('docs/operations.md');
const { panels } = dashboard;
const charts = panels.filter(({ type }) => type !== 'row');
const variables = dashboard.templating.list;
const queries = charts.flatMap(({ title, targets }) =>
  targets.map(({ refId, expr, legendFormat }) => ({ name: `${title} ${refId}`, expr, legendFormat })),
);
const commonLabels = ['instance', 'region', 'version'];

/** What a query asks for: `{ selectors: [{ metric, labels }], grouping: [] }`. */
function askedFor(expression) {
  const text = expression.replaceAll('$__rate_interval', '5m');
  const selectors = [];
  const grouping = [];
  let place;
  parser.parse(text).iterate({
    enter(node) {
      const part = text.slice(node.from, node.to);
      assert.ok(!node.type.isError, `No PromQL at ${node.from}: ${text}`);
      if (node.name === 'VectorSelector') selectors.push({ labels: (place = []) });
      else if (node.name === 'Identifier') selectors.at(-1).metric = part;
      else if (node.name === 'GroupingLabels') place = grouping;
      else if (node.name === 'LabelName') place.push(part);
    },
  });
  return { selectors, grouping };
}

/** The metrics of Grafana's own functions for variables, too. */
function askedForByVariable({ query: { query } }) {
  const [, selector, label] = /^label_values\((.*), (\w+)\)$/.exec(query);
  const { selectors } = askedFor(selector);
  return { selectors, grouping: [label] };
}

const overlap = (a, b) =>
  a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;

describe('The dashboard', () => {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'party-dashboard-'));
  const server = new Server({ options: ['--protocol', 2, '--state-dir', directory] });
  let metrics;
  before(async () => {
    await server.start();
    await (await server.member()).create('host');
    metrics = await readMetrics(server);
  });
  after(async () => {
    await server.disconnectAll();
    server.kill();
    await server.outcome();
    rmSync(directory, { recursive: true });
  });

  /** The labels that all series of a metric have. */
  function labelsOf(metric) {
    const series = metrics.all(metric);
    assert.ok(series.length > 0, `/metrics has no ${metric}`);
    return series.map(({ labels }) => Object.keys(labels)).reduce((a, b) => a.filter((l) => b.includes(l)));
  }

  function expectThere({ selectors, grouping }) {
    assert.ok(selectors.length > 0);
    for (const { metric, labels } of selectors) {
      const there = labelsOf(metric);
      for (const label of [...labels, ...grouping])
        assert.ok(there.includes(label), `${metric} has no ${label}`);
    }
  }

  for (const { name, expr, legendFormat } of queries) {
    it(`Its query is about series that are there: ${name}`, () => {
      const asked = askedFor(expr);
      expectThere(asked);
      const shown = Array.from(legendFormat.matchAll(/\{\{(\w+)\}\}/g), ([, label]) => label);
      for (const label of shown) assert.ok(asked.grouping.includes(label), `{{${label}}}`);
      for (const { labels } of asked.selectors) assert.deepEqual(labels.slice(0, 2), ['instance', 'region']);
    });
  }

  it('Its queries are about counters by their rate, and about gauges as they are', () => {
    for (const { name, expr } of queries) {
      for (const { metric } of askedFor(expr).selectors) {
        const isCounter = /_(total|bucket|sum|count)$/.test(metric);
        assert.equal(expr.includes(`rate(${metric}{`), isCounter, name);
      }
    }
  });

  it('It shows every metric', () => {
    const shown = queries.flatMap(({ expr }) => askedFor(expr).selectors);
    const names = new Set(shown.map(({ metric }) => metric.replace(/_(bucket|sum|count)$/, '')));
    assert.deepEqual([...names].sort(), Object.keys(metrics.types).sort());
  });

  it('Its data source, instances and regions can be chosen', () => {
    const byName = Object.fromEntries(variables.map((variable) => [variable.name, variable]));
    assert.deepEqual(Object.keys(byName).sort(), ['datasource', 'instance', 'region']);
    assert.deepEqual([byName.datasource.type, byName.datasource.query], ['datasource', 'prometheus']);
    for (const name of ['instance', 'region']) {
      const variable = byName[name];
      assert.deepEqual([variable.multi, variable.includeAll], [true, true]);
      expectThere(askedForByVariable(variable));
    }
    const sources = [...charts, ...charts.flatMap(({ targets }) => targets), byName.instance, byName.region];
    for (const { datasource } of sources)
      assert.deepEqual(datasource, { type: 'prometheus', uid: '${datasource}' });
  });

  it('No two panels have the same id or title, and each has a unit and a description', () => {
    for (const key of ['id', 'title']) {
      const values = charts.map((panel) => panel[key]);
      assert.equal(new Set(values).size, values.length, key);
    }
    assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
    for (const { title, description, fieldConfig } of charts) {
      assert.match(description, /\w.*\.$/, title);
      assert.ok(fieldConfig.defaults.unit, title);
    }
    for (const { targets } of charts)
      assert.equal(new Set(targets.map(({ refId }) => refId)).size, targets.length);
  });

  it('No panels overlap, none is outside, and no line is empty', () => {
    const places = panels.map(({ gridPos }) => gridPos);
    for (const [index, place] of places.entries()) {
      assert.ok(place.x >= 0 && place.w > 0 && place.h > 0 && place.x + place.w <= 24);
      for (const other of places.slice(index + 1))
        assert.ok(!overlap(place, other), JSON.stringify([place, other]));
    }
    const area = places.reduce((sum, { w, h }) => sum + w * h, 0);
    assert.equal(area, 24 * Math.max(...places.map(({ y, h }) => y + h)));
  });

  it('It can be imported: no id, a uid, and a version of the schema that Grafana 10 reads', () => {
    assert.deepEqual([dashboard.id, dashboard.uid], [null, 'party-sockets']);
    assert.ok(dashboard.schemaVersion >= 37 && dashboard.schemaVersion <= 39);
    assert.ok(!('__inputs' in dashboard));
  });

  it('docs/operations.md names every metric with its type and labels, and no other', () => {
    const [, section] = operations.split('\n## Metrics\n');
    const row = /^\| `(\w+)` \| (\w+) \| ([^|]*) ?\| (\S[^|]*) \|$/gm;
    const [table] = section.split('\n## ');
    const documented = Array.from(table.matchAll(row), ([, name, type, labels]) => ({
      name,
      type,
      labels: Array.from(labels.matchAll(/`(\w+)`/g), ([, label]) => label),
    }));
    const actual = metrics.families.map(({ name, type }) => ({
      name,
      type,
      labels: labelsOf(type === 'histogram' ? `${name}_bucket` : name).filter(
        (label) => !commonLabels.includes(label),
      ),
    }));
    const sorted = (list) => list.sort((a, b) => (a.name < b.name ? -1 : 1));
    assert.deepEqual(sorted(documented), sorted(actual));
  });

  it('docs/operations.md names every reason of a close and of a refusal', () => {
    const [, section] = operations.split('\nReasons of closes: ');
    const [text] = section.split('\n\n');
    const [closes, refusals] = text.split('Reasons of refusals: ');
    const values = (metric) => Object.keys(metrics.by('reason', metric)).sort();
    const named = (part) =>
      Array.from(part.replace(/\([^)]*\)/g, '').matchAll(/`(\w+)`/g), ([, name]) => name).sort();
    assert.deepEqual(named(closes), values('party_sockets_closes_total'));
    assert.deepEqual(named(refusals), values('party_sockets_refusals_total'));
  });
});
