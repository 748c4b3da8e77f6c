/** Bars by category: the first text field names them, each number field is a colour. */
import { colorManipulator, type DataFrame, type Field, formattedValueToString, getFieldSeriesColor } from '@grafana/data';
import { UPlotConfigBuilder } from '@grafana/ui';
import { AxisPlacement, ScaleDirection, ScaleOrientation } from '@grafana/schema';
import uPlot from 'uplot';
import { type Drawing } from '../model';
import { addSilent, painted, Plot, seriesLegend, UTC } from './plot';

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

export function BarsPanel(drawing: Drawing) {
  const { frames, options, theme, width, height } = drawing;
  const bars = barsOf(frames[0], options.xField);
  const { names, fields } = bars;
  const spans = extents(bars, options.stacking);
  const flat = spans.flat(2);
  const lying = options.orientation === 'horizontal' || (options.orientation === 'auto' && width < height);
  const builder = new UPlotConfigBuilder(UTC);
  // Lying bars run from the top down, so the axis of names is reversed.
  builder.addScale({ scaleKey: 'x', isTime: false, orientation: lying ? ScaleOrientation.Vertical : ScaleOrientation.Horizontal, direction: lying ? ScaleDirection.Down : ScaleDirection.Right, range: () => [-0.5, names.length - 0.5] });
  const { min, max } = fields[0]?.config ?? {};
  builder.addScale({
    scaleKey: 'y', isTime: false, orientation: lying ? ScaleOrientation.Horizontal : ScaleOrientation.Vertical, direction: ScaleDirection.Up,
    range: () => [min ?? Math.min(0, ...flat), max ?? (uPlot.rangeNum(0, Math.max(...flat, 0) || 1, 0.1, true)[1] as number)],
  });
  builder.addAxis({
    scaleKey: 'x', isTime: false, placement: lying ? AxisPlacement.Left : AxisPlacement.Bottom, theme, grid: { show: false }, ticks: { show: false },
    splits: () => names.map((_, i) => i), values: () => names, filter: (_: unknown, splits: number[]) => splits, tickLabelRotation: -options.xTickLabelRotation,
  } as any);
  builder.setPadding([8, 16, 0, 0]);
  const text = (field: Field, v: number) => formattedValueToString(field.display!(v));
  builder.addAxis({
    scaleKey: 'y', isTime: false, placement: lying ? AxisPlacement.Bottom : AxisPlacement.Left, theme, grid: { show: true },
    formatValue: (v: number) => (options.stacking === 'percent' ? `${Math.round(v * 100)}%` : fields[0] ? text(fields[0], v) : String(v)),
  });
  fields.forEach((field, i) => addSilent(builder, {
    theme, lineColor: getFieldSeriesColor(field, theme).color, dataFrameFieldIndex: { frameIndex: 0, fieldIndex: bars.at[i] },
  }));
  painted(builder, (u, ctx) => {
    const unit = Math.abs(u.valToPos(1, 'x', true) - u.valToPos(0, 'x', true));
    const group = unit * options.groupWidth;
    const each = options.stacking === 'none' ? group / fields.length : group;
    ctx.font = `12px ${theme.typography.fontFamily}`;
    fields.forEach((field, f) => names.forEach((_, i) => {
      const value = field.values[i];
      if (value == null || Number.isNaN(value)) return;
      const [a, b] = spans[f][i].map((v) => u.valToPos(v, 'y', true));
      const start = u.valToPos(i, 'x', true) - group / 2 + (options.stacking === 'none' ? f * each : 0) + (each * (1 - options.barWidth)) / 2;
      const thick = each * options.barWidth;
      const byValue = field.config.color?.mode === 'thresholds';
      const color = (byValue ? field.display!(value).color : getFieldSeriesColor(field, theme).color)!;
      const box: [number, number, number, number] = lying ? [Math.min(a, b), start, Math.abs(b - a), thick] : [start, Math.min(a, b), thick, Math.abs(b - a)];
      ctx.fillStyle = colorManipulator.alpha(color, field.config.custom.fillOpacity / 100);
      ctx.fillRect(...box);
      ctx.strokeStyle = color;
      ctx.lineWidth = field.config.custom.lineWidth;
      if (ctx.lineWidth > 0 && field.config.custom.lineWidth > 0) ctx.strokeRect(...box);
      const label = text(field, value);
      const wide = ctx.measureText(label).width;
      const fits = lying ? thick >= 12 : each >= wide + 2;
      if (options.showValue === 'never' || (options.showValue === 'auto' && !fits)) return;
      ctx.fillStyle = theme.colors.text.primary;
      ctx.textBaseline = 'middle';
      ctx.textAlign = 'left';
      if (lying) ctx.fillText(label, Math.max(a, b) + 6, start + thick / 2);
      else ctx.fillText(label, start + (thick - wide) / 2, Math.min(a, b) - 8);
    }));
  });
  const data = [names.map((_, i) => i), ...fields.map((f) => [...f.values])];
  return <Plot drawing={drawing} builder={builder} data={data} legend={seriesLegend(drawing, builder, frames)} />;
}
