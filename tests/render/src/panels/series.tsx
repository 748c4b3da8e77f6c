/** Time series, drawn by Grafana's TimeSeries; annotations as it marks them. */
import { type DataFrame } from '@grafana/data';
import { TimeSeries, type UPlotConfigBuilder } from '@grafana/ui';
import uPlot from 'uplot';
import { type Drawing, type Note } from '../model';

/** What cannot be drawn on an axis (NaN, infinity) is a gap, as in Grafana's panel. */
function graphable(frames: DataFrame[]): DataFrame[] {
  return frames.map((frame) => ({
    ...frame,
    fields: frame.fields.map((f) => (f.type === 'number' ? { ...f, values: f.values.map((v: number) => (Number.isFinite(v) ? v : null)) } : f)),
  }));
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
