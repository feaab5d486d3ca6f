import { closeDescriptor, lastErrno, sendDatagramTo, socket } from './libc.ts';

const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 2 | 0x80000;

/**
 * sd_notify(3): tells the service manager something, such as `READY=1`. `target` is $NOTIFY_SOCKET: a path, or an
 * abstract name behind `@`. Gives an error's name when it could not be told; nobody should fail over it.
 */
export function notifyServiceManager(target: string, state: string): string | undefined {
  const fd = socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
  try {
    const sent = sendDatagramTo(fd, new TextEncoder().encode(state), unixAddress(target));
    return sent < 0 ? lastErrno().name : undefined;
  } finally {
    closeDescriptor(fd);
  }
}

/** struct sockaddr_un: family (2), then the path; an abstract name starts with NUL and counts by length. */
function unixAddress(target: string): Uint8Array {
  const name = new TextEncoder().encode(target.startsWith('@') ? `\0${target.slice(1)}` : `${target}\0`);
  return Uint8Array.of(AF_UNIX, 0, ...name);
}
