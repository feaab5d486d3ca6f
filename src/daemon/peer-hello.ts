/** Who this host is, and how it is, for another of its network. */
import type { Clock } from '../base/clock.ts';
import { hasCode } from '../base/errors.ts';
import type { PeerDevice, PeerHello, PeerMember } from '../control/peer-questions.ts';
import type { ServedNetwork } from '../host/served-network.ts';
import { type JoinedNetwork, networkAskedFor, type PeeredNetwork } from './asked-network.ts';

/** @throws WeftError `network-unknown` */
export function helloOf(
  networks: readonly PeeredNetwork[],
  query: URLSearchParams,
  { version, clock }: { readonly version: string; readonly clock: Clock },
): PeerHello {
  const asked = tryNetwork(networks, query);
  const about = asked === undefined ? networks : [asked];
  const reasons = about.flatMap(({ readiness: { ready, reason } }) => (ready ? [] : [reason]));
  const names = networks.flatMap(({ name }) => name ?? []);
  return {
    version,
    wallMs: clock.wallMs(),
    ready: reasons.length === 0,
    reason: reasons.join('; '),
    networks: names.length === 0 ? undefined : names,
    member: asked === undefined ? undefined : memberOf(asked.served),
  };
}

/** Who does not know the names yet asks for none, and is told them. */
function tryNetwork(networks: readonly PeeredNetwork[], query: URLSearchParams): JoinedNetwork | undefined {
  try {
    return networkAskedFor(networks, query);
  } catch (error) {
    if (hasCode(error, 'network-unclear')) return undefined;
    throw error;
  }
}

function memberOf({ membership: { backend, host } }: ServedNetwork): PeerMember {
  const { subnet, attrs } = host.lease;
  const devices = backend.planHost(host).flatMap((object): PeerDevice[] => {
    if (object.type !== 'link') return [];
    const { name, kind } = object.value;
    if (kind?.kind !== 'vxlan') return [{ name, vni: undefined, port: backend.udpPorts[0] }];
    return [{ name, vni: kind.vni, port: kind.port }];
  });
  return {
    backend: backend.type,
    devices,
    subnets: [subnet.ipv4, subnet.ipv6].filter(one => one !== undefined),
    publicIp: attrs.publicIp,
    publicIpv6: attrs.publicIpv6,
  };
}
