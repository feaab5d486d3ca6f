import type { FlagDescription, FlagSyntax } from './flag-description.ts';

/** What there is to know of a command. Help, man pages and completion are made of this and of nothing else. */
export interface CommandDescription {
  /** `['config', 'put']`; empty for weft itself. */
  readonly path: readonly string[];
  /** Without the word "Usage". */
  readonly usage: string;
  readonly summary: string;
  /** Paragraphs. */
  readonly about: readonly string[];
  readonly commands: readonly CommandDescription[];
  readonly operands: readonly Operand[];
  readonly flags: readonly FlagDescription[];
  readonly syntax: FlagSyntax;
  readonly examples: Examples;
  /** All of them, the usual ones included. */
  readonly exitCodes: ExitCodes;
  readonly environment: ReadonlyArray<readonly [variable: string, meaning: string]>;
}

/** An argument that is no flag. */
export interface Operand {
  /** `FILE|-`, see placeholder.ts. */
  readonly placeholder: string;
  readonly optional: boolean;
  readonly repeatable: boolean;
}

/** Command lines, each with what it does. */
export type Examples = ReadonlyArray<readonly [command: string, purpose: string]>;

export type ExitCodes = ReadonlyArray<readonly [code: string, meaning: string]>;

/** How usage shows an operand. */
export function operandText({ placeholder, optional, repeatable }: Operand): string {
  const text = placeholder + (repeatable ? '...' : '');
  return optional ? `[${text}]` : text;
}

/** The usual exit codes with what a command says of its own; one without a meaning never occurs. */
export function allExitCodes(own: ExitCodes = []): ExitCodes {
  return [...new Map([...usualExitCodes, ...own])].filter(([, meaning]) => meaning !== '');
}

const usualExitCodes: ExitCodes = [
  ['0', 'done'],
  ['1', 'failed'],
  ['2', 'asked wrongly, and nothing was done'],
];
