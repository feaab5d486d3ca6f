import { wrap } from './wrap.ts';

/** A command for a shell, broken where it is longer than `columns` as a shell puts it together again. */
export function commandText(
  command: string,
  { columns, breakCommands }: { readonly columns: number; readonly breakCommands: boolean },
): string {
  // Within quotes a line may not be broken.
  if (!breakCommands || command.length <= columns || /['"]/.test(command)) return command;
  return wrap(command, { width: columns - 2, hanging: 4 })
    .split('\n')
    .join(' \\\n');
}
