/** States over time: a row per series, a box per unbroken run of one state, with the state's words in it. */
import { colorManipulator, type DataFrame, type Field, formattedValueToString, getFieldDisplayName } from '@grafana/data';
import { AxisPlacement, ScaleDirection, ScaleOrientation } from '@grafana/schema';
import type uPlot from 'uplot';
import { type Drawing } from '../model';
import { addSilent, type Item, itemsLegend, painted, Plot, timeBuilder } from './plot';

interface Run extends Item {
  from: number;
  to: number;
}

interface Row {
  name: string;
  alpha: number;
  runs: Run[];
}

/** Runs of one field: a sample lasts until the next, at most `interval` ms, as an answer of Prometheus is meant. */
function runsOf(time: Field, field: Field, merge: boolean, end: number): Run[] {
  const interval = time.config.interval ?? Infinity;
  const span = field.config.custom?.spanNulls === true ? Infinity : interval * 1.5;
  const runs: Run[] = [];
  field.values.forEach((value, i) => {
    if (value == null || Number.isNaN(value)) return;
    const from = time.values[i];
    const next = time.values[i + 1] ?? end;
    const to = next - from <= span ? next : from + interval;
    const display = field.display!(value);
    const label = formattedValueToString(display);
    const color = display.color ?? '#808080';
    const last = runs.at(-1);
    if (merge && last && last.to >= from && last.label === label && last.color === color) last.to = to;
    else runs.push({ from, to, label, color });
  });
  return runs;
}

function rowsOf({ frames, options, range }: Drawing): Row[] {
  const end = range.to.valueOf();
  return frames.flatMap((frame: DataFrame) => {
    const time = frame.fields.find((f) => f.type === 'time');
    if (!time) throw new Error('a state timeline needs a time field');
    return frame.fields.filter((f) => f !== time && !f.config.custom?.hideFrom?.viz).map((field) => ({
      name: getFieldDisplayName(field, frame, frames),
      alpha: field.config.custom?.fillOpacity / 100,
      runs: runsOf(time, field, options.mergeValues, end),
    }));
  });
}

/** Row 0 is the topmost. */
function paintRows(rows: Row[], { options, theme }: Drawing) {
  return (u: uPlot, ctx: CanvasRenderingContext2D) => {
    ctx.font = `12px ${theme.typography.fontFamily}`;
    ctx.textBaseline = 'middle';
    ctx.textAlign = 'left';
    rows.forEach((row, i) => {
      const middle = u.valToPos(rows.length - i - 0.5, 'y', true);
      const high = (u.bbox.height / rows.length) * options.rowHeight;
      for (const run of row.runs) {
        const left = Math.round(Math.max(u.valToPos(run.from, 'x', true), u.bbox.left));
        const right = Math.round(Math.min(u.valToPos(run.to, 'x', true), u.bbox.left + u.bbox.width));
        ctx.fillStyle = colorManipulator.alpha(run.color, row.alpha);
        ctx.fillRect(left, middle - high / 2, Math.max(right - left, 1), high);
        const wide = ctx.measureText(run.label).width;
        const fits = wide + 8 <= right - left && high >= 12;
        if (options.showValue === 'never' || (options.showValue === 'auto' && !fits)) continue;
        const shift = { left: 4, center: (right - left - wide) / 2, right: right - left - wide - 4 }[options.alignValue as 'left'] ?? 4;
        ctx.fillStyle = theme.colors.getContrastText(theme.isDark ? colorManipulator.darken(run.color, 1 - row.alpha) : run.color);
        ctx.fillText(run.label, left + shift, middle);
      }
    });
  };
}

export function TimelinePanel(drawing: Drawing) {
  const rows = rowsOf(drawing);
  const { theme, range } = drawing;
  const builder = timeBuilder(drawing);
  builder.addScale({ scaleKey: 'y', isTime: false, orientation: ScaleOrientation.Vertical, direction: ScaleDirection.Up, range: () => [0, rows.length] });
  builder.addAxis({
    scaleKey: 'y', isTime: false, placement: AxisPlacement.Left, theme, grid: { show: false }, ticks: { show: false }, gap: 8,
    splits: () => rows.map((_, i) => rows.length - i - 0.5), values: () => rows.map((row) => row.name), filter: (_: unknown, splits: number[]) => splits,
  } as any);
  addSilent(builder, { theme, lineColor: theme.colors.text.primary });
  painted(builder, paintRows(rows, drawing));
  const items = new Map(rows.flatMap((row) => row.runs).map((run) => [run.label, { label: run.label, color: run.color }]));
  const ends = [range.from.valueOf(), range.to.valueOf()];
  return <Plot drawing={drawing} builder={builder} data={[ends, [0, rows.length]]} legend={itemsLegend(drawing, [...items.values()])} />;
}
