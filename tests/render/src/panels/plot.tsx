/** A plot that Grafana keeps inside its own app: its uPlot chart, axes and legend, with the marks painted by us. */
import { AxisPlacement, ScaleDirection, ScaleOrientation } from '@grafana/schema';
import { type DataFrame } from '@grafana/data';
import { PlotLegend, UPlotChart, UPlotConfigBuilder, VizLayout, VizLegend } from '@grafana/ui';
import { type ReactNode } from 'react';
import type uPlot from 'uplot';
import { type Drawing } from '../model';

/** Draws on the canvas; positions come from the plot's scales x and y, in canvas px. */
export type Paint = (u: uPlot, ctx: CanvasRenderingContext2D) => void;

export const UTC = 'utc';

/** A builder with a time axis over the panel's range at the bottom. */
export function timeBuilder({ range, theme }: Drawing): UPlotConfigBuilder {
  const builder = new UPlotConfigBuilder(UTC);
  builder.addScale({
    scaleKey: 'x', isTime: true, orientation: ScaleOrientation.Horizontal, direction: ScaleDirection.Right,
    range: () => [range.from.valueOf(), range.to.valueOf()],
  });
  builder.addAxis({ scaleKey: 'x', isTime: true, placement: AxisPlacement.Bottom, timeZone: UTC, theme, grid: { show: true } });
  return builder;
}

/** A series without a line of its own: the legend and the scales read it. */
export function addSilent(builder: UPlotConfigBuilder, props: Record<string, unknown>) {
  builder.addSeries({ scaleKey: 'y', pathBuilder: () => null, pointsBuilder: () => null, showPoints: 'never', ...props } as any);
}

export function painted(builder: UPlotConfigBuilder, paint: Paint) {
  builder.addHook('draw', (u: uPlot) => {
    const { ctx, bbox } = u;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    paint(u, ctx);
    ctx.restore();
  });
}

interface Props {
  drawing: Drawing;
  builder: UPlotConfigBuilder;
  data: Array<Array<number | null>>;
  legend: ReactNode;
}

export function Plot({ drawing: { width, height }, builder, data, legend }: Props) {
  return (
    <VizLayout width={width} height={height} legend={legend as any}>
      {(w: number, h: number) => <UPlotChart config={builder} data={data as any} width={w} height={h} />}
    </VizLayout>
  );
}

export interface Item {
  label: string;
  color: string;
}

export function itemsLegend({ options: { legend } }: Drawing, items: Item[]) {
  if (!legend.showLegend || items.length === 0) return null;
  return (
    <VizLayout.Legend placement={legend.placement} width={legend.width}>
      <VizLegend placement={legend.placement} displayMode={legend.displayMode} items={items.map((item) => ({ ...item, yAxis: 1 }))} readonly />
    </VizLayout.Legend>
  );
}

export function seriesLegend({ options: { legend } }: Drawing, builder: UPlotConfigBuilder, frames: DataFrame[]) {
  return legend.showLegend ? <PlotLegend data={frames} config={builder} {...legend} /> : null;
}
