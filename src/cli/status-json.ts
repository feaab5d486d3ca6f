/** A status as JSON: docs/status.md describes it. */
import type { PeerStatus } from '../view/peer-status.ts';
import { isHealthy, type ToldStatus } from './status-text.ts';

/** Raised whenever a reader of the JSON before would be misled. */
const version = 1;

export function statusJson(statuses: readonly ToldStatus[]): string {
  const value = {
    version,
    healthy: statuses.every(isHealthy),
    networks: statuses.map(({ network, host, lease, registry, kernel, daemonRuns, peers, remarks }) => ({
      network,
      host: hostOf(host),
      lease: lease && { ...lease, expiresAt: undefined },
      registry: { ...registry, problem: registry.problem && problemOf(registry.problem) },
      kernel,
      daemon: { running: daemonRuns, live: undefined },
      counts: countsOf(peers),
      peers: peers.map(peerOf),
      remarks,
    })),
  };
  // What is not known is there all the same, so that a reader need not ask twice.
  return JSON.stringify(value, (_, one: unknown) => (one === undefined ? null : one), 2);
}

function hostOf({ subnet, networks, devices, ...host }: ToldStatus['host']) {
  return { ...host, networks, subnet: subnet?.ipv4, ipv6Subnet: subnet?.ipv6, devices };
}

function problemOf({ code, message, remedy }: { code: string; message: string; remedy: string | undefined }) {
  return { code, message, remedy };
}

function countsOf(peers: readonly PeerStatus[]) {
  const of = (state: PeerStatus['state']): number => peers.filter(peer => peer.state === state).length;
  return {
    peers: peers.length,
    ...{ programmed: of('programmed'), carried: of('carried'), missing: of('missing') },
    ...{ differs: of('differs'), refused: of('refused') },
  };
}

function peerOf({ state, reason, backend, families, objects }: PeerStatus) {
  const [ipv4, ipv6] = ([4, 6] as const).map(family => families.find(one => one.family === family));
  const facts = (one: (typeof families)[number] | undefined) => {
    if (one === undefined) return undefined;
    const { family: _, ...rest } = one;
    return rest;
  };
  return {
    ...{ state, reason: reason === '' ? undefined : reason, backend },
    ...{ ipv4: facts(ipv4), ipv6: facts(ipv6) },
    objects: objects.map(one => ({
      ...{ state: one.state, object: { type: one.object.type, ...one.object.value } },
    })),
  };
}
