/** Where the packet begins: at this host itself, or at a container of it. */
import { WeftError } from '../base/errors.ts';
import type { IpAddress } from '../base/ip.ts';
import { prefixContains, prefixOf } from '../base/prefix.ts';
import { shellWord } from '../base/shell-word.ts';
import type { LinkName } from '../state/kernel-object.ts';
import { lookupRoute } from '../state/lookup.ts';
import { neighbourEntry, settingEntry } from './entry-text.ts';
import { command } from './hop.ts';
import { passDevice, passPort } from './link-hops.ts';
import { wayText } from './route-cause.ts';
import { addressesOn, type KernelView, linkOf, neighbourOf } from './view.ts';
import { type Leg, meet, outHere, type Walk } from './walk.ts';

export type Start =
  | { readonly type: 'host'; readonly source: IpAddress | undefined }
  /** `dev`: the device of this host behind which the container is. */
  | { readonly type: 'container'; readonly source: IpAddress; readonly dev: LinkName };

/**
 * @param from undefined: this host, with whatever address it chooses
 * @throws WeftError `trace-from-elsewhere` for what is neither an address of this host nor behind one of its devices
 */
export function startOf({ view, family }: Walk, from: IpAddress | undefined): Start {
  if (from === undefined) return { type: 'host', source: from };
  const flow = { family, destination: from, source: undefined, iif: undefined, oif: undefined };
  const decision = lookupRoute(view.tables, flow);
  if (decision.type === 'route' && decision.route.type === 'local') return { type: 'host', source: from };
  const dev = deviceBehind(view, from);
  if (dev !== undefined) return { type: 'container', source: from, dev };
  const [way] = decision.type === 'route' ? decision.ways : [];
  const where = way === undefined ? 'no route leads to it' : `its packets go out ${wayText(way)}`;
  throw new WeftError(
    'trace-from-elsewhere',
    `${from} is neither this host nor a container of it: ${where}`,
    {
      remedy: 'trace on the host that it is on, or from this host without -from',
    },
  );
}

/** The device on whose link the address is, by its neighbour entry or by its prefix: a missing route shall be found, later. */
export function deviceBehind(view: KernelView, from: IpAddress): LinkName | undefined {
  const isLink = (dev: LinkName): boolean => {
    const kind = linkOf(view, dev)?.kind.kind;
    return kind !== undefined && kind !== 'vxlan' && kind !== 'tun';
  };
  const known = view.neighbours.find(
    ({ dev, dst, lladdr }) => dst === from && lladdr !== undefined && isLink(dev),
  );
  if (known !== undefined) return known.dev;
  const on = view.addresses.find(
    ({ dev, local, prefixLength }) => isLink(dev) && prefixContains(prefixOf(local, prefixLength), from),
  );
  return on?.dev;
}

/** From inside the container onto the host's side; false when the packet gets no further. */
export function leaveContainer(walk: Walk, { source, dev }: Extract<Start, { type: 'container' }>): boolean {
  const neighbour = neighbourOf(walk.view, dev, source);
  const isBridge = linkOf(walk.view, dev)?.kind.kind === 'bridge';
  const inside = 'its own routes cannot be seen from here';
  if (neighbour?.lladdr === undefined) {
    const text = `${source}: it has not been heard of on ${dev} yet; ${inside}`;
    meet(walk, outHere, { kind: 'container', verdict: 'unknown', text });
  } else {
    const entries = [neighbourEntry(neighbour)];
    meet(walk, outHere, { kind: 'container', verdict: 'passes', text: inside, entries });
    if (isBridge && !passPort(walk, outHere, dev, neighbour.lladdr)) return false;
  }
  return passDevice(walk, outHere, dev, isBridge ? 'bridge' : 'device');
}

/** A container finds whoever is in its own bridge's prefix by itself, and its packets are not routed. */
export function isBridged(
  { view, family, destination }: Walk,
  { dev, source }: Extract<Start, { type: 'container' }>,
): boolean {
  return addressesOn(view, dev, family).some(({ local, prefixLength }) => {
    const prefix = prefixOf(local, prefixLength);
    return local !== destination && prefixContains(prefix, source) && prefixContains(prefix, destination);
  });
}

/** Only what comes in is forwarded, or not, by the setting of the device that it comes in by. */
export function passForwarding(walk: Walk, leg: Leg, iif: LinkName): boolean {
  const { view, family } = walk;
  const all = family === 4 ? 'net/ipv4/ip_forward' : 'net/ipv6/conf/all/forwarding';
  const own = family === 4 ? `net/ipv4/conf/${iif}/forwarding` : all;
  const value = view.settings.get(own);
  const isOn = value !== undefined && value !== '0';
  const key = view.settings.get(all) === '1' && !isOn ? own : all;
  const entries = [settingEntry(key, isOn ? view.settings.get(all) : value)];
  if (isOn) return meet(walk, leg, { kind: 'forwarding', verdict: 'passes', entries });
  const cause = `this host forwards no IPv${family} packets that come in by ${iif}`;
  const remedy = command(
    'with a line in /etc/sysctl.d, too, to make it last',
    `sysctl -w ${shellWord(`${key}=1`)}`,
  );
  return meet(walk, leg, { kind: 'forwarding', verdict: 'broken', entries, cause, remedy });
}
