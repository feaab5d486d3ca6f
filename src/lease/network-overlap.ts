import type { IpAddress } from '../base/ip.ts';
import { type Prefix, prefixCovers, prefixesOverlap, prefixLength } from '../base/prefix.ts';
import type { Subnet } from './lease.ts';
import type { NetworkConfig } from './network-config.ts';

/** A route of the host, as far as the network's addresses are concerned. */
export interface HostRoute {
  readonly dst: Prefix;
  readonly dev?: string | undefined;
  readonly gateway?: IpAddress | undefined;
}

/**
 * Warns of host routes whose destination overlaps the network: traffic would take the longer prefix, whoever it
 * belongs to. Default routes (halved ones too) and those of flannel's own devices are no conflict, nor is what
 * lies in our `own` subnet, where the bridge of the containers is.
 */
export function overlapWarnings(
  config: NetworkConfig,
  hostRoutes: readonly HostRoute[],
  own?: Subnet,
): readonly string[] {
  const foreign = hostRoutes.filter(
    route => !isDefault(route) && !isFlannels(route) && !isInside(own, route),
  );
  const networks = { Network: config.network, IPv6Network: config.ipv6Network };
  return Object.entries(networks).flatMap(([key, network]) => {
    if (network === undefined) return [];
    const overlapping = foreign.filter(route => prefixesOverlap(network, route.dst));
    return overlapping.length === 0
      ? []
      : [`${key} ${network} overlaps ${listRoutes(overlapping)} of this host`];
  });
}

/** VPNs replace the default route by its two halves, 0.0.0.0/1 and 128.0.0.0/1. */
function isDefault(route: HostRoute): boolean {
  return prefixLength(route.dst) <= 1;
}

function isFlannels(route: HostRoute): boolean {
  return route.dev?.startsWith('flannel') ?? false;
}

function isInside(own: Subnet | undefined, route: HostRoute): boolean {
  return [own?.ipv4, own?.ipv6].some(subnet => subnet !== undefined && prefixCovers(subnet, route.dst));
}

function listRoutes(routes: readonly HostRoute[]): string {
  const shown = routes
    .slice(0, 3)
    .map(route => (route.dev === undefined ? route.dst : `${route.dst} dev ${route.dev}`));
  const rest = routes.length - shown.length;
  return `the route${routes.length === 1 ? '' : 's'} ${shown.join(', ')}${rest === 0 ? '' : ` and ${rest} more`}`;
}
