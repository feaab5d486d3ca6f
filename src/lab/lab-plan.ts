/** What a lab consists of, by name and address: all that is known before anything is made. */
import { WeftError } from '../base/errors.ts';
import { type Family, familyOf, type IpAddress, ipAdd, parseIp } from '../base/ip.ts';
import { type Prefix, parsePrefix, prefixBase } from '../base/prefix.ts';
import type { LabBackend } from './lab-network.ts';

/** What the operator asks for. */
export interface LabShape {
  readonly name: string;
  readonly hosts: number;
  readonly containersPerHost: number;
  readonly registry: RegistryKind;
  readonly backend: LabBackend;
  readonly family: LabFamily;
  /** Whether the hosts probe each other, as daemons do; without, nothing but what somebody sends is on the wire. */
  readonly probing: boolean;
}

/** IPv4, IPv6, or both: of the underlay and of the containers. */
export type LabFamily = '4' | '6' | '46';

export const labFamilies: readonly LabFamily[] = ['4', '6', '46'];

export type RegistryKind = 'dir' | 'etcd';

/** Everything that has a network namespace: the switch, a host, a container. */
export interface Place {
  /** As people write it: `switch`, `host2`, `host2/c1`. */
  readonly name: string;
  /** As `ip netns` lists it: `weft-lab-host2-c1`. */
  readonly netns: string;
}

export interface LabPlan {
  readonly shape: LabShape;
  readonly switch: Place;
  readonly hosts: readonly HostPlan[];
}

export interface HostPlan extends Place {
  /** One of each family of the lab, IPv4 first. */
  readonly underlay: readonly IpAddress[];
  readonly containers: readonly ContainerPlan[];
}

export interface ContainerPlan extends Place {
  /** From 1; decides the address. */
  readonly number: number;
  /** The host's end of the container's cable. */
  readonly port: string;
}

/** The documentation prefixes of RFC 5737 and RFC 3849: nobody's real networks. */
export const underlayPrefix: Readonly<Record<Family, Prefix>> = {
  4: parsePrefix('192.0.2.0/24'),
  6: parsePrefix('2001:db8::/64'),
};

/** The bridge that joins a host's containers, named as the CNI plugin names its own. */
export const bridgeName = 'cni0';

export const defaultShape: LabShape = {
  name: 'lab',
  hosts: 2,
  containersPerHost: 1,
  registry: 'dir',
  backend: 'vxlan',
  family: '4',
  probing: true,
};

/** Host n has 192.0.2.(10 + n); a subnet of 254 addresses keeps the first for the bridge. */
const limits = { hosts: 240, containersPerHost: 250 } as const;

/** @throws WeftError `lab-shape`, `lab-name` */
export function planLab(shape: LabShape): LabPlan {
  checkName(shape.name);
  checkCount('hosts', shape.hosts, 1, limits.hosts);
  checkCount('containers per host', shape.containersPerHost, 0, limits.containersPerHost);
  return {
    shape,
    switch: { name: 'switch', netns: netnsName(shape.name, 'switch') },
    hosts: numbers(shape.hosts).map(number => planHost(shape, number)),
  };
}

export function familiesOf({ family }: Pick<LabShape, 'family'>): Family[] {
  return family === '46' ? [4, 6] : [family === '4' ? 4 : 6];
}

/** The switch's own addresses, of which the first is where a lab's etcd listens. */
export function switchAddresses(shape: Pick<LabShape, 'family'>): [IpAddress, ...IpAddress[]] {
  const [first = 4, ...more] = familiesOf(shape);
  return [underlayAddress(first, 1), ...more.map(family => underlayAddress(family, 1))];
}

/** Of several addresses that of one family. */
export function ofFamily(addresses: readonly IpAddress[], family: Family): IpAddress | undefined {
  return addresses.find(address => familyOf(address) === family);
}

/** Hosts first, then what is on them, as people look for them; the switch last. */
export function placesOf(plan: LabPlan): Place[] {
  return [...plan.hosts, ...plan.hosts.flatMap(host => host.containers), plan.switch];
}

/** True for the name of any namespace that a lab of this name may have, whatever its size. */
export function isNetnsOf(lab: string, netns: string): boolean {
  const rest = netns.startsWith(`weft-${lab}-`) ? netns.slice(`weft-${lab}-`.length) : '';
  return /^(switch|host[1-9]\d*(-c[1-9]\d*)?)$/.test(rest);
}

/** The n-th container's address in its host's subnet: 10.2.14.2 for the first of 10.2.14.0/24; likewise in IPv6. */
export function containerAddress(subnet: Prefix, number: number): IpAddress {
  return ipAdd(prefixBase(subnet), BigInt(number + 1));
}

/**
 * Lab names hold no hyphen: lab `a` would otherwise take `weft-a-host1-...` of a lab `a-host1` for its own.
 * @throws WeftError `lab-name`
 */
export function checkName(name: string): void {
  if (/^[a-z][a-z0-9_]{0,19}$/.test(name)) return;
  const expected = 'expected 1 to 20 lower-case letters, digits and underscores, beginning with a letter';
  throw new WeftError('lab-name', `not a lab's name: ${JSON.stringify(name)}: ${expected}`);
}

function checkCount(what: string, count: number, low: number, high: number): void {
  if (Number.isInteger(count) && count >= low && count <= high) return;
  throw new WeftError('lab-shape', `a lab has ${low} to ${high} ${what}, not ${count}`);
}

function planHost(shape: LabShape, number: number): HostPlan {
  const name = `host${number}`;
  return {
    name,
    netns: netnsName(shape.name, name),
    underlay: familiesOf(shape).map(family => underlayAddress(family, 10 + number)),
    containers: numbers(shape.containersPerHost).map(container => ({
      name: `${name}/c${container}`,
      netns: netnsName(shape.name, `${name}-c${container}`),
      number: container,
      port: `veth-c${container}`,
    })),
  };
}

/** 192.0.2.11 and 2001:db8::11 for 11: people read the same digits in both. */
function underlayAddress(family: Family, number: number): IpAddress {
  const prefix = prefixBase(underlayPrefix[family]);
  return family === 4 ? ipAdd(prefix, BigInt(number)) : parseIp(`${prefix}${number}`);
}

function netnsName(lab: string, place: string): string {
  return `weft-${lab}-${place}`;
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}
