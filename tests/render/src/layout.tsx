/** A dashboard's page: Grafana's grid of 24 columns, rows of 30 px with 8 px between, panels in PanelChrome. */
import { type DataFrame, dateTimeFormat, type GrafanaTheme2, renderMarkdown, type TimeRange } from '@grafana/data';
import { Icon, PanelChrome, ToolbarButton } from '@grafana/ui';
import { Component, type ReactNode } from 'react';
import { type Dashboard, type Note, type Panel } from './model';
import { PanelBody } from './panels';
import { filled } from './panels/defaults';
import { type Variables } from './prometheus';

const COLUMNS = 24;
const ROW = 30;
const GAP = 8;
const MARGIN = 16;

export interface Ready {
  panel: Panel;
  frames: DataFrame[];
  range: TimeRange;
  replace: (text: string) => string;
}

export interface PageProps {
  dashboard: Dashboard;
  ready: Ready[];
  rows: Panel[];
  variables: Variables;
  range: TimeRange;
  notes: Note[];
  theme: GrafanaTheme2;
  width: number;
  caption: string;
  onError: (panel: Panel, error: Error) => void;
}

/** A panel's box in px. */
export function box({ x, y, w, h }: Panel['gridPos'], width: number) {
  const column = (width - 2 * MARGIN - GAP * (COLUMNS - 1)) / COLUMNS;
  return {
    left: Math.round(MARGIN + x * (column + GAP)), top: y * (ROW + GAP),
    width: Math.round(w * column + (w - 1) * GAP), height: h * ROW + (h - 1) * GAP,
  };
}

/** Panels in drawing order; collapsed rows are opened, what is below them moves down. */
export function opened(dashboard: Dashboard): { panels: Panel[]; rows: Panel[] } {
  const top = [...dashboard.panels].sort((a, b) => a.gridPos.y - b.gridPos.y || a.gridPos.x - b.gridPos.x);
  const panels: Panel[] = [];
  const rows: Panel[] = [];
  let shift = 0;
  for (const panel of top) {
    const moved = { ...panel, gridPos: { ...panel.gridPos, y: panel.gridPos.y + shift } };
    if (panel.type !== 'row') {
      panels.push(moved);
      continue;
    }
    rows.push(moved);
    const inner = panel.collapsed ? panel.panels ?? [] : [];
    if (inner.length === 0) continue;
    const first = Math.min(...inner.map((p) => p.gridPos.y));
    const down = moved.gridPos.y + 1 - first;
    panels.push(...inner.map((p) => ({ ...p, gridPos: { ...p.gridPos, y: p.gridPos.y + down } })));
    shift += Math.max(...inner.map((p) => p.gridPos.y + p.gridPos.h)) - first;
  }
  return { panels, rows };
}

class Guard extends Component<{ onError: (error: Error) => void; children: ReactNode }, { failed: boolean }> {
  state = { failed: false };
  static getDerivedStateFromError = () => ({ failed: true });
  componentDidCatch(error: Error) {
    this.props.onError(error);
  }
  render() {
    return this.state.failed ? null : this.props.children;
  }
}

function Header({ dashboard, variables, range, theme }: PageProps) {
  const field = { display: 'flex', height: 32, fontSize: 12, border: `1px solid ${theme.colors.border.medium}`, borderRadius: 2, background: theme.components.input.background } as const;
  const cell = { padding: '0 8px', display: 'flex', alignItems: 'center', gap: 8 } as const;
  const time = (t: number) => dateTimeFormat(t, { timeZone: 'utc', format: 'YYYY-MM-DD HH:mm' });
  return (
    <header style={{ padding: `12px ${MARGIN}px 12px` }}>
      <div style={{ display: 'flex', alignItems: 'center', marginBottom: 12 }}>
        <h1 style={{ fontSize: 18, margin: 0, flex: 1 }}>{dashboard.title}</h1>
        <ToolbarButton icon="clock-nine" variant="canvas">{`${time(range.from.valueOf())} to ${time(range.to.valueOf())} UTC`}</ToolbarButton>
      </div>
      <div style={{ display: 'flex', gap: GAP, flexWrap: 'wrap' }}>
        {[...variables.values()].filter((v) => !v.hidden).map((v) => (
          <div key={v.name} style={field}>
            <span style={{ ...cell, background: theme.colors.background.secondary, borderRight: field.border }}>{v.label}</span>
            <span style={{ ...cell, minWidth: 90, justifyContent: 'space-between' }}>{v.shown} <Icon name="angle-down" /></span>
          </div>
        ))}
        {(dashboard.annotations?.list ?? []).filter((it) => !it.hide && it.expr).map((it) => (
          <div key={it.name} style={{ ...field, opacity: it.enable === false ? 0.6 : 1 }}>
            <span style={{ ...cell, background: theme.colors.background.secondary }}>
              <span style={{ color: theme.visualization.getColorByName(it.iconColor) }}>{it.enable === false ? '\u25B3' : '\u25B2'}</span> {it.name}
            </span>
          </div>
        ))}
        <div style={{ flex: 1 }} />
        {(dashboard.links ?? []).map((link) => (
          <ToolbarButton key={link.title} icon={link.type === 'dashboards' ? 'apps' : 'external-link-alt'} variant="canvas" isOpen={link.asDropdown ? false : undefined}>{link.title}</ToolbarButton>
        ))}
      </div>
    </header>
  );
}

function DashboardPanel({ ready: { panel, frames, range, replace }, page }: { ready: Ready; page: PageProps }) {
  const at = box(panel.gridPos, page.width);
  const { options, fieldConfig } = filled(panel);
  const title = replace(panel.title ?? '');
  return (
    <section style={{ position: 'absolute', ...at }} data-panel={panel.id} data-type={panel.type} aria-label={title}>
      <PanelChrome
        title={title} width={at.width} height={at.height} hoverHeader={!title} displayMode={panel.transparent ? 'transparent' : 'default'}
        description={panel.description ? renderMarkdown(replace(panel.description)) : undefined}
        titleItems={panel.timeFrom ? <span style={{ fontSize: 12 }}><Icon name="clock-nine" size="sm" /> Last {panel.timeFrom}</span> : undefined}
      >
        {(width: number, height: number) => (
          <Guard onError={(error) => page.onError(panel, error)}>
            <PanelBody
              panel={panel} options={options} fieldConfig={fieldConfig} frames={frames} width={width} height={height} theme={page.theme} range={range}
              notes={page.notes.filter((note) => note.on(panel.id))} replace={replace}
            />
          </Guard>
        )}
      </PanelChrome>
    </section>
  );
}

export function Page(page: PageProps) {
  const { ready, rows, width, theme, caption } = page;
  const bottom = Math.max(0, ...ready.map(({ panel: { gridPos } }) => gridPos.y + gridPos.h));
  return (
    <main style={{ width, background: theme.colors.background.canvas, color: theme.colors.text.primary }} data-variables={page.variables.size}>
      <Header {...page} />
      <div style={{ position: 'relative', height: bottom * (ROW + GAP) }}>
        {rows.map((row) => (
          <div key={row.id} style={{ position: 'absolute', ...box(row.gridPos, width), display: 'flex', alignItems: 'center', gap: 8, fontSize: 16, fontWeight: 500 }}>
            <Icon name="angle-down" /> {row.title}
          </div>
        ))}
        {ready.map((one) => <DashboardPanel key={one.panel.id} ready={one} page={page} />)}
      </div>
      <footer style={{ padding: `8px ${MARGIN}px 10px`, fontSize: 12, color: theme.colors.text.secondary }}>{caption}</footer>
    </main>
  );
}
