/** Through the udp backend's TUN device, and through the daemon that reads it: what that does only the leases tell. */
import { addressOf, publicIpOf } from '../backend/family.ts';
import { linkEntry } from './entry-text.ts';
import { udpLayers } from './headers.ts';
import { command } from './hop.ts';
import { passDevice } from './link-hops.ts';
import { wrapAndLeave } from './underlay-hops.ts';
import type { ViewLink } from './view.ts';
import type { InnerPacket } from './vxlan-hops.ts';
import { type Leg, meet, type Walk } from './walk.ts';

export function passTunnel(walk: Walk, leg: Leg, link: ViewLink, packet: InnerPacket): boolean {
  const { wish, family } = walk;
  const { name } = link;
  if (!passTun(walk, leg, link)) return false;
  const [port] = wish?.backend.udpPorts ?? [];
  const peer = wish === undefined ? undefined : publicIpOf(wish.lease.attrs, family);
  if (wish === undefined || port === undefined || peer === undefined) {
    const text = 'where the daemon sends it is in the leases, which could not be read';
    meet(walk, leg, { kind: 'daemon', verdict: 'unknown', text });
    return true;
  }
  meet(walk, leg, { kind: 'daemon', verdict: 'told', text: `by the lease it sends to ${peer}, UDP ${port}` });
  const from = addressOf(wish.host.external, family);
  return wrapAndLeave(walk, leg, {
    packet: { from: packet.source, to: packet.destination },
    inner: name,
    outer: { from, to: peer, oif: undefined },
    added: own => udpLayers(family, { from: own, to: peer }, port),
  });
}

/** The device itself, and whether a daemon has it open. */
export function passTun(walk: Walk, leg: Leg, link: ViewLink): boolean {
  const { name } = link;
  if (link.up && !link.carrier) {
    const cause = `no daemon reads ${name}: what is sent there is lost`;
    return meet(walk, leg, {
      kind: 'device',
      verdict: 'broken',
      entries: [linkEntry(link)],
      cause,
      remedy: command('start `weft run` again'),
    });
  }
  return passDevice(walk, leg, name);
}
