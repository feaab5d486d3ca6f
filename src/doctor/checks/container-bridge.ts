/** Are the containers on a bridge that has this host's subnet, with packets that fit into the tunnel? */
import { leasedFamilies, networksOf, subnetOf } from '../../backend/family.ts';
import { familyOf, ipAdd } from '../../base/ip.ts';
import { type Prefix, prefixBase, prefixContains, prefixLength } from '../../base/prefix.ts';
import { shellWord } from '../../base/shell-word.ts';
import { devicesOf } from '../../host/membership.ts';
import type { LinkName } from '../../state/kernel-object.ts';
import { linkEntry } from '../../trace/entry-text.ts';
import type { KernelView, ViewLink } from '../../trace/view.ts';
import type { MemberView } from '../../view/member-view.ts';
import type { Address } from '../../wire/address.ts';
import type { Check } from '../check.ts';
import { commandsIn } from '../commands-in.ts';
import { counted } from '../counted.ts';
import { type Finding, fail, ok, skip, warn } from '../finding.ts';
import type { Scene } from '../scene.ts';
import { usualBridges } from '../usual-bridges.ts';

export const containerBridge: Check = { name: 'container-bridge', title: 'bridge of the containers', look };

async function look(scene: Scene): Promise<Finding | Finding[]> {
  const [member, kernel] = await Promise.all([scene.member(), scene.kernel()]);
  const own = devicesOf(member.membership);
  const bridges = bridgesIn(kernel).filter(({ link }) => !own.includes(link.name));
  const found = leasedFamilies(member.membership.host).flatMap(family => {
    const subnet = subnetOf(member.membership.host.lease.subnet, family);
    return subnet === undefined ? [] : judge(scene, member, bridges, subnet);
  });
  const wide = bridges
    .filter(({ addresses }) => addresses.some(({ local }) => isInNetwork(member, local)))
    .flatMap(bridge => tooLarge(scene, member, bridge));
  if (found.length + wide.length > 0) return [...found, ...wide];
  const holding = bridges.filter(({ addresses }) =>
    addresses.some(({ local }) => isInNetwork(member, local)),
  );
  if (holding.length === 0) return skip('no bridge here holds containers of the network');
  return ok(holding.map(describeBridge).join('; '));
}

interface ContainerBridge {
  readonly link: ViewLink;
  readonly addresses: ReadonlyArray<Address<LinkName>>;
  readonly ports: readonly ViewLink[];
}

function bridgesIn({ links, addresses }: KernelView): ContainerBridge[] {
  return links
    .filter(({ kind }) => kind.kind === 'bridge')
    .map(link => ({
      link,
      addresses: addresses.filter(({ dev, scope }) => dev === link.name && scope !== 'link'),
      ports: links.filter(({ master }) => master === link.name),
    }));
}

function describeBridge({ link, addresses, ports }: ContainerBridge): string {
  const on = addresses.map(({ local, prefixLength: length }) => `${local}/${length}`).join(' and ');
  return `${link.name} has ${on}, MTU ${link.mtuBytes} and ${counted(ports.length, 'container')}`;
}

function isInNetwork({ membership }: MemberView, local: Address<LinkName>['local']): boolean {
  return networksOf(membership.host.config).some(network => prefixContains(network, local));
}

function judge(
  scene: Scene,
  member: MemberView,
  bridges: readonly ContainerBridge[],
  subnet: Prefix,
): Finding[] {
  const holders = bridges.filter(({ addresses }) =>
    addresses.some(({ local }) => prefixContains(subnet, local)),
  );
  const strays = bridges.flatMap(bridge =>
    bridge.addresses
      .filter(({ local }) => isInNetwork(member, local) && familyOf(local) === familyOf(prefixBase(subnet)))
      .filter(({ local }) => !prefixContains(subnet, local))
      .filter(() => usualBridges.includes(bridge.link.name))
      .map(address => stray(scene, bridge, address, subnet, holders.length === 0)),
  );
  if (holders.length > 1) return [twice(scene, holders, subnet), ...strays];
  return holders.length === 0 && strays.length === 0 ? unleased(scene, bridges, subnet) : strays;
}

/** The address of a subnet that this host had before, or that another has now. */
function stray(
  scene: Scene,
  { link: { name } }: ContainerBridge,
  { local, prefixLength: length }: Address<LinkName>,
  subnet: Prefix,
  replace: boolean,
): Finding {
  const add = replace ? [`ip address add ${bridgeAddress(subnet)} dev ${shellWord(name)}`] : [];
  return fail(
    `${name} has ${local}/${length}, and this host leases ${subnet}: nothing comes back to its containers`,
    {
      evidence: [`ip address show dev ${name}: inet ${local}/${length}`],
      remedy: {
        commands: commandsIn(scene.netns, [
          `ip address delete ${local}/${length} dev ${shellWord(name)}`,
          ...add,
        ]),
        text: runtimeAdvice(scene, name),
      },
    },
  );
}

/** The usual one: the first of the subnet. */
function bridgeAddress(subnet: Prefix): string {
  return `${ipAdd(prefixBase(subnet), 1n)}/${prefixLength(subnet)}`;
}

function runtimeAdvice({ options: { subnetFile } }: Scene, name: LinkName): string {
  return name === 'docker0'
    ? `start Docker again with what \`weft docker-opts -f ${shellWord(subnetFile)}\` says, and with it its containers`
    : `containers that run keep their addresses: start them again, so that the plugin reads ${subnetFile}`;
}

function twice(scene: Scene, holders: readonly ContainerBridge[], subnet: Prefix): Finding {
  const [keep, ...others] = [...holders].sort((one, other) => other.ports.length - one.ports.length);
  const names = holders.map(({ link: { name } }) => name).join(' and ');
  const commands = others.flatMap(({ link, addresses }) =>
    addresses
      .filter(({ local }) => prefixContains(subnet, local))
      .map(
        ({ local, prefixLength: length }) =>
          `ip address delete ${local}/${length} dev ${shellWord(link.name)}`,
      ),
  );
  return fail(`${names} both have addresses of ${subnet}: packets go to one of them, whatever they are for`, {
    evidence: holders.map(describeBridge),
    remedy: {
      commands: commandsIn(scene.netns, commands),
      text: `${keep?.link.name} has the more containers, and keeps the subnet`,
    },
  });
}

/** Docker with containers, on a subnet that it chose itself. */
function unleased(scene: Scene, bridges: readonly ContainerBridge[], subnet: Prefix): Finding[] {
  const docker = bridges.find(({ link, ports }) => link.name === 'docker0' && ports.length > 0);
  const [address] =
    docker?.addresses.filter(({ local }) => familyOf(local) === familyOf(prefixBase(subnet))) ?? [];
  if (address === undefined) return [];
  const { local, prefixLength: length } = address;
  return [
    warn(
      `docker0 has ${local}/${length}, not this host's subnet ${subnet}: other hosts do not reach its containers`,
      {
        evidence: [`ip address show dev docker0: inet ${local}/${length}`],
        remedy: {
          commands: commandsIn(scene.netns, [
            `ip address delete ${local}/${length} dev docker0`,
            `ip address add ${bridgeAddress(subnet)} dev docker0`,
          ]),
          text: runtimeAdvice(scene, 'docker0'),
        },
      },
    ),
  ];
}

/** A bridge without containers takes the MTU of its first one. */
function tooLarge(scene: Scene, { membership }: MemberView, { link, ports }: ContainerBridge): Finding[] {
  const mtuBytes = membership.backend.containerMtuBytes(membership.host.external);
  const wide = ports.filter(port => port.mtuBytes > mtuBytes);
  const all = link.mtuBytes > mtuBytes && ports.length > 0 ? [...wide, link] : wide;
  if (all.length === 0) return [];
  const shown = all.slice(0, 3).map(({ name, mtuBytes: mtu }) => `${name} ${mtu}`);
  return [
    warn(
      `MTU too large for the tunnel, which takes ${mtuBytes}: ${shown.join(', ')}${all.length > 3 ? ', ...' : ''}`,
      {
        evidence: all.slice(0, 10).map(one => `ip link: ${linkEntry(one).line}`),
        remedy: {
          commands: commandsIn(
            scene.netns,
            all.map(({ name }) => `ip link set ${shellWord(name)} mtu ${mtuBytes}`),
          ),
          text: `the interfaces inside the containers need the same: ${runtimeAdvice(scene, link.name)}`,
        },
      },
    ),
  ];
}
