/**
 * Through a VXLAN device:
 *
 *     gateway --neighbour--> MAC --FDB entry--> underlay address --route, neighbour--> the wire
 */
import { familyOf, type IpAddress } from '../base/ip.ts';
import { type Mac, zeroMac } from '../base/mac.ts';
import type { LinkName, ObjectType } from '../state/kernel-object.ts';
import { linkCommand } from '../wire/iproute2.ts';
import type { FdbEntry } from '../wire/neighbour.ts';
import { linuxVxlanPort } from '../wire/vxlan.ts';
import type { Vxlan } from '../wire/vxlan-link.ts';
import { fdbEntry, linkEntry, neighbourEntry } from './entry-text.ts';
import { vxlanLayers } from './headers.ts';
import { command, type Remedy } from './hop.ts';
import { wrapAndLeave } from './underlay-hops.ts';
import { neighbourOf, type ViewLink, vxlanEntriesOf } from './view.ts';
import { type Leg, meet, type Walk } from './walk.ts';
import { plannedCommands, plannedSteps } from './wish.ts';

export interface InnerPacket {
  readonly source: IpAddress | undefined;
  readonly destination: IpAddress;
}

export type VxlanLink = ViewLink & { readonly kind: Vxlan<LinkName> };

export function passVxlan(
  walk: Walk,
  leg: Leg,
  link: VxlanLink,
  next: IpAddress,
  packet: InnerPacket,
): boolean {
  if (!passVtep(walk, leg, link)) return false;
  const mac = findMac(walk, leg, link, next);
  const entry = mac === undefined ? undefined : findHost(walk, leg, link, mac);
  if (mac === undefined || entry?.dst === undefined) return false;
  if (link.parentNetnsId !== undefined) {
    const text = `${link.name} sends from another network namespace: its routes are not looked at`;
    meet(walk, leg, { kind: 'host', verdict: 'unknown', text });
    return true;
  }
  const { kind } = link;
  const tunnel = { vni: entry.vni ?? kind.vni, port: entry.port ?? kind.port ?? linuxVxlanPort };
  const to = entry.dst;
  return wrapAndLeave(walk, leg, {
    packet: { from: packet.source, to: packet.destination },
    inner: link.name,
    outer: { from: kind.local, to, oif: link.below },
    added: from => vxlanLayers(familyOf(to), { from, to }, { from: link.mac, to: mac }, tunnel),
  });
}

/** The device itself: what differs from the plan in a way that keeps packets away. */
export function passVtep(walk: Walk, leg: Leg, link: VxlanLink): boolean {
  const { name } = link;
  const entries = [linkEntry(link)];
  const base = { kind: 'device', entries, device: name } as const;
  const { wish } = walk;
  if (!link.up) {
    // Routes, neighbours and the addresses of IPv6 are gone with it.
    const planned = wish === undefined ? [] : plannedCommands(wish, walk.view, ofVtep);
    const commands = planned.length > 0 ? planned : [linkCommand('change', { name, up: true })];
    return meet(walk, leg, {
      ...base,
      verdict: 'broken',
      cause: `${name} is down`,
      remedy: command('', ...commands),
    });
  }
  const steps = wish?.backend.devices.includes(name) === true ? plannedSteps(wish, walk.view, ['link']) : [];
  const step = steps.find(({ object }) => object.type === 'link' && object.value.name === name);
  const differences = (
    step?.verb === 'add'
      ? steps.flatMap(one => (one.verb === 'delete' ? (one.differences ?? []) : []))
      : (step?.differences ?? [])
  ).filter(({ field }) => ['vni', 'port', 'mac', 'local', 'dev', 'kind'].includes(field));
  if (wish === undefined || differences.length === 0) return meet(walk, leg, { ...base, verdict: 'passes' });
  const cause = differences
    .map(({ field, actual, desired }) => `its ${field} is ${actual}, by our lease it shall be ${desired}`)
    .join('; ');
  return meet(walk, leg, {
    ...base,
    verdict: 'broken',
    cause,
    remedy: command('', ...plannedCommands(wish, walk.view, ofVtep)),
  });
}

/** All that a VTEP is, and that leads through it, in the order in which it is made. */
export const ofVtep: readonly ObjectType[] = ['link', 'address', 'fdb', 'neighbour', 'route'];

function findMac(walk: Walk, leg: Leg, { name, kind }: VxlanLink, next: IpAddress): Mac | undefined {
  const { view, wish } = walk;
  const neighbour = neighbourOf(view, name, next);
  const wanted = wish?.neighbour?.dst === next ? wish.neighbour.lladdr : undefined;
  const entries = neighbour === undefined ? [] : [neighbourEntry(neighbour)];
  const mac = neighbour?.state === 'failed' ? undefined : neighbour?.lladdr;
  if (mac === undefined) {
    const found = neighbour === undefined ? 'there is no entry' : 'the entry has no MAC';
    const asks = kind.learning === true ? '' : ', and nobody answers when the kernel asks';
    const cause = `${found} for ${next} on ${name}: nothing says which MAC its VTEP has${asks}`;
    meet(walk, leg, {
      kind: 'neighbour',
      verdict: 'broken',
      entries,
      cause,
      remedy: planned(walk, ['neighbour']),
    });
    return undefined;
  }
  if (wanted !== undefined && mac !== wanted) {
    const cause = `the VTEP of ${next} has the MAC ${wanted}, says its lease`;
    meet(walk, leg, {
      kind: 'neighbour',
      verdict: 'broken',
      entries,
      cause,
      remedy: planned(walk, ['neighbour']),
    });
    return undefined;
  }
  meet(walk, leg, { kind: 'neighbour', verdict: 'passes', entries });
  return mac;
}

/** A MAC without an entry goes to the default one, if there is one (drivers/net/vxlan vxlan_xmit). */
function findHost(walk: Walk, leg: Leg, { name, kind }: VxlanLink, mac: Mac): FdbEntry<LinkName> | undefined {
  const { view, wish } = walk;
  const own = vxlanEntriesOf(view, name, mac);
  const found = own.length > 0 ? own : vxlanEntriesOf(view, name, zeroMac);
  const [entry] = found;
  const entries = found.map(fdbEntry);
  if (entry === undefined) {
    const cause = `there is no entry for ${mac} on ${name}: nothing says which host has that VTEP`;
    meet(walk, leg, { kind: 'fdb', verdict: 'broken', cause, remedy: planned(walk, ['fdb']) });
    return undefined;
  }
  const peer = wish?.fdb?.lladdr === mac ? wish.fdb.dst : undefined;
  if (peer !== undefined && !found.some(({ dst }) => dst === peer)) {
    const cause = `${mac} is on the host ${peer}, says its lease`;
    meet(walk, leg, { kind: 'fdb', verdict: 'broken', entries, cause, remedy: planned(walk, ['fdb']) });
    return undefined;
  }
  const chosen = found.find(({ dst }) => dst === peer) ?? entry;
  const learnt =
    chosen.state === 'permanent' || chosen.state === 'noarp' ? '' : 'learnt from a packet: it ages';
  const text = own.length === 0 ? `no entry for ${mac} itself: the default takes it` : learnt;
  if (chosen.dst === undefined || (chosen.port ?? kind.port) === 0) return undefined;
  meet(walk, leg, { kind: 'fdb', verdict: 'passes', text, entries });
  return chosen;
}

function planned({ wish, view, network }: Walk, types: readonly ObjectType[]): Remedy {
  if (wish !== undefined) return command('', ...plannedCommands(wish, view, types));
  const why = network.unread === undefined ? 'no lease tells it' : 'the registry could not be read';
  return command(`it is in the lease of the host there (${why}): \`weft run\` makes the entry`);
}
