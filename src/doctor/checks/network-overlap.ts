/** Does anything else on this host have addresses of the network? */
import { networksOf, subnetOf } from '../../backend/family.ts';
import { familyOf } from '../../base/ip.ts';
import {
  type Prefix,
  prefixBase,
  prefixCovers,
  prefixesOverlap,
  prefixLength,
  prefixOf,
} from '../../base/prefix.ts';
import { shellWord } from '../../base/shell-word.ts';
import { devicesOf } from '../../host/membership.ts';
import type { Subnet } from '../../lease/lease.ts';
import type { LinkName } from '../../state/kernel-object.ts';
import type { KernelView } from '../../trace/view.ts';
import type { NetworkView } from '../../view/network-view.ts';
import type { Address } from '../../wire/address.ts';
import type { Check } from '../check.ts';
import { commandsIn } from '../commands-in.ts';
import { type Finding, fail, ok, warn } from '../finding.ts';
import type { Scene } from '../scene.ts';
import { usualBridges } from '../usual-bridges.ts';

export const networkOverlap: Check = { name: 'network-overlap', title: 'addresses of the network', look };

async function look(scene: Scene): Promise<Finding | Finding[]> {
  const [view, kernel] = await Promise.all([scene.view(), scene.kernel()]);
  const networks = networksOf(view.config);
  const own = view.member?.membership.host.lease.subnet ?? view.subnetEnv.subnet;
  const devices = view.member === undefined ? [] : devicesOf(view.member.membership);
  const found = overlaps(kernel, { networks, own, devices });
  if (found.length === 0) return ok(`nothing else here has addresses of ${networks.join(' or ')}`);
  return found.map(overlap => findingOf(scene, view, kernel, overlap));
}

export interface Overlap {
  readonly address: Address<LinkName>;
  readonly prefix: Prefix;
  readonly network: Prefix;
}

/** Of devices that are neither the network's own nor hold the containers of our subnet. */
export function overlaps(
  { addresses }: Pick<KernelView, 'addresses'>,
  {
    networks,
    own,
    devices,
  }: {
    readonly networks: readonly Prefix[];
    readonly own: Subnet | undefined;
    readonly devices: readonly LinkName[];
  },
): Overlap[] {
  return addresses.flatMap(address => {
    if (devices.includes(address.dev) || /^flannel/.test(address.dev)) return [];
    const prefix = prefixOf(address.peer ?? address.local, address.prefixLength);
    const network = networks.find(one => prefixesOverlap(one, prefix));
    // That one holds a subnet of another host is said by the check of the containers' bridge.
    if (network !== undefined && usualBridges.includes(address.dev) && prefixCovers(network, prefix))
      return [];
    const subnet = own && subnetOf(own, familyOf(prefixBase(prefix)));
    if (network === undefined || (subnet !== undefined && prefixCovers(subnet, prefix))) return [];
    return [{ address, prefix, network }];
  });
}

function findingOf(
  scene: Scene,
  { chosen, entries }: NetworkView,
  { links }: KernelView,
  { address, prefix, network }: Overlap,
): Finding {
  const { dev, local, prefixLength: length } = address;
  const shown = [
    `ip address show dev ${dev}: ${familyOf(local) === 4 ? 'inet' : 'inet6'} ${local}/${length}`,
  ];
  // Wider than the network it takes nothing away: routes to subnets are more specific. Many sites are made so.
  const isWider = prefixLength(prefix) < prefixLength(network);
  if (dev === chosen.external.name && scene.netns === undefined) {
    return (isWider ? warn : fail)(`the network ${network} overlaps the underlay: ${dev} is in ${prefix}`, {
      evidence: shown,
      remedy: {
        commands: [],
        text: 'give the network addresses that nobody has, with `weft config put`: packets to hosts of the underlay would go into it',
      },
    });
  }
  const taken = entries.find(({ subnet: { ipv4, ipv6 } }) =>
    [ipv4, ipv6].some(leased => leased !== undefined && prefixesOverlap(leased, prefix)),
  );
  const isBridge = links.some(({ name, kind }) => name === dev && kind.kind === 'bridge');
  const what = `${isBridge ? 'the container network' : 'the prefix'} ${prefix} of ${dev} overlaps the network ${network}`;
  const tell = taken === undefined ? warn : fail;
  const subnets =
    taken === undefined ? [] : [taken.subnet.ipv4, taken.subnet.ipv6].filter(one => one !== undefined);
  return tell(taken === undefined ? what : `${what}: it takes the packets to ${subnets.join(' and ')}`, {
    evidence: shown,
    remedy: {
      commands: isWider
        ? []
        : commandsIn(scene.netns, [`ip address delete ${local}/${length} dev ${shellWord(dev)}`]),
      text: adviceFor(dev, isBridge, prefixLength(prefix)),
    },
  });
}

function adviceFor(dev: LinkName, isBridge: boolean, length: number): string {
  if (dev === 'docker0')
    return 'start Docker again with the --bip of `weft docker-opts`, or another that is free';
  if (/^br-[0-9a-f]{12}$/.test(dev))
    return `make that network of Docker's anew elsewhere: docker network rm ${dev.slice(3)}, docker network create --subnet ...`;
  return isBridge
    ? `whoever made ${dev} shall choose another subnet for it`
    : `whoever gave ${dev} a /${length} of the network shall choose another`;
}
