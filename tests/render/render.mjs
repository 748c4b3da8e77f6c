// Draws Grafana dashboards from a real Prometheus into PNGs: `node render.mjs PROMETHEUS_URL FILE.json... [options]`.
//   --from, --to   unix seconds, ISO times, or now, now-24h (default: the dashboard's own time)
//   --light, --dark (default)      --out DIR (default .)      --width PX (default 1600)
// Prints a line for each dashboard; the exit status is 1 if anything of any failed to be asked or drawn.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import UPNG from 'upng-js';

const here = dirname(fileURLToPath(import.meta.url));
const ui = join(here, 'node_modules/@grafana/ui');
const inter = join(here, 'node_modules/@fontsource-variable/inter/files');
const version = JSON.parse(await readFile(join(ui, 'package.json'), 'utf8')).version;
// Nothing listens here: every request is answered by `serve`.
const ORIGIN = 'http://render.invalid';

// Editors, maps and telemetry that no panel uses: not installed (package.json overrides them with something tiny), nothing in the bundle.
const unused = {
  name: 'unused',
  setup(build) {
    build.onResolve({ filter: /^(monaco-editor|@monaco-editor\/react|ol|@grafana\/faro-web-sdk)(\/|$)/ }, () => ({ path: 'unused', namespace: 'unused' }));
    build.onLoad({ filter: /./, namespace: 'unused' }, () => ({ contents: 'module.exports = {};' }));
  },
};

/** The page's script and style. */
export async function bundle() {
  const { outputFiles } = await build({
    entryPoints: [join(here, 'src/page.tsx')], bundle: true, write: false, outdir: 'out', minify: true, jsx: 'automatic', format: 'iife', logLevel: 'error', plugins: [unused],
    define: { 'process.env.NODE_ENV': '"production"', global: 'globalThis' },
    loader: { '.svg': 'dataurl', '.woff2': 'dataurl', '.ttf': 'dataurl', '.png': 'dataurl' },
  });
  const text = (end) => outputFiles.find((f) => f.path.endsWith(end))?.text ?? '';
  return { js: text('.js'), css: text('.css') };
}

export function browser() {
  const path = (process.env.PATH ?? '').split(':').map((dir) => join(dir, 'chromium')).find((file) => existsSync(file));
  if (!path) throw new Error('no chromium on PATH');
  return chromium.launch({ executablePath: path, args: ['--no-sandbox', '--disable-gpu', '--force-color-profile=srgb', '--font-render-hinting=none'] });
}

/** Answers the page: itself, Grafana's icons, the Inter font, and Prometheus' API. */
async function serve(route, assets, prometheus) {
  const url = new URL(route.request().url());
  if (url.pathname === '/') {
    const face = (style) => `@font-face{font-family:Inter;font-weight:100 900;font-style:${style};src:url(/inter/Inter-${style === 'italic' ? 'Italic' : ''}.woff2)}`;
    const body = `<!doctype html><meta charset="utf-8"><style>${face('normal')}${face('italic')}${assets.css}</style><body><div id="root"></div><script src="/page.js"></script>`;
    return route.fulfill({ contentType: 'text/html', body });
  }
  if (url.pathname === '/page.js') return route.fulfill({ contentType: 'text/javascript', body: assets.js });
  if (url.pathname.startsWith('/api/')) {
    const answer = await fetch(prometheus.replace(/\/$/, '') + url.pathname + url.search);
    return route.fulfill({ status: answer.status, contentType: 'application/json', body: await answer.text() });
  }
  const icon = /\/(img\/icons\/[\w/-]+\.svg)$/.exec(url.pathname);
  if (icon) return route.fulfill({ path: join(ui, 'dist/public', icon[1]), contentType: 'image/svg+xml' });
  const font = /\/inter\/Inter-\w*?(Italic)?\.woff2$/.exec(url.pathname);
  if (font) return route.fulfill({ path: join(inter, `inter-latin-wght-${font[1] ? 'italic' : 'normal'}.woff2`) });
  return route.abort();
}

/** Opens one dashboard in a page; the caller closes it. Failures of any part are in the report. */
export async function open(chrome, assets, prometheus, order) {
  // Tables draw only the rows that are in view, so all of the dashboard is.
  const page = await chrome.newPage({ viewport: { width: order.width, height: 5000 }, deviceScaleFactor: 1, timezoneId: 'UTC', locale: 'en-GB' });
  page.setDefaultTimeout(120_000);
  const thrown = [];
  page.on('pageerror', (error) => thrown.push(`page: ${error.message}`));
  await page.route('**/*', (route) => serve(route, assets, prometheus).catch((error) => {
    thrown.push(`${new URL(route.request().url()).pathname}: ${error.cause?.message ?? error.message}`);
    return route.abort();
  }));
  await page.goto(`${ORIGIN}/`);
  const report = await page.evaluate((o) => window.draw(o), order);
  return { page, report: { ...report, failures: [...report.failures, ...thrown] } };
}

/** The same picture with a palette of 256 colours, a third of the bytes. */
function small(png) {
  const { width, height, ...image } = UPNG.decode(png);
  return Buffer.from(UPNG.encode(UPNG.toRGBA8({ width, height, ...image }), width, height, 256));
}

/** "now-24h", "now", unix seconds or an ISO time, in ms. */
export function moment(text, now) {
  const relative = /^now(?:-(\d+)([smhdw]))?$/.exec(text);
  if (relative) return now - (relative[1] ?? 0) * { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 }[relative[2] ?? 's'] * 1000;
  const ms = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text);
  if (Number.isNaN(ms)) throw new Error(`not a time: ${text}`);
  return ms;
}

async function main() {
  const { values, positionals: [prometheus, ...files] } = parseArgs({
    allowPositionals: true,
    options: {
      from: { type: 'string' }, to: { type: 'string' }, out: { type: 'string', default: '.' }, width: { type: 'string', default: '1600' },
      dark: { type: 'boolean' }, light: { type: 'boolean' },
    },
  });
  if (!prometheus || files.length === 0) throw new Error('usage: render.mjs PROMETHEUS_URL FILE.json... [--from T] [--to T] [--light] [--out DIR]');
  await mkdir(values.out, { recursive: true });
  const [assets, chrome] = await Promise.all([bundle(), browser()]);
  const now = Date.now();
  let failed = false;
  for (const file of files) {
    const began = performance.now();
    const name = basename(file, '.json');
    const dashboard = JSON.parse(await readFile(file, 'utf8'));
    const to = moment(values.to ?? dashboard.time?.to ?? 'now', now);
    const { page, report } = await open(chrome, assets, prometheus, {
      dashboard, mode: values.light ? 'light' : 'dark', width: Number(values.width), to, from: moment(values.from ?? dashboard.time?.from ?? 'now-24h', to),
      caption: `Drawn from dashboards/grafana/${name}.json with Grafana's panel components (@grafana/ui ${version}) by tests/render, not by a Grafana server.`,
    });
    await writeFile(join(values.out, `dashboard-${name}.png`), small(await page.locator('main').screenshot()));
    await page.close();
    const { drawn, withData, empty, queries, slowest, failures } = report;
    console.log(`${name}: ${drawn} panels drawn, ${withData} with data, ${empty.length} empty${empty.length ? ` (${empty.join('; ')})` : ''}, ` +
      `${queries} queries, slowest ${slowest} ms, ${Math.round(performance.now() - began)} ms in all`);
    for (const failure of failures) console.error(`${name}: FAILED: ${failure}`);
    failed ||= failures.length > 0;
  }
  await chrome.close();
  process.exitCode = failed ? 1 : 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
