import { WeftError } from '../base/errors.ts';
import { readOptions } from '../lease/backend-options.ts';
import type { Json } from '../lease/lease.ts';
import type { Command, ExtensionCommands } from './backend.ts';

/**
 * The extension backend's commands. Each is split here, once, at white space, and that is all: no quotes, no shell, as in
 * flannel since 0.28.2 (GHSA-vchx-5pr6-ffx2). What comes later, from whomever, cannot become a program or an argument.
 * @throws WeftError `config-invalid`
 */
export function parseExtensionOptions(options: Readonly<Record<string, Json>>): {
  readonly commands: ExtensionCommands;
  readonly warnings: readonly string[];
} {
  const { values, warnings: found } = readOptions(options, {
    PreStartupCommand: { type: 'string', default: '' },
    PostStartupCommand: { type: 'string', default: '' },
    SubnetAddCommand: { type: 'string', default: '' },
    SubnetRemoveCommand: { type: 'string', default: '' },
    CommandTimeout: { type: 'integer', default: 60, min: 1, max: 86_400 },
    ShutdownCommand: {
      type: 'ignored',
      because: 'flannel shows it in examples and never runs it, and here nothing ends with the daemon',
    },
  });
  const warnings = [...found];
  const command = (name: `${string}Command` & keyof typeof values): Command | undefined => {
    const text = values[name] ?? '';
    warnings.push(...shellWarnings(name, text));
    return splitCommand(name, text);
  };
  const commands = {
    preStartup: command('PreStartupCommand'),
    postStartup: command('PostStartupCommand'),
    subnetAdd: command('SubnetAddCommand'),
    subnetRemove: command('SubnetRemoveCommand'),
    timeoutSeconds: values.CommandTimeout,
  };
  return { commands, warnings };
}

/** Undefined for a command of no words: it is not wanted. */
function splitCommand(name: string, text: string): Command | undefined {
  if (text.includes('\0')) {
    throw new WeftError(
      'config-invalid',
      `Backend.${name} holds a NUL character, which no argument can hold`,
    );
  }
  const [program, ...args] = text.split(/\s+/).filter(word => word !== '');
  return program === undefined ? undefined : [program, ...args];
}

/** Words that an operator who writes for a shell, as flannel's own examples still do, would expect it to take apart. */
const shellSyntax = /["'`;|&<>*]|\$\(/;

function shellWarnings(name: string, text: string): string[] {
  const syntax = shellSyntax.exec(text)?.[0];
  if (syntax === undefined) return [];
  return [
    `Backend.${name} holds ${syntax}, which goes to the program as it is: there is no shell; put the line into a script and name that`,
  ];
}
