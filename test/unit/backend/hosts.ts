/** Hosts, leases and routes for the planners' tests: we are 192.0.2.1 and 2001:db8::1 on eth0, with 10.2.1.0/24. */
import type { ExternalInterface, Host, Identity, PeerPlan } from '../../../src/backend/backend.ts';
import { createBackend } from '../../../src/backend/backends.ts';
import { parseIp } from '../../../src/base/ip.ts';
import { parseMac } from '../../../src/base/mac.ts';
import { parsePrefix } from '../../../src/base/prefix.ts';
import type { Lease } from '../../../src/lease/lease.ts';
import { parseLeaseAttrs } from '../../../src/lease/lease-attrs.ts';
import { type NetworkConfig, parseNetworkConfig } from '../../../src/lease/network-config.ts';
import { parseSubnetKey } from '../../../src/lease/subnet-key.ts';
import { objectCommand } from '../../../src/state/describe.ts';
import { type KernelObject, stateOf } from '../../../src/state/kernel-object.ts';

export const external: ExternalInterface = {
  name: 'eth0',
  mtuBytes: 1500,
  ipv4: parseIp('192.0.2.1'),
  ipv6: parseIp('2001:db8::1'),
  routes: [
    { dst: parsePrefix('192.0.2.99/32'), onLink: false },
    { dst: parsePrefix('192.0.2.0/24'), onLink: true },
    { dst: parsePrefix('2001:db8::/64'), onLink: true },
    { dst: parsePrefix('fe80::/64'), onLink: true },
  ],
};

export type Families = '4' | '6' | '46';

const networks: Readonly<Record<Families, object>> = {
  4: { Network: '10.2.0.0/16' },
  6: { EnableIPv4: false, EnableIPv6: true, IPv6Network: 'fd00:2::/48' },
  46: { Network: '10.2.0.0/16', EnableIPv6: true, IPv6Network: 'fd00:2::/48' },
};

export function configOf(backend: object, families: Families = '4'): NetworkConfig {
  return parseNetworkConfig(JSON.stringify({ ...networks[families], Backend: backend })).config;
}

/** @param key such as `10.2.14.0-24` or `10.2.14.0-24&fd00:2:0:14::-64` */
export function lease(key: string, attrs: object): Lease {
  const subnet = parseSubnetKey(key);
  if (subnet === undefined) throw new Error(`no key: ${key}`);
  return { subnet, attrs: parseLeaseAttrs(JSON.stringify(attrs)), permanent: false };
}

const keys: Readonly<Record<Families, (number: number) => string>> = {
  4: number => `10.2.${number}.0-24`,
  6: number => `fd00:2:0:${number}::-64`,
  46: number => `10.2.${number}.0-24&fd00:2:0:${number}::-64`,
};

export function peer(number: number, attrs: object, families: Families = '4'): Lease {
  return lease(keys[families](number), attrs);
}

export function identity(more: Partial<Identity> = {}): Identity {
  return {
    external,
    publicIp: external.ipv4,
    publicIpv6: external.ipv6,
    existing: undefined,
    observed: stateOf([]),
    randomMac: () => parseMac('02:00:00:00:00:ff'),
    ...more,
  };
}

/** This host in such a network, with what its own backend publishes. */
export function hostOf(backend: object, families: Families = '4', more: Partial<Identity> = {}): Host {
  const config = configOf(backend, families);
  const attrs = createBackend(config).backend.attrs(identity(more));
  return {
    config,
    external: more.external ?? external,
    lease: { ...peer(1, {}, families), attrs },
  };
}

export function lines(objects: readonly KernelObject[]): string[] {
  return objects.map(object => objectCommand('add', object));
}

/** The commands of the parts in use, and `no: reason` for those that are refused. */
export function planText(plan: PeerPlan): string[] {
  return plan.flatMap(part => (part.type === 'reached' ? lines(part.objects) : [`no: ${part.reason}`]));
}
