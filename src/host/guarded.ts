/** What the hosts reach each other and the registry by, and no peer's route may take over. */
import { lookup } from 'node:dns/promises';
import { type IpAddress, tryParseIp } from '../base/ip.ts';
import { hostPrefix, type Prefix, prefixCovers } from '../base/prefix.ts';
import type { LinkName } from '../state/kernel-object.ts';
import type { UnderlayView } from './external-interface.ts';
import type { Guarded } from './peer-table.ts';

/**
 * The prefixes that are on the link at the external interface, its own addresses, and its gateways. Only the external
 * interface's: an old docker0 with the subnet of a peer must not keep that peer away.
 * @param networks the container networks: a route into them is no underlay
 */
export function guardedOf(
  { links, addresses, routes }: UnderlayView,
  external: LinkName,
  networks: readonly Prefix[],
): Guarded[] {
  const index = links.find(link => link.name === external)?.index;
  const there = routes.filter(route => route.dev === index && route.type === 'unicast');
  const own = addresses.filter(({ dev }) => dev === index).map(({ local }) => local);
  const elsewhere = there.filter(({ dst }) => !networks.some(network => prefixCovers(network, dst)));
  const gateways = elsewhere.flatMap(({ gateway }) => (gateway === undefined ? [] : [gateway]));
  // What somebody has put in the place of a peer's route is no underlay: it shall be repaired, not respected.
  const onLink = there
    .filter(
      ({ gateway, dst, protocol }) =>
        gateway === undefined &&
        (protocol === 'kernel' || !networks.some(network => prefixCovers(network, dst))),
    )
    .map(({ dst }) => dst);
  return [
    ...own.map(address => ({ what: 'our own address', prefix: hostPrefix(address) })),
    ...gateways.map(address => ({ what: 'our gateway', prefix: hostPrefix(address) })),
    ...onLink.map(prefix => ({ what: 'the underlay', prefix })),
  ];
}

/** The same for the registry: without it no host hears of another. */
export function guardedRegistry(addresses: readonly IpAddress[]): Guarded[] {
  return addresses.map(address => ({ what: "the registry's address", prefix: hostPrefix(address) }));
}

/** The addresses of etcd endpoints such as `http://10.0.0.1:2379`; a name that is not found now has none. */
export async function addressesOfEndpoints(endpoints: readonly string[]): Promise<IpAddress[]> {
  const found = await Promise.all(endpoints.map(endpoint => resolve(hostOf(endpoint))));
  return [...new Set(found.flat())];
}

/** Of `https://user:word@host:2379`, `[fd00::1]:2379` or `host`. */
function hostOf(endpoint: string): string {
  const authority = endpoint
    .replace(/^[a-z]+:\/\//i, '')
    .replace(/\/.*$/s, '')
    .replace(/^.*@/s, '');
  return /^\[([^\]]*)\]/.exec(authority)?.[1] ?? authority.replace(/:\d*$/, '');
}

async function resolve(host: string): Promise<IpAddress[]> {
  const literal = tryParseIp(host);
  if (literal !== undefined) return [literal];
  const answers = await lookup(host, { all: true }).catch(() => []);
  return answers.map(({ address }) => tryParseIp(address)).filter(address => address !== undefined);
}
