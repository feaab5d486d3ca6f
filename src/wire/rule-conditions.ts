/** The conditions of a policy rule on what only the packet's sender knows (net/core/fib_rules.c fib_rule_match). */
import { readU8, readU16le, readU32be, readU32le } from '../base/bytes.ts';
import { eachAttribute } from './attributes.ts';

/** In iproute2's words: `ipproto 17`, `dport 53`, `uidrange 0-99`. */
export type RuleConditions = readonly string[];

/** All users: the kernel tells it of rules that name none. */
const allUsers = 0xffff_ffff;

const readers = new Map<number, (value: Uint8Array) => string | undefined>([
  [12, value => `tun_id ${readU32be(value, value.length - 4)}`],
  [19, value => (readU8(value, 0) === 0 ? undefined : 'lookup [l3mdev-table]')],
  [
    20,
    value => {
      const [first, last] = [readU32le(value, 0), readU32le(value, 4)];
      return first === 0 && last === allUsers ? undefined : `uidrange ${first}-${last}`;
    },
  ],
  [22, value => `ipproto ${protocolNames.get(readU8(value, 0)) ?? readU8(value, 0)}`],
  [23, value => ports('sport', value)],
  [24, value => ports('dport', value)],
  [25, value => `dscp ${readU8(value, 0)}`],
]);

const protocolNames = new Map([
  [1, 'icmp'],
  [6, 'tcp'],
  [17, 'udp'],
  [58, 'ipv6-icmp'],
]);

/** In the order of iproute2's print_rule. */
const printed = [19, 20, 22, 23, 24, 12, 25];

export function readOtherConditions(body: Uint8Array, start: number): RuleConditions {
  const found = new Map<number, string>();
  eachAttribute(body, start, (type, value) => {
    const text = readers.get(type)?.(value);
    if (text !== undefined) found.set(type, text);
  });
  return printed.flatMap(type => found.get(type) ?? []);
}

function ports(name: string, value: Uint8Array): string {
  const [first, last] = [readU16le(value, 0), readU16le(value, 2)];
  return first === last ? `${name} ${first}` : `${name} ${first}-${last}`;
}
