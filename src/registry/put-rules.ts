import { WeftError } from '../base/errors.ts';
import type { PutOptions, RegistryEntry } from './registry.ts';

/** The longest TTL, in seconds, as etcd's own limit. */
const maxTtlSeconds = 9_000_000_000;

/** Passes a TTL on. @throws WeftError `ttl-invalid` unless it is undefined or whole seconds, at least 1 */
export function checkTtl(ttlSeconds: number | undefined): number | undefined {
  const valid = ttlSeconds !== undefined && Number.isInteger(ttlSeconds) && ttlSeconds >= 1;
  if (ttlSeconds === undefined || (valid && ttlSeconds <= maxTtlSeconds)) return ttlSeconds;
  throw new WeftError('ttl-invalid', `a TTL is whole seconds from 1 to ${maxTtlSeconds}, got ${ttlSeconds}`);
}

/** Whether a put or delete may go on, given what is there. */
export function holds(expect: PutOptions['expect'], current: RegistryEntry | undefined): boolean {
  if (expect === undefined || expect === 'any') return true;
  return expect === 'absent' ? current === undefined : current?.revision === expect;
}
