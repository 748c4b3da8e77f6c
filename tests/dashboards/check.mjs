// Says where a dashboard is not what Grafana's published types (@grafana/schema) allow: a wrong type, a word that is no
// choice, a field nobody reads. Usage: node check.mjs FILE…; 0 and silent if all is well, else 1 and one line a fault.
import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const kinds = {
  barchart: 'BarChart', bargauge: 'BarGauge', heatmap: 'Heatmap', stat: 'Stat', 'state-timeline': 'StateTimeline',
  table: 'Table', text: 'Text', timeseries: 'TimeSeries',
};
// Without a FieldConfig of their own.
const plain = ['bargauge', 'stat', 'text'];

const imports = Object.entries(kinds).map(([kind, name]) => {
  const path = `@grafana/schema/dist/esm/raw/composable/${kind.replace('-', '')}/panelcfg/x/${name}PanelCfg_types.gen`;
  return `import type * as ${name} from '${path}';`;
});

// The published types say a choice by an enum, a file says it by its word. Properties that only a data source or a
// plugin knows are unknown in them and said here, after Prometheus' and the annotations' own documents.
const head = `import type { Dashboard, Panel, FieldConfigSource, AnnotationQuery } from '@grafana/schema';
${imports.join('\n')}
type Plain<T> = T extends string ? \`\${T}\` : T extends number | boolean | null | undefined ? T
  : T extends (infer U)[] ? Plain<U>[] : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
type Target = { refId: string; datasource: { type: 'prometheus'; uid: string }; editorMode: 'code'; expr: string;
  format: 'time_series' | 'table' | 'heatmap'; instant: boolean; range: boolean; legendFormat?: string };
type Annotation = Omit<Plain<AnnotationQuery>, 'target'> & { expr: string; step: string; tagKeys: string; textFormat: string;
  titleFormat: string; useValueForTime: boolean };
type Custom<F, C> = Omit<F, 'defaults'> & { defaults: Omit<Plain<FieldConfigSource>['defaults'], 'custom'> & { custom?: C } };
type Of<K extends string, O, C> = Omit<Plain<Panel>, 'type' | 'options' | 'targets' | 'fieldConfig'>
  & { type: K; options: Plain<O>; targets?: Target[]; fieldConfig?: Custom<Plain<FieldConfigSource>, Plain<C>> };
type Rest = Omit<Plain<Dashboard>, 'panels' | 'annotations'>;
`;

function source(dashboard) {
  const { panels, annotations, ...rest } = dashboard;
  const parts = [['the dashboard', 'Rest', rest]];
  for (const annotation of annotations.list) parts.push([`annotation ${annotation.name}`, 'Annotation', annotation]);
  for (const panel of panels) {
    const name = kinds[panel.type];
    const custom = plain.includes(panel.type) ? 'Record<string, never>' : `${name}.FieldConfig`;
    const type = name ? `Of<'${panel.type}', ${name}.Options, ${custom}>` : 'never';
    parts.push([`panel ${panel.id}`, type, panel]);
  }
  const lines = head.split('\n');
  const where = [];
  for (const [what, type, value] of parts) {
    where.push([lines.length, what]);
    lines.push(...`export const _${where.length}: ${type} = ${JSON.stringify(value, null, 1)};`.split('\n'));
  }
  return { text: lines.join('\n'), what: (line) => where.findLast(([from]) => from <= line)?.[1] ?? 'the types' };
}

const here = dirname(fileURLToPath(import.meta.url));
const sources = new Map(process.argv.slice(2).map((file, at) => {
  const made = source(JSON.parse(readFileSync(file, 'utf8')));
  return [join(here, `_${at}.ts`), { file: basename(file), ...made }];
}));
const options = {
  strict: true, noEmit: true, skipLibCheck: true, types: [], target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler,
};
const host = ts.createCompilerHost(options);
const { fileExists, getSourceFile } = host;
host.fileExists = (name) => sources.has(name) || fileExists(name);
host.getSourceFile = (name, ...more) => (sources.has(name)
  ? ts.createSourceFile(name, sources.get(name).text, ts.ScriptTarget.ES2022) : getSourceFile(name, ...more));
const program = ts.createProgram([...sources.keys()], options, host);
const faults = ts.getPreEmitDiagnostics(program);
for (const fault of faults) {
  const text = ts.flattenDiagnosticMessageText(fault.messageText, ' ');
  const made = sources.get(fault.file?.fileName);
  if (!made) console.log(text);
  else console.log(`${made.file}: ${made.what(fault.file.getLineAndCharacterOfPosition(fault.start).line)}: ${text}`);
}
process.exit(faults.length ? 1 : 0);
