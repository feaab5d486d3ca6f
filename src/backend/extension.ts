/**
 * The extension backend: the operator's own programs carry the packets. They are told of this host once, of each peer
 * when it comes and when it goes, by environment and standard input; src/daemon/extension-carrier.ts runs them.
 */
import type { Json, Lease, LeaseAttrs } from '../lease/lease.ts';
import type { NetworkConfig } from '../lease/network-config.ts';
import {
  type Backend,
  type ExtensionCommands,
  type Host,
  type Identity,
  type PeerPlan,
  refused,
  refusedType,
} from './backend.ts';
import { withoutDevice } from './direct-route.ts';
import { parseExtensionOptions } from './extension-options.ts';
import { planFamilies } from './family.ts';

const type = 'extension';

/** @throws WeftError `config-invalid` for a command that cannot be one */
export function createExtension(config: NetworkConfig): { backend: Backend; warnings: readonly string[] } {
  const { commands, warnings } = parseExtensionOptions(config.backend.options);
  const backend: Backend = {
    ...withoutDevice,
    type,
    carrier: { type: 'commands', commands },
    speaks: attrs => attrs.backendType === type,
    attrs: identity => publish(commands, identity),
    planPeer,
  };
  return { backend, warnings };
}

/** What a peer's commands read: a text, or nothing. Undefined for data of another shape, which flannel refuses too. */
export function extensionDataOf({ backendData = null }: LeaseAttrs): string | undefined {
  if (backendData === null) return '';
  return typeof backendData === 'string' ? backendData : undefined;
}

/** The command runs once, at the start; later we go on with what we publish already. */
function publish(
  { preStartup }: ExtensionCommands,
  { publicIp, publicIpv6, startupOutput, existing }: Identity,
): LeaseAttrs {
  const before: Json | undefined =
    existing?.attrs.backendType === type ? existing.attrs.backendData : undefined;
  return {
    publicIp,
    publicIpv6,
    backendType: type,
    backendData: preStartup === undefined ? undefined : (startupOutput ?? before),
    backendV6Data: undefined,
  };
}

function planPeer(host: Host, peer: Lease): PeerPlan {
  if (peer.attrs.backendType !== type) return refusedType(type, peer.attrs);
  if (extensionDataOf(peer.attrs) === undefined) {
    return refused(
      `has backend data that is no text: ${JSON.stringify(peer.attrs.backendData).slice(0, 60)}`,
    );
  }
  // Whether an address is needed is the commands' business: the data may name another.
  return planFamilies(host, peer, ({ subnet }) => ({ type: 'reached', routed: subnet, objects: [] }));
}
