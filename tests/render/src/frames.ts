/** An answer of Prometheus becomes the data frames that Grafana's datasource makes of it. */
import { createDataFrame, type DataFrame, DataFrameType, FieldType, renderLegendFormat } from '@grafana/data';
import { type Answer, type Series } from './prometheus';

const TIME = 'Time';
const VALUE = 'Value';

/** Prometheus writes +Inf where JavaScript reads Infinity. */
function number(text: string): number {
  return Number(text.replace('Inf', 'Infinity'));
}

function times(series: Series): number[] {
  return series.values.map(([s]) => Math.round(s * 1000));
}

/** The name of a series: its legend if the target has one, else its name and labels as Prometheus writes them. */
function nameOf(series: Series, legend: string | undefined): string | undefined {
  if (legend === '__auto') return undefined;
  if (legend) return renderLegendFormat(legend, series.metric);
  const { __name__: name = '', ...labels } = series.metric;
  const list = Object.entries(labels).map(([key, value]) => `${key}="${value}"`);
  return `${name}${list.length ? `{${list.join(', ')}}` : ''}` || undefined;
}

function seriesFrame(answer: Answer, series: Series): DataFrame {
  const { target } = answer;
  const empty = Object.keys(series.metric).length === 0 && (!target.legendFormat || target.legendFormat === '__auto');
  return createDataFrame({
    refId: target.refId,
    meta: { type: answer.instant ? DataFrameType.NumericMulti : DataFrameType.TimeSeriesMulti },
    fields: [
      { name: TIME, type: FieldType.time, config: answer.step ? { interval: answer.step } : {}, values: times(series) },
      {
        name: VALUE,
        type: FieldType.number,
        labels: series.metric,
        config: { displayNameFromDS: empty ? target.expr : nameOf(series, target.legendFormat) },
        values: series.values.map(([, v]) => number(v)),
      },
    ],
  });
}

/** One frame of a target: a column for the time, for each label and for the value. */
function tableFrame(answer: Answer, valueName: string): DataFrame {
  const labels = [...new Set(answer.series.flatMap((s) => Object.keys(s.metric)))].sort();
  const rows = answer.series.flatMap((s) => s.values.map((v) => ({ metric: s.metric, time: v[0] * 1000, value: number(v[1]) })));
  return createDataFrame({
    refId: answer.target.refId,
    fields: [
      { name: TIME, type: FieldType.time, values: rows.map((r) => Math.round(r.time)) },
      ...labels.map((label) => ({ name: label, type: FieldType.string, config: { filterable: true }, values: rows.map((r) => r.metric[label] ?? '') })),
      { name: valueName, type: FieldType.number, values: rows.map((r) => r.value) },
    ],
  });
}

/** Rows of a heatmap: the cumulative buckets, ordered by le, each less the one below. */
function heatmapFrame(answer: Answer): DataFrame {
  const buckets = answer.series.filter((s) => s.metric.le !== undefined).sort((a, b) => number(a.metric.le) - number(b.metric.le));
  const all = [...new Set(buckets.flatMap(times))].sort((a, b) => a - b);
  let below = all.map(() => 0);
  const columns = buckets.map((bucket) => {
    const at = new Map(bucket.values.map(([t, v]) => [Math.round(t * 1000), number(v)]));
    const here = all.map((t, i) => at.get(t) ?? below[i]);
    const values = here.map((v, i) => Math.max(0, v - below[i]));
    below = here;
    const config = { displayNameFromDS: nameOf(bucket, answer.target.legendFormat) ?? bucket.metric.le };
    return { name: bucket.metric.le, type: FieldType.number, labels: { le: bucket.metric.le }, config, values };
  });
  return createDataFrame({
    refId: answer.target.refId,
    meta: { type: DataFrameType.HeatmapRows },
    fields: [{ name: TIME, type: FieldType.time, config: { interval: answer.step }, values: all }, ...columns],
  });
}

/** Every answer of a panel as frames; a target without a series gives none. */
export function toFrames(answers: Answer[]): DataFrame[] {
  const full = answers.filter((a) => a.series.length > 0);
  const tables = full.filter((a) => a.target.format === 'table').length;
  return full.flatMap((answer) => {
    switch (answer.target.format ?? 'time_series') {
      case 'table':
        return [tableFrame(answer, tables > 1 ? `${VALUE} #${answer.target.refId}` : VALUE)];
      case 'heatmap':
        return [heatmapFrame(answer)];
      case 'time_series':
        return answer.series.map((s) => seriesFrame(answer, s));
      default:
        throw new Error(`unknown format ${answer.target.format}`);
    }
  });
}
