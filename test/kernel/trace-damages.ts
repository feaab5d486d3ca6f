/** What is taken away from a host, one thing at a time, and how it comes back where no command of the trace's does it. */
import type { Family } from '../../src/base/ip.ts';

export interface Damage {
  readonly name: string;
  /** Shell lines, in the host's namespace. */
  readonly harm: readonly string[];
  /** For what no command mends, as printed. */
  readonly undo?: readonly string[];
  /** Traced from this host itself unless told otherwise. */
  readonly from?: 'container';
}

const names = {
  4: {
    ip: 'ip',
    subnet: '10.2.14.0/24',
    vtep: '10.2.14.0',
    half: '10.2.14.0/25',
    device: 'flannel.1',
    own: '10.2.1.0/32',
    ownSubnet: '10.2.1.0/24',
    bridgeAddress: '10.2.1.1/24',
    underlay: '192.0.2.0/24',
    peer: '192.0.2.14',
    other: '192.0.2.99',
    network: '10.2.0.0/16',
    forwarding: 'net.ipv4.ip_forward',
    there: '10.2.14.3',
    iptables: 'iptables',
  },
  6: {
    ip: 'ip -6',
    subnet: 'fd00:2:0:14::/64',
    vtep: 'fd00:2:0:14::',
    half: 'fd00:2:0:14::/65',
    device: 'flannel-v6.1',
    own: 'fd00:2:0:1::/128',
    ownSubnet: 'fd00:2:0:1::/64',
    bridgeAddress: 'fd00:2:0:1::1/64',
    underlay: '2001:db8::/64',
    peer: '2001:db8::14',
    other: '2001:db8::99',
    network: 'fd00:2::/48',
    forwarding: 'net.ipv6.conf.all.forwarding',
    there: 'fd00:2:0:14::3',
    iptables: 'ip6tables',
  },
} as const;

/** Things that every backend's packets meet. */
function common(family: Family): Damage[] {
  const { ip, ownSubnet, peer, forwarding, there, iptables, network } = names[family];
  return [
    {
      name: 'a policy rule takes the packets to another table',
      harm: [
        `${ip} rule add to ${network} priority 70 lookup 70`,
        `${ip} route add default dev cni0 table 70`,
      ],
    },
    { name: 'a policy rule refuses them', harm: [`${ip} rule add to ${there} priority 80 prohibit`] },
    { name: 'a route refuses them', harm: [`${ip} route add unreachable ${there}`] },
    { name: 'the host does not forward', from: 'container', harm: [`sysctl -qw ${forwarding}=0`] },
    {
      name: "the route to the container's bridge is missing",
      from: 'container',
      harm: [`${ip} route del ${ownSubnet} dev cni0`],
    },
    {
      name: 'a firewall drops what is forwarded',
      from: 'container',
      harm: [`${iptables} -P FORWARD DROP`],
      undo: [`${iptables} -P FORWARD ACCEPT`, `${iptables} -F`],
    },
    {
      name: 'a firewall rule drops what is forwarded',
      from: 'container',
      harm: [`${iptables} -A FORWARD -i cni0 -j DROP`],
      undo: [`${iptables} -F`],
    },
    {
      name: 'somebody masquerades what goes from container to container',
      from: 'container',
      harm: [`${iptables} -t nat -A POSTROUTING -s ${ownSubnet} ! -o cni0 -j MASQUERADE`],
      undo: [`${iptables} -t nat -F`],
    },
    {
      name: 'the other host is not in its place',
      harm: [`ip neigh del ${peer} dev eth0`, `ip neigh add ${peer} dev eth0 nud failed`],
      undo: [`ip neigh replace ${peer} lladdr 02:00:00:00:00:02 dev eth0 nud permanent`],
    },
    {
      name: 'the other host has not been looked for',
      harm: [`ip neigh del ${peer} dev eth0`],
      undo: [`ip neigh replace ${peer} lladdr 02:00:00:00:00:02 dev eth0 nud permanent`],
    },
  ];
}

export function vxlanDamages(family: Family): Damage[] {
  const { ip, subnet, vtep, half, device, own, underlay, other, peer } = names[family];
  const mac = '0a:00:00:00:00:14';
  return [
    { name: 'the route is missing', harm: [`${ip} route del ${subnet}`] },
    { name: 'the neighbour entry is missing', harm: [`ip neigh del ${vtep} dev ${device}`] },
    { name: 'the FDB entry is missing', harm: [`bridge fdb del ${mac} dev ${device}`] },
    {
      name: 'the address of the device is missing',
      harm: [`ip addr del ${own} dev ${device}`],
      ...(family === 6 ? { undo: [`ip addr add ${own} dev ${device} nodad`] } : {}),
    },
    { name: 'the device is down', harm: [`ip link set ${device} down`] },
    { name: 'the device is missing', harm: [`ip link del ${device}`] },
    { name: 'the device has another MAC', harm: [`ip link set ${device} address 02:00:00:00:00:ee`] },
    {
      name: 'the underlay takes smaller packets than the tunnel makes of them',
      harm: ['ip link set eth0 mtu 1400'],
      undo: ['ip link set eth0 mtu 1500', `ip link set ${device} mtu ${family === 4 ? 1450 : 1430}`],
    },
    { name: 'the route leads elsewhere', harm: [`${ip} route replace ${subnet} via ${other} dev eth0`] },
    {
      name: 'a more specific route takes the packets',
      harm: [`${ip} route add ${half} via ${other} dev eth0 proto static`],
    },
    {
      name: 'the neighbour entry has another MAC',
      harm: [`ip neigh replace ${vtep} lladdr 0a:00:00:00:00:99 dev ${device} nud permanent`],
    },
    {
      name: 'the FDB entry leads to another host',
      harm: [`bridge fdb replace ${mac} dev ${device} dst ${other} self permanent`],
    },
    {
      name: 'the FDB entry is missing, and a default takes its place',
      harm: [
        `bridge fdb del ${mac} dev ${device}`,
        `bridge fdb append 00:00:00:00:00:00 dev ${device} dst ${peer} self permanent`,
      ],
      undo: [
        `bridge fdb del 00:00:00:00:00:00 dev ${device} dst ${peer}`,
        `bridge fdb replace ${mac} dev ${device} dst ${peer} self permanent`,
      ],
    },
    {
      name: 'no route leads over the underlay',
      harm: [`${ip} route del ${underlay} dev eth0`, `${ip} route del default`],
      undo: [
        `${ip} route replace ${underlay} dev eth0 proto kernel ${family === 4 ? 'scope link src 192.0.2.1' : 'metric 256'}`,
        `${ip} route add default via ${family === 4 ? '192.0.2.254' : '2001:db8::ff'} dev eth0`,
      ],
    },
    ...common(family),
  ];
}

/** What keeps packets away from a container when they come from the other host, and their answers from there. */
export function thereDamages(family: Family, byVxlan: boolean): Damage[] {
  const { iptables, peer } = names[family];
  const container = family === 4 ? '10.2.1.2' : 'fd00:2:0:1::2';
  const mend = `ip neigh replace ${container} lladdr 02:00:00:00:01:02 dev cni0 nud permanent`;
  const shared = [
    'the host does not forward',
    "the route to the container's bridge is missing",
    'the route is missing',
    'a more specific route takes the packets',
    'a policy rule refuses them',
  ];
  const ofVxlan = [
    'the neighbour entry is missing',
    'the FDB entry is missing',
    'the device is down',
    'the device is missing',
    'the device has another MAC',
  ];
  const known = byVxlan ? vxlanDamages(family) : directDamages(family);
  return [
    {
      name: 'a firewall rule drops what is forwarded to the containers',
      harm: [`${iptables} -A FORWARD -o cni0 -j DROP`],
      undo: [`${iptables} -F`],
    },
    { name: 'the bridge is down', harm: ['ip link set cni0 down'], undo: [mend] },
    {
      name: 'the container does not answer',
      harm: [`ip neigh replace ${container} dev cni0 nud failed`],
      undo: [mend],
    },
    {
      name: 'a firewall rule drops whatever the other host sends',
      harm: [`${iptables} -A INPUT -s ${peer} -j DROP`],
      undo: [`${iptables} -F`],
    },
    ...known.filter(({ name }) => [...shared, ...(byVxlan ? ofVxlan : [])].includes(name)),
  ].filter(({ name }) => byVxlan || !name.includes('whatever the other host sends'));
}

export function directDamages(family: Family): Damage[] {
  const { ip, subnet, half, other } = names[family];
  return [
    { name: 'the route is missing', harm: [`${ip} route del ${subnet}`] },
    { name: 'the route leads elsewhere', harm: [`${ip} route replace ${subnet} via ${other} dev eth0`] },
    {
      name: 'a more specific route takes the packets',
      harm: [`${ip} route add ${half} via ${other} dev eth0 proto static`],
    },
    ...common(family),
  ];
}

export function udpDamages(family: Family): Damage[] {
  const { ip, network, half, other, own } = names[family];
  return [
    { name: 'the route is missing', harm: [`${ip} route del ${network}`] },
    {
      name: 'the address of the device is missing',
      harm: [`ip addr del ${own} dev flannel0`],
      ...(family === 6 ? { undo: [`ip addr add ${own} dev flannel0 nodad`] } : {}),
    },
    { name: 'the device is down', harm: ['ip link set flannel0 down'] },
    {
      name: 'a more specific route takes the packets',
      harm: [`${ip} route add ${half} via ${other} dev eth0 proto static`],
    },
    ...common(family),
  ];
}
