import { readFileSync, writeFileSync } from 'node:fs';
import { WeftError } from '../base/errors.ts';

export interface Sysctl {
  /**
   * The value without its newline; undefined when this kernel has no such key.
   * @throws WeftError `sysctl-key`, `sysctl-read`
   */
  read(key: string): string | undefined;
  /** @throws WeftError `sysctl-key`, `sysctl-write` */
  write(key: string, value: string): void;
}

/**
 * `sysctl KEY` and `sysctl -w KEY=VALUE`, in the network namespace of the calling thread. Keys as sysctl(8) takes
 * them with slashes, so that device names may hold dots: `net/ipv4/ip_forward`, `net/ipv6/conf/flannel.1/accept_ra`.
 */
export const sysctl: Sysctl = {
  read(key) {
    const file = path(key);
    try {
      return readFileSync(file, 'utf8').trimEnd();
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw new WeftError('sysctl-read', `reading ${key} failed`, { cause });
    }
  },
  write(key, value) {
    const file = path(key);
    try {
      writeFileSync(file, value);
    } catch (cause) {
      throw new WeftError('sysctl-write', `setting ${key} to ${value} failed`, {
        cause,
        remedy: `as root: sysctl -w ${key}=${value}`,
      });
    }
  },
};

function path(key: string): string {
  // A device name may hold anything but blanks and slashes (net/core/dev.c dev_valid_name).
  if (key.split('/').some(part => !/^[^\s\0]+$/.test(part) || part === '.' || part === '..'))
    throw new WeftError('sysctl-key', `not a sysctl key: ${JSON.stringify(key)}`);
  return `/proc/sys/${key}`;
}
