/** A histogram over time: a column per sample, a cell per bucket, darker or lighter by its count. */
import { colorManipulator, type DataFrame, formattedValueToString, getValueFormat } from '@grafana/data';
// @ts-expect-error: its types are a package of their own, and names are looked up by text anyway
import * as chromatic from 'd3-scale-chromatic';
import { AxisPlacement, ScaleDirection, ScaleOrientation } from '@grafana/schema';
import type uPlot from 'uplot';
import { type Drawing } from '../model';
import { addSilent, painted, Plot, timeBuilder } from './plot';

/** Grafana turns these schemes on any background; these only on a light one; all others on a dark one. (Its heatmap panel's palettes) */
const ALWAYS = ['BrBG', 'PiYG', 'PRGn', 'PuOr', 'RdBu', 'RdGy', 'RdYlBu', 'RdYlGn', 'Spectral', 'Rainbow', 'Sinebow'];
const ON_LIGHT = ['Turbo', 'Cividis', 'Viridis', 'Magma', 'Inferno', 'Plasma', 'Warm', 'Cool'];

/** A palette of `steps` colours from least to most, as the panel's options say. */
function palette({ options: { color }, theme }: Drawing): string[] {
  const at = Array.from({ length: color.steps }, (_, i) => i / (color.steps - 1));
  if (color.mode === 'opacity') {
    const fill = theme.visualization.getColorByName(color.fill);
    return at.map((t) => colorManipulator.alpha(fill, Math.max(t ** color.exponent, 0.02)));
  }
  const scheme = (chromatic as Record<string, (t: number) => string>)[`interpolate${color.scheme}`];
  if (!scheme || color.reverse) throw new Error(`colour scheme ${color.scheme}${color.reverse ? ', reversed,' : ''} is not drawn`);
  const flip = ALWAYS.includes(color.scheme) || theme.isDark !== ON_LIGHT.includes(color.scheme);
  return at.map((t) => scheme(flip ? 1 - t : t));
}

/** Text of a bucket's upper bound, in the axis' unit. */
function bound(name: string, { options: { yAxis }, fieldConfig }: Drawing): string {
  const value = Number(name.replace('Inf', 'Infinity'));
  if (!Number.isFinite(value)) return name;
  return formattedValueToString(getValueFormat(yAxis.unit ?? fieldConfig.defaults.unit ?? 'short')(value, yAxis.decimals));
}

function Scale({ colors, least, most, width }: { colors: string[]; least: number; most: number; width: number }) {
  const gradient = `linear-gradient(90deg, ${colors.join(', ')})`;
  const short = (n: number) => formattedValueToString(getValueFormat('short')(n, n % 1 ? 1 : 0));
  return (
    <div style={{ width: Math.min(width, 300), margin: '4px 0 0 40px', fontSize: 12 }}>
      <div style={{ background: gradient, height: 9, borderRadius: 2 }} />
      <div style={{ display: 'flex', justifyContent: 'space-between' }}>
        <span>{short(least)}</span>
        <span>{short(most)}</span>
      </div>
    </div>
  );
}

export function HeatmapPanel(drawing: Drawing) {
  const { frames, options, theme, width, height } = drawing;
  if (options.calculate) throw new Error('a heatmap that calculates its buckets is not drawn: use format heatmap');
  const [frame] = frames as DataFrame[];
  const [time, ...buckets] = frame.fields;
  const interval = time.config.interval!;
  const counts = buckets.flatMap((b) => b.values.filter((v: number) => v > options.filterValues.le));
  const least = options.color.min ?? Math.min(...counts, Infinity);
  const most = options.color.max ?? Math.max(...counts, 0);
  const colors = palette(drawing);
  const color = (v: number) => colors[Math.max(0, Math.min(colors.length - 1, Math.floor(((v - least) / (most - least || 1)) * colors.length)))];
  const builder = timeBuilder(drawing);
  builder.addScale({ scaleKey: 'y', isTime: false, orientation: ScaleOrientation.Vertical, direction: ScaleDirection.Up, range: () => [0, buckets.length] });
  // A label stands at its bucket's upper edge; every n-th where they are too many.
  const every = Math.ceil(buckets.length / Math.max(2, (height - 70) / 18));
  const edges = buckets.map((_, i) => i).filter((i) => (buckets.length - 1 - i) % every === 0);
  builder.addAxis({
    scaleKey: 'y', isTime: false, placement: AxisPlacement.Left, theme, grid: { show: false },
    splits: () => edges.map((i) => i + 1), values: () => edges.map((i) => bound(buckets[i].name, drawing)), filter: (_: unknown, splits: number[]) => splits,
  } as any);
  builder.setPadding([8, 8, 0, 0]);
  addSilent(builder, { theme, lineColor: theme.colors.text.primary });
  painted(builder, (u: uPlot, ctx) => {
    const gap = options.cellGap;
    buckets.forEach((bucket, row) => {
      const [top, bottom] = [row + 1, row].map((y) => Math.round(u.valToPos(y, 'y', true)));
      bucket.values.forEach((v: number, i: number) => {
        if (!(v > options.filterValues.le)) return;
        const [left, right] = [time.values[i] - interval, time.values[i]].map((t) => Math.round(u.valToPos(t, 'x', true)));
        ctx.fillStyle = color(v);
        ctx.fillRect(left, top, Math.max(right - left - gap, 1), Math.max(bottom - top - gap, 1));
      });
    });
  });
  const scale = options.legend.show && counts.length > 0 ? 30 : 0;
  const ends = [time.values[0], time.values.at(-1)];
  return (
    <>
      <Plot drawing={{ ...drawing, height: height - scale }} builder={builder} data={[ends, [0, buckets.length]]} legend={null} />
      {scale > 0 && <Scale colors={colors} least={least} most={most} width={width - 48} />}
    </>
  );
}
