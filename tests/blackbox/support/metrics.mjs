// Reads /metrics: by a Prometheus text parser, which takes more than the format allows, and line by
// line by the format itself (https://prometheus.io/docs/instrumenting/exposition_formats/).

import assert from 'node:assert/strict';
import parsePrometheus from 'parse-prometheus-text-format';

const name = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const label = '[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\\\\n]|\\\\["\\\\n])*"';
const samplePattern = new RegExp(`^(${name})\\{(${label}(?:,${label})*)\\} (\\d+(?:\\.\\d+)?)$`);
const introduction = new RegExp(`^# (HELP|TYPE) (${name}) (\\S.*)$`);
const suffixes = { histogram: ['_bucket', '_sum', '_count'], counter: [''], gauge: [''] };

/** Checks that each has HELP, TYPE and then its series, nothing twice, and a line feed at the end. */
function readFamilies(text) {
  assert.ok(text.endsWith('\n'));
  const seen = new Set();
  const expectNew = (what) => {
    assert.ok(!seen.has(what), `Twice: ${what}`);
    seen.add(what);
  };
  const families = [];
  for (const line of text.slice(0, -1).split('\n')) {
    const [, kind, subject, rest] = introduction.exec(line) ?? [];
    if (kind) expectNew(`${kind} ${subject}`);
    if (kind === 'HELP') families.push({ name: subject, help: rest });
    const family = families.at(-1);
    if (kind === 'TYPE') {
      assert.deepEqual([subject, family.type], [family.name, undefined], line);
      family.type = rest;
    } else if (!kind) {
      const [, series, labels] = samplePattern.exec(line) ?? [];
      assert.ok(series, `No sample: ${line}`);
      const names = suffixes[family.type].map((suffix) => family.name + suffix);
      assert.ok(names.includes(series), `${series} is one of ${names}`);
      expectNew(`${series}{${labels}}`);
    }
  }
  return families;
}

/**
 * All series. The parser loses the labels of a histogram that has more of them than `le`, so its
 * parts are given to it as metrics of their own.
 */
function parseSeries(text) {
  const families = parsePrometheus(text.replaceAll(/^(# TYPE \S+) histogram$/gm, '$1 untyped'));
  return families.flatMap(({ name, metrics }) =>
    metrics.map(({ labels, value }) => ({ name, labels, value: Number(value) })),
  );
}

export class Metrics {
  constructor(text) {
    this.text = text;
    /** `{ name, help, type }` of each metric. */
    this.families = readFamilies(text);
    /** `{ name, labels, value }` of each line. */
    this.series = parseSeries(text);
    for (const { value } of this.series) assert.ok(Number.isFinite(value));
    const lines = text.split('\n').filter((line) => line && !line.startsWith('#'));
    assert.equal(this.series.length, lines.length, 'Each line is a series');
  }

  /** The type of each family by its name. */
  get types() {
    return Object.fromEntries(this.families.map(({ name, type }) => [name, type.toLowerCase()]));
  }

  all(metric) {
    return this.series.filter(({ name }) => name === metric);
  }

  /** The value of the only series of a metric. */
  value(metric) {
    const series = this.all(metric);
    assert.equal(series.length, 1, metric);
    return series[0].value;
  }

  sum(metric) {
    return this.all(metric).reduce((sum, { value }) => sum + value, 0);
  }

  /** The values of a metric by one of its labels; each value of the label stands there once. */
  by(key, metric) {
    const series = this.all(metric);
    const values = Object.fromEntries(series.map(({ labels, value }) => [labels[key], value]));
    assert.equal(Object.keys(values).length, series.length, `${metric} by ${key}`);
    return values;
  }

  /** The same, those that are zero left out. */
  counted(key, metric) {
    const entries = Object.entries(this.by(key, metric));
    return Object.fromEntries(entries.filter(([, value]) => value > 0));
  }
}

/** What a server tells now. */
export async function readMetrics(server, options) {
  const { status, body } = await server.get('/metrics', options);
  assert.equal(status, 200, body);
  return new Metrics(body);
}
