/** From a route to the link: the neighbour behind which the next machine is, and on a bridge the port behind which it is. */
import type { IpAddress } from '../base/ip.ts';
import type { Mac } from '../base/mac.ts';
import type { LinkName } from '../state/kernel-object.ts';
import { linkCommand } from '../wire/iproute2.ts';
import { fdbEntry, linkEntry, neighbourEntry } from './entry-text.ts';
import { command, type HopKind } from './hop.ts';
import { bridgeEntryOf, linkOf, neighbourOf } from './view.ts';
import { type Leg, meet, type Walk } from './walk.ts';

/** The device that the packet leaves by or comes in by. */
export function passDevice(walk: Walk, leg: Leg, name: LinkName, kind: HopKind = 'device'): boolean {
  const link = linkOf(walk.view, name);
  if (link === undefined) {
    return meet(walk, leg, {
      kind,
      verdict: 'broken',
      cause: `there is no device ${name}`,
      remedy: command('make it'),
    });
  }
  const entries = [linkEntry(link)];
  if (!link.up) {
    const remedy = command('', linkCommand('change', { name, up: true }));
    return meet(walk, leg, { kind, verdict: 'broken', entries, cause: `${name} is down`, remedy });
  }
  if (link.carrier || link.kind.kind === 'tun')
    return meet(walk, leg, { kind, verdict: 'passes', entries, device: name });
  const cause =
    link.kind.kind === 'bridge'
      ? `no port of ${name} is up`
      : `${name} has no carrier: nothing is at its other end`;
  const remedy = command(
    link.kind.kind === 'veth'
      ? 'set its other end up, inside the container'
      : 'see to the cable, or to what is at its other end',
  );
  return meet(walk, leg, { kind, verdict: 'broken', entries, cause, remedy });
}

/** A neighbour that the kernel finds by asking (ARP, NDP). */
export function resolve(walk: Walk, leg: Leg, dev: LinkName, address: IpAddress, whose: string): boolean {
  const neighbour = neighbourOf(walk.view, dev, address);
  if (neighbour === undefined) {
    const text = `${address} on ${dev} has not been looked for: the kernel will ask for its MAC when the first packet comes`;
    return meet(walk, leg, { kind: 'neighbour', verdict: 'unknown', text });
  }
  const entries = [neighbourEntry(neighbour)];
  if (neighbour.lladdr !== undefined && neighbour.state !== 'failed')
    return meet(walk, leg, { kind: 'neighbour', verdict: 'passes', entries });
  const asking = neighbour.state === 'incomplete';
  return meet(walk, leg, {
    kind: 'neighbour',
    verdict: 'broken',
    entries,
    cause: `${whose} does not answer on ${dev}${asking ? ': the kernel is still asking' : ''}`,
    remedy: command(`see whether it is up, and whether ${dev} is on the same link as ${address}`),
  });
}

/** To a container of this host, on a bridge or at the end of a veth of its own. */
export function passToContainer(walk: Walk, leg: Leg, dev: LinkName, address: IpAddress): boolean {
  const link = linkOf(walk.view, dev);
  const isBridge = link?.kind.kind === 'bridge';
  if (!passDevice(walk, leg, dev, isBridge ? 'bridge' : 'device')) return false;
  if (!resolve(walk, leg, dev, address, `the container ${address}`)) return false;
  const mac = neighbourOf(walk.view, dev, address)?.lladdr;
  if (isBridge && mac !== undefined && !passPort(walk, leg, dev, mac)) return false;
  return meetContainer(walk, leg, address);
}

export function passPort(walk: Walk, leg: Leg, bridge: LinkName, mac: Mac): boolean {
  const entry = bridgeEntryOf(walk.view, bridge, mac);
  if (entry === undefined) {
    const text = `${bridge} does not know the port of ${mac}, and sends to all`;
    return meet(walk, leg, { kind: 'port', verdict: 'unknown', text });
  }
  if (!meet(walk, leg, { kind: 'fdb', verdict: 'passes', entries: [fdbEntry(entry)] })) return false;
  return entry.dev === bridge ? true : passDevice(walk, leg, entry.dev, 'port');
}

export function meetContainer(walk: Walk, leg: Leg, address: IpAddress): boolean {
  const text = `${address}: what is inside it cannot be seen from here`;
  return meet(walk, leg, { kind: 'container', verdict: 'unknown', text });
}
