/** What Grafana's panels assume where a dashboard says nothing. */
import { type FieldConfigSource } from '@grafana/data';
import { type Panel } from '../model';

interface Defaults {
  color: string;
  custom: Record<string, unknown>;
  options: Record<string, any>;
}

const REDUCE = { reduceOptions: { values: false, calcs: ['lastNotNull'], fields: '' }, orientation: 'auto' };
const LEGEND = { showLegend: true, displayMode: 'list', placement: 'bottom', calcs: [] };

const DEFAULTS: Record<string, Defaults> = {
  timeseries: {
    color: 'palette-classic',
    custom: {
      drawStyle: 'line', lineInterpolation: 'linear', lineWidth: 1, fillOpacity: 0, gradientMode: 'none', showPoints: 'auto', pointSize: 5,
      spanNulls: false, barAlignment: 0, barWidthFactor: 0.6, axisPlacement: 'auto', axisColorMode: 'text', stacking: { mode: 'none', group: 'A' },
      scaleDistribution: { type: 'linear' }, thresholdsStyle: { mode: 'off' },
    },
    options: { legend: LEGEND },
  },
  stat: {
    color: 'thresholds', custom: {},
    options: { ...REDUCE, textMode: 'auto', colorMode: 'value', graphMode: 'area', justifyMode: 'auto', showPercentChange: false },
  },
  bargauge: {
    color: 'thresholds', custom: {},
    options: { ...REDUCE, displayMode: 'gradient', valueMode: 'color', namePlacement: 'auto', showUnfilled: true, minVizWidth: 8, minVizHeight: 16, maxVizHeight: 300 },
  },
  table: { color: 'thresholds', custom: { align: 'auto', cellOptions: { type: 'auto' } }, options: { showHeader: true, cellHeight: 'sm' } },
  text: { color: 'thresholds', custom: {}, options: { mode: 'markdown', content: '' } },
  'state-timeline': {
    color: 'continuous-GrYlRd', custom: { lineWidth: 0, fillOpacity: 70, spanNulls: false },
    options: { showValue: 'auto', alignValue: 'left', mergeValues: true, rowHeight: 0.9, legend: LEGEND },
  },
  heatmap: {
    color: 'thresholds', custom: {},
    options: {
      calculate: false, color: { mode: 'scheme', scheme: 'Oranges', fill: 'dark-orange', exponent: 0.5, steps: 64, reverse: false },
      cellGap: 1, filterValues: { le: 1e-9 }, yAxis: { axisPlacement: 'left' }, legend: { show: true },
    },
  },
  barchart: {
    color: 'palette-classic', custom: { lineWidth: 1, fillOpacity: 80, gradientMode: 'none' },
    options: { orientation: 'auto', xTickLabelRotation: 0, showValue: 'auto', stacking: 'none', groupWidth: 0.7, barWidth: 0.97, legend: LEGEND },
  },
};

const THRESHOLDS = { mode: 'absolute', steps: [{ value: null, color: 'green' }, { value: 80, color: 'red' }] };

export const types = Object.keys(DEFAULTS);

/** A panel's options and field config with the defaults of its type filled in; throws for a type that is not drawn. */
export function filled(panel: Panel): { options: any; fieldConfig: FieldConfigSource<any> } {
  const base = DEFAULTS[panel.type];
  if (!base) throw new Error(`unknown panel type ${panel.type}`);
  const { defaults = {}, overrides = [] } = panel.fieldConfig ?? {};
  const options: any = { ...base.options, ...panel.options };
  for (const key of ['legend', 'reduceOptions', 'color']) {
    if (base.options[key]) options[key] = { ...base.options[key], ...panel.options?.[key] };
  }
  const fieldConfig = {
    overrides,
    defaults: { color: { mode: base.color }, thresholds: THRESHOLDS, mappings: [], ...defaults, custom: { ...base.custom, ...defaults.custom } },
  };
  return { options, fieldConfig: fieldConfig as FieldConfigSource<any> };
}
