/** The part of Grafana's dashboard model that is drawn, and the values every step of drawing shares. */
import { type DataFrame, type FieldConfigSource, type GrafanaTheme2, type TimeRange } from '@grafana/data';

export interface Target {
  refId: string;
  expr: string;
  legendFormat?: string;
  format?: 'time_series' | 'table' | 'heatmap';
  instant?: boolean;
  range?: boolean;
  interval?: string;
  intervalFactor?: number;
  hide?: boolean;
}

export interface Panel {
  id: number;
  type: string;
  title?: string;
  description?: string;
  transparent?: boolean;
  gridPos: { x: number; y: number; w: number; h: number };
  datasource?: { type?: string; uid?: string };
  targets?: Target[];
  options?: Record<string, any>;
  fieldConfig?: FieldConfigSource<any>;
  transformations?: Array<{ id: string; options: any; disabled?: boolean }>;
  interval?: string;
  maxDataPoints?: number;
  timeFrom?: string;
  collapsed?: boolean;
  panels?: Panel[];
  [other: string]: unknown;
}

export interface Dashboard {
  title: string;
  uid?: string;
  panels: Panel[];
  templating?: { list: any[] };
  annotations?: { list: any[] };
  links?: any[];
  time?: { from: string; to: string };
}

/** An annotation's moment or region, in ms since 1970. */
export interface Note {
  from: number;
  to: number;
  color: string;
  /** Whether the annotation is shown on the panel of this id. */
  on: (panel: number) => boolean;
}

/** What a panel's component gets: frames after transformations and field config, and its inner size in px. */
export interface Drawing {
  panel: Panel;
  options: any;
  fieldConfig: FieldConfigSource<any>;
  frames: DataFrame[];
  width: number;
  height: number;
  theme: GrafanaTheme2;
  range: TimeRange;
  notes: Note[];
  replace: (text: string) => string;
}
