/** Each allowed panel type has one component; a panel without data says so as Grafana does. */
import { type DataFrame } from '@grafana/data';
import { type ComponentType } from 'react';
import { type Drawing } from '../model';
import { BarsPanel } from './bars';
import { HeatmapPanel } from './heatmap';
import { TablePanel, TextPanel } from './plain';
import { SeriesPanel } from './series';
import { TimelinePanel } from './timeline';
import { BarGaugePanel, StatPanel } from './values';

const PANELS: Record<string, ComponentType<Drawing>> = {
  timeseries: SeriesPanel,
  stat: StatPanel,
  bargauge: BarGaugePanel,
  table: TablePanel,
  text: TextPanel,
  'state-timeline': TimelinePanel,
  heatmap: HeatmapPanel,
  barchart: BarsPanel,
};

/** Whether no frame has a row with anything in it. */
export function isEmpty(frames: DataFrame[]): boolean {
  return !frames.some((f) => f.fields.some((field) => field.type !== 'time' && field.values.some((v) => v != null)));
}

export function PanelBody(drawing: Drawing) {
  const { panel, frames, fieldConfig, theme, width, height } = drawing;
  const Body = PANELS[panel.type];
  // A stat and a bar gauge show their own "No data" in the place of the value.
  if (isEmpty(frames) && !['text', 'stat', 'bargauge'].includes(panel.type)) {
    return (
      <div style={{ width, height, display: 'flex', alignItems: 'center', justifyContent: 'center', color: theme.colors.text.secondary, fontSize: theme.typography.size.lg }}>
        {fieldConfig.defaults.noValue ?? 'No data'}
      </div>
    );
  }
  return <Body {...drawing} />;
}
