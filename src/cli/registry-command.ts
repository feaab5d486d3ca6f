import process from 'node:process';
import { type Log, silentLog } from '../base/log.ts';
import type { Registry } from '../registry/registry.ts';
import { applyEnvironment } from './flag-environment.ts';
import { parseFlags } from './go-flags.ts';
import { interruptible } from './interrupt.ts';
import { openRegistry, openToLook } from './open-registry.ts';
import { type RegistryOptions, registryFlags, registryOptionsOf } from './registry-flags.ts';
import { reportWarning } from './report.ts';

export interface RegistryArguments {
  readonly help: boolean;
  readonly registry: RegistryOptions;
  readonly positional: readonly string[];
}

/**
 * The arguments of a command that works on a registry: its flags before or after the others, and from FLANNELD_*
 * variables what they leave open, so that the daemon's environment file serves here too.
 * @throws WeftError `flag-invalid`
 */
export function readRegistryArguments(args: readonly string[]): RegistryArguments {
  const parsed = parseFlags(registryFlags, args, { interspersed: true });
  const { values, warnings } = applyEnvironment(registryFlags, parsed, process.env);
  warnings.forEach(reportWarning);
  return { help: parsed.help, registry: registryOptionsOf(values), positional: parsed.rest };
}

/** Opens the registry for `work`, closes it afterwards; SIGINT and SIGTERM abort the signal. */
export async function withRegistry<T>(
  options: RegistryOptions,
  work: (registry: Registry, signal: AbortSignal) => Promise<T>,
  log: Log = silentLog,
): Promise<T> {
  return await withOpened(() => openRegistry(options, log), work);
}

/** The like for work that changes nothing, see {@link openToLook}. */
export async function lookingAtRegistry<T>(
  options: RegistryOptions,
  work: (registry: Registry, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return await withOpened(() => openToLook(options), work);
}

async function withOpened<T>(
  open: () => Promise<Registry>,
  work: (registry: Registry, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return await interruptible(async signal => {
    const registry = await open();
    try {
      return await work(registry, signal);
    } finally {
      await registry.close();
    }
  });
}
