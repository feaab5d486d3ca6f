/** What of the overlay is on this host, family by family: by the registry, or as far as the host's own files tell. */
import type { Backend } from '../backend/backend.ts';
import { networkOf, subnetOf } from '../backend/family.ts';
import { udpDevice } from '../backend/udp.ts';
import { type Family, familyOf } from '../base/ip.ts';
import { type Prefix, prefixContains } from '../base/prefix.ts';
import { ownLinks } from '../host/own-links.ts';
import { parseSubnetEnv } from '../lease/subnet-env.ts';
import type { LinkName } from '../state/kernel-object.ts';
import { readFileIfThere } from '../sys/files.ts';
import type { KernelView } from '../trace/view.ts';
import type { Link } from '../wire/link.ts';
import type { Scene } from './scene.ts';

export interface OverlayPart {
  readonly family: Family;
  readonly network: Prefix;
  /** This host's. */
  readonly subnet: Prefix;
  /** The device over which packets of the overlay come and go; the underlay's own where there is no tunnel. */
  readonly tunnel: LinkName;
  /** Bridges and the like that have an address in the subnet. */
  readonly containers: readonly LinkName[];
}

/** None when nothing tells which network this host is in. */
export async function overlayParts(scene: Scene): Promise<OverlayPart[]> {
  const kernel = await scene.kernel();
  const known = (await fromRegistry(scene)) ?? fromFile(scene, kernel);
  return known.map(part => ({ ...part, containers: containersOf(kernel, part) }));
}

type KnownPart = Omit<OverlayPart, 'containers'>;

/** Undefined when the registry is away, or has no lease for us. */
async function fromRegistry(scene: Scene): Promise<KnownPart[] | undefined> {
  const member = await scene.member().catch(() => undefined);
  scene.signal.throwIfAborted();
  if (member === undefined) return undefined;
  const { backend, host } = member.membership;
  return ([4, 6] as const).flatMap(family => {
    const network = networkOf(host.config, family);
    const subnet = subnetOf(host.lease.subnet, family);
    const tunnel = (by: Backend): LinkName => by.tunnelDevice(family, host.external);
    return network === undefined || subnet === undefined
      ? []
      : [{ family, network, subnet, tunnel: tunnel(backend) }];
  });
}

function fromFile({ options }: Scene, { links }: KernelView): KnownPart[] {
  const env = parseSubnetEnv(readFileIfThere(options.subnetFile) ?? '');
  const own = ownLinks(links as unknown as readonly Link[], []).map(({ name }) => name);
  return ([4, 6] as const).flatMap(family => {
    const network = family === 4 ? env.network : env.ipv6Network;
    const subnet = env.subnet && subnetOf(env.subnet, family);
    const start = family === 4 ? 'flannel.' : 'flannel-v6.';
    const tunnel = own.find(name => name.startsWith(start) || name === udpDevice);
    return network === undefined || subnet === undefined || tunnel === undefined
      ? []
      : [{ family, network, subnet, tunnel }];
  });
}

function containersOf({ addresses }: KernelView, { family, subnet, tunnel }: KnownPart): LinkName[] {
  const within = addresses.filter(
    ({ dev, local }) => familyOf(local) === family && dev !== tunnel && prefixContains(subnet, local),
  );
  return [...new Set(within.map(({ dev }) => dev))];
}
