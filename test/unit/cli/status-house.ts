/** Statuses as tests of what is printed need them. */
import { parseIp } from '../../../src/base/ip.ts';
import { parseMac } from '../../../src/base/mac.ts';
import { parsePrefix } from '../../../src/base/prefix.ts';
import { probeName, type ToldStatus } from '../../../src/cli/told-status.ts';
import type { LiveNetwork, LiveStatus } from '../../../src/control/live-status.ts';
import type { ProbeFacts } from '../../../src/control/probe-facts.ts';
import type { PeerState, PeerStatus } from '../../../src/view/peer-status.ts';

const minute = 60_000;
const hour = 60 * minute;
export const now = new Date(2026, 10, 24, 12, 6, 0).getTime();

/** The peer of the subnet 10.2.N.0/24 on the host 192.0.2.N. */
export function peer(octet: number, state: PeerState = 'programmed', reason = ''): PeerStatus {
  return {
    ...{ state, reason, backend: 'vxlan', objects: [] },
    families: [
      {
        ...{ family: 4, subnet: parsePrefix(`10.2.${octet}.0/24`), address: parseIp(`192.0.2.${octet}`) },
        vtepMac: parseMac(`0a:00:00:00:00:${octet.toString(16).padStart(2, '0')}`),
        device: 'flannel.1',
      },
    ],
  };
}

export function probe(octet: number, facts: Partial<ProbeFacts> = {}): ProbeFacts {
  return {
    ...{ peer: `10.2.${octet}.0-24`, family: 4, address: parseIp(`10.2.${octet}.0`), verdict: 'answers' },
    ...{ latencyMs: 0.214, lossRatio: 0, largestBytes: 1450, wantedBytes: 1450, lastAnswerMs: now - 500 },
    ...facts,
  };
}

export const network: LiveNetwork = {
  registry: { connected: true, staleSinceMs: undefined, reconnects: 0 },
  lease: { held: true, problem: '', expiresMs: now + 23 * hour },
  ...{ repairs: { counts: {}, last: [] }, troubles: [], probes: [] },
};

export const live: LiveStatus = {
  ...{ version: '0.1.0', pid: 4711, startedMs: now - 3 * hour, ready: true, reason: '' },
  ...{ waiting: undefined, network },
};

export interface Told {
  readonly peers?: readonly PeerStatus[];
  readonly probes?: readonly ProbeFacts[];
  readonly network?: Partial<LiveNetwork>;
  readonly live?: Partial<LiveStatus> | undefined;
  readonly more?: Partial<ToldStatus>;
}

/** A healthy host of a network by vxlan. */
export function told({ peers = [], probes = [], network: ofNetwork = {}, live: ofLive = {}, more }: Told) {
  const status: ToldStatus = {
    ...{ network: undefined, nowMs: now, leaseEndsMs: now + 23 * hour },
    host: {
      ...{ interface: 'eth0', interfaceMtuBytes: 1500, mtuBytes: 1450, backend: 'vxlan' },
      ...{ publicIp: parseIp('192.0.2.11'), publicIpv6: undefined, networks: [parsePrefix('10.2.0.0/16')] },
      subnet: { ipv4: parsePrefix('10.2.12.0/24'), ipv6: undefined },
      devices: [{ name: 'flannel.1', state: 'up', mtuBytes: 1450, mac: parseMac('ea:c9:cc:d8:8e:27') }],
    },
    lease: { key: 'subnets/10.2.12.0-24', permanent: false },
    registry: { name: 'etcd http://192.0.2.10:2379/coreos.com/network', reachable: true, problem: undefined },
    kernel: { objects: 11, missing: 0, differing: 0, leftOver: 0 },
    ...{ peers, remarks: [], locks: ['flannel.1'] },
    daemon: {
      ...{ runs: true, mute: undefined },
      live: { ...live, network: { ...network, ...ofNetwork, probes }, ...ofLive },
    },
    statistics: new Map([
      [
        'flannel.1',
        {
          up: true,
          received: { packets: 10, bytes: 1_234_567, dropped: 0, errors: 0 },
          sent: { packets: 12, bytes: 34_000_000_000, dropped: 5, errors: 0 },
        },
      ],
    ]),
    probes: new Map(probes.map(facts => [probeName(facts), facts])),
    ...more,
  };
  return status;
}
