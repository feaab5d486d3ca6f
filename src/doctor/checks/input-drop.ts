import { addressOf, leasedFamilies, publicIpOf } from '../../backend/family.ts';
import type { Family, IpAddress } from '../../base/ip.ts';
import { hostPrefix } from '../../base/prefix.ts';
import { ruleNamesOf } from '../../host/traffic-wish.ts';
import { rulesFor } from '../../traffic/known-packet.ts';
import { type Flow, wayThrough } from '../../traffic/packet-walk.ts';
import type { MemberView } from '../../view/member-view.ts';
import { type BaseChain, baseChains, isPolicy, withoutJumps } from '../base-chains.ts';
import type { Check } from '../check.ts';
import { type Finding, fail, ok, skip } from '../finding.ts';
import type { Scene } from '../scene.ts';

/** Whether this host's firewall lets the tunnel's UDP packets in and out; what comes out of them is forward-drop's. */
export const inputDrop: Check = {
  name: 'input-drop',
  title: 'firewall, tunnel port',
  look: async scene => {
    const member = await scene.member();
    const { backend, host } = member.membership;
    if (backend.udpPorts.length === 0) return skip(`${backend.type} has no tunnel port`);
    const families = leasedFamilies(host);
    return (await Promise.all(families.map(family => lookAt(family, member, scene)))).flat();
  },
};

/** Chosen: firewalls tell hosts apart by networks as a rule, so that these stand for all. */
const mostPeers = 256;

interface Tunnel {
  readonly port: number;
  readonly external: string;
  readonly own: IpAddress;
  readonly peers: readonly IpAddress[];
}

async function lookAt(family: Family, member: MemberView, scene: Scene): Promise<Finding[]> {
  const view = await scene.underlayFirewall(family);
  if (view.unread !== undefined)
    return [skip(`IPv${family}: the firewall could not be read: ${view.unread}`)];
  const { backend, host } = member.membership;
  const own = addressOf(host.external, family);
  const peers = member.peers.leases.flatMap(({ attrs }) => publicIpOf(attrs, family) ?? []);
  if (own === undefined || peers.length === 0) return [ok(`IPv${family}: there are no peers to hear of`)];
  const names = ruleNamesOf(scene.options);
  const chains = (['in', 'out'] as const).flatMap(direction =>
    baseChains(view, { family, hooks: hooks[direction], type: 'filter', names, netns: undefined }).map(
      // What our own guard drops is compared with what it should be by another check.
      chain => ({ direction, chain, rules: withoutJumps(chain.chains, names.isOwnChain) }),
    ),
  );
  const wrong = backend.udpPorts.flatMap(port => {
    const tunnel = { port, external: host.external.name, own, peers: peers.slice(0, mostPeers) };
    return chains.flatMap(({ direction, chain, rules }) =>
      dropsOf(rulesFor(rules, { protocol: 'udp', destinationPort: port }), chain, direction, tunnel),
    );
  });
  if (wrong.length > 0) return wrong;
  const ports = backend.udpPorts.join(' and ');
  return [ok(`nothing is sure to drop UDP to port ${ports} over IPv${family}, in or out`)];
}

type Direction = 'in' | 'out';

const hooks = { in: ['prerouting', 'input'], out: ['output', 'postrouting'] } as const;

function dropsOf(
  rules: BaseChain['chains'],
  chain: BaseChain,
  direction: Direction,
  tunnel: Tunnel,
): Finding[] {
  const victims = new Map<string, IpAddress[]>();
  for (const peer of tunnel.peers) {
    const way = wayThrough(rules, chain.base, flowOf(peer, direction, tunnel));
    if (way.type === 'drops') victims.set(way.rule, [...(victims.get(way.rule) ?? []), peer]);
  }
  return [...victims].map(([rule, peers]) => findingOf({ rule, peers, chain, direction, tunnel }));
}

function flowOf(peer: IpAddress, direction: Direction, { external, own }: Tunnel): Flow {
  const [there, here] = [hostPrefix(peer), hostPrefix(own)];
  return direction === 'in'
    ? { inDevice: external, outDevice: '', source: there, destination: here }
    : { inDevice: '', outDevice: external, source: here, destination: there };
}

function findingOf({
  rule,
  peers,
  chain,
  direction,
  tunnel,
}: {
  readonly rule: string;
  readonly peers: readonly IpAddress[];
  readonly chain: BaseChain;
  readonly direction: Direction;
  readonly tunnel: Tunnel;
}): Finding {
  const { port, external } = tunnel;
  const isAll = peers.length === tunnel.peers.length;
  const whom = isAll
    ? 'other hosts'
    : `${peers.slice(0, 3).join(', ')}${peers.length > 3 ? ' and more' : ''}`;
  const way = direction === 'in' ? `that comes in from ${whom}` : `that goes out to ${whom}`;
  const by = isPolicy(rule) ? 'its policy is DROP, and no rule accepts it' : `by ${rule}`;
  const device = direction === 'in' ? { inDevice: external } : { outDevice: external };
  return fail(`${chain.name} drops the tunnel's UDP port ${port} ${way}: ${by}`, {
    evidence: [chain.evidence(rule)],
    remedy: {
      commands: [chain.accept({ ...device, udpPort: port })],
      text: `lasts until the rules are loaded again; for good: have the firewall accept UDP port ${port} between the hosts (ufw: ufw allow ${port}/udp; firewalld: firewall-cmd --permanent --add-port=${port}/udp)`,
    },
  });
}
