/** Rules of others that are sure to drop the overlay's packets, whatever ours say. */
import type { Family } from '../base/ip.ts';
import type { IptablesState } from './iptables-save.ts';
import { iptablesSeen } from './iptables-walk.ts';
import type { NftListing } from './nft-listing.ts';
import { nftSeen } from './nft-walk.ts';
import { anyDevice, dropOnTheWay, type Flow, type SeenChains } from './packet-walk.ts';
import type { FamilyRules } from './ruleset.ts';

export interface Obstacle {
  readonly family: Family;
  /** Whose rule it is: `iptables filter FORWARD`, `nft table inet firewalld, chain filter_FORWARD`. */
  readonly where: string;
  /** The rule, or the policy, as its tool prints it. */
  readonly rule: string;
  /** The device of the containers that suffer; undefined: those of every device. */
  readonly device: string | undefined;
  /** `in`: from the tunnel to the containers. */
  readonly direction: 'in' | 'out';
}

/** One sentence for the log. */
export function describeObstacle({ where, rule, device, direction }: Obstacle): string {
  const containers = device === undefined ? 'containers' : `containers on ${device}`;
  const way = direction === 'in' ? `from other hosts to ${containers}` : `from ${containers} to other hosts`;
  return `packets ${way} are dropped by ${where}: ${rule}`;
}

/** Which way the overlay's packets take through the host. */
export interface OverlayPath {
  /** The backend's device, by whose name rules may decide. */
  readonly tunnel: string;
  /** Bridges and the like to containers of our subnet. */
  readonly containerDevices: readonly string[];
}

export function iptablesObstacles(rules: FamilyRules, path: OverlayPath, state: IptablesState): Obstacle[] {
  const program = rules.family === 4 ? 'iptables' : 'ip6tables';
  return iptablesBases.flatMap(({ table, chain, directions }) => {
    const where = `${program} table ${table}, chain ${chain}`;
    return search(rules, path, { chains: iptablesSeen(state, table), base: chain, where, directions });
  });
}

/** Looks at every base chain that a forwarded packet passes, save our own; tables of iptables-nft are among them. */
export function nftObstacles(rules: FamilyRules, path: OverlayPath, listing: NftListing): Obstacle[] {
  const families = [rules.family === 4 ? 'ip' : 'ip6', 'inet'];
  const own = rules.names.tables[rules.family].name;
  return listing.chains
    .filter(chain => families.includes(chain.family) && chain.table !== own)
    .flatMap(({ family, table, name, hook }) => {
      const where = `nft table ${family} ${table}, chain ${name}`;
      const directions = directionsAt[hook ?? ''] ?? [];
      return search(rules, path, { chains: nftSeen(listing, family, table), base: name, where, directions });
    });
}

type Direction = Obstacle['direction'];

/** Both ways at the forward hook; before the routing decision only the way in has a device to tell it by. */
const directionsAt: Readonly<Record<string, readonly Direction[]>> = {
  prerouting: ['in'],
  forward: ['in', 'out'],
};

const iptablesBases: ReadonlyArray<{ table: string; chain: string; directions: readonly Direction[] }> = [
  { table: 'raw', chain: 'PREROUTING', directions: ['in'] },
  { table: 'mangle', chain: 'PREROUTING', directions: ['in'] },
  { table: 'mangle', chain: 'FORWARD', directions: ['in', 'out'] },
  { table: 'filter', chain: 'FORWARD', directions: ['in', 'out'] },
];

interface Place {
  readonly chains: SeenChains;
  readonly base: string;
  readonly where: string;
  readonly directions: readonly Direction[];
}

function search(rules: FamilyRules, path: OverlayPath, place: Place): Obstacle[] {
  return place.directions.flatMap(direction => {
    const dropOn = (device: string) =>
      dropOnTheWay(place.chains, place.base, flowOf(rules, path.tunnel, device, direction));
    const obstacle = (rule: string, device: string | undefined): Obstacle => ({
      ...{ family: rules.family, where: place.where, rule, device, direction },
    });
    const general = dropOn(anyDevice);
    if (general !== undefined) return [obstacle(general, undefined)];
    return path.containerDevices.flatMap(device => {
      const rule = dropOn(device);
      return rule === undefined ? [] : [obstacle(rule, device)];
    });
  });
}

function flowOf(
  { network, subnet }: FamilyRules,
  tunnel: string,
  device: string,
  direction: Direction,
): Flow {
  return direction === 'in'
    ? { inDevice: tunnel, outDevice: device, source: network, destination: subnet }
    : { inDevice: device, outDevice: tunnel, source: subnet, destination: network };
}
