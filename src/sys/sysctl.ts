import { readFileSync, writeFileSync } from 'node:fs';
import { WeftError } from '../base/errors.ts';

export interface Sysctl {
  /** The value without its newline; undefined when this kernel has no such key. */
  read(key: string): string | undefined;
  /** @throws WeftError `sysctl-write` */
  write(key: string, value: string): void;
}

/**
 * `sysctl KEY` and `sysctl -w KEY=VALUE`, in the network namespace of the calling thread. Keys as sysctl(8) takes
 * them with slashes, so that device names may hold dots: `net/ipv4/ip_forward`, `net/ipv6/conf/flannel.1/accept_ra`.
 */
export const sysctl: Sysctl = {
  read(key) {
    try {
      return readFileSync(path(key), 'utf8').trimEnd();
    } catch {
      return undefined;
    }
  },
  write(key, value) {
    try {
      writeFileSync(path(key), value);
    } catch (cause) {
      throw new WeftError('sysctl-write', `setting ${key} to ${value} failed`, {
        cause,
        remedy: `as root: sysctl -w ${key}=${value}`,
      });
    }
  },
};

function path(key: string): string {
  if (!/^[\w./-]+$/.test(key) || key.includes('..'))
    throw new WeftError('sysctl-key', `not a sysctl key: ${key}`);
  return `/proc/sys/${key}`;
}
