import { WeftError } from '../base/errors.ts';
import type { NetlinkVerdict } from '../wire/netlink.ts';
import { errnoOf } from './libc.ts';

/** The kernel refused an rtnetlink request. `code` is `netlink-` and the errno's name in lower case. */
export class NetlinkError extends WeftError {
  override readonly name = 'NetlinkError';
  /** Positive errno. */
  readonly errno: number;
  /** Such as `EEXIST`. */
  readonly errnoName: string;
  /** The kernel's own explanation (extended ack), '' when it gave none. */
  readonly kernelText: string;

  /** @param what the equal iproute2 command */
  constructor(what: string, verdict: NetlinkVerdict) {
    const { name, words } = errnoOf(verdict.errno);
    const text = verdict.text === '' ? '' : `, the kernel says: ${verdict.text}`;
    super(`netlink-${name.toLowerCase()}`, `${what} failed: ${name} (${words})${text}`, {
      remedy: remedies[name],
    });
    this.errno = verdict.errno;
    this.errnoName = name;
    this.kernelText = verdict.text;
  }
}

const remedies: Readonly<Record<string, string>> = {
  EPERM: 'run as root, or with CAP_NET_ADMIN in the namespace that owns this network',
  EOPNOTSUPP:
    'the kernel lacks this kind of object: look for it with modprobe, or in the kernel configuration',
};
