/** What a lab consists of, by name and address: all that is known before anything is made. */
import { WeftError } from '../base/errors.ts';
import { type IpAddress, ipAdd, parseIp } from '../base/ip.ts';
import { type Prefix, parsePrefix, prefixBase } from '../base/prefix.ts';

/** What the operator asks for. */
export interface LabShape {
  readonly name: string;
  readonly hosts: number;
  readonly containersPerHost: number;
  readonly registry: RegistryKind;
}

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
  readonly underlay: IpAddress;
  readonly containers: readonly ContainerPlan[];
}

export interface ContainerPlan extends Place {
  /** From 1; decides the address. */
  readonly number: number;
  /** The host's end of the container's cable. */
  readonly port: string;
}

/** RFC 5737's documentation prefix: nobody's real network. */
export const underlayPrefix = parsePrefix('192.0.2.0/24');

/** The switch's own address, where a lab's etcd listens. */
export const switchAddress = parseIp('192.0.2.1');

/** What all hosts share; the lab puts it into the registry. */
export const networkConfig = { Network: '10.2.0.0/16', Backend: { Type: 'vxlan' } } as const;

/** The bridge that joins a host's containers, named as the CNI plugin names its own. */
export const bridgeName = 'cni0';

export const defaultShape: LabShape = { name: 'lab', hosts: 2, containersPerHost: 1, registry: 'dir' };

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

/** Hosts first, then what is on them, as people look for them; the switch last. */
export function placesOf(plan: LabPlan): Place[] {
  return [...plan.hosts, ...plan.hosts.flatMap(host => host.containers), plan.switch];
}

/** True for the name of any namespace that a lab of this name may have, whatever its size. */
export function isNetnsOf(lab: string, netns: string): boolean {
  const rest = netns.startsWith(`weft-${lab}-`) ? netns.slice(`weft-${lab}-`.length) : '';
  return /^(switch|host[1-9]\d*(-c[1-9]\d*)?)$/.test(rest);
}

/** The n-th container's address in its host's subnet: 10.2.14.2 for the first of 10.2.14.0/24. */
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
    underlay: ipAdd(prefixBase(underlayPrefix), BigInt(10 + number)),
    containers: numbers(shape.containersPerHost).map(container => ({
      name: `${name}/c${container}`,
      netns: netnsName(shape.name, `${name}-c${container}`),
      number: container,
      port: `veth-c${container}`,
    })),
  };
}

function netnsName(lab: string, place: string): string {
  return `weft-${lab}-${place}`;
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}
