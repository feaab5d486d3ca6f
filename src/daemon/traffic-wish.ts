/** Which traffic rules a membership asks for, and of which engine. Nothing here does anything. */
import type { EngineName } from '../firewall/engine.ts';
import type { TrafficWish } from '../traffic/plan.ts';
import { backendsOf, type Membership } from './membership.ts';
import type { DaemonOptions } from './options.ts';

/** What of the options is about traffic rules. */
export type TrafficOptions = Pick<
  DaemonOptions,
  'ipMasq' | 'ipMasqFullyRandom' | 'ipMasqExclude' | 'iptablesForwardRules' | 'vtepFilter'
>;

export function engineOf({ host }: Pick<Membership, 'host'>): EngineName {
  return host.config.enableNftables ? 'nftables' : 'iptables';
}

/** Undefined when there shall be no rules at all: then no firewall is needed either. */
export function trafficWishOf(
  { ipMasq, ipMasqFullyRandom, ipMasqExclude, iptablesForwardRules, vtepFilter }: TrafficOptions,
  membership: Pick<Membership, 'backend' | 'host' | 'former'>,
): TrafficWish | undefined {
  // On where a peer more costs one set element, off where it costs a program (docs/adr/0012-guarded-vtep.md).
  const { host } = membership;
  const backends = backendsOf(membership).map(({ backend }) => backend);
  const filtered = vtepFilter ?? engineOf({ host }) === 'nftables';
  const ports = [...new Set(backends.flatMap(backend => backend.udpPorts))];
  const devices = backends.flatMap(backend => backend.devices);
  const guard = filtered && ports.length > 0 ? { ports, devices } : undefined;
  if (!ipMasq && !iptablesForwardRules && guard === undefined) return undefined;
  return {
    config: host.config,
    subnet: host.lease.subnet,
    ipMasq,
    fullyRandom: ipMasqFullyRandom,
    ipMasqExclude,
    forwardRules: iptablesForwardRules,
    guard,
  };
}
