import { addressBits, type IpAddress, ipv4ToNumber } from '../base/ip.ts';
import {
  hostPrefix,
  type Prefix,
  parsePrefix,
  prefixBase,
  prefixesOverlap,
  prefixFamily,
  prefixLength,
} from '../base/prefix.ts';

interface Special {
  readonly what: string;
  readonly prefix: Prefix;
  /** The least and greatest number among its addresses; undefined for IPv6. */
  readonly numbers: Span | undefined;
}

interface Span {
  readonly first: number;
  readonly last: number;
}

/** Prefixes that no host can lease, by what they are for (RFC 6890). */
const forNoSubnet: readonly Special[] = [
  special('"this network"', '0.0.0.0/8'),
  special('loopback', '127.0.0.0/8'),
  special('link-local', '169.254.0.0/16'),
  special('multicast', '224.0.0.0/4'),
  special('broadcast', '255.255.255.255/32'),
  special('"no address" and loopback', '::/127'),
  special('link-local', 'fe80::/10'),
  special('multicast', 'ff00::/8'),
];

/** A host may well live at a link-local address. */
const forNoHost = forNoSubnet.filter(({ what }) => what !== 'link-local');

/** What the prefix shares addresses with that no subnet may have: `loopback, 127.0.0.0/8`. */
export function specialUseOfSubnet(prefix: Prefix): string | undefined {
  return describe(findOverlap(forNoSubnet, prefix));
}

/** What an address is if not one host's: `multicast, 224.0.0.0/4`. */
export function specialUseOfAddress(address: IpAddress): string | undefined {
  return describe(findOverlap(forNoHost, hostPrefix(address)));
}

function special(what: string, text: string): Special {
  const prefix = parsePrefix(text);
  return { what, prefix, numbers: spanOf(prefix) };
}

/** By number where that is enough, for it is asked twice for each of many thousand leases. */
function findOverlap(specials: readonly Special[], prefix: Prefix): Special | undefined {
  const span = spanOf(prefix);
  return specials.find(({ prefix: other, numbers }) => {
    if (span !== undefined && numbers !== undefined)
      return span.first <= numbers.last && numbers.first <= span.last;
    return span === numbers && prefixesOverlap(other, prefix);
  });
}

function spanOf(prefix: Prefix): Span | undefined {
  if (prefixFamily(prefix) !== 4) return undefined;
  const first = ipv4ToNumber(prefixBase(prefix));
  return first === undefined
    ? undefined
    : { first, last: first + 2 ** (addressBits[4] - prefixLength(prefix)) - 1 };
}

function describe(found: Special | undefined): string | undefined {
  return found && `${found.what}, ${found.prefix}`;
}
