/** The next hops of a multipath route: RTA_MULTIPATH, struct rtnexthop (kernel include/uapi/linux/rtnetlink.h). */
import { ByteWriter, readU8, readU16le, readU32le, slice } from '../base/bytes.ts';
import { WeftError } from '../base/errors.ts';
import { type Family, familyOf, type IpAddress, ipFromBytes, ipToBytes } from '../base/ip.ts';
import { eachAttribute, writeAttribute } from './attributes.ts';
import { type Dev, familyNumber, type IfIndex } from './rtnetlink.ts';

export interface RouteHop<D extends Dev = IfIndex> {
  readonly gateway: IpAddress | undefined;
  readonly dev: D;
  readonly onlink: boolean;
  /** Share of the traffic, 1 to 256. */
  readonly weight: number;
}

const RTA = { GATEWAY: 5, VIA: 18 } as const;
const fixedBytes = 8;

export const RTNH_F_ONLINK = 4;

/** The value of RTA_MULTIPATH: length (2), flags (1), weight - 1 (1), interface (4), attributes; for each hop. */
export function encodeHops(hops: readonly RouteHop[], family: Family): Uint8Array {
  const writer = new ByteWriter();
  for (const { gateway, dev, onlink, weight } of hops) {
    const at = writer.length;
    writer
      .u16le(0)
      .u8(onlink ? RTNH_F_ONLINK : 0)
      .u8(weight - 1)
      .u32le(dev);
    if (gateway !== undefined) writeGateway(writer, family, gateway);
    writer.setU16le(at, writer.length - at);
  }
  return writer.toBytes();
}

/** @throws WeftError `netlink-malformed` */
export function decodeHops(value: Uint8Array): RouteHop[] {
  const hops: RouteHop[] = [];
  for (let at = 0; at + fixedBytes <= value.length; ) {
    const length = readU16le(value, at);
    if (length < fixedBytes)
      throw new WeftError('netlink-malformed', `next hop at byte ${at} claims ${length} bytes`);
    let gateway: IpAddress | undefined;
    eachAttribute(slice(value, at, length), fixedBytes, (type, bytes) => {
      gateway = decodeGateway(type, bytes) ?? gateway;
    });
    const onlink = (readU8(value, at + 2) & RTNH_F_ONLINK) !== 0;
    hops.push({ gateway, dev: readU32le(value, at + 4), onlink, weight: readU8(value, at + 3) + 1 });
    at += (length + 3) & ~3;
  }
  return hops;
}

/** RFC 5549: an IPv4 route may have an IPv6 gateway, in RTA_VIA (family, address). */
export function writeGateway(writer: ByteWriter, family: Family, gateway: IpAddress): void {
  const bytes = ipToBytes(gateway);
  const number = familyNumber[familyOf(gateway)];
  if (familyOf(gateway) === family) writeAttribute(writer, RTA.GATEWAY, bytes);
  else writeAttribute(writer, RTA.VIA, Uint8Array.from([number, 0, ...bytes]));
}

/** The gateway that an attribute of a route or of a hop tells; undefined for other attributes. */
export function decodeGateway(type: number, value: Uint8Array): IpAddress | undefined {
  if (type === RTA.GATEWAY) return ipFromBytes(value);
  return type === RTA.VIA ? ipFromBytes(value.subarray(2)) : undefined;
}
