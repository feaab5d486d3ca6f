/** What the backend's plan says should lead to a destination: the same plan by which `weft run` makes it. */
import type { Backend, ExternalInterface, Host } from '../backend/backend.ts';
import { createBackend } from '../backend/backends.ts';
import { publicIpOf } from '../backend/family.ts';
import { type Family, familyOf, type IpAddress } from '../base/ip.ts';
import { prefixContains, prefixLength } from '../base/prefix.ts';
import { underlayRoutes } from '../host/underlay-routes.ts';
import type { Lease } from '../lease/lease.ts';
import { stepCommand } from '../state/describe.ts';
import { diff, type Step } from '../state/diff.ts';
import { type KernelObject, type LinkName, type ObjectType, stateOf } from '../state/kernel-object.ts';
import { routeCommand } from '../wire/iproute2.ts';
import type { FdbEntry, Neighbour } from '../wire/neighbour.ts';
import { mainTable, type Route } from '../wire/route.ts';
import { type KernelView, leaseOf, linkOf, type NetworkView } from './view.ts';

export interface Wish {
  /** Of the host that the destination is on. */
  readonly lease: Lease;
  readonly backend: Backend;
  readonly host: Host;
  /** The underlay address of that host. */
  readonly peer: IpAddress | undefined;
  /** Why the plan leads nowhere. */
  readonly refusal: string | undefined;
  /** Of this host and of what leads to that one. */
  readonly objects: readonly KernelObject[];
  readonly route: Route<LinkName> | undefined;
  readonly neighbour: Neighbour<LinkName> | undefined;
  readonly fdb: FdbEntry<LinkName> | undefined;
}

/** Undefined when nobody leases the destination, this host itself does, or the registry does not say enough. */
export function wishFor(view: KernelView, network: NetworkView, destination: IpAddress): Wish | undefined {
  const { config, own } = network;
  const lease = leaseOf(network, destination);
  if (config === undefined || own === undefined || lease === undefined || lease === own) return undefined;
  const family = familyOf(destination);
  const { backend } = createBackend(config);
  const host: Host = { config, lease: own, external: externalInterface(view, own) };
  const parts = backend
    .planPeer(host, lease)
    .filter(part => part.type === 'refused' || isOf(part.routed, family));
  const objects = [
    ...backend.planHost(host),
    ...parts.flatMap(part => (part.type === 'reached' ? part.objects : [])),
  ];
  const route = valuesOf(objects, 'route')
    .filter(({ dst }) => prefixContains(dst, destination))
    .sort((one, other) => prefixLength(other.dst) - prefixLength(one.dst))[0];
  return {
    lease,
    backend,
    host,
    peer: publicIpOf(lease.attrs, family),
    refusal: parts.flatMap(part => (part.type === 'refused' ? [part.reason] : []))[0],
    objects,
    route,
    neighbour: valuesOf(objects, 'neighbour').find(({ dst }) => dst === route?.gateway),
    fdb: valuesOf(objects, 'fdb')[0],
  };
}

function valuesOf<T extends ObjectType>(objects: readonly KernelObject[], type: T): Array<ValueOf<T>> {
  return objects.filter(object => object.type === type).map(({ value }) => value as ValueOf<T>);
}

type ValueOf<T extends ObjectType> = Extract<KernelObject, { readonly type: T }>['value'];

/** The device by whose name the overlay goes and comes; undefined when packets go as they are. */
export function tunnelOf({ backend, host }: Wish, family: Family): LinkName | undefined {
  const device = backend.tunnelDevice(family, host.external);
  return device === host.external.name ? undefined : device;
}

/** The commands that make of the kernel what the plan wants of these kinds of objects; none when all is as it should be. */
export function plannedCommands(wish: Wish, view: KernelView, types: readonly ObjectType[]): string[] {
  return plannedSteps(wish, view, types).flatMap(commandsFor);
}

/** IPv6 takes no onlink gateway that another route covers, and that which is to be replaced does (see kernel/apply.ts). */
function commandsFor(step: Step): string[] {
  const { verb, object } = step;
  if (verb !== 'replace' || object.type !== 'route' || object.value.onlink !== true)
    return [stepCommand(step)];
  const { dst } = object.value;
  return isOf(dst, 6) ? [routeCommand('delete', { dst }), stepCommand(step)] : [stepCommand(step)];
}

export function plannedSteps({ objects }: Wish, view: KernelView, types: readonly ObjectType[]): Step[] {
  const desired = stateOf(objects.filter(({ type }) => types.includes(type)));
  const actual = stateOf(kernelObjects(view).reverse());
  return diff(desired, new Map([...actual].filter(([key]) => desired.has(key))));
}

function kernelObjects({ links, addresses, tables, neighbours, fdb }: KernelView): KernelObject[] {
  return [
    ...links.map(({ name, mac, mtuBytes, txQueueLength, up, kind }): KernelObject => {
      return { type: 'link', value: { name, mac, mtuBytes, txQueueLength, up, kind } };
    }),
    ...addresses.map((value): KernelObject => ({ type: 'address', value })),
    ...tables.routes.map((value): KernelObject => ({ type: 'route', value })),
    ...neighbours.map((value): KernelObject => ({ type: 'neighbour', value })),
    ...fdb.map((value): KernelObject => ({ type: 'fdb', value })),
  ];
}

/** That which our lease publishes; behind NAT, where no device has that address, that of the default route. */
export function externalInterface(view: KernelView, { attrs }: Lease): ExternalInterface {
  const { addresses, tables } = view;
  const published = [attrs.publicIp, attrs.publicIpv6];
  const name =
    addresses.find(({ local }) => published.includes(local))?.dev ??
    tables.routes.find(({ dst, table }) => table === mainTable && prefixLength(dst) === 0)?.dev ??
    'lo';
  const addressOf = (family: Family): IpAddress | undefined => {
    const on = addresses.filter(({ dev, local }) => dev === name && familyOf(local) === family);
    return (on.find(({ local }) => published.includes(local)) ?? on.find(({ scope }) => scope === 'global'))
      ?.local;
  };
  return {
    name,
    mtuBytes: linkOf(view, name)?.mtuBytes ?? 0,
    ipv4: addressOf(4),
    ipv6: addressOf(6),
    routes: underlayRoutes(
      tables.routes.filter(({ table }) => table === mainTable),
      name,
    ),
  };
}

function isOf(prefix: string, family: Family): boolean {
  return prefix.includes(':') === (family === 6);
}
