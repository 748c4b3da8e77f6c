// Keeps one page open while its runner takes a job, ends it and dies: the page must follow without being loaded again, and
// leave its reader where he is. Prints a word for each thing seen.
import { chromium } from 'playwright-core';

const [program, url] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath: program, args: ['--no-sandbox', '--disable-gpu'] });
const page = await browser.newPage({ viewport: { width: 1280, height: 300 } });
const LIMIT = { timeout: 60_000, polling: 50 };
await page.goto(url);
await page.evaluate(() => { window.same = true; });
const seen = await page.waitForFunction(() => {
  // Between two jobs it is not there.
  const part = document.getElementById('job');
  const job = part?.querySelector('.name').innerText;
  return part?.innerText.includes('Repository') && { job, before: document.querySelectorAll('tbody tr').length };
}, null, LIMIT);
const { job, before } = await seen.jsonValue();
// Not further than the shortest page allows: between two jobs there is less to show.
await page.evaluate(() => { scrollTo(0, 40); });
const place = await page.evaluate(() => scrollY);
console.log('running');
await page.waitForFunction(
  ([job, before]) => {
    const rows = [...document.querySelectorAll('tbody tr')];
    return rows.length > before && rows.some((row) => row.querySelector('th').innerText === job);
  },
  [job, before], LIMIT);
console.log('ended');
const [same, now] = await page.evaluate(() => [window.same, scrollY]);
console.log(same && now === place && place > 0 ? 'kept its place' : `moved: ${same} ${place} ${now}`);
await page.waitForFunction(() => document.getElementById('lost').innerText.startsWith('No answer'), null, LIMIT);
console.log('lost');
await browser.close();
