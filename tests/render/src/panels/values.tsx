/** Single values: BigValue and BarGauge, repeated as Grafana's stat and bar gauge panels repeat them. */
import { type FieldDisplay, getDisplayValueAlignmentFactors, getFieldDisplayValues } from '@grafana/data';
import { BarGauge, BigValue, VizRepeater } from '@grafana/ui';
import { type Drawing } from '../model';

function values({ frames, options, fieldConfig, theme, replace }: Drawing, sparkline: boolean): FieldDisplay[] {
  return getFieldDisplayValues({
    fieldConfig, reduceOptions: options.reduceOptions, replaceVariables: (text) => replace(text), theme, data: frames, sparkline,
    percentChange: options.showPercentChange, timeZone: 'utc',
  });
}

export function StatPanel(drawing: Drawing) {
  const { frames, options, fieldConfig, panel, theme, range, width, height } = drawing;
  const named = options.textMode === 'auto' && (fieldConfig.defaults.displayName || !panel.title);
  return (
    <VizRepeater
      getValues={() => values(drawing, options.graphMode !== 'none')}
      getAlignmentFactors={getDisplayValueAlignmentFactors as any}
      renderValue={({ value, alignmentFactors, width: w, height: h, count }: any) => (
        <BigValue
          value={value.display} count={count} sparkline={value.sparkline && { ...value.sparkline, timeRange: range }} colorMode={options.colorMode}
          graphMode={options.graphMode} justifyMode={options.justifyMode} textMode={named ? 'value_and_name' : options.textMode} text={options.text}
          alignmentFactors={alignmentFactors} percentChangeColorMode={options.percentChangeColorMode}
          width={w} height={h} theme={theme}
        />
      )}
      width={width} height={height} source={frames} itemSpacing={3} renderCounter={0} autoGrid orientation={options.orientation}
    />
  );
}

export function BarGaugePanel(drawing: Drawing) {
  const { frames, options, theme, width, height } = drawing;
  return (
    <div style={{ width, height, overflow: 'hidden' }}>
      <VizRepeater
        getValues={() => values(drawing, false)}
        getAlignmentFactors={getDisplayValueAlignmentFactors as any}
        renderValue={({ value, alignmentFactors, orientation, width: w, height: h, count }: any) => (
          <BarGauge
            value={count === 1 && !value.field.displayName ? { ...value.display, title: undefined } : value.display} field={value.field}
            display={value.view?.getFieldDisplayProcessor(value.colIndex)} orientation={orientation} displayMode={options.displayMode} text={options.text}
            showUnfilled={options.showUnfilled} valueDisplayMode={options.valueMode} namePlacement={options.namePlacement}
            itemSpacing={options.displayMode === 'lcd' ? 2 : 10} alignmentFactors={alignmentFactors} width={w} height={h} theme={theme}
          />
        )}
        width={width} height={height} source={frames} itemSpacing={options.displayMode === 'lcd' ? 2 : 10} renderCounter={0}
        minVizWidth={options.minVizWidth} minVizHeight={options.minVizHeight} maxVizHeight={options.maxVizHeight} orientation={options.orientation}
      />
    </div>
  );
}
