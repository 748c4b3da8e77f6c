/** What runs in the browser: `draw` asks Prometheus, draws one dashboard, and says what it drew and what failed. */
import { createTheme, dateTime, ThemeContext, type TimeRange } from '@grafana/data';
import { GlobalStyles } from '@grafana/ui';
import { createRoot } from 'react-dom/client';
import { box, opened, Page, type Ready } from './layout';
import { toFrames } from './frames';
import { override, transform } from './fields';
import { type Dashboard, type Note, type Panel } from './model';
import { isEmpty } from './panels';
import { filled } from './panels/defaults';
import { ask, asked, interpolate, plain, resolve, type Variables } from './prometheus';

export interface Order {
  dashboard: Dashboard;
  mode: 'dark' | 'light';
  /** ms since 1970 */
  from: number;
  to: number;
  width: number;
  caption: string;
}

export interface Report {
  drawn: number;
  withData: number;
  empty: string[];
  queries: number;
  slowest: number;
  failures: string[];
}

/** Horizontal and vertical px that PanelChrome keeps for itself. */
const PADDING = 18;

/** Options of a panel that would change the picture and that are not drawn. */
const UNSUPPORTED = ['repeat', 'timeShift', 'libraryPanel'];

function rangeOf(from: number, to: number): TimeRange {
  return { from: dateTime(from), to: dateTime(to), raw: { from: dateTime(from), to: dateTime(to) } };
}

/** The panel's own range: "7d" is the last seven days before the dashboard's end. */
function own(panel: Panel, range: TimeRange): TimeRange {
  if (!panel.timeFrom) return range;
  const found = /^(?:now-)?(\d+)([smhdw])$/.exec(panel.timeFrom);
  if (!found) throw new Error(`unknown timeFrom ${panel.timeFrom}`);
  const unit = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 }[found[2] as 's'];
  return rangeOf(range.to.valueOf() - Number(found[1]) * unit * 1000, range.to.valueOf());
}

function ofPrometheus(source: { type?: string; uid?: string } | undefined) {
  if (source?.type !== 'prometheus' || source.uid !== '${datasource}') throw new Error('datasource is not ${datasource}');
}

async function prepare(panel: Panel, order: Order, range: TimeRange, variables: Variables): Promise<Ready> {
  const { fieldConfig } = filled(panel);
  const unsupported = UNSUPPORTED.find((key) => panel[key]);
  if (unsupported) throw new Error(`${unsupported} is not drawn`);
  const theme = createTheme({ colors: { mode: order.mode } });
  const replace = (text: string) => interpolate(text, plain(variables), true);
  const panelRange = own(panel, range);
  const targets = (panel.targets ?? []).filter((t) => !t.hide);
  if (targets.length > 0) ofPrometheus(panel.datasource);
  if (targets.length === 0 && panel.type !== 'text') throw new Error('no target');
  const points = box(panel.gridPos, order.width).width - PADDING;
  const answers = await Promise.all(targets.map((target) => ask(target, panel, panelRange, points, variables)));
  const frames = override(await transform(panel, toFrames(answers.flat()), replace), fieldConfig, theme, replace);
  if (panel.type === 'table' && frames.length > 1) throw new Error(`a table shows one frame, here are ${frames.length}: merge or join them`);
  return { panel, frames, range: panelRange, replace };
}

/** The dashboard's annotations: moments at which an expression is above 0, neighbours joined. */
async function annotations(dashboard: Dashboard, order: Order, range: TimeRange, variables: Variables): Promise<Note[]> {
  const theme = createTheme({ colors: { mode: order.mode } });
  const list = (dashboard.annotations?.list ?? []).filter((a) => a.enable !== false && a.expr);
  const notes = list.map(async (model) => {
    ofPrometheus(model.datasource);
    const panel = { interval: model.step || '60s' } as Panel;
    const [{ series, step }] = await ask({ refId: 'Anno', expr: model.expr }, panel, range, 2000, variables);
    const color = theme.visualization.getColorByName(model.iconColor);
    const { ids = [], exclude = false } = model.filter ?? {};
    const on = (id: number) => ids.length === 0 || ids.includes(id) !== exclude;
    return series.flatMap((s) => {
      const found: Note[] = [];
      for (const [t] of s.values.filter(([, v]) => Number(v) > 0)) {
        const last = found.at(-1);
        if (last && t * 1000 - last.to <= step) last.to = t * 1000;
        else found.push({ from: t * 1000, to: t * 1000, color, on });
      }
      return found;
    });
  });
  return (await Promise.all(notes)).flat();
}

/** Waits until every icon is there and the page has stood still for a quarter of a second, in all at most a minute. */
async function settled() {
  await document.fonts.ready;
  const end = performance.now() + 60_000;
  let last = '';
  for (let still = 0; still < 5; ) {
    if (performance.now() > end) throw new Error('the page does not come to rest');
    await new Promise((done) => setTimeout(done, 50));
    const now = document.body.innerHTML;
    still = now === last && !document.querySelector('svg:empty') ? still + 1 : 0;
    last = now;
  }
}

export async function draw(order: Order): Promise<Report> {
  const { dashboard } = order;
  const failures: string[] = [];
  const failed = (what: string) => (error: Error) => {
    failures.push(`${what}: ${error.message}`);
    return [];
  };
  const range = rangeOf(order.from, order.to);
  const { panels, rows } = opened(dashboard);
  const variables: Variables = await resolve(dashboard, range).catch((e) => (failed('variables')(e), new Map()));
  const title = (panel: Panel) => `panel ${panel.id} "${panel.title}"`;
  const ready = (await Promise.all(panels.map((p) => prepare(p, order, range, variables).then((r) => [r]).catch(failed(title(p)))))).flat();
  const notes = await annotations(dashboard, order, range, variables).catch(failed('annotations'));
  const theme = createTheme({ colors: { mode: order.mode } });
  // Plots measure and draw text at once: the font must be there before them.
  await Promise.all(['12px Inter', '500 12px Inter', 'italic 12px Inter'].map((font) => document.fonts.load(font)));
  createRoot(document.getElementById('root')!).render(
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <Page
        dashboard={dashboard} ready={ready} rows={rows} variables={variables} range={range} notes={notes} theme={theme} width={order.width}
        caption={order.caption} onError={(panel, error) => failed(title(panel))(error)}
      />
    </ThemeContext.Provider>
  );
  await settled().catch(failed('page'));
  const empty = ready.filter((r) => r.panel.type !== 'text' && isEmpty(r.frames)).map((r) => r.panel.title ?? '');
  return { drawn: ready.length, withData: ready.length - empty.length, empty, queries: asked.queries, slowest: Math.round(asked.slowest), failures };
}

(window as any).draw = draw;
