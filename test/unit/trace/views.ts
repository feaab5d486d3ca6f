/** A host as a trace sees it, without any kernel: eth0 192.0.2.1, flannel.1 with a peer's three entries, docker0. */
import { parseIp } from '../../../src/base/ip.ts';
import { parseMac } from '../../../src/base/mac.ts';
import { parsePrefix } from '../../../src/base/prefix.ts';
import type { Trace } from '../../../src/trace/hop.ts';
import { noFirewall } from '../../../src/trace/read-firewall.ts';
import { traceFlow } from '../../../src/trace/trace-flow.ts';
import type { KernelView, NetworkView, ViewLink } from '../../../src/trace/view.ts';
import type { Address } from '../../../src/wire/address.ts';
import type { Route } from '../../../src/wire/route.ts';
import type { Rule } from '../../../src/wire/rule.ts';

export function link(name: string, more: Partial<ViewLink> = {}): ViewLink {
  return {
    index: name.length,
    name,
    kind: { kind: 'none' },
    mac: parseMac('02:00:00:00:00:01'),
    mtuBytes: 1500,
    txQueueLength: 1000,
    up: true,
    carrier: true,
    loopback: name === 'lo',
    pointToPoint: false,
    master: undefined,
    parent: undefined,
    parentNetnsId: undefined,
    alias: undefined,
    below: undefined,
    ...more,
  };
}

export function rule(priority: number, table: number, more: Partial<Rule> = {}): Rule {
  return {
    ...{ family: 4, priority, action: { type: 'lookup', table }, not: false, source: undefined },
    ...{ destination: undefined, tos: 0, mark: undefined, iif: undefined, oif: undefined, detached: false },
    ...{ suppressPrefixLength: undefined, protocol: 2, others: [] },
    ...more,
  };
}

export function route(dst: string, more: Partial<Route<string>> = {}): Route<string> {
  return {
    dst: parsePrefix(dst),
    type: 'unicast',
    table: 254,
    tos: 0,
    protocol: 'boot',
    scope: 'global',
    ...more,
  };
}

function address(dev: string, local: string, prefixLength: number): Address<string> {
  return { dev, local: parseIp(local), prefixLength };
}

const vtep = link('flannel.1', {
  kind: { kind: 'vxlan', vni: 1, local: parseIp('192.0.2.1'), port: 8472, dev: 'eth0' },
  mtuBytes: 1450,
  below: 'eth0',
});

export const tables: KernelView['tables'] = {
  rules: [rule(0, 255), rule(32766, 254), rule(32767, 253)],
  routes: [
    route('10.2.14.0/24', { gateway: parseIp('10.2.14.0'), dev: 'flannel.1', onlink: true }),
    route('10.2.1.0/24', { dev: 'docker0', scope: 'link' }),
    route('192.0.2.0/24', { dev: 'eth0', scope: 'link', preferredSource: parseIp('192.0.2.1') }),
    route('0.0.0.0/0', { gateway: parseIp('192.0.2.254'), dev: 'eth0' }),
    route('10.2.1.0/32', { type: 'local', dev: 'flannel.1', table: 255 }),
  ],
  nextHops: [],
  usable: new Set(['lo', 'eth0', 'flannel.1', 'docker0', 'veth1']),
};

export function view(more: Partial<KernelView> = {}): KernelView {
  return {
    links: [
      link('lo'),
      link('eth0'),
      vtep,
      link('docker0', { kind: { kind: 'bridge' } }),
      link('veth1', { kind: { kind: 'veth' }, master: 'docker0' }),
    ],
    addresses: [
      address('eth0', '192.0.2.1', 24),
      address('flannel.1', '10.2.1.0', 32),
      address('docker0', '10.2.1.1', 24),
    ],
    tables,
    neighbours: [
      {
        dev: 'flannel.1',
        dst: parseIp('10.2.14.0'),
        lladdr: parseMac('0a:00:00:00:00:14'),
        state: 'permanent',
      },
      { dev: 'docker0', dst: parseIp('10.2.1.2'), lladdr: parseMac('02:00:00:00:01:02'), state: 'reachable' },
    ],
    fdb: [
      {
        dev: 'flannel.1',
        lladdr: parseMac('0a:00:00:00:00:14'),
        dst: parseIp('192.0.2.14'),
        table: 'self',
        state: 'permanent',
      },
    ],
    settings: new Map([
      ['net/ipv4/ip_forward', '1'],
      ['net/ipv4/conf/docker0/forwarding', '1'],
    ]),
    firewall: noFirewall,
    decisions: new Map(),
    ...more,
  };
}

/** The registry cannot be read, and a file tells the network. */
export const unread: NetworkView = {
  unread: 'etcd is away',
  config: undefined,
  leases: [],
  networks: [parsePrefix('10.2.0.0/16')],
  subnet: { ipv4: parsePrefix('10.2.1.0/24'), ipv6: undefined },
  own: undefined,
};

export function trace(of: KernelView, destination: string, from?: string, network = unread): Trace {
  const question = {
    destination: parseIp(destination),
    from: from === undefined ? undefined : parseIp(from),
  };
  return traceFlow(of, network, question).trace;
}

/** `neighbour passes`, one line a hop. */
export function outline({ hops }: Trace): string[] {
  return hops.map(({ kind, verdict }) => `${kind} ${verdict}`);
}
