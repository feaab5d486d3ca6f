import { type ExternalInterface, isOnLink } from '../backend/backend.ts';
import { publicIpOf, subnetOf } from '../backend/family.ts';
import type { Family } from '../base/ip.ts';
import type { Lease } from '../lease/lease.ts';
import type { KernelDemand } from '../state/kernel-limits.ts';

/** What so many peers want of the kernel's tables; the work of one look at each of them. */
export function kernelDemand(external: ExternalInterface, leases: Iterable<Lease>): KernelDemand {
  const peers = { 4: 0, 6: 0 };
  const near = { 4: 0, 6: 0 };
  for (const { subnet, attrs } of leases) {
    for (const family of families) {
      if (subnetOf(subnet, family) !== undefined) peers[family]++;
      const address = publicIpOf(attrs, family);
      if (address !== undefined && isOnLink(external, address)) near[family]++;
    }
  }
  return { peers, near };
}

const families: readonly Family[] = [4, 6];
