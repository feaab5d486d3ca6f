/** The other end of sd_notify(3): a datagram socket in the file system, as the service manager has one. */

import type { Scope } from '../../src/base/scope.ts';
import { bind, closeDescriptor, pointerOf, receive, socket } from '../../src/sys/libc.ts';

export interface NotifySocket {
  /** For $NOTIFY_SOCKET. */
  readonly path: string;
  /** What has come since the last call, one text per datagram. */
  read(): string[];
}

const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 2 | 0x80000;
const MSG_DONTWAIT = 0x40;

/** @param path where nothing is yet; a network namespace does not matter to it, the mount namespace does */
export function createNotifySocket(scope: Scope, path: string): NotifySocket {
  const fd = socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
  scope.defer(`notify socket ${path}`, () => closeDescriptor(fd));
  bind(fd, Uint8Array.of(AF_UNIX, 0, ...new TextEncoder().encode(`${path}\0`)));
  const buffer = new Uint8Array(new ArrayBuffer(4096));
  return {
    path,
    read: () => {
      const texts: string[] = [];
      for (;;) {
        const length = receive(fd, pointerOf(buffer), buffer.length, MSG_DONTWAIT);
        if (length < 0) return texts;
        texts.push(new TextDecoder().decode(buffer.subarray(0, length)));
      }
    },
  };
}
