import path from 'node:path';
import { shellWord } from '../base/shell-word.ts';
import type { RegistryOptions } from './registry-flags.ts';

/** The command that removes a key of the network: etcdctl, which asks for a password itself, or rm. */
export function deleteCommand(options: RegistryOptions, key: string): string {
  return deleteArgv(options, key).map(shellWord).join(' ');
}

function deleteArgv(options: RegistryOptions, key: string): string[] {
  if (options.type === 'dir') return ['rm', path.join(options.path, key)];
  const { endpoints, prefix, certFile, keyFile, caFile, username } = options;
  const flags = { cert: certFile, key: keyFile, cacert: caFile, user: username };
  return [
    'etcdctl',
    `--endpoints=${endpoints.map(withoutUser).join(',')}`,
    ...Object.entries(flags).flatMap(([name, value]) => (value === '' ? [] : [`--${name}=${value}`])),
    'del',
    path.posix.join(prefix, key),
  ];
}

/** A URL may hold a password, which must not be printed. */
function withoutUser(endpoint: string): string {
  return endpoint.replace(/^([^:/]*:\/\/)?.*@/, '$1');
}
