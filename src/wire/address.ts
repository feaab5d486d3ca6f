/** Interface addresses: struct ifaddrmsg (kernel include/uapi/linux/if_addr.h); `ip address`. */
import { ByteWriter, readU8, readU32le } from '../base/bytes.ts';
import { addressBits, familyOf, type IpAddress, ipFromBytes, ipToBytes } from '../base/ip.ts';
import { eachAttribute, writeAttribute, writeU32 } from './attributes.ts';
import { addressCommand } from './iproute2.ts';
import type { NetlinkMessage, NetlinkRequest } from './netlink.ts';
import { type Dev, dumpRequest, familyNumber, type IfIndex, RTM, type Verb, verbFlags } from './rtnetlink.ts';
import type { Scope } from './scope.ts';
import { scopeNumber, scopeOf } from './scope.ts';

export interface Address<D extends Dev = IfIndex> {
  readonly dev: D;
  /** The interface's own address, host bits and all. */
  readonly local: IpAddress;
  /** Length of the prefix that is on-link; 32 or 128 for a lone address. */
  readonly prefixLength: number;
  /** The other end of a point-to-point link; undefined when it is `local` (IFA_ADDRESS = IFA_LOCAL). */
  readonly peer?: IpAddress | undefined;
  /** Default: global. */
  readonly scope?: Scope | undefined;
  /** Read-back only: secondary/temporary, deprecated, permanent, still tentative (IFA_F_*). */
  readonly flags?: AddressFlags | undefined;
}

export interface AddressFlags {
  /** A second address of the same prefix (IPv4), or a temporary privacy address (IPv6). */
  readonly secondary: boolean;
  readonly deprecated: boolean;
  /** False for addresses with a lifetime, as DHCP clients and router advertisements set them. */
  readonly permanent: boolean;
  readonly tentative: boolean;
}

export interface AddressFilter {
  readonly family?: 4 | 6 | undefined;
  readonly dev?: IfIndex | undefined;
}

const IFA = { ADDRESS: 1, LOCAL: 2, BROADCAST: 4, FLAGS: 8 } as const;
const IFA_F = { SECONDARY: 0x01, NODAD: 0x02, DEPRECATED: 0x20, TENTATIVE: 0x40, PERMANENT: 0x80 } as const;
const fixedBytes = 8;

export function addressRequest(verb: Verb, address: Address): NetlinkRequest {
  const writer = header(
    familyNumber[familyOf(address.local)],
    address.prefixLength,
    address.scope,
    address.dev,
  );
  writeAttribute(writer, IFA.LOCAL, ipToBytes(address.local));
  writeAttribute(writer, IFA.ADDRESS, ipToBytes(address.peer ?? address.local));
  // An overlay address is unique by its lease: duplicate address detection would only delay it (RFC 4862 5.4).
  if (familyOf(address.local) === 6) writeU32(writer, IFA.FLAGS, IFA_F.NODAD);
  return {
    type: verb === 'delete' ? RTM.DELADDR : RTM.NEWADDR,
    flags: verbFlags[verb],
    body: writer.toBytes(),
    what: () => addressCommand(verb, address),
  };
}

export function addressDump(filter: AddressFilter = {}): NetlinkRequest {
  const family = filter.family === undefined ? 0 : familyNumber[filter.family];
  const body = header(family, 0, undefined, filter.dev ?? 0).toBytes();
  return dumpRequest(RTM.GETADDR, body, () => 'ip address show');
}

/** Reads RTM_NEWADDR or RTM_DELADDR. */
export function decodeAddress({ body }: NetlinkMessage): Address {
  let local: IpAddress | undefined;
  let peer: IpAddress | undefined;
  let flags = readU8(body, 2);
  const scope = scopeOf(readU8(body, 3));
  eachAttribute(body, fixedBytes, (type, value) => {
    if (type === IFA.LOCAL) local = ipFromBytes(value);
    else if (type === IFA.ADDRESS) peer = ipFromBytes(value);
    else if (type === IFA.FLAGS) flags = readU32le(value, 0);
  });
  // IPv6 sends only IFA_ADDRESS unless there is a peer (net/ipv6/addrconf.c inet6_fill_ifaddr).
  const own = local ?? peer ?? ('' as IpAddress);
  return {
    dev: readU32le(body, 4),
    local: own,
    prefixLength: Math.min(readU8(body, 1), own === '' ? 0 : addressBits[familyOf(own)]),
    peer: peer === own ? undefined : peer,
    scope,
    flags: {
      secondary: (flags & IFA_F.SECONDARY) !== 0,
      deprecated: (flags & IFA_F.DEPRECATED) !== 0,
      permanent: (flags & IFA_F.PERMANENT) !== 0,
      tentative: (flags & IFA_F.TENTATIVE) !== 0,
    },
  };
}

function header(family: number, prefixLength: number, scope: Scope | undefined, dev: IfIndex): ByteWriter {
  return new ByteWriter(64).u8(family).u8(prefixLength).u8(0).u8(scopeNumber(scope)).u32le(dev);
}
