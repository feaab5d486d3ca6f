/** Reads the network's config and leases; what a registry that cannot be read would say, this host's file tells in part. */
import { networksOf, subnetOf } from '../backend/family.ts';
import { describeError, WeftError } from '../base/errors.ts';
import type { Lease } from '../lease/lease.ts';
import { type NetworkConfig, parseNetworkConfig } from '../lease/network-config.ts';
import { parseSubnetEnv } from '../lease/subnet-env.ts';
import type { Registry } from '../registry/registry.ts';
import { leasesPrefix, readSubnetEntry } from '../registry/subnet-entries.ts';
import { isOwnAddress, type KernelView, type NetworkView } from './view.ts';

export interface NetworkSources {
  /** The content of subnet.env, '' when it is not there. */
  readonly subnetEnv: string;
  readonly view: Pick<KernelView, 'addresses'>;
  readonly signal: AbortSignal;
}

/** Chosen: longer than any registry that works takes, and short enough for somebody who waits. */
const patienceMs = 3000;

export async function readNetwork(
  open: () => Promise<Registry>,
  { subnetEnv, view, signal }: NetworkSources,
): Promise<NetworkView> {
  const env = parseSubnetEnv(subnetEnv);
  const files = {
    networks: [env.network, env.ipv6Network].filter(network => network !== undefined),
    subnet: env.subnet,
  };
  try {
    const patience = AbortSignal.timeout(patienceMs);
    const { config, leases } = await readRegistry(open, AbortSignal.any([signal, patience]));
    const own = ownLease(leases, view, files.subnet);
    return {
      unread: undefined,
      config,
      leases,
      own,
      networks: networksOf(config),
      subnet: own?.subnet ?? files.subnet,
    };
  } catch (error) {
    signal.throwIfAborted();
    const unread =
      error instanceof DOMException
        ? `the registry did not answer in ${patienceMs / 1000} s`
        : describeError(error);
    return { unread, config: undefined, leases: [], own: undefined, ...files };
  }
}

async function readRegistry(
  open: () => Promise<Registry>,
  signal: AbortSignal,
): Promise<{ config: NetworkConfig; leases: Lease[] }> {
  const registry = await open();
  try {
    const entry = await registry.get('config', { signal });
    if (entry === undefined)
      throw new WeftError('config-missing', `${registry.name} holds no network config`);
    const { config } = parseNetworkConfig(entry.value);
    const { entries } = await registry.list(leasesPrefix({ ipv6: true }), { signal });
    const leases = entries.flatMap(one => readSubnetEntry(one, () => {})?.lease ?? []);
    return { config, leases };
  } finally {
    await registry.close();
  }
}

/** That of the subnet that the daemon wrote down; when it did not, that which publishes an address of this host. */
function ownLease(
  leases: readonly Lease[],
  view: Pick<KernelView, 'addresses'>,
  subnet: NetworkView['subnet'],
): Lease | undefined {
  const written = leases.find(lease =>
    ([4, 6] as const).some(family => {
      const own = subnet && subnetOf(subnet, family);
      return own !== undefined && subnetOf(lease.subnet, family) === own;
    }),
  );
  const publishes = ({ attrs }: Lease): boolean =>
    [attrs.publicIp, attrs.publicIpv6].some(address => address !== undefined && isOwnAddress(view, address));
  return written ?? leases.find(publishes);
}
