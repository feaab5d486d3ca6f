import type { IpAddress } from '../base/ip.ts';
import { hostPrefix, type Prefix, parsePrefix, prefixesOverlap } from '../base/prefix.ts';

/** Prefixes that no host can lease, by what they are for (RFC 6890). */
const forNoSubnet: ReadonlyArray<readonly [what: string, prefix: Prefix]> = [
  ['"this network"', parsePrefix('0.0.0.0/8')],
  ['loopback', parsePrefix('127.0.0.0/8')],
  ['link-local', parsePrefix('169.254.0.0/16')],
  ['multicast', parsePrefix('224.0.0.0/4')],
  ['broadcast', parsePrefix('255.255.255.255/32')],
  ['"no address" and loopback', parsePrefix('::/127')],
  ['link-local', parsePrefix('fe80::/10')],
  ['multicast', parsePrefix('ff00::/8')],
];

/** A host may well live at a link-local address. */
const forNoHost = forNoSubnet.filter(([what]) => what !== 'link-local');

/** What the prefix shares addresses with that no subnet may have: `loopback, 127.0.0.0/8`. */
export function specialUseOfSubnet(prefix: Prefix): string | undefined {
  return describe(forNoSubnet.find(([, special]) => prefixesOverlap(special, prefix)));
}

/** What an address is if not one host's: `multicast, 224.0.0.0/4`. */
export function specialUseOfAddress(address: IpAddress): string | undefined {
  return describe(forNoHost.find(([, special]) => prefixesOverlap(special, hostPrefix(address))));
}

function describe(found: readonly [string, Prefix] | undefined): string | undefined {
  return found === undefined ? undefined : `${found[0]}, ${found[1]}`;
}
