import type { FlagSpec } from './flag-value.ts';
import type { FlagTable } from './go-flags.ts';
import { wrap } from './wrap.ts';

const indent = 6;

/** The flags of a table as help shows them: the name and its value, then the sentence and the default below. */
export function renderFlagHelp(table: FlagTable): string {
  return Object.entries(table)
    .map(([name, spec]) => {
      const sentence = `${spec.help}${describeDefault(spec)}`;
      return `  -${name}${describeValue(spec)}\n${wrap(sentence, { indent, hanging: indent })}`;
    })
    .join('\n');
}

function describeValue(spec: FlagSpec): string {
  if (spec.kind === 'bool') return '';
  return ` ${spec.placeholder ?? (spec.kind === 'int' ? 'N' : 'TEXT')}`;
}

function describeDefault(spec: FlagSpec): string {
  if (spec.kind === 'strings') return ' (repeatable)';
  const unremarkable = spec.default === '' || spec.default === false;
  return unremarkable ? '' : ` (default ${spec.default})`;
}
