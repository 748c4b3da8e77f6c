// Asks a Phoenix for the traces that it has been sent: of each job every span in one tree. Then draws one job's waterfall.
import { createRequire } from 'node:module';
const { chromium } = createRequire(new URL('../page/look.mjs', import.meta.url))('playwright-core');

const [url, picture, program] = process.argv.slice(2);
const JOBS = 5;
const ask = async (path) => (await fetch(url + path)).json();
const fail = (why) => { console.error(`tests/traces/phoenix: ${why}`); process.exit(1); };

/** What is wrong with the spans of one trace; they are all of one job. */
function faults(spans) {
  const ids = new Set(spans.map((span) => span.context.span_id));
  const names = spans.map((span) => span.name);
  // A job's parent is the run, whose span is the webhook's to send.
  const roots = spans.filter((span) => !ids.has(span.parent_id));
  const numbers = spans.map((span) => span.attributes['runner_init.step.number']).filter((n) => n !== undefined);
  const [root] = roots;
  const found = [];
  if (ids.size !== spans.length) found.push('an id twice');
  if (roots.length !== 1) return [...found, `${roots.length} roots: ${names}`];
  if (!names.includes(`run-${root.name}`)) found.push(`no run-${root.name}`);
  for (const name of ['Set up job', 'Complete job']) if (!names.includes(name)) found.push(`no ${name}`);
  if (numbers.length !== spans.length - 2 || new Set(numbers).size !== numbers.length) found.push(`steps ${numbers}`);
  if (spans.some((span) => span !== root && span.parent_id !== root.context.span_id)) found.push('a step below another span');
  const outside = (span) => span.start_time < root.start_time || span.end_time > root.end_time;
  const late = spans.filter((span) => outside(span) && span.name !== 'Complete job');
  if (late.length > 0) found.push(`outside of their job: ${late.map((span) => span.name)}`);
  return found;
}

const project = (await ask('/v1/projects')).data.find((it) => it.name === 'default');
const traces = new Map();
for (let end = Date.now() + 60_000; traces.size < JOBS; ) {
  if (Date.now() > end) fail(`only ${traces.size} of ${JOBS} traces have come`);
  traces.clear();
  for (const span of (await ask('/v1/projects/default/spans?limit=1000')).data) {
    const id = span.context.trace_id;
    traces.set(id, [...(traces.get(id) ?? []), span]);
  }
  await new Promise((resolve) => setTimeout(resolve, 200));
}
for (const [id, spans] of traces) {
  const found = faults(spans);
  if (found.length > 0) fail(`${id}: ${found.join('; ')}`);
}
const count = [...traces.values()].reduce((sum, spans) => sum + spans.length, 0);
console.log(`${traces.size} jobs, ${count} spans, each job one tree`);

// The one with the most to see.
const [trace] = [...traces].sort(([, a], [, b]) => b.length - a.length)[0];
const browser = await chromium.launch({ executablePath: program, args: ['--no-sandbox', '--disable-gpu'] });
const context = await browser.newContext({ viewport: { width: 1280, height: 790 }, colorScheme: 'dark' });
const page = await context.newPage();
await page.goto(`${url}/projects/${project.id}/traces/${trace}`);
await page.getByText('Complete job').first().waitFor({ timeout: 60_000 });
// The tree shows times once it is wide enough.
await page.mouse.move(608, 400);
await page.mouse.down();
await page.mouse.move(900, 400, { steps: 10 });
await page.mouse.up();
await page.mouse.move(700, 90);
await page.waitForTimeout(1000);
await page.screenshot({ path: picture, clip: { x: 320, y: 46, width: 960, height: 744 } });
await browser.close();
