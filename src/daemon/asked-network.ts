/** Which of this host's networks a question from another host is about. */
import { WeftError } from '../base/errors.ts';
import { tryParseIp } from '../base/ip.ts';
import { prefixContains } from '../base/prefix.ts';
import type { ServedNetwork } from '../host/served-network.ts';
import type { Readiness } from './health.ts';

export interface PeeredNetwork {
  /** Undefined: it is the only one. */
  readonly name: string | undefined;
  readonly readiness: Readiness;
  /** Undefined while there is no lease. */
  readonly served: ServedNetwork | undefined;
}

export interface JoinedNetwork extends PeeredNetwork {
  readonly served: ServedNetwork;
}

/**
 * That which the question names, `network=NAME`; else the only one, or that in which we lease the address `to`.
 * @throws WeftError `network-unknown`, `network-unclear`
 */
export function networkAskedFor(networks: readonly PeeredNetwork[], query: URLSearchParams): JoinedNetwork {
  const joined = networks.filter((one): one is JoinedNetwork => one.served !== undefined);
  const name = query.get('network');
  // A host may serve by name what another serves alone, with a prefix of the registry for it.
  const named = joined.filter(one => name === null || one.name === undefined || one.name === name);
  const [only] = named;
  if (only === undefined) {
    const what = name === null ? 'no network' : `no network ${JSON.stringify(name)}`;
    throw new WeftError('network-unknown', `${what} is served here that the asking host is in`);
  }
  if (named.length === 1) return only;
  const to = tryParseIp(query.get('to') ?? '');
  const owning = named.find(({ served }) => {
    const { ipv4, ipv6 } = served.membership.host.lease.subnet;
    return (
      to !== undefined && [ipv4, ipv6].some(subnet => subnet !== undefined && prefixContains(subnet, to))
    );
  });
  if (owning !== undefined) return owning;
  const names = named.map(one => one.name).join(', ');
  throw new WeftError('network-unclear', `several networks are served here: ${names}`, {
    remedy: 'name one: network=NAME',
  });
}
