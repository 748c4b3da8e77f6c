/** Grafana's table, and text as its text panel shows markdown. */
import { renderTextPanelMarkdown } from '@grafana/data';
import { TableNG } from '@grafana/ui/unstable';
import { type Drawing } from '../model';

export function TablePanel({ frames, options, fieldConfig, width, height }: Drawing) {
  const [frame] = frames;
  return (
    <TableNG
      data={frame} width={width} height={height} noHeader={!options.showHeader} cellHeight={options.cellHeight} sortBy={options.sortBy} structureRev={1}
      enablePagination={options.enablePagination} frozenColumns={options.frozenColumns?.left} fieldConfig={fieldConfig} getActions={() => []}
      noValue={fieldConfig.defaults.noValue}
    />
  );
}

export function TextPanel({ options, replace, width, height }: Drawing) {
  if (options.mode !== 'markdown') throw new Error(`unknown text mode ${options.mode}`);
  const html = renderTextPanelMarkdown(replace(options.content));
  return <div className="markdown-html" style={{ width, height, overflow: 'hidden' }} dangerouslySetInnerHTML={{ __html: html }} />;
}
