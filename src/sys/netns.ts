/** Network namespaces: a thread is in one, a socket belongs to the one it was opened in (setns(2)). */
import { closeSync, constants, openSync } from 'node:fs';
import { WeftError } from '../base/errors.ts';
import { setNamespace } from './libc.ts';

const CLONE_NEWNET = 0x40000000;

/**
 * Runs `action` with the calling thread inside the network namespace at `path` (such as `/run/netns/blue` or
 * `/proc/1234/ns/net`) and comes back, whatever happens. Synchronous on purpose: nothing else of this thread
 * can run in between. Needs CAP_SYS_ADMIN.
 * @throws WeftError `netns-missing`, `syscall-failed`
 */
export function inNetns<T>(path: string, action: () => T): T {
  const home = openSync('/proc/thread-self/ns/net', constants.O_RDONLY);
  try {
    const target = openNetns(path);
    try {
      setNamespace(target, CLONE_NEWNET);
    } finally {
      closeSync(target);
    }
    try {
      return action();
    } finally {
      setNamespace(home, CLONE_NEWNET);
    }
  } finally {
    closeSync(home);
  }
}

/** Opens a namespace, for instance to move a link into it; the caller closes it. @throws WeftError `netns-missing` */
export function openNetns(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY);
  } catch (cause) {
    throw new WeftError('netns-missing', `no network namespace at ${path}`, {
      cause,
      remedy: 'list what there is with: ip netns list',
    });
  }
}
