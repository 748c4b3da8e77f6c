/** Bars by category: the first text field names them, each number field is a colour. */
import { colorManipulator, type DataFrame, type Field, formattedValueToString, getFieldSeriesColor } from '@grafana/data';
import { UPlotConfigBuilder } from '@grafana/ui';
import { AxisPlacement, ScaleDirection, ScaleOrientation } from '@grafana/schema';
import uPlot from 'uplot';
import { type Drawing } from '../model';
import { addSilent, type Paint, painted, Plot, seriesLegend, UTC } from './plot';

interface Bars {
  names: string[];
  fields: Field[];
  /** Index of each field in its frame. */
  at: number[];
}

function barsOf(frame: DataFrame, xField: string | undefined): Bars {
  const x = xField ? frame.fields.find((f) => f.name === xField) : frame.fields.find((f) => f.type === 'string') ?? frame.fields.find((f) => f.type === 'time');
  if (!x) throw new Error('a bar chart needs a text or time field');
  const at = frame.fields.flatMap((f, i) => (f.type === 'number' && f !== x && !f.config.custom?.hideFrom?.viz ? [i] : []));
  return { names: x.values.map((v) => formattedValueToString(x.display!(v))), fields: at.map((i) => frame.fields[i]), at };
}

/** From and to of each bar on the value axis, as shares of 1 if the stack is of percent. */
function extents({ names, fields }: Bars, stacking: string): Array<Array<[number, number]>> {
  const sums = names.map((_, i) => fields.reduce((sum, f) => sum + (f.values[i] ?? 0), 0) || 1);
  const below = names.map(() => 0);
  return fields.map((field) => names.map((_, i) => {
    const value = (field.values[i] ?? 0) / (stacking === 'percent' ? sums[i] : 1);
    const from = stacking === 'none' ? 0 : below[i];
    below[i] = from + value;
    return [from, from + value];
  }));
}

type Spans = ReturnType<typeof extents>;

function text(field: Field, value: number): string {
  return formattedValueToString(field.display!(value));
}

/** Scales and axes; x is the axis of names, wherever it lies. */
function builderOf({ options, theme }: Drawing, { names, fields, at }: Bars, spans: Spans, lying: boolean): UPlotConfigBuilder {
  const builder = new UPlotConfigBuilder(UTC);
  const flat = spans.flat(2);
  const { min, max } = fields[0]?.config ?? {};
  const [upright, flatwise] = [ScaleOrientation.Vertical, ScaleOrientation.Horizontal];
  // Lying bars run from the top down, so the axis of names is reversed.
  builder.addScale({
    scaleKey: 'x', isTime: false, orientation: lying ? upright : flatwise, direction: lying ? ScaleDirection.Down : ScaleDirection.Right,
    range: () => [-0.5, names.length - 0.5],
  });
  builder.addScale({
    scaleKey: 'y', isTime: false, orientation: lying ? flatwise : upright, direction: ScaleDirection.Up,
    range: () => [min ?? Math.min(0, ...flat), max ?? (uPlot.rangeNum(0, Math.max(...flat, 0) || 1, 0.1, true)[1] as number)],
  });
  builder.addAxis({
    scaleKey: 'x', isTime: false, placement: lying ? AxisPlacement.Left : AxisPlacement.Bottom, theme, grid: { show: false }, ticks: { show: false },
    splits: () => names.map((_, i) => i), values: () => names, filter: (_: unknown, splits: number[]) => splits, tickLabelRotation: -options.xTickLabelRotation,
  } as any);
  builder.addAxis({
    scaleKey: 'y', isTime: false, placement: lying ? AxisPlacement.Bottom : AxisPlacement.Left, theme, grid: { show: true },
    formatValue: (v: number) => (options.stacking === 'percent' ? `${Math.round(v * 100)}%` : fields[0] ? text(fields[0], v) : String(v)),
  });
  builder.setPadding([8, 16, 0, 0]);
  fields.forEach((field, i) => addSilent(builder, {
    theme, lineColor: getFieldSeriesColor(field, theme).color, dataFrameFieldIndex: { frameIndex: 0, fieldIndex: at[i] },
  }));
  return builder;
}

function paintBars({ options, theme }: Drawing, { names, fields }: Bars, spans: Spans, lying: boolean): Paint {
  return (u, ctx) => {
    const group = Math.abs(u.valToPos(1, 'x', true) - u.valToPos(0, 'x', true)) * options.groupWidth;
    const beside = options.stacking === 'none';
    const each = beside ? group / fields.length : group;
    const thick = each * options.barWidth;
    ctx.font = `12px ${theme.typography.fontFamily}`;
    ctx.textBaseline = 'middle';
    ctx.textAlign = 'left';
    fields.forEach((field, f) => names.forEach((_, i) => {
      const value = field.values[i];
      if (value == null || Number.isNaN(value)) return;
      const [a, b] = spans[f][i].map((v) => u.valToPos(v, 'y', true));
      const [low, high] = [Math.min(a, b), Math.max(a, b)];
      const start = u.valToPos(i, 'x', true) - group / 2 + (beside ? f * each : 0) + (each - thick) / 2;
      const box: [number, number, number, number] = lying ? [low, start, high - low, thick] : [start, low, thick, high - low];
      const color = (field.config.color?.mode === 'thresholds' ? field.display!(value).color : getFieldSeriesColor(field, theme).color)!;
      const { fillOpacity, lineWidth } = field.config.custom;
      ctx.fillStyle = colorManipulator.alpha(color, fillOpacity / 100);
      ctx.fillRect(...box);
      ctx.strokeStyle = color;
      ctx.lineWidth = lineWidth;
      if (lineWidth > 0) ctx.strokeRect(...box);
      const label = text(field, value);
      const wide = ctx.measureText(label).width;
      const fits = lying ? thick >= 12 : each >= wide + 2;
      if (options.showValue === 'never' || (options.showValue === 'auto' && !fits)) return;
      ctx.fillStyle = theme.colors.text.primary;
      if (lying) ctx.fillText(label, high + 6, start + thick / 2);
      else ctx.fillText(label, start + (thick - wide) / 2, low - 8);
    }));
  };
}

export function BarsPanel(drawing: Drawing) {
  const { frames, options, width, height } = drawing;
  const bars = barsOf(frames[0], options.xField);
  const spans = extents(bars, options.stacking);
  const lying = options.orientation === 'horizontal' || (options.orientation === 'auto' && width < height);
  const builder = builderOf(drawing, bars, spans, lying);
  painted(builder, paintBars(drawing, bars, spans, lying));
  const data = [bars.names.map((_, i) => i), ...bars.fields.map((f) => [...f.values])];
  return <Plot drawing={drawing} builder={builder} data={data} legend={seriesLegend(drawing, builder, frames)} />;
}
