/** What people and programs do to a host's overlay behind a daemon's back, each as the commands that do it. */

/** The host that is damaged, and one of its peers. */
export interface Target {
  readonly dev: string;
  /** `10.2.1.0`: the VTEP's own address. */
  readonly address: string;
  readonly underlay: string;
  /** Local address of the tunnel: `192.0.2.11`. */
  readonly local: string;
  readonly peer: {
    /** `10.2.14.0/24`. */
    readonly subnet: string;
    readonly mac: string;
  };
}

export interface Damage {
  readonly kind: string;
  commands(target: Target): readonly string[];
}

const strange = '02:00:00:00:00:99';
const gatewayOf = ({ peer }: Target): string => peer.subnet.replace(/\/\d+$/, '');

function damage(kind: string, ...commands: ReadonlyArray<(target: Target) => string>): Damage {
  return { kind, commands: target => commands.map(command => command(target)) };
}

export const damages: readonly Damage[] = [
  damage('route deleted', ({ peer }) => `ip route delete ${peer.subnet}`),
  damage('route moved to another device', ({ peer, underlay }) => {
    return `ip route replace ${peer.subnet} dev ${underlay}`;
  }),
  damage('route made a black hole', ({ peer }) => `ip route replace blackhole ${peer.subnet}`),
  damage('route put before ours', ({ peer, underlay }) => {
    return `ip route prepend ${peer.subnet} dev ${underlay}`;
  }),
  damage('route with another MTU', target => {
    return `ip route replace ${target.peer.subnet} via ${gatewayOf(target)} dev ${target.dev} onlink mtu 900`;
  }),
  damage('all routes flushed', ({ dev }) => `ip route flush dev ${dev}`),
  damage('neighbour deleted', target => `ip neigh delete ${gatewayOf(target)} dev ${target.dev}`),
  damage('neighbour with another MAC', target => {
    return `ip neigh replace ${gatewayOf(target)} lladdr ${strange} dev ${target.dev} nud permanent`;
  }),
  damage('neighbour not permanent', target => {
    return `ip neigh replace ${gatewayOf(target)} lladdr ${target.peer.mac} dev ${target.dev} nud stale`;
  }),
  damage('FDB entry deleted', ({ dev, peer }) => `bridge fdb delete ${peer.mac} dev ${dev}`),
  damage('FDB entry to another host', ({ dev, peer }) => {
    return `bridge fdb replace ${peer.mac} dev ${dev} dst 192.0.2.254 self permanent`;
  }),
  damage('address deleted', ({ dev, address }) => `ip address delete ${address}/32 dev ${dev}`),
  damage('stale address added', ({ dev }) => `ip address add 10.2.200.0/32 dev ${dev}`),
  damage('MTU changed', ({ dev }) => `ip link set ${dev} mtu 1400`),
  damage('MAC changed', ({ dev }) => `ip link set ${dev} address ${strange}`),
  damage('queue length changed', ({ dev }) => `ip link set ${dev} txqueuelen 500`),
  damage('learning switched on', ({ dev }) => `ip link set ${dev} type vxlan learning`),
  damage('device down', ({ dev }) => `ip link set ${dev} down`),
  damage(
    'device down and up',
    ({ dev }) => `ip link set ${dev} down`,
    ({ dev }) => `ip link set ${dev} up`,
  ),
  damage('device renamed', ({ dev }) => `ip link set ${dev} name foo`),
  damage('device deleted', ({ dev }) => `ip link delete ${dev}`),
  damage(
    'device replaced by another',
    ({ dev }) => `ip link delete ${dev}`,
    ({ dev, underlay, local }) =>
      `ip link add ${dev} type vxlan id 2 dev ${underlay} local ${local} dstport 8472`,
  ),
  damage(
    'stale entries added',
    ({ dev }) => `ip route add 10.2.77.0/24 via 10.2.77.0 dev ${dev} onlink`,
    ({ dev }) => `ip neigh add 10.2.77.0 lladdr 02:00:00:00:00:77 dev ${dev} nud permanent`,
    ({ dev }) => `bridge fdb add 02:00:00:00:00:77 dev ${dev} dst 192.0.2.77 self permanent`,
  ),
];

/** @throws Error for a kind that there is not */
export function damageOf(kind: string): Damage {
  const found = damages.find(damage => damage.kind === kind);
  if (found === undefined) throw new Error(`no such damage: ${kind}`);
  return found;
}

/** The damage as one shell command: a later part may find the damage already repaired, and that is well. */
export function shellOf(damage: Damage, target: Target): readonly string[] {
  return ['sh', '-c', [...damage.commands(target), 'true'].join('; ')];
}

/** Numbers in [0, 1) that a seed decides (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** In another order (Fisher and Yates). */
export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const result = [...items];
  for (let last = result.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [result[last], result[other]] = [result[other] as T, result[last] as T];
  }
  return result;
}
