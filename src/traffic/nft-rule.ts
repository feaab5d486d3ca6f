/**
 * One rule of nftables in both its languages, which are built side by side so that they cannot part: the text that
 * `nft -f` takes and the expressions that `nft -j list` gives (libnftables-json(5)).
 */
import { addressBits } from '../base/ip.ts';
import { type Prefix, prefixBase, prefixFamily, prefixLength } from '../base/prefix.ts';
import type { Json } from '../lease/lease.ts';
import type { Rule, Scope, Verdict } from './ruleset.ts';

export interface NftRule {
  readonly text: string;
  readonly expr: readonly Json[];
}

/** One rule of the parts in their order. */
export function nftRule(...parts: ReadonlyArray<NftRule | undefined>): NftRule {
  const present = parts.filter(part => part !== undefined);
  return { text: present.map(part => part.text).join(' '), expr: present.flatMap(part => part.expr) };
}

export function trafficRule({ markBits, source, destination, verdict }: Rule): NftRule {
  return nftRule(
    markBits === undefined ? undefined : markMatch(markBits),
    source === undefined ? undefined : addressMatch('saddr', source),
    destination === undefined ? undefined : addressMatch('daddr', destination),
    verdicts[verdict],
  );
}

export function addressMatch(field: 'saddr' | 'daddr', { prefix, not }: Scope): NftRule {
  const protocol = prefixFamily(prefix) === 4 ? 'ip' : 'ip6';
  const op = not ? '!=' : '==';
  return {
    text: `${protocol} ${field} ${not ? '!= ' : ''}${prefixText(prefix)}`,
    expr: [match(op, { payload: { protocol, field } }, prefixJson(prefix))],
  };
}

/** The source is in a set of the same table. */
export function sourceInSet(family: 'ip' | 'ip6', set: string): NftRule {
  return {
    text: `${family} saddr @${set}`,
    expr: [match('==', { payload: { protocol: family, field: 'saddr' } }, `@${set}`)],
  };
}

/** Remembers the source in a dynamic set, and counts its packets. */
export function rememberSource(family: 'ip' | 'ip6', set: string): NftRule {
  return {
    text: `update @${set} { ${family} saddr counter }`,
    expr: [
      {
        set: {
          op: 'update',
          elem: { payload: { protocol: family, field: 'saddr' } },
          set: `@${set}`,
          stmt: [{ counter: null }],
        },
      },
    ],
  };
}

export function udpPortMatch(ports: readonly number[]): NftRule {
  return {
    text: `udp dport ${oneOrSet(ports.map(String))}`,
    expr: [match('==', { payload: { protocol: 'udp', field: 'dport' } }, oneOrSetJson(ports))],
  };
}

/** The 24 bits from byte 12 on, counted from the UDP header (RFC 7348 section 5). */
export function vniMatch(vni: number): NftRule {
  return {
    text: `@th,96,24 0x${vni.toString(16)}`,
    expr: [match('==', { payload: { base: 'th', offset: 96, len: 24 } }, vni)],
  };
}

export function inputDeviceMatch(devices: readonly string[]): NftRule {
  return {
    text: `iifname ${oneOrSet(devices.map(device => JSON.stringify(device)))}`,
    expr: [match('==', { meta: { key: 'iifname' } }, oneOrSetJson(devices))],
  };
}

export function countIn(counter: string): NftRule {
  return { text: `counter name ${JSON.stringify(counter)}`, expr: [{ counter }] };
}

export const accept: NftRule = { text: 'accept', expr: [{ accept: null }] };
export const drop: NftRule = { text: 'drop', expr: [{ drop: null }] };

const verdicts: Readonly<Record<Verdict, NftRule>> = {
  accept,
  drop,
  return: { text: 'return', expr: [{ return: null }] },
  masquerade: { text: 'masquerade', expr: [{ masquerade: null }] },
  'masquerade-fully-random': {
    text: 'masquerade fully-random',
    expr: [{ masquerade: { flags: 'fully-random' } }],
  },
};

function markMatch(bits: number): NftRule {
  const hex = `0x${bits.toString(16).padStart(8, '0')}`;
  return {
    text: `meta mark & ${hex} == ${hex}`,
    expr: [match('==', { '&': [{ meta: { key: 'mark' } }, bits] }, bits)],
  };
}

function match(op: '==' | '!=', left: Json, right: Json): Json {
  return { match: { op, left, right } };
}

/** nft prints a prefix of all bits as the address alone. */
function prefixText(prefix: Prefix): string {
  return isHost(prefix) ? prefixBase(prefix) : prefix;
}

function prefixJson(prefix: Prefix): Json {
  return isHost(prefix)
    ? prefixBase(prefix)
    : { prefix: { addr: prefixBase(prefix), len: prefixLength(prefix) } };
}

function isHost(prefix: Prefix): boolean {
  return prefixLength(prefix) === addressBits[prefixFamily(prefix)];
}

function oneOrSet(items: readonly string[]): string {
  return items.length === 1 ? `${items[0]}` : `{ ${items.join(', ')} }`;
}

function oneOrSetJson(items: readonly Json[]): Json {
  return items.length === 1 ? (items[0] ?? null) : { set: items };
}
