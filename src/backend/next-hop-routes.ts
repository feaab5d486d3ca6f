/**
 * IPv4 routes over a tunnel's device by next-hop objects (Linux 5.3), or without. All classic routes of one device whose
 * gateways differ lie in one chain of the kernel's table of ways (net/ipv4/fib_semantics.c), which each new one walks: ten
 * thousand take 1.7 s, with next-hop objects 0.15 s. See docs/adr/0022-next-hop-objects.md.
 */
import { type IpAddress, ipToBigInt, ipv4ToNumber } from '../base/ip.ts';
import { type Prefix, prefixFamily, prefixLength } from '../base/prefix.ts';
import type { NetworkConfig } from '../lease/network-config.ts';
import type { KernelObject, LinkName } from '../state/kernel-object.ts';
import type { NextHop } from '../wire/next-hop.ts';
import { weftProtocol } from './direct-route.ts';

/** `auto`: in networks that are large enough for it to matter. */
export type NextHopsWish = 'auto' | 'always' | 'never';

/** Chosen: so many classic routes take the kernel 20 ms, and each operator knows how they read. */
const largeNetwork = 1024;

/** @param wish undefined: `never`, as where the kernel has none */
export function usesNextHops(
  { network, subnetLength }: NetworkConfig,
  wish: NextHopsWish | undefined,
): boolean {
  if (wish !== 'auto') return wish === 'always';
  if (network === undefined || subnetLength === undefined) return false;
  return 2 ** (subnetLength - prefixLength(network)) > largeNetwork;
}

/** The route to a peer's subnet by the address of its tunnel device, which is the subnet's first. */
export function tunnelRoute(
  dev: LinkName,
  { subnet, gateway }: { readonly subnet: Prefix; readonly gateway: IpAddress },
  byNextHop: boolean,
): KernelObject[] {
  const onlink = true;
  if (!byNextHop || prefixFamily(subnet) === 6)
    return [{ type: 'route', value: { dst: subnet, gateway, dev, onlink } }];
  const nextHopId = idOf(gateway);
  return [
    { type: 'nexthop', value: { id: nextHopId, gateway, dev, onlink, protocol: weftProtocol } },
    // With the way that the kernel will tell of it; what it is told is the id.
    { type: 'route', value: { dst: subnet, gateway, dev, onlink, nextHopId } },
  ];
}

/** Only Weft makes next hops of its protocol, and every other program leaves those of others alone. */
export function ownsNextHop(dev: LinkName, hop: NextHop<LinkName>): boolean {
  return (
    hop.dev === dev &&
    hop.protocol === weftProtocol &&
    hop.gateway !== undefined &&
    hop.id === idOf(hop.gateway)
  );
}

/**
 * The gateway's own 32 bits: no two peers share it, it is known again without a memory, and `ip nexthop` in hexadecimal
 * spells it. Others count from 1 (the kernel, systemd-networkd) or stay below 2^27 for what they make by themselves (FRR).
 */
function idOf(gateway: IpAddress): number {
  return ipv4ToNumber(gateway) ?? Number(ipToBigInt(gateway));
}
