import type { Option } from 'commander';
import type { FlagSpec } from './flag-value.ts';
import type { FlagTable } from './go-flags.ts';

/**
 * How the flags of a command are read. `go`: -name or --name, a value after `=` or as the next word, of a switch only
 * after `=`. `getopts`: single letters. `gnu`: --name, a value after `=` or as the next word, none of a switch.
 */
export type FlagSyntax = 'go' | 'getopts' | 'gnu';

/** One flag, however it is read. */
export interface FlagDescription {
  /** `-etcd-prefix`; `-h, --help` when both are worth showing. */
  readonly shown: string;
  /** Every way to write it. */
  readonly forms: readonly string[];
  /** Placeholder of the value, if it may have one; see placeholder.ts. */
  readonly value: string | undefined;
  /** True when it stands without a value, too. */
  readonly isSwitch: boolean;
  readonly repeatable: boolean;
  readonly help: string;
  /** What is worth showing of it. */
  readonly default: string | undefined;
}

/** The flags of a table, for arguments that a command reads itself. */
export function describeFlags(table: FlagTable, syntax: 'go' | 'getopts'): FlagDescription[] {
  return Object.entries(table).map(([name, spec]) => ({
    shown: `-${name}`,
    forms: syntax === 'go' ? [`-${name}`, `--${name}`] : [`-${name}`],
    value: placeholderOf(spec, syntax),
    isSwitch: spec.kind === 'bool',
    repeatable: spec.kind === 'strings',
    help: spec.help,
    default: defaultOf(spec),
  }));
}

/** A flag that commander reads. */
export function describeOption(option: Option): FlagDescription {
  const forms = [option.short, option.long].filter(form => form !== undefined);
  const value = /[<[](.*?)(?:\.\.\.)?[>\]]/.exec(option.flags)?.[1];
  return {
    shown: forms.join(', '),
    forms,
    value: option.argChoices?.join('|') ?? value,
    isSwitch: !option.required,
    repeatable: option.variadic,
    help: option.description,
    default: option.defaultValue === undefined ? undefined : String(option.defaultValue),
  };
}

/** Every command answers it. */
export function helpFlag(syntax: FlagSyntax): FlagDescription {
  return {
    shown: '-h, --help',
    forms: syntax === 'go' ? ['-h', '--help', '-help'] : ['-h', '--help'],
    value: undefined,
    isSwitch: true,
    repeatable: false,
    help: 'print this help',
    default: undefined,
  };
}

/** `-iface IFACE|IP`, as help and man pages show it. */
export function flagHead({ shown, value, isSwitch }: FlagDescription): string {
  return value === undefined || isSwitch ? shown : `${shown} ${value}`;
}

/** What help and man pages say of it. */
export function flagText(flag: FlagDescription): string {
  if (flag.repeatable) return `${flag.help} (repeatable)`;
  return flag.default === undefined ? flag.help : `${flag.help} (default ${flag.default})`;
}

function placeholderOf(spec: FlagSpec, syntax: FlagSyntax): string | undefined {
  if (spec.kind === 'bool') return syntax === 'go' ? 'true|false' : undefined;
  return spec.placeholder ?? (spec.kind === 'int' ? 'N' : 'TEXT');
}

function defaultOf(spec: FlagSpec): string | undefined {
  if (spec.kind === 'strings' || spec.default === '' || spec.default === false) return undefined;
  return String(spec.default);
}
