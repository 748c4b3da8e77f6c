/** Time series, drawn by Grafana's TimeSeries; annotations as it marks them. */
import { type DataFrame, type Field } from '@grafana/data';
import { TimeSeries, type UPlotConfigBuilder } from '@grafana/ui';
import uPlot from 'uplot';
import { type Drawing, type Note } from '../model';

/** Rows of a frame by index, -1 for a step of the query at which there was no sample: lines are not drawn across it. */
function rowsWithGaps({ values, config: { interval } }: Field): Array<[time: number, row: number]> {
  return values.flatMap((time, row) => {
    const rows: Array<[number, number]> = [];
    if (interval && row > 0) for (let t = values[row - 1] + interval; t < time; t += interval) rows.push([t, -1]);
    return [...rows, [time, row] as [number, number]];
  });
}

/** As Grafana's panel prepares them: missing samples, NaN and infinity are null. */
function graphable(frames: DataFrame[]): DataFrame[] {
  return frames.map((frame) => {
    const time = frame.fields.find((f) => f.type === 'time');
    if (!time) throw new Error('a time series needs a time field');
    const rows = rowsWithGaps(time);
    const finite = (v: unknown) => (typeof v === 'number' && !Number.isFinite(v) ? null : v);
    const fields = frame.fields.map((f) => ({ ...f, values: rows.map(([t, row]) => (f === time ? t : row < 0 ? null : finite(f.values[row]))) }));
    return { ...frame, fields, length: rows.length };
  });
}

/** A dashed line at each annotation with a mark under the axis, a veil over a region. */
export function drawNotes(builder: UPlotConfigBuilder, notes: Note[]) {
  builder.addHook('draw', (u: uPlot) => {
    const { ctx, bbox } = u;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height + 8 * uPlot.pxRatio);
    ctx.clip();
    for (const note of notes) {
      const [left, right] = [note.from, note.to].map((t) => Math.round(u.valToPos(t, 'x', true)));
      ctx.strokeStyle = ctx.fillStyle = note.color;
      ctx.lineWidth = uPlot.pxRatio;
      ctx.setLineDash([4, 4]);
      for (const x of new Set([left, right])) {
        ctx.beginPath();
        ctx.moveTo(x, bbox.top);
        ctx.lineTo(x, bbox.top + bbox.height);
        ctx.stroke();
      }
      const bottom = bbox.top + bbox.height;
      if (right > left) {
        ctx.fillRect(left, bottom, right - left, 4);
        ctx.globalAlpha = 0.1;
        ctx.fillRect(left, bbox.top, right - left, bbox.height);
        ctx.globalAlpha = 1;
      } else {
        ctx.beginPath();
        ctx.moveTo(left, bottom);
        ctx.lineTo(left - 4, bottom + 6);
        ctx.lineTo(left + 4, bottom + 6);
        ctx.fill();
      }
    }
    ctx.restore();
  });
}

export function SeriesPanel({ frames, options, width, height, range, notes }: Drawing) {
  return (
    <TimeSeries frames={graphable(frames)} structureRev={1} timeRange={range} timeZone="utc" width={width} height={height} legend={options.legend} options={options}>
      {(builder: UPlotConfigBuilder) => {
        drawNotes(builder, notes);
        return null;
      }}
    </TimeSeries>
  );
}
