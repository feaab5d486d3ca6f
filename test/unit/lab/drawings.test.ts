import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp } from '../../../src/base/ip.ts';
import { parseMac } from '../../../src/base/mac.ts';
import { parsePrefix } from '../../../src/base/prefix.ts';
import { drawLayers } from '../../../src/lab/layers-drawing.ts';
import type { PacketPath, PathEnd } from '../../../src/lab/packet-path.ts';
import { drawPath } from '../../../src/lab/path-drawing.ts';

function endOf(host: number, net: string, mac: string): PathEnd {
  return {
    host: `host${host}`,
    container: `host${host}/c1`,
    subnet: parsePrefix(`${net}.0/24`),
    containerAddress: parseIp(`${net}.2`),
    bridge: 'cni0',
    bridgeAddress: parseIp(`${net}.1`),
    vtep: 'flannel.1',
    vtepAddress: parseIp(`${net}.0`),
    vtepMac: parseMac(mac),
    underlay: 'eth0',
    underlayAddress: parseIp(`192.0.2.${10 + host}`),
  };
}

const path: PacketPath = {
  from: endOf(1, '10.2.57', '5e:a0:13:7f:0c:01'),
  to: endOf(2, '10.2.101', '02:b4:6c:11:90:ee'),
  vni: 1,
  port: 8472,
  underlayMtuBytes: 1500,
  overlayMtuBytes: 1450,
};

test('the path is drawn down one host and up the other, with the real names and addresses', () => {
  assert.equal(
    `\n${drawPath(path)}\n`,
    `
┌ host1 ────────────────────────┐            ┌ host2 ────────────────────────┐
│ ┌ host1/c1 ─────────────────┐ │            │ ┌ host2/c1 ─────────────────┐ │
│ │ eth0      10.2.57.2       │ │            │ │ eth0      10.2.101.2      │ │
│ └───┬───────────────────────┘ │            │ └───▲───────────────────────┘ │
│     │ veth                    │            │     │ veth                    │
│   cni0      10.2.57.1         │            │   cni0      10.2.101.1        │
│     │ (1) route               │            │     ▲ its own subnet          │
│     ▼                         │            │     │                         │
│   flannel.1 10.2.57.0         │            │   flannel.1 10.2.101.0        │
│     │       5e:a0:13:7f:0c:01 │            │     │       02:b4:6c:11:90:ee │
│     │ (2) neighbour           │            │     ▲ takes the outer         │
│     ▼ (3) FDB entry           │  UDP 8472  │     │ headers off             │
│   eth0      192.0.2.11 ═══════╪════════════╪▶ eth0      192.0.2.12         │
└───────────────────────────────┘   VNI 1    └───────────────────────────────┘
`,
  );
});

test('the layers are listed outermost first, with what counts against the MTU', () => {
  assert.equal(
    `\n${drawLayers(path)}\n`,
    `
Ethernet  14  host1 ──▶ host2                         ─ not in the MTU
IPv4      20  192.0.2.11 ──▶ 192.0.2.12               ┐
UDP        8  a port per flow ──▶ 8472                │ + 50 bytes
VXLAN      8  VNI 1                                   │ MTU 1500 - 50 = 1450
Ethernet  14  5e:a0:13:7f:0c:01 ──▶ 02:b4:6c:11:90:ee ┘
IPv4      20  10.2.57.2 ──▶ 10.2.101.2                ┐ the container's
ICMP      64  echo request, 56 bytes of data          ┘ packet, ≤ 1450
`,
  );
});

test('both drawings fit a terminal of 80 columns, with the longest names and addresses of a lab', () => {
  const longest = (host: number): PathEnd => ({
    ...endOf(host, '10.2.254', '5e:a0:13:7f:0c:01'),
    containerAddress: parseIp('10.2.254.251'),
    vtepAddress: parseIp('10.2.254.0'),
    underlayAddress: parseIp('192.0.2.250'),
  });
  const wide = { ...path, from: longest(239), to: longest(240) };
  const rows = [...drawPath(wide).split('\n'), ...drawLayers(wide).split('\n')];
  assert.deepEqual(
    rows.filter(row => [...row].length > 80),
    [],
  );
  const widths = new Set(
    drawPath(wide)
      .split('\n')
      .map(row => [...row].length),
  );
  assert.equal(widths.size, 1, 'every row of the drawing is equally wide');
});
