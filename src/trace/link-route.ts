/** The route that an address on a device brings with it, and by which the containers behind it are reached. */
import { familyOf, type IpAddress } from '../base/ip.ts';
import { prefixContains, prefixOf } from '../base/prefix.ts';
import { shellWord } from '../base/shell-word.ts';
import type { LinkName } from '../state/kernel-object.ts';
import { routeCommand } from '../wire/iproute2.ts';
import type { Route } from '../wire/route.ts';
import { command, type Remedy } from './hop.ts';
import type { KernelView } from './view.ts';

/** Undefined when no address of the device is of a prefix that holds the destination. */
export function linkRouteOf(
  { addresses }: Pick<KernelView, 'addresses'>,
  destination: IpAddress,
  dev: LinkName,
): Route<LinkName> | undefined {
  const own = addresses.find(
    address =>
      address.dev === dev && prefixContains(prefixOf(address.local, address.prefixLength), destination),
  );
  if (own === undefined) return undefined;
  const { local, prefixLength } = own;
  const made: Route<LinkName> = { dst: prefixOf(local, prefixLength), dev, protocol: 'kernel' };
  return familyOf(local) === 4
    ? { ...made, scope: 'link', preferredSource: local }
    : { ...made, metric: 256 };
}

export function linkRoute(view: KernelView, destination: IpAddress, dev: LinkName): Remedy {
  const route = linkRouteOf(view, destination, dev);
  return route === undefined
    ? command(`give ${dev} a route to it: ip route add ${destination} via GATEWAY dev ${shellWord(dev)}`)
    : command('', routeCommand('add', route));
}
