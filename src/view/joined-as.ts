/** As what the daemon would join, with the registry and the kernel as they are. */
import { randomBytes } from 'node:crypto';
import type { Backend, ExternalInterface, Identity } from '../backend/backend.ts';
import type { NextHopsWish } from '../backend/next-hop-routes.ts';
import { macFromRandom } from '../base/mac.ts';
import type { ChosenInterface } from '../host/external-interface.ts';
import { formerBackends } from '../host/former-backends.ts';
import type { Membership } from '../host/membership.ts';
import { hasNextHops } from '../kernel/next-hops.ts';
import { fittingPart } from '../lease/allocation.ts';
import type { Lease } from '../lease/lease.ts';
import { keepAddresses } from '../lease/lease-attrs.ts';
import type { NetworkConfig } from '../lease/network-config.ts';
import type { SubnetEnv } from '../lease/subnet-env.ts';
import type { SubnetEntry } from '../registry/subnet-entries.ts';
import type { KernelState } from '../state/kernel-object.ts';
import { readLeftDevices } from './left-devices.ts';
import type { ViewTools } from './network-view.ts';
import { type FoundLease, findOwnLease } from './own-lease.ts';

export interface Surroundings {
  readonly config: NetworkConfig;
  readonly backend: Backend;
  readonly entries: readonly SubnetEntry[];
  readonly chosen: ChosenInterface;
  /** The chosen one as our devices see it. */
  readonly external: ExternalInterface;
  readonly subnetEnv: SubnetEnv;
  readonly routeNextHops: NextHopsWish;
}

export interface Joined extends Pick<Membership, 'backend' | 'host' | 'former'> {
  readonly found: FoundLease;
  /** What the daemon will choose at random, and here is an example. */
  readonly hasRandomMac: boolean;
}

/** @throws WeftError `lease-missing`, `public-ip-not-here`; NetlinkError */
export async function joinedAs(
  { config, backend, entries, chosen, external, subnetEnv, routeNextHops }: Surroundings,
  place: Pick<ViewTools, 'socket' | 'below'>,
): Promise<Joined> {
  const observed = await readLeftDevices(place, backend.devices);
  const { publicIp, publicIpv6 } = chosen;
  const found = findOwnLease(entries, {
    config,
    identity: { publicIp, publicIpv6 },
    previous: subnetEnv.subnet,
    addresses: addressesIn(observed),
  });
  const existing = found.by === 'nothing' ? undefined : found.lease;
  // Another address may be that of flags which we have not been given.
  const published = found.by === 'subnet' ? found.lease.attrs : { publicIp, publicIpv6 };
  let hasRandomMac = false;
  const identity: Identity = {
    ...{ external, existing, observed },
    ...{ publicIp: published.publicIp, publicIpv6: published.publicIpv6 },
    randomMac: () => {
      hasRandomMac = true;
      return macFromRandom(randomBytes(6));
    },
  };
  const attrs = backend.attrs(identity);
  const lease: Lease =
    found.by === 'nothing'
      ? { subnet: found.subnet, attrs, permanent: false }
      : { ...found.lease, attrs: keepAddresses(attrs, found.lease) };
  const nextHops = (await hasNextHops(place.socket)) ? routeNextHops : undefined;
  const host = { config, external, lease: { ...lease, subnet: fittingPart(config, lease.subnet) }, nextHops };
  const former = formerBackends({ backend, host }, { existing, observed });
  return { backend, host, former, found, hasRandomMac };
}

function addressesIn(observed: KernelState) {
  return [...observed.values()].flatMap(object => (object.type === 'address' ? [object.value.local] : []));
}
