import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Family, parseIp } from '../../../src/base/ip.ts';
import { parseMac } from '../../../src/base/mac.ts';
import { parsePrefix } from '../../../src/base/prefix.ts';
import { entriesText, noPaint } from '../../../src/lab/demo-text.ts';
import { drawLayers } from '../../../src/lab/layers-drawing.ts';
import type { Carriage, PacketPath, PathEnd } from '../../../src/lab/packet-path.ts';
import { drawPath } from '../../../src/lab/path-drawing.ts';
import type { CarryingEntries } from '../../../src/lab/read-path.ts';

const mac = { 1: parseMac('5e:a0:13:7f:0c:01'), 2: parseMac('02:b4:6c:11:90:ee') } as const;
const nets = { 4: { 1: '10.2.57.', 2: '10.2.101.' }, 6: { 1: 'fd02:0:0:ab::', 2: 'fd02:0:0:cd::' } } as const;

function endOf(host: 1 | 2, family: Family, device: string | undefined): PathEnd {
  const net = nets[family][host];
  const first = parseIp(family === 4 ? `${net}0` : net);
  return {
    host: `host${host}`,
    container: `host${host}/c1`,
    subnet: parsePrefix(`${first}/${family === 4 ? 24 : 64}`),
    containerAddress: parseIp(`${net}2`),
    bridge: 'cni0',
    bridgeAddress: parseIp(`${net}1`),
    tunnel: device === undefined ? undefined : { device, address: first, mac: mac[host] },
    underlay: 'eth0',
    underlayAddress: parseIp(`${family === 4 ? '192.0.2.' : '2001:db8::'}${10 + host}`),
  };
}

function pathOf(family: Family, carriage: Carriage, overlayMtuBytes: number): PacketPath {
  const vtep = family === 4 ? 'flannel.1' : 'flannel-v6.1';
  const device = { vxlan: vtep, udp: 'flannel0', direct: undefined }[carriage.type];
  const [from, to] = [endOf(1, family, device), endOf(2, family, device)];
  return { family, from, to, carriage, underlayMtuBytes: 1500, overlayMtuBytes };
}

const vxlan = pathOf(4, { type: 'vxlan', vni: 1, port: 8472 }, 1450);
const vxlan6 = pathOf(6, { type: 'vxlan', vni: 1, port: 8472 }, 1430);
const direct = pathOf(4, { type: 'direct' }, 1500);
const udp = pathOf(4, { type: 'udp', port: 8285 }, 1472);
const udp6 = pathOf(6, { type: 'udp', port: 8285 }, 1452);

test('the path is drawn down one host and up the other, with the real names and addresses', () => {
  assert.equal(
    `\n${drawPath(vxlan)}\n`,
    `
┌ host1 ─────────────────────────┐          ┌ host2 ─────────────────────────┐
│ ┌ host1/c1 ──────────────────┐ │          │ ┌ host2/c1 ──────────────────┐ │
│ │ eth0      10.2.57.2        │ │          │ │ eth0      10.2.101.2       │ │
│ └───┬────────────────────────┘ │          │ └───▲────────────────────────┘ │
│     │ veth                     │          │     │ veth                     │
│   cni0      10.2.57.1          │          │   cni0      10.2.101.1         │
│     │ (1) route                │          │     ▲ its own subnet           │
│     ▼                          │          │     │                          │
│   flannel.1 10.2.57.0          │          │   flannel.1 10.2.101.0         │
│     │       5e:a0:13:7f:0c:01  │          │     │       02:b4:6c:11:90:ee  │
│     │ (2) neighbour            │          │     ▲ takes the outer          │
│     ▼ (3) FDB entry            │ UDP 8472 │     │ headers off              │
│   eth0      192.0.2.11 ════════╪══════════╪▶ eth0      192.0.2.12          │
└────────────────────────────────┘  VNI 1   └────────────────────────────────┘
`,
  );
});

test('without encapsulation nothing is between the route and the wire', () => {
  assert.equal(
    drawPath(direct).split('\n').slice(5).join('\n'),
    `\
│   cni0      10.2.57.1          │          │   cni0      10.2.101.1         │
│     │ (1) route                │          │     ▲ its own subnet           │
│     ▼ to the other host        │ as it is │     │                          │
│   eth0      192.0.2.11 ════════╪══════════╪▶ eth0      192.0.2.12          │
└────────────────────────────────┘          └────────────────────────────────┘`,
  );
});

test('through user space the packet leaves the kernel and comes back', () => {
  assert.equal(
    drawPath(udp).split('\n').slice(5).join('\n'),
    `\
│   cni0      10.2.57.1          │          │   cni0      10.2.101.1         │
│     │ (1) route                │          │     ▲ its own subnet           │
│     ▼                          │          │     │                          │
│   flannel0  10.2.57.0          │          │   flannel0  10.2.101.0         │
│     ▼                          │          │     ▲                          │
│ ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌ user space ╌ │          │ ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌ user space ╌ │
│   weft run  (2) its table      │          │   weft run  takes it out       │
│ ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌ kernel ╌ │          │ ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌ kernel ╌ │
│     ▼                          │ UDP 8285 │     ▲                          │
│   eth0      192.0.2.11 ════════╪══════════╪▶ eth0      192.0.2.12          │
└────────────────────────────────┘          └────────────────────────────────┘`,
  );
});

for (const [title, path, text] of [
  [
    'vxlan',
    vxlan,
    `
Ethernet  14  host1 ──▶ host2                         ─ not in the MTU
IPv4      20  192.0.2.11 ──▶ 192.0.2.12               ┐
UDP        8  a port per flow ──▶ 8472                │ + 50 bytes
VXLAN      8  VNI 1                                   │ MTU 1500 - 50 = 1450
Ethernet  14  5e:a0:13:7f:0c:01 ──▶ 02:b4:6c:11:90:ee ┘
IPv4      20  10.2.57.2 ──▶ 10.2.101.2                ┐ the container's
ICMP      64  echo request, 56 bytes of data          ┘ packet, ≤ 1450
`,
  ],
  [
    'vxlan in IPv6',
    vxlan6,
    `
Ethernet  14  host1 ──▶ host2                         ─ not in the MTU
IPv6      40  2001:db8::11 ──▶ 2001:db8::12           ┐
UDP        8  a port per flow ──▶ 8472                │ + 70 bytes
VXLAN      8  VNI 1                                   │ MTU 1500 - 70 = 1430
Ethernet  14  5e:a0:13:7f:0c:01 ──▶ 02:b4:6c:11:90:ee ┘
IPv6      40  fd02:0:0:ab::2 ──▶ fd02:0:0:cd::2       ┐ the container's
ICMPv6    64  echo request, 56 bytes of data          ┘ packet, ≤ 1430
`,
  ],
  [
    'udp in IPv6',
    udp6,
    `
Ethernet  14  host1 ──▶ host2                         ─ not in the MTU
IPv6      40  2001:db8::11 ──▶ 2001:db8::12           ┐ + 48 bytes
UDP        8  8285 ──▶ 8285                           ┘ MTU 1500 - 48 = 1452
IPv6      40  fd02:0:0:ab::2 ──▶ fd02:0:0:cd::2       ┐ the container's
ICMPv6    64  echo request, 56 bytes of data          ┘ packet, ≤ 1452
`,
  ],
  [
    'no encapsulation',
    direct,
    `
Ethernet  14  host1 ──▶ host2                         ─ not in the MTU
IPv4      20  10.2.57.2 ──▶ 10.2.101.2                ┐ the container's
ICMP      64  echo request, 56 bytes of data          ┘ packet, ≤ 1500
`,
  ],
] as const) {
  test(`the layers of ${title} are listed outermost first, with what counts against the MTU`, () => {
    assert.equal(`\n${drawLayers(path)}\n`, text);
  });
}

const dev = 'flannel.1';
const gateway = parseIp('10.2.101.0');
const subnet = parsePrefix('10.2.101.0/24');

for (const [title, path, entries, text] of [
  [
    'three entries of vxlan',
    vxlan,
    {
      route: { dst: subnet, gateway, dev, onlink: true },
      vtep: {
        neighbour: { dst: gateway, lladdr: mac[2], dev, state: 'permanent' },
        fdb: { lladdr: mac[2], dst: parseIp('192.0.2.12'), dev, state: 'permanent', table: 'self' },
      },
    },
    `
What carries a packet from host1 to host2: three entries in host1's kernel
(1) route      10.2.101.0/24 via 10.2.101.0 dev flannel.1 onlink
               host2's containers are behind 10.2.101.0, which flannel.1 leads to
(2) neighbour  10.2.101.0 lladdr 02:b4:6c:11:90:ee PERMANENT
               that is the VTEP with this MAC: known, so nobody has to ask (no ARP)
(3) FDB entry  02:b4:6c:11:90:ee dst 192.0.2.12 self permanent
               frames to this MAC go by UDP to host2, 192.0.2.12 on the underlay`,
  ],
  [
    'one route to a host on the link',
    direct,
    { route: { dst: subnet, gateway: parseIp('192.0.2.12'), dev: 'eth0', protocol: 87 }, vtep: undefined },
    `
What carries a packet from host1 to host2: one route in host1's kernel
(1) route      10.2.101.0/24 via 192.0.2.12 dev eth0 proto 87
               host2's containers are behind host2 itself, which is on this link`,
  ],
  [
    "route and table of udp's daemon",
    udp,
    { route: { dst: parsePrefix('10.2.0.0/16'), dev: 'flannel0', scope: 'global' }, vtep: undefined },
    `
What carries a packet from host1 to host2: host1's daemon
(1) route      10.2.0.0/16 dev flannel0
               the whole network is behind flannel0, which the daemon reads
(2) its table  10.2.101.0/24 at 192.0.2.12, UDP 8285
               by the leases that it follows; host2's daemon hands the packet to its own kernel`,
  ],
] satisfies ReadonlyArray<readonly [string, PacketPath, CarryingEntries, string]>) {
  test(`the ${title} are told as iproute2 prints them, each with what it means`, () => {
    assert.equal(entriesText(noPaint, { path, entries }), text);
  });
}

test('every drawing fits a terminal of 80 columns, with the longest names and addresses of a lab', () => {
  for (const path of [vxlan, vxlan6, direct, udp, udp6]) {
    const ipv6 = path.family === 6;
    const longest = (host: 1 | 2): PathEnd => {
      const end = path[host === 1 ? 'from' : 'to'];
      const base = ipv6 ? `fd02:0:0:fff${host}::` : '10.2.254.';
      return {
        ...end,
        host: `host${238 + host}`,
        container: `host${238 + host}/c1`,
        containerAddress: parseIp(`${base}2`),
        tunnel: end.tunnel && { ...end.tunnel, address: parseIp(ipv6 ? base : `${base}0`) },
        underlayAddress: parseIp(ipv6 ? '2001:db8::250' : '192.0.2.250'),
      };
    };
    const wide = { ...path, from: longest(1), to: longest(2) };
    const drawn = drawPath(wide).split('\n');
    assert.deepEqual(new Set(drawn.map(row => [...row].length)), new Set([78]));
    assert.deepEqual(
      drawLayers(wide)
        .split('\n')
        .filter(row => [...row].length > 80),
      [],
    );
  }
});
