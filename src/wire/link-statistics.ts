/** A device's counters: struct rtnl_link_stats64 (kernel include/uapi/linux/if_link.h); `ip -s link`. */
import { readU32le } from '../base/bytes.ts';
import { eachAttribute } from './attributes.ts';
import type { NetlinkMessage } from './netlink.ts';

export interface LinkStatistics {
  /** Administratively up (IFF_UP). */
  readonly up: boolean;
  readonly received: Traffic;
  readonly sent: Traffic;
}

export interface Traffic {
  readonly packets: number;
  readonly bytes: number;
  /** Not taken, for want of room or of somebody who wants them; not counted in `packets`. */
  readonly dropped: number;
  readonly errors: number;
}

const IFLA_STATS64 = 23;
const ifinfomsgBytes = 16;
const flagsAt = 8;
const IFF_UP = 0x1;
/** Positions among the structure's numbers, each of 64 bits. */
const at = {
  received: { packets: 0, bytes: 2, errors: 4, dropped: 6 },
  sent: { packets: 1, bytes: 3, errors: 5, dropped: 7 },
} as const;
const leastBytes = 64;

/** Reads RTM_NEWLINK; undefined when the kernel was asked to leave the counters out. */
export function decodeLinkStatistics({ body }: NetlinkMessage): LinkStatistics | undefined {
  let found: LinkStatistics | undefined;
  const up = (readU32le(body, flagsAt) & IFF_UP) !== 0;
  eachAttribute(body, ifinfomsgBytes, (type, value) => {
    if (type !== IFLA_STATS64 || value.length < leastBytes) return;
    found = { up, received: trafficOf(value, at.received), sent: trafficOf(value, at.sent) };
  });
  return found;
}

function trafficOf(value: Uint8Array, where: typeof at.received | typeof at.sent): Traffic {
  const read = (position: number): number => readU64le(value, position * 8);
  const { packets, bytes, dropped, errors } = where;
  return {
    packets: read(packets),
    bytes: read(bytes),
    dropped: read(dropped),
    errors: read(errors),
  };
}

/** Exact up to 2^53, which at 100 Gbit/s is more than a week of bytes; beyond, off by less than a packet. */
function readU64le(bytes: Uint8Array, offset: number): number {
  return readU32le(bytes, offset) + readU32le(bytes, offset + 4) * 2 ** 32;
}
