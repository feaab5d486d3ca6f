/** `ip route get`: which way would the kernel send a packet, and which entry of its tables says so? */
import { ByteWriter } from '../base/bytes.ts';
import { addressBits, familyOf, type IpAddress, ipToBytes } from '../base/ip.ts';
import { writeAttribute, writeU32 } from './attributes.ts';
import { deviceWords, pair, words } from './iproute2-words.ts';
import type { NetlinkRequest } from './netlink.ts';
import { familyNumber, getRequest, type IfIndex, RTM } from './rtnetlink.ts';

/** A packet, as far as routing looks at it. */
export interface RouteQuestion {
  readonly destination: IpAddress;
  /** Undefined: the host sends it and has not chosen yet. */
  readonly source?: IpAddress | undefined;
  /** Where it came in; undefined: the host itself sends it. */
  readonly iif?: IfIndex | undefined;
  /** Where the sender wants it to leave. */
  readonly oif?: IfIndex | undefined;
  readonly mark?: number | undefined;
  readonly tos?: number | undefined;
}

const RTA = { DST: 1, SRC: 2, IIF: 3, OIF: 4, MARK: 16 } as const;
const RTM_F = { LOOKUP_TABLE: 0x1000, FIB_MATCH: 0x2000 } as const;

/**
 * @param wanted `decision`: the way of this one packet, with its source address; `entry`: the route as it stands in the
 * table (`ip route get fibmatch`, Linux 4.13; older kernels answer with the decision, marked as cloned)
 */
export function routeQuestion(question: RouteQuestion, wanted: 'decision' | 'entry'): NetlinkRequest {
  const { destination, source, iif, oif, mark = 0, tos = 0 } = question;
  const family = familyOf(destination);
  const bits = addressBits[family];
  // IPv6 tells the table unasked and refuses the question (inet6_rtm_valid_getroute_req).
  const flags = (family === 4 ? RTM_F.LOOKUP_TABLE : 0) | (wanted === 'entry' ? RTM_F.FIB_MATCH : 0);
  const writer = new ByteWriter(96)
    .u8(familyNumber[family])
    .u8(bits)
    .u8(source === undefined ? 0 : bits)
    .u8(tos)
    .zeros(4)
    .u32le(flags);
  writeAttribute(writer, RTA.DST, ipToBytes(destination));
  if (source !== undefined) writeAttribute(writer, RTA.SRC, ipToBytes(source));
  if (iif !== undefined) writeU32(writer, RTA.IIF, iif);
  if (oif !== undefined) writeU32(writer, RTA.OIF, oif);
  if (mark !== 0) writeU32(writer, RTA.MARK, mark);
  return getRequest(RTM.GETROUTE, writer.toBytes(), () =>
    words(
      wanted === 'entry' ? 'ip route get fibmatch' : 'ip route get',
      destination,
      pair('from', source),
      deviceWords('iif', iif),
      deviceWords('oif', oif),
      mark === 0 ? undefined : `mark 0x${mark.toString(16)}`,
      tos === 0 ? undefined : `tos 0x${tos.toString(16)}`,
    ),
  );
}
