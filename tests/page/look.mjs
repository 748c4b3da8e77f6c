// Looks at each scene as a reader would, on a phone and a desk, by day and by night, with scripts and without, and prints
// what is wrong as JSON. What to look at comes on standard input; nothing is decided here that could make a fault disappear.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const { program, scenes } = JSON.parse(readFileSync(0, 'utf8'));
const SIZES = { phone: { width: 360, height: 740 }, desktop: { width: 1280, height: 800 } };
// The part of the page in a picture.
const HEIGHT = 1000;
const VARIANTS = Object.keys(SIZES).flatMap((size) => ['light', 'dark'].map((scheme) => ({ size, scheme })));
const CONTROLS = '[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069]';

const browser = await chromium.launch({ executablePath: program, args: ['--no-sandbox', '--disable-gpu'] });
const faults = [];

/** One load in a context of its own; `as` changes how it is looked at from then on. */
async function visit(scene, scripts, look) {
  let variant;
  const fault = (check, detail) =>
    faults.push({ scene: scene.name, variant: `${variant}${scripts ? '' : ' scripts off'}`, check, detail });
  const context = await browser.newContext({ javaScriptEnabled: scripts, reducedMotion: 'reduce', locale: 'en-GB' });
  const origin = new URL(scene.url).origin;
  await context.route('**', (route) => {
    if (new URL(route.request().url()).origin === origin) return route.continue();
    fault('outside', route.request().url());
    return route.abort();
  });
  await context.addInitScript(() => {
    window.violations = [];
    addEventListener('securitypolicyviolation', (e) => window.violations.push(`${e.violatedDirective} ${e.blockedURI}`));
  });
  const page = await context.newPage();
  page.on('dialog', (dialog) => { fault('dialog', dialog.message()); dialog.dismiss(); });
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && fault('console', message.text()));
  page.on('pageerror', (error) => fault('error', String(error)));
  const as = async ({ size, scheme }) => {
    variant = `${size} ${scheme}`;
    await page.setViewportSize(SIZES[size]);
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
  };
  await as(VARIANTS[0]);
  await page.goto(scene.url, { waitUntil: 'load' });
  await look(page, fault, as);
  await context.close();
}

/** What holds with scripts and without. */
async function readable(page, fault, scene) {
  if ((await page.title()) !== scene.title) fault('title', await page.title());
  const text = await page.locator('body').innerText();
  for (const wanted of scene.text) if (!text.includes(wanted)) fault('text', wanted);
  const [wide, narrow] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  if (wide > narrow) fault('overflow', `${wide} > ${narrow}`);
  return text;
}

/** Nothing of a job is more than text. */
async function inert(page, fault, { scripts = 1 }) {
  const seen = await page.evaluate((controls) => {
    const count = (what) => document.querySelectorAll(what).length;
    return {
      pwned: 'pwned' in window,
      violations: window.violations,
      scripts: count('script'),
      foreign: count('img,iframe,object,embed,form,input,base,style:not(head style),[style],[onerror],[onload],[onclick],a[href^="javascript:"]'),
      controls: new RegExp(controls).test(document.body.textContent),
      outside: [...document.querySelectorAll('a')].map((a) => new URL(a.href).origin)
        .filter((at) => at !== location.origin && at !== 'https://github.com'),
    };
  }, CONTROLS);
  if (seen.pwned) fault('pwned', 'a script of a job ran');
  for (const violation of seen.violations) fault('policy', violation);
  if (seen.scripts !== scripts) fault('markup', `${seen.scripts} scripts`);
  if (seen.foreign) fault('markup', `${seen.foreign} foreign elements`);
  if (seen.controls) fault('controls', 'a character that turns or hides text');
  for (const origin of seen.outside) fault('link', origin);
}

async function accessible(page, fault) {
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  for (const { id, nodes } of violations) fault('axe', `${id}: ${nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(' | ')}`);
}

const plain = async (page) => (await page.locator('main').innerText()).replace(/\s+/g, ' ');

for (const scene of scenes) {
  const variants = scene.planted ? VARIANTS.slice(0, 1) : VARIANTS;
  const texts = new Set();
  await visit(scene, true, async (page, fault, as) => {
    await inert(page, fault, scene);
    await page.evaluate(axe);
    for (const variant of variants) {
      await as(variant);
      texts.add(await plain(page));
      await readable(page, fault, scene);
      const wanted = (shot) => shot.size === variant.size && shot.scheme === variant.scheme;
      for (const { path } of scene.shots.filter(wanted)) {
        await page.screenshot({ path, fullPage: true, clip: { x: 0, y: 0, width: SIZES[variant.size].width, height: HEIGHT } });
      }
      await accessible(page, fault);
    }
    await inert(page, fault, scene);
  });
  await visit(scene, false, async (page, fault, as) => {
    for (const variant of variants.filter(({ scheme }) => scheme === 'light')) {
      await as(variant);
      const text = await readable(page, fault, scene);
      const main = await plain(page);
      if (!texts.has(main)) fault('scripts', `another text without scripts: ${main.slice(0, 200)}`);
      if (text.includes('Pause updates')) fault('scripts', 'a button that does nothing');
    }
    const refresh = await page.locator('meta[http-equiv=refresh]').count();
    if (refresh !== (scene.scripts ?? 1)) fault('refresh', `${refresh} meta elements`);
  });
}
await browser.close();
console.log(JSON.stringify(faults));
