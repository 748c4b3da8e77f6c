/** Transformations and field config are Grafana's own; what it would skip with a console warning is an error here. */
import {
  applyFieldOverrides, cacheFieldDisplayNames, type DataFrame, type Field, fieldMatchers, FieldType, type FieldConfigSource, type GrafanaTheme2,
  standardTransformers, standardTransformersRegistry, transformDataFrame,
} from '@grafana/data';
import { lastValueFrom } from 'rxjs';
import { type Panel } from './model';

const TRANSFORMERS: Record<string, any> = {
  organize: standardTransformers.organizeFieldsTransformer,
  merge: standardTransformers.mergeTransformer,
  joinByField: standardTransformers.joinByFieldTransformer,
  labelsToFields: standardTransformers.labelsToFieldsTransformer,
  sortBy: standardTransformers.sortByTransformer,
};

standardTransformersRegistry.setInit(() =>
  Object.entries(TRANSFORMERS).map(([id, transformer]) => ({
    id, name: id, editor: () => null, transformation: async () => transformer, imageDark: '', imageLight: '',
  }) as any)
);

export async function transform(panel: Panel, frames: DataFrame[], replace: (text: string) => string): Promise<DataFrame[]> {
  const steps = panel.transformations ?? [];
  for (const { id } of steps) {
    if (!(id in TRANSFORMERS)) throw new Error(`unknown transformation ${id}`);
  }
  return lastValueFrom(transformDataFrame(steps, frames, { interpolate: replace }));
}

/** Options that every panel type has, each stored under its own name. */
const STANDARD = [
  'unit', 'min', 'max', 'decimals', 'displayName', 'noValue', 'color', 'thresholds', 'mappings', 'links', 'actions', 'filterable', 'description', 'fieldMinMax',
];

/** ${__field.labels.x} and ${__field.name} of a display name. */
function ofField(text: string, field?: Field): string {
  return text.replace(/\$\{__field\.(?:labels\.(\w+)|(name))\}/g, (_, label) => (label ? field?.labels?.[label] : field?.name) ?? '');
}

/** The first threshold reaches down to minus infinity, which JSON cannot say. */
function process(id: string, value: any, field: Field | undefined, replace: (text: string) => string): any {
  if (id === 'thresholds' && value) {
    return { ...value, steps: value.steps.map((s: any, i: number) => (i === 0 ? { ...s, value: -Infinity } : s)) };
  }
  if (id === 'displayName' && value) return replace(ofField(value, field));
  return value;
}

/** Defaults for value axes do not concern the field along x; numbers' options only numbers. */
function applies(id: string, { type }: Field): boolean {
  if (id.startsWith('custom.axis')) return type !== FieldType.time && type !== FieldType.string;
  return !['min', 'max', 'decimals'].includes(id) || type === FieldType.number;
}

/** The registry through which Grafana reads field config, knowing the standard options and any `custom.*`. */
function registry(config: FieldConfigSource<any>, replace: (text: string) => string): any {
  const item = (id: string, isCustom: boolean) => ({
    id, path: isCustom ? id.slice('custom.'.length) : id, isCustom, shouldApply: (field: Field) => applies(id, field),
    process: (value: any, context: any) => process(id, value, context?.field, replace),
  });
  const custom = Object.keys(config.defaults.custom ?? {}).map((key) => item(`custom.${key}`, true));
  const standard = STANDARD.map((id) => item(id, false));
  return {
    list: () => [...standard, ...custom],
    getIfExists: (id: string) => (id.startsWith('custom.') ? item(id, true) : standard.find((s) => s.id === id)),
  };
}

export function override(
  frames: DataFrame[], config: FieldConfigSource<any>, theme: GrafanaTheme2, replace: (text: string) => string
): DataFrame[] {
  const fieldConfigRegistry = registry(config, replace);
  for (const { matcher, properties } of config.overrides) {
    if (!fieldMatchers.getIfExists(matcher.id)) throw new Error(`unknown matcher ${matcher.id}`);
    for (const { id } of properties) {
      if (!fieldConfigRegistry.getIfExists(id)) throw new Error(`unknown field option ${id}`);
    }
  }
  const drawn = applyFieldOverrides({
    data: frames, fieldConfig: config, fieldConfigRegistry, theme, timeZone: 'utc', replaceVariables: (text: string) => replace(text),
  });
  cacheFieldDisplayNames(drawn);
  return drawn;
}
