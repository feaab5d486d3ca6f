/** Does the interface that was chosen lead to the other hosts? */
import { familiesOf, publicIpOf } from '../../backend/family.ts';
import { parseVxlanOptions } from '../../backend/vxlan-options.ts';
import { WeftError } from '../../base/errors.ts';
import { type Family, familyOf, type IpAddress } from '../../base/ip.ts';
import { prefixContains, prefixOf } from '../../base/prefix.ts';
import { shellWord } from '../../base/shell-word.ts';
import { type ChosenInterface, chooseInterface, type UnderlayView } from '../../host/external-interface.ts';
import { readUnderlay } from '../../host/read-underlay.ts';
import { parseSubnetEnv } from '../../lease/subnet-env.ts';
import { readFileIfThere } from '../../sys/files.ts';
import type { NetworkView } from '../../view/network-view.ts';
import { routeCommand } from '../../wire/iproute2.ts';
import type { Link } from '../../wire/link.ts';
import { mainTable, type Route } from '../../wire/route.ts';
import type { Check } from '../check.ts';
import { type Finding, fail, ok, warn } from '../finding.ts';
import type { Scene } from '../scene.ts';

export const chosenInterface: Check = {
  name: 'chosen-interface',
  title: 'interface to the other hosts',
  look,
};

/** Chosen: enough to tell a wrong interface from a strange route. */
const mostPeers = 20;

async function look(scene: Scene): Promise<Finding[]> {
  const { below, socket } = scene.tools;
  const underlay = await readUnderlay(below?.socket ?? socket);
  const view = await scene.view().catch(() => undefined);
  scene.signal.throwIfAborted();
  const families = view === undefined ? familiesByFile(scene) : familiesOf(view.config);
  try {
    const chosen = await chooseInterface(scene.options, underlay, families);
    const found = [
      ...linkTroubles(underlay, chosen),
      ...(view === undefined
        ? []
        : [...mtuTrouble(view, chosen), ...(await strayPeers(scene, view, underlay, chosen))]),
      ...chosen.missing.map(({ family, why, remedy }) =>
        warn(`this host is no member by IPv${family}: ${why}`, {
          evidence: [`ip -${family} address show dev ${chosen.external.name}`],
          remedy: { commands: [], text: remedy },
        }),
      ),
    ];
    return found.length > 0 ? found : [ok(describe(chosen))];
  } catch (error) {
    if (!(error instanceof WeftError)) throw error;
    return [notChosen(underlay, error)];
  }
}

function familiesByFile({ options }: Scene): Family[] {
  const { network, ipv6Network } = parseSubnetEnv(readFileIfThere(options.subnetFile) ?? '');
  const families = [
    ...(network === undefined ? [] : [4 as const]),
    ...(ipv6Network === undefined ? [] : [6 as const]),
  ];
  return families.length === 0 ? [4] : families;
}

function describe({ external, publicIp, publicIpv6, because }: ChosenInterface): string {
  const addresses = [publicIp, publicIpv6].filter(address => address !== undefined);
  const own = [external.ipv4, external.ipv6];
  const elsewhere = addresses.filter(address => !own.includes(address));
  const nat =
    elsewhere.length === 0 ? '' : `; ${elsewhere.join(' and ')} is on no interface here: behind NAT`;
  return `${external.name} (${because}), MTU ${external.mtuBytes}, publishes ${addresses.join(' and ')}${nat}`;
}

function notChosen({ links }: UnderlayView, error: WeftError): Finding {
  const down = links.filter(({ up, loopback, kind }) => !up && !loopback && kind.kind !== 'tun');
  return fail(`no interface leads to the other hosts: ${error.message}`, {
    evidence: links.map(linkText),
    remedy: {
      commands: down.filter(isOfHardware).map(({ name }) => `ip link set ${shellWord(name)} up`),
      text: error.remedy ?? 'name it with -iface',
    },
  });
}

/** A veth is what a namespace has for hardware. */
function isOfHardware({ kind, master }: Link): boolean {
  return (kind.kind === 'none' || kind.kind === 'veth') && master === undefined;
}

function linkText({ name, up, carrier, mtuBytes }: Link): string {
  return `ip link: ${name}: <${!up ? 'DOWN' : carrier ? 'UP' : 'NO-CARRIER,UP'}> mtu ${mtuBytes}`;
}

function linkTroubles({ links }: UnderlayView, { index, external: { name } }: ChosenInterface): Finding[] {
  const link = links.find(one => one.index === index);
  if (link === undefined || (link.up && link.carrier)) return [];
  if (!link.up) {
    return [
      fail(`${name}, which leads to the other hosts, is down`, {
        evidence: [linkText(link)],
        remedy: {
          commands: [`ip link set ${shellWord(name)} up`],
          text: 'with it all routes over it have gone: those that its configuration does not bring back, such as the default route, have to be made again',
        },
      }),
    ];
  }
  return [
    fail(`${name}, which leads to the other hosts, has no carrier`, {
      evidence: [linkText(link)],
      remedy: { commands: [], text: 'look at its cable, its switch, or the other end of a virtual one' },
    }),
  ];
}

/** Packets of containers that fit the MTU which the config assumes, and not the interface. */
function mtuTrouble({ config }: NetworkView, { external: { name, mtuBytes } }: ChosenInterface): Finding[] {
  if (config.backend.type !== 'vxlan') return [];
  const { underlayMtuBytes } = parseVxlanOptions(config.backend.options).options;
  if (underlayMtuBytes === undefined || underlayMtuBytes <= mtuBytes) return [];
  return [
    fail(
      `${name} has MTU ${mtuBytes}, the config assumes ${underlayMtuBytes}: larger packets are lost or cut`,
      {
        evidence: [`ip link: ${name} mtu ${mtuBytes}`, `weft config get: "MTU": ${underlayMtuBytes}`],
        remedy: {
          commands: [`ip link set ${shellWord(name)} mtu ${underlayMtuBytes}`],
          text: 'as far as the network below carries such packets; else correct "MTU" in the config',
        },
      },
    ),
  ];
}

interface StrayPeer {
  readonly address: IpAddress;
  readonly route: Route;
  readonly dev: string;
}

/** Peers to which the host's own routes lead over another interface than the tunnel is bound to. */
async function strayPeers(
  scene: Scene,
  view: NetworkView,
  underlay: UnderlayView,
  chosen: ChosenInterface,
): Promise<Finding[]> {
  const addresses = peerAddresses(scene, view).slice(0, mostPeers);
  const strays: StrayPeer[] = [];
  for (const address of addresses) {
    const route = await underlay.routeTo(address);
    if (route?.dev === undefined || route.dev === chosen.index) continue;
    const dev = underlay.links.find(({ index }) => index === route.dev);
    // What is an address of this host is no other host's: see the check of twins.
    if (dev !== undefined && !dev.loopback) strays.push({ address, route, dev: dev.name });
  }
  const [first] = strays;
  if (first === undefined) return [];
  return [misled(underlay, chosen, { first, strays, peers: addresses.length })];
}

function peerAddresses(scene: Scene, { entries, member, config }: NetworkView): IpAddress[] {
  const own = member?.found.key;
  const addresses = entries.flatMap(({ key, lease, subnet }) => {
    if (lease === undefined || key === own) return [];
    const subnets = [subnet.ipv4, subnet.ipv6].filter(prefix => prefix !== undefined);
    return familiesOf(config).flatMap(family => {
      const address = publicIpOf(lease.attrs, family);
      return address === undefined || !scene.concerns({ address, subnets }) ? [] : [address];
    });
  });
  return [...new Set(addresses)];
}

interface Misled {
  readonly first: StrayPeer;
  readonly strays: readonly StrayPeer[];
  readonly peers: number;
}

function misled(underlay: UnderlayView, chosen: ChosenInterface, { first, strays, peers }: Misled): Finding {
  const { external, because, index } = chosen;
  const isOnLink = underlay.addresses.some(
    ({ dev, local, prefixLength: length }) =>
      dev === index &&
      familyOf(local) === familyOf(first.address) &&
      prefixContains(prefixOf(local, length), first.address),
  );
  const evidence = strays.slice(0, 5).map(({ address, dev }) => `ip route get ${address}: dev ${dev}`);
  const all = strays.length === peers;
  const which = all ? 'all peers' : `${strays.length} of ${peers} peers`;
  const tell = all ? fail : warn;
  return tell(`${which} are reached over ${first.dev}, the network goes over ${external.name} (${because})`, {
    evidence,
    remedy: isOnLink ? withoutRoutes(underlay, strays, external.name) : withInterface(first.dev),
  });
}

/** The interface is right, and a more specific route leads elsewhere. */
function withoutRoutes({ links, routes }: UnderlayView, strays: readonly StrayPeer[], name: string) {
  const nameOf = new Map(links.map(link => [link.index, link.name]));
  const leading = routes.filter(
    ({ dst, table = mainTable, dev }) =>
      table === mainTable &&
      strays.some(({ address, route }) => dev === route.dev && prefixContains(dst, address)),
  );
  const commands = leading.map(({ dev, ...route }) =>
    routeCommand('delete', { ...route, dev: nameOf.get(dev ?? 0) } as Route<string>),
  );
  return {
    commands: [...new Set(commands)],
    text: `they are on the link of ${name}: no other route is needed`,
  };
}

function withInterface(dev: string) {
  return {
    commands: [],
    text: `start the daemon with -iface ${dev}, and likewise on the others, where each needs an address of its own there`,
  };
}
