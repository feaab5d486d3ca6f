/** Policy rules, which say what table routes a packet: struct fib_rule_hdr (kernel include/uapi/linux/fib_rules.h); `ip rule`. */
import { ByteWriter, readU8, readU32le } from '../base/bytes.ts';
import { type Family, ipFromBytes, unspecified } from '../base/ip.ts';
import { type Prefix, prefixOf } from '../base/prefix.ts';
import { eachAttribute, readString } from './attributes.ts';
import type { NetlinkMessage, NetlinkRequest } from './netlink.ts';
import { AF, dumpRequest, familyNumber } from './rtnetlink.ts';
import { type RuleConditions, readOtherConditions } from './rule-conditions.ts';

export interface Rule {
  readonly family: Family;
  /** Lower ones are asked first. */
  readonly priority: number;
  readonly action: RuleAction;
  /** For all packets that do not meet the conditions. */
  readonly not: boolean;
  readonly source: Prefix | undefined;
  readonly destination: Prefix | undefined;
  readonly tos: number;
  /** The bits of the packet's mark that `mask` names are those of `value`. */
  readonly mark: { readonly value: number; readonly mask: number } | undefined;
  /** Name of the device by which the packet came in; `lo`: the host itself sends it. */
  readonly iif: string | undefined;
  readonly oif: string | undefined;
  /** A device that the rule names is not there: it takes no packet. */
  readonly detached: boolean;
  /** Routes with a prefix of so many bits or fewer do not count. */
  readonly suppressPrefixLength: number | undefined;
  /** Who made it (rtnetlink.h RTPROT_*); 2 is the kernel. */
  readonly protocol: number;
  /** Conditions on more than a route question tells: ports, users, ... */
  readonly others: RuleConditions;
}

export type RuleAction =
  | { readonly type: 'lookup'; readonly table: number }
  /** On with the rule of that priority; `undefined`: there is none, and it does nothing. */
  | { readonly type: 'goto'; readonly priority: number | undefined }
  | { readonly type: 'nop' | 'blackhole' | 'unreachable' | 'prohibit' };

export interface RuleFilter {
  readonly family: Family;
}

const RTM_GETRULE = 34;
const FRA = {
  ...{ DST: 1, SRC: 2, IIFNAME: 3, GOTO: 4, PRIORITY: 6, FWMARK: 10, SUPPRESS_PREFIXLEN: 14, TABLE: 15 },
  ...{ FWMASK: 16, OIFNAME: 17, PROTOCOL: 21 },
} as const;
const FIB_RULE = { INVERT: 0x2, UNRESOLVED: 0x4, IIF_DETACHED: 0x8, OIF_DETACHED: 0x10 } as const;
const fixedBytes = 12;

const plainActions = new Map([
  [3, 'nop'],
  [6, 'blackhole'],
  [7, 'unreachable'],
  [8, 'prohibit'],
] as const);
const [FR_ACT_TO_TBL, FR_ACT_GOTO] = [1, 2];

/** `ip rule show`. Strict checking wants a header of zeros (net/core/fib_rules.c fib_valid_dumprule_req). */
export function ruleDump({ family }: RuleFilter): NetlinkRequest {
  const body = new ByteWriter(fixedBytes)
    .u8(familyNumber[family])
    .zeros(fixedBytes - 1)
    .toBytes();
  return dumpRequest(RTM_GETRULE, body, () => `ip -${family} rule show`);
}

/** Reads RTM_NEWRULE or RTM_DELRULE; undefined for families other than IP, as those of multicast routing. */
export function decodeRule({ body }: NetlinkMessage): Rule | undefined {
  const family = readU8(body, 0) === AF.INET ? 4 : readU8(body, 0) === AF.INET6 ? 6 : undefined;
  if (family === undefined) return undefined;
  const flags = readU32le(body, 8);
  const numbers = new Map<number, number>();
  const found: { -readonly [Key in keyof Rule]?: Rule[Key] } = {};
  // A prefix of zero length, or of zeros, has no address attribute.
  const zeros = (length: number): Prefix | undefined =>
    length === 0 ? undefined : prefixOf(unspecified[family], length);
  found.destination = zeros(readU8(body, 1));
  found.source = zeros(readU8(body, 2));
  eachAttribute(body, fixedBytes, (type, value) => {
    if (type === FRA.DST) found.destination = prefixOf(ipFromBytes(value), readU8(body, 1));
    else if (type === FRA.SRC) found.source = prefixOf(ipFromBytes(value), readU8(body, 2));
    else if (type === FRA.IIFNAME) found.iif = readString(value);
    else if (type === FRA.OIFNAME) found.oif = readString(value);
    else if (value.length >= 4) numbers.set(type, readU32le(value, 0));
    else if (value.length > 0) numbers.set(type, readU8(value, 0));
  });
  const suppressed = (numbers.get(FRA.SUPPRESS_PREFIXLEN) ?? -1) | 0;
  return {
    family,
    priority: numbers.get(FRA.PRIORITY) ?? 0,
    action: actionOf(readU8(body, 7), flags, numbers, readU8(body, 4)),
    not: (flags & FIB_RULE.INVERT) !== 0,
    source: found.source,
    destination: found.destination,
    tos: readU8(body, 3),
    mark: markOf(numbers),
    iif: found.iif,
    oif: found.oif,
    detached: (flags & (FIB_RULE.IIF_DETACHED | FIB_RULE.OIF_DETACHED)) !== 0,
    suppressPrefixLength: suppressed < 0 ? undefined : suppressed,
    protocol: numbers.get(FRA.PROTOCOL) ?? 0,
    others: readOtherConditions(body, fixedBytes),
  };
}

function actionOf(
  action: number,
  flags: number,
  numbers: ReadonlyMap<number, number>,
  shortTable: number,
): RuleAction {
  if (action === FR_ACT_TO_TBL) return { type: 'lookup', table: numbers.get(FRA.TABLE) ?? shortTable };
  if (action === FR_ACT_GOTO) {
    const unresolved = (flags & FIB_RULE.UNRESOLVED) !== 0;
    return { type: 'goto', priority: unresolved ? undefined : numbers.get(FRA.GOTO) };
  }
  // What is none of these drops the packet, says net/ipv4/fib_rules.c fib4_rule_action.
  return { type: plainActions.get(action as 3) ?? 'blackhole' };
}

function markOf(numbers: ReadonlyMap<number, number>): Rule['mark'] {
  const [value, mask] = [numbers.get(FRA.FWMARK), numbers.get(FRA.FWMASK)];
  if ((value ?? 0) === 0 && (mask ?? 0) === 0) return undefined;
  return { value: value ?? 0, mask: mask ?? 0xffff_ffff };
}
