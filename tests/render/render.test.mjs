// The renderer draws what a dashboard says and fails where it cannot: proved against a small fake Prometheus.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { browser, bundle, moment, open } from './render.mjs';

const TO = 1_700_000_000;
const SOURCE = { type: 'prometheus', uid: '${datasource}' };

/** Answers by expression: series of [labels, value at a time in unix seconds]. */
const SERIES = {
  hour: [[{}, () => 3600]],
  pair: [[{ runner_name: 'one' }, () => 0.5], [{ runner_name: 'two' }, () => 0.25]],
  state: [[{ runner_name: 'one' }, (t) => (t < TO - 1800 ? 1 : 2)], [{ runner_name: 'two' }, () => 1]],
  buckets: [[{ le: '+Inf' }, () => 9], [{ le: '60' }, () => 7], [{ le: '1' }, () => 2]],
  restart: [[{ runner_name: 'one' }, (t) => Number(t % 1800 === 0)]],
  // Told only at the start and at the end of the hour.
  holes: [[{}, (t) => (Math.abs(TO - 1800 - t) > 1500 ? 1 : null)]],
  empty: [],
};

let fake, chrome, assets, url;
const asked = [];

function answer(path, params) {
  if (path.startsWith('/api/v1/label/')) return ['one', 'two'];
  const series = SERIES[params.get('query').replace(/\{.*/, '')];
  if (!series) throw new Error(`parse error at ${params.get('query')}`);
  if (path === '/api/v1/query') {
    const time = Number(params.get('time'));
    return { resultType: 'vector', result: series.map(([metric, at]) => ({ metric, value: [time, String(at(time))] })) };
  }
  const [start, end, step] = ['start', 'end', 'step'].map((key) => Number(params.get(key)));
  const times = Array.from({ length: Math.floor((end - start) / step) + 1 }, (_, i) => start + i * step);
  return { resultType: 'matrix', result: series.map(([metric, at]) => ({ metric, values: times.filter((t) => at(t) !== null).map((t) => [t, String(at(t))]) })) };
}

before(async () => {
  fake = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://fake');
    asked.push(searchParams);
    try {
      response.end(JSON.stringify({ status: 'success', data: answer(pathname, searchParams) }));
    } catch (error) {
      response.writeHead(400).end(JSON.stringify({ status: 'error', errorType: 'bad_data', error: error.message }));
    }
  });
  await new Promise((done) => fake.listen(0, '127.0.0.1', done));
  url = `http://127.0.0.1:${fake.address().port}`;
  [assets, chrome] = await Promise.all([bundle(), browser()]);
});

after(async () => {
  await chrome?.close();
  fake.close();
});

function panel(type, expr, more = {}) {
  const { target, ...rest } = more;
  return { type, title: `a ${type}`, datasource: SOURCE, targets: [{ refId: 'A', expr, ...target }], fieldConfig: { defaults: {}, overrides: [] }, ...rest };
}

function dashboard(panels, more = {}) {
  const placed = panels.map((p, i) => ({ id: i + 1, gridPos: { x: (i % 3) * 8, y: Math.floor(i / 3) * 8, w: 8, h: 8 }, ...p }));
  return { title: 'Proof', panels: placed, templating: { list: [{ type: 'datasource', name: 'datasource', query: 'prometheus' }] }, ...more };
}

async function draw(model, mode = 'dark') {
  return open(chrome, assets, url, { dashboard: model, mode, width: 1200, from: (TO - 3600) * 1000, to: TO * 1000, caption: 'a caption' });
}

const text = (page, id) => page.locator(`[data-panel="${id}"]`).innerText();

/** How many canvas pixels of a panel have exactly this colour. */
const painted = (page, id, hex) => page.evaluate(([panelId, rgb]) => {
  let count = 0;
  for (const canvas of document.querySelectorAll(`[data-panel="${panelId}"] canvas`)) {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    for (let i = 0; i < data.length; i += 4) count += ((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]) === rgb && data[i + 3] === 255;
  }
  return count;
}, [id, parseInt(hex.slice(1), 16)]);

/** One colour, opaque, so that its pixels can be counted. */
const GREEN = { defaults: { color: { mode: 'fixed', fixedColor: '#009e73' }, custom: { fillOpacity: 100, lineWidth: 4 } }, overrides: [] };

const STATES = { custom: { fillOpacity: 100 }, mappings: [{ type: 'value', options: { 1: { text: 'idle', color: '#56B4E9', index: 0 }, 2: { text: 'busy', color: '#0072B2', index: 1 } } }] };

test('every panel type is drawn, with units, mappings and labels', async () => {
  const instant = { instant: true, range: false };
  const { page, report } = await draw(dashboard([
    panel('timeseries', 'pair', { target: { legendFormat: 'runner {{runner_name}}' }, fieldConfig: GREEN }),
    panel('stat', 'hour', { fieldConfig: { defaults: { unit: 's' }, overrides: [] } }),
    panel('bargauge', 'pair', { target: { ...instant, legendFormat: '{{runner_name}}' }, fieldConfig: { defaults: { unit: 'percentunit', min: 0, max: 1 }, overrides: [] } }),
    panel('table', 'pair', {
      target: { ...instant, format: 'table' },
      transformations: [{ id: 'organize', options: { excludeByName: { Time: true }, indexByName: {}, renameByName: { runner_name: 'Runner', Value: 'Share' } } }],
    }),
    panel('text', '', { targets: [], options: { mode: 'markdown', content: 'some **bold** words' } }),
    panel('state-timeline', 'state', { target: { legendFormat: '{{runner_name}}' }, fieldConfig: { defaults: STATES, overrides: [] } }),
    panel('heatmap', 'buckets', { interval: '5m', target: { format: 'heatmap', legendFormat: '{{le}}' }, options: { yAxis: { unit: 's' }, color: { mode: 'opacity', fill: '#009e73' } } }),
    panel('barchart', 'pair', { target: { ...instant, format: 'table' }, fieldConfig: GREEN }),
  ]));
  assert.deepEqual(report.failures, []);
  assert.equal(report.drawn, 8);
  assert.deepEqual(report.empty, []);
  assert.match(await text(page, 1), /runner one[^]*runner two/);
  assert.match(await text(page, 2), /1\s*hour/);
  assert.match(await text(page, 3), /one\s*50\s*%\s*two\s*25\s*%/);
  assert.match(await text(page, 4), /Runner[^]*Share[^]*one[^]*0\.5[^]*two[^]*0\.25/);
  assert.doesNotMatch(await text(page, 4), /Time/);
  assert.equal(await page.locator('[data-panel="5"] strong').innerText(), 'bold');
  assert.match(await text(page, 6), /idle[^]*busy/);
  // One runner is idle throughout, the other busy in the second half: three idle pixels to a busy one.
  const [idle, busy] = [await painted(page, 6, '#56b4e9'), await painted(page, 6, '#0072b2')];
  assert.ok(busy > 5000 && idle / busy > 2.5 && idle / busy < 3.5, `idle ${idle}, busy ${busy}`);
  for (const id of [1, 7, 8]) assert.ok((await painted(page, id, '#009e73')) > 500, `panel ${id} is blank`);
  assert.match(await page.locator('footer').innerText(), /a caption/);
  await page.close();
});

test('an override reaches only what it matches', async () => {
  const { page, report } = await draw(dashboard([
    panel('bargauge', 'pair', {
      target: { instant: true, legendFormat: '{{runner_name}}' },
      fieldConfig: { defaults: { unit: 'percentunit' }, overrides: [
        { matcher: { id: 'byName', options: 'two' }, properties: [{ id: 'unit', value: 's' }, { id: 'displayName', value: 'second' }] },
      ] },
    }),
  ]));
  assert.deepEqual(report.failures, []);
  assert.match(await text(page, 1), /one\s*50\s*%[^]*second\s*250\s*ms/);
  await page.close();
});

test('an empty answer says so and is counted as empty', async () => {
  const { page, report } = await draw(dashboard([
    panel('timeseries', 'empty'), panel('stat', 'empty'), panel('table', 'empty', { target: { format: 'table', instant: true } }),
    panel('state-timeline', 'empty', { fieldConfig: { defaults: { noValue: 'no runner reports' }, overrides: [] } }),
  ]));
  assert.deepEqual(report.failures, []);
  assert.deepEqual(report.empty, ['a timeseries', 'a stat', 'a table', 'a state-timeline']);
  for (const id of [1, 2, 3]) assert.match(await text(page, id), /No data/);
  assert.match(await text(page, 4), /no runner reports/);
  await page.close();
});

test('what cannot be asked or drawn is a failure with the panel\'s title', async () => {
  const { page, report } = await draw(dashboard([
    panel('stat', 'nonsense'),
    panel('piechart', 'pair'),
    panel('table', 'pair', { title: 'reduced', transformations: [{ id: 'reduce', options: {} }] }),
    panel('stat', 'pair', { title: 'matched', fieldConfig: { defaults: {}, overrides: [{ matcher: { id: 'byMoon' }, properties: [] }] } }),
    panel('stat', 'pair{a="$nobody"}', { title: 'variable' }),
    panel('stat', 'pair', { title: 'elsewhere', datasource: { type: 'prometheus', uid: 'fixed' } }),
    panel('stat', 'hour', { title: 'good' }),
  ]));
  const found = (title, reason) => assert.ok(report.failures.some((f) => f.includes(`"${title}"`) && reason.test(f)), `${title}: ${report.failures.join('; ')}`);
  found('a stat', /bad_data: parse error at nonsense/);
  found('a piechart', /unknown panel type/);
  found('reduced', /unknown transformation reduce/);
  found('matched', /unknown matcher byMoon/);
  found('variable', /unknown variable \$nobody/);
  found('elsewhere', /datasource/);
  assert.equal(report.failures.length, 6);
  assert.equal(report.drawn, 1);
  await page.close();
});

test('variables, interval and range reach Prometheus as Grafana sends them', async () => {
  const list = [
    { type: 'datasource', name: 'datasource', query: 'prometheus' },
    { type: 'query', name: 'runner_name', query: { query: 'label_values(github_runner_info, runner_name)' }, includeAll: true, allValue: '.+', multi: true },
  ];
  asked.length = 0;
  const { page, report } = await draw(dashboard([
    panel('timeseries', 'pair{a=~"$runner_name",b="$__rate_interval ${__range} $__interval"}', { gridPos: { x: 0, y: 0, w: 24, h: 8 }, interval: '30s' }),
  ], { templating: { list } }));
  assert.deepEqual(report.failures, []);
  const range = asked.find((a) => a.has('step'));
  assert.equal(range.get('query'), 'pair{a=~".+",b="60s 3600s 30s"}');
  assert.equal(range.get('step'), '30');
  assert.equal(Number(range.get('start')) % 30, 0);
  assert.match(await page.locator('header').innerText(), /runner_name\s*All/);
  await page.close();
});

test('a line is not drawn across times without samples, of any series', async () => {
  const always = { refId: 'B', expr: 'holes' };
  const two = (id, spanNulls) => panel('timeseries', 'holes', { id, targets: [{ refId: 'A', expr: 'empty' }, { refId: 'C', expr: 'holes' }, always],
    fieldConfig: { ...GREEN, defaults: { ...GREEN.defaults, custom: { lineWidth: 4, fillOpacity: 0, showPoints: 'never', spanNulls } } } });
  const { page, report } = await draw(dashboard([two(1, false), two(2, true)]));
  assert.deepEqual(report.failures, []);
  const [broken, whole] = [await painted(page, 1, '#009e73'), await painted(page, 2, '#009e73')];
  assert.ok(broken > 50 && whole > 3 * broken, `broken ${broken}, whole ${whole}`);
  await page.close();
});

test('annotations are drawn on the panels they are meant for', async () => {
  const list = [{ name: 'restarts', enable: true, datasource: SOURCE, expr: 'restart', iconColor: '#ff00ff', step: '60s', filter: { exclude: false, ids: [1] } }];
  const { page, report } = await draw(dashboard([panel('timeseries', 'hour'), panel('timeseries', 'hour')], { annotations: { list } }));
  assert.deepEqual(report.failures, []);
  assert.ok((await painted(page, 1, '#ff00ff')) > 10);
  assert.equal(await painted(page, 2, '#ff00ff'), 0);
  await page.close();
});

test('a light theme is light', async () => {
  const { page } = await draw(dashboard([panel('stat', 'hour')]), 'light');
  const [red] = await page.locator('main').evaluate((main) => getComputedStyle(main).backgroundColor.match(/\d+/g).map(Number));
  assert.ok(red > 200);
  await page.close();
});

test('the command writes small pictures and its status tells of failures', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'render-'));
  const files = ['good.json', 'bad.json'].map((name) => join(dir, name));
  await writeFile(files[0], JSON.stringify(dashboard([panel('stat', 'hour'), panel('stat', 'empty', { title: 'hollow' })])));
  await writeFile(files[1], JSON.stringify(dashboard([panel('stat', 'nonsense')])));
  const command = [new URL('render.mjs', import.meta.url).pathname, url, ...files, '--to', String(TO), '--from', 'now-1h', '--out', dir];
  const done = await promisify(execFile)('node', command).catch((error) => error);
  assert.equal(done.code, 1);
  assert.match(done.stdout, /^good: 2 panels drawn, 1 with data, 1 empty \(hollow\), 2 queries/m);
  assert.match(done.stderr, /^bad: FAILED: panel 1 "a stat": bad_data/m);
  assert.doesNotMatch(done.stderr, /good: FAILED/);
  const picture = join(dir, 'dashboard-good.png');
  assert.equal((await readFile(picture)).toString('latin1', 1, 4), 'PNG');
  assert.ok((await stat(picture)).size < 300_000);
  await rm(dir, { recursive: true });
});

test('times are read as Grafana writes them', () => {
  const now = TO * 1000;
  assert.equal(moment('now', now), now);
  assert.equal(moment('now-7d', now), now - 7 * 86_400_000);
  assert.equal(moment(String(TO), 0), now);
  assert.equal(moment('2023-11-14T22:13:20Z', 0), now);
  assert.throws(() => moment('yesterday', now), /not a time/);
});
