/** The networks that `weft run` with these flags would serve, each with the sockets and the part of the registry that it needs. */
import { closeSync, realpathSync } from 'node:fs';
import { Scope } from '../base/scope.ts';
import type { NamedNetwork } from '../daemon/options.ts';
import type { Registry } from '../registry/registry.ts';
import { scopedRegistry } from '../registry/scoped.ts';
import { NetlinkSocket } from '../sys/netlink-socket.ts';
import { openNetns } from '../sys/netns.ts';
import type { ViewTools } from '../view/network-view.ts';
import type { RunOptions } from './run-options.ts';

export interface PlacedNetwork {
  /** Undefined: it is the only one. */
  readonly name: string | undefined;
  readonly options: RunOptions & { readonly network?: string | undefined };
  readonly tools: ViewTools & { readonly netns: string | undefined };
  /** Registries of the networks of the same namespace to and from which nothing shall be forwarded. */
  readonly apart: readonly Registry[];
}

/** Does the same for each network, one after the other. @throws WeftError `netns-missing`, and what `work` throws */
export async function eachNetwork<T>(
  options: RunOptions,
  { registry, signal }: { readonly registry: Registry; readonly signal: AbortSignal },
  work: (network: PlacedNetwork) => Promise<T>,
): Promise<T[]> {
  const scope = new Scope();
  try {
    const socket = scope.own('netlink socket', NetlinkSocket.open());
    const { several } = options;
    if (several === undefined) {
      const tools = { registry, socket, signal, netns: undefined };
      return [await work({ name: undefined, options, tools, apart: [] })];
    }
    const results: T[] = [];
    for (const network of several.networks) {
      const { name } = network;
      const { netns, ...place } = placeOf(network, socket, scope);
      results.push(
        await work({
          name,
          options: { ...options, network: name, subnetFile: `${several.subnetDir}/${name}.env` },
          tools: { registry: scopedRegistry(registry, name), signal, netns, ...place },
          apart: apartFrom(network, several).map(other => scopedRegistry(registry, other)),
        }),
      );
    }
    return results;
  } finally {
    await scope.close();
  }
}

function placeOf(
  { netns }: NamedNetwork,
  underlay: NetlinkSocket,
  scope: Scope,
): Pick<PlacedNetwork['tools'], 'netns' | 'socket' | 'below'> {
  if (netns === undefined) return { netns, socket: underlay };
  const netnsFd = openNetns(netns);
  scope.defer('namespace', () => closeSync(netnsFd));
  const socket = scope.own('netlink socket', NetlinkSocket.open({ netns }));
  return { netns, socket, below: { socket: underlay, netnsFd } };
}

function apartFrom(
  { name, netns }: NamedNetwork,
  { networks, allowed }: NonNullable<RunOptions['several']>,
): string[] {
  return networks
    .filter(other => other.name !== name && canonical(other.netns) === canonical(netns))
    .filter(other => !allowed.some(pair => pair.includes(name) && pair.includes(other.name)))
    .map(other => other.name);
}

/** Two names of one namespace, such as a link, are one. */
function canonical(netns: string | undefined): string | undefined {
  return netns === undefined ? undefined : realpathSync(netns);
}
