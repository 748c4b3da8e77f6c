/** Questions are put to Prometheus as Grafana's datasource puts them: variables, interval, step and aligned range. */
import { rangeUtil, type TimeRange } from '@grafana/data';
import { type Dashboard, type Panel, type Target } from './model';

/** The scrape interval that Grafana's datasource assumes unless it is told another. */
const SCRAPE = '15s';
/** Prometheus refuses a range query with more points. */
const MOST_POINTS = 11_000;

export interface Series {
  metric: Record<string, string>;
  values: Array<[number, string]>;
}

/** One answer to one target; step in ms, 0 for an instant query. */
export interface Answer {
  target: Target;
  instant: boolean;
  step: number;
  series: Series[];
}

export interface Variable {
  name: string;
  label: string;
  value: string;
  shown: string;
  hidden: boolean;
}

export type Variables = Map<string, Variable>;

/** How many questions were asked, and how long the slowest took, in ms. */
export const asked = { queries: 0, slowest: 0 };

/** Asks the HTTP API; throws what Prometheus says if it refuses. */
async function get(path: string, params: Record<string, string | string[]>): Promise<any> {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(params)) {
    for (const one of [value].flat()) query.append(key, one);
  }
  const began = performance.now();
  const answer = await fetch(`/api/v1/${path}?${query}`);
  asked.queries += 1;
  asked.slowest = Math.max(asked.slowest, performance.now() - began);
  const body = await answer.json().catch(() => ({ error: `HTTP ${answer.status}` }));
  if (body.status !== 'success') throw new Error(`${body.errorType ?? 'error'}: ${body.error}`);
  return body.data;
}

/** Replaces $name, ${name} and ${name:format}; a name that nothing defines is an error, unless it is a `__` name and these are kept. */
export function interpolate(text: string, values: Record<string, string>, keep = false): string {
  return text.replace(/\$(?:\{([A-Za-z_]\w*)(?::\w+)?\}|([A-Za-z_]\w*))/g, (whole, braced, bare) => {
    const value = values[braced ?? bare];
    if (value === undefined && keep && (braced ?? bare).startsWith('__')) return whole;
    if (value === undefined) throw new Error(`unknown variable $${braced ?? bare}`);
    return value;
  });
}

export function plain(variables: Variables): Record<string, string> {
  return Object.fromEntries([...variables.values()].map((v) => [v.name, v.value]));
}

const regexEscape = (text: string) => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\\\$&');

/** Resolves the dashboard's variables in their order: All where there is an All, else the first value. */
export async function resolve(dashboard: Dashboard, range: TimeRange): Promise<Variables> {
  const variables: Variables = new Map();
  for (const model of dashboard.templating?.list ?? []) {
    const base = { name: model.name, label: model.label || model.name, hidden: model.hide === 2 };
    if (model.type === 'datasource') {
      variables.set(model.name, { ...base, value: 'prometheus', shown: 'Prometheus' });
      continue;
    }
    const text = typeof model.query === 'string' ? model.query : model.query?.query;
    const call = /^label_values\((?:(.+),)?\s*(\w+)\s*\)$/s.exec(text ?? '');
    if (model.type !== 'query' || !call) throw new Error(`variable ${model.name}: only label_values() is known`);
    const match: Record<string, string> = call[1] ? { 'match[]': interpolate(call[1].trim(), plain(variables)) } : {};
    const found: string[] = await get(`label/${call[2]}/values`, { ...match, ...seconds(range) });
    if (found.length === 0) throw new Error(`variable ${model.name} has no value`);
    const all = model.allValue || `(${found.map(regexEscape).join('|')})`;
    variables.set(model.name, model.includeAll ? { ...base, value: all, shown: 'All' } : { ...base, value: found[0], shown: found[0] });
  }
  return variables;
}

function seconds(range: TimeRange) {
  return { start: String(range.from.valueOf() / 1000), end: String(range.to.valueOf() / 1000) };
}

/** The step of a range query in ms: what the width can show, rounded as Grafana rounds, never below the minimum. */
export function stepOf(range: TimeRange, points: number, least: string, factor = 1): number {
  const { intervalMs } = rangeUtil.calculateInterval(range, points, least);
  const safe = (range.to.valueOf() - range.from.valueOf()) / MOST_POINTS;
  return Math.max(intervalMs, safe > intervalMs ? Math.ceil(safe / 1000) * 1000 : 0) * factor;
}

/** Asks one target, as a range, at the end of the range, or both. `points` is the panel's width in px. */
export async function ask(target: Target, panel: Panel, range: TimeRange, points: number, variables: Variables): Promise<Answer[]> {
  const values = plain(variables);
  const least = target.interval ? interpolate(target.interval, values) : panel.interval ?? SCRAPE;
  const step = stepOf(range, panel.maxDataPoints ?? points, least, target.intervalFactor ?? 1);
  const scrape = rangeUtil.intervalToMs(target.interval ? least : SCRAPE);
  const span = range.to.valueOf() - range.from.valueOf();
  const shown = (ms: number) => (ms % 1000 ? `${ms}ms` : `${ms / 1000}s`);
  const expr = interpolate(target.expr, {
    ...values,
    __interval: shown(step),
    __interval_ms: String(step),
    __rate_interval: shown(Math.max(step + scrape, 4 * scrape)),
    __range: shown(Math.round(span / 1000) * 1000),
    __range_s: String(Math.round(span / 1000)),
    __range_ms: String(span),
  });
  const answers: Answer[] = [];
  if (target.range || !target.instant) {
    const aligned = (ms: number) => String((Math.floor(ms / step) * step) / 1000);
    const data = await get('query_range', {
      query: expr, start: aligned(range.from.valueOf()), end: aligned(range.to.valueOf()), step: String(step / 1000),
    });
    answers.push({ target, instant: false, step, series: data.result });
  }
  if (target.instant) {
    const data = await get('query', { query: expr, time: seconds(range).end });
    const scalar = data.resultType === 'scalar';
    const series = scalar ? [{ metric: {}, values: [data.result] }] : data.result.map((s: any) => ({ metric: s.metric, values: s.values ?? [s.value] }));
    answers.push({ target, instant: true, step: 0, series });
  }
  return answers;
}
