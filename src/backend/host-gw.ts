/**
 * The host-gw backend: no tunnel at all. Each host is the gateway to its own subnet, which takes all of them to be on one
 * link. Here for 10.2.14.0/24 leased by the host 192.0.2.2:
 *
 *     ip route replace 10.2.14.0/24 via 192.0.2.2 dev eth0 proto 87
 */
import { WeftError } from '../base/errors.ts';
import { readOptions } from '../lease/backend-options.ts';
import type { Lease, LeaseAttrs } from '../lease/lease.ts';
import type { NetworkConfig } from '../lease/network-config.ts';
import {
  type Backend,
  type Host,
  type Identity,
  isOnLink,
  type PeerPart,
  type PeerPlan,
  refusedPart,
  refusedType,
} from './backend.ts';
import { directRoute, withoutDevice } from './direct-route.ts';
import { addressOf, familiesOf, type PeerFamily, planFamilies, publicIpOf } from './family.ts';

const type = 'host-gw';
const windowsOnly = 'it is for Windows';

export function createHostGw(config: NetworkConfig): { backend: Backend; warnings: readonly string[] } {
  const { warnings } = readOptions(config.backend.options, {
    Name: { type: 'ignored', because: windowsOnly },
    DNSServerList: { type: 'ignored', because: windowsOnly },
  });
  const backend: Backend = {
    ...withoutDevice,
    type,
    carrier: undefined,
    speaks: attrs => attrs.backendType === type,
    attrs: identity => publish(config, identity),
    planPeer,
  };
  return { backend, warnings };
}

/** Peers send to the published address by the link layer: nobody answers there unless it is the interface's. */
function publish(config: NetworkConfig, { external, publicIp, publicIpv6 }: Identity): LeaseAttrs {
  const attrs: LeaseAttrs = {
    publicIp,
    publicIpv6,
    backendType: type,
    backendData: undefined,
    backendV6Data: undefined,
  };
  for (const family of familiesOf(config)) {
    const published = publicIpOf(attrs, family);
    const here = addressOf(external, family);
    if (published === undefined || published === here) continue;
    throw new WeftError(
      'public-ip-not-here',
      `the public address is ${published}, that of ${external.name} is ${here ?? 'none'}: with host-gw peers send to it ` +
        'over their link, and nobody would answer',
      {
        remedy: `leave out -public-ip${family === 6 ? 'v6' : ''}, or choose the interface that has it with -iface; behind NAT use vxlan`,
      },
    );
  }
  return attrs;
}

function planPeer(host: Host, peer: Lease): PeerPlan {
  if (peer.attrs.backendType !== type) return refusedType(type, peer.attrs);
  return planFamilies(host, peer, part => planFamily(host, peer, part));
}

function planFamily({ external }: Host, { attrs }: Lease, { family, subnet }: PeerFamily): PeerPart {
  const gateway = publicIpOf(attrs, family);
  if (gateway === undefined) return refusedPart(`publishes no IPv${family} address to reach it at`);
  if (gateway === addressOf(external, family)) return refusedPart(`publishes our own address ${gateway}`);
  if (!isOnLink(external, gateway)) {
    return refusedPart(
      `is at ${gateway}, which is not on the link of ${external.name}: host-gw needs all hosts on one link, ` +
        'vxlan with DirectRouting does not',
    );
  }
  return { type: 'reached', routed: subnet, objects: [directRoute(external, subnet, gateway)] };
}
