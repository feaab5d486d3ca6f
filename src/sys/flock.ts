import koffi from 'koffi';
import { WeftError } from '../base/errors.ts';
import { lastErrno } from './libc.ts';

const flock = koffi.load(null).func('int flock(int fd, int operation)');

/** flock(2), include/uapi/asm-generic/fcntl.h. */
const exclusive = 2;
const withoutWaiting = 4;
const release = 8;

/**
 * Takes the exclusive lock of the open file, without waiting; false when somebody else has it. The lock belongs
 * to the opening of the file: the kernel releases it when the descriptor is closed, so also when the process is
 * killed, and it holds across network and mount namespaces because it is the inode's.
 * @throws WeftError `lock-failed`
 */
export function tryLock(fd: number): boolean {
  return call(fd, exclusive | withoutWaiting);
}

/** Gives the lock back. @throws WeftError `lock-failed` */
export function unlock(fd: number): void {
  call(fd, release);
}

function call(fd: number, operation: number): boolean {
  if (!Number.isInteger(fd) || fd < 0) throw new WeftError('lock-failed', `not a file descriptor: ${fd}`);
  for (;;) {
    if (flock(fd, operation) === 0) return true;
    const { name, words } = lastErrno();
    if (name === 'EAGAIN') return false;
    if (name !== 'EINTR') {
      throw new WeftError('lock-failed', `flock(${fd}, ${operation}) failed: ${name} (${words})`);
    }
  }
}
