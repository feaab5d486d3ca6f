/** The other host, and the answer back to where the packet began. */
import type { IpAddress } from '../base/ip.ts';
import type { LinkName } from '../state/kernel-object.ts';
import type { Flow } from '../state/lookup.ts';
import { passFirewall } from './firewall-hops.ts';
import type { Carriage } from './hop.ts';
import { meetContainer } from './link-hops.ts';
import { linkRoute } from './link-route.ts';
import { routePacket } from './route-hops.ts';
import type { Start } from './start.ts';
import { arriveThere } from './there-hops.ts';
import { ownerOf } from './view.ts';
import { backHere, type Followed, meet, type Walk } from './walk.ts';

export function meetPeer(
  walk: Walk,
  start: Start,
  carriage: Carriage,
  source: IpAddress | undefined,
  dev: LinkName,
): Followed {
  arriveThere(walk, carriage, source);
  if (source === undefined || walk.wish === undefined) return { carriage };
  const { family, destination } = walk;
  const flow: Flow = { family, destination: source, source: destination, iif: dev, oif: undefined };
  const routed = routePacket(walk, backHere, flow, undefined);
  if (routed === undefined) return { carriage };
  const question = { source: destination, destination: source, inDevice: dev };
  if (start.type === 'host') {
    if (passFirewall(walk, backHere, { ...question, outDevice: undefined }))
      meet(walk, backHere, {
        kind: 'address',
        verdict: 'passes',
        text: `${source}, this host's own on ${ownerOf(walk.view, source)}`,
      });
    return { carriage };
  }
  if (routed.way.dev !== start.dev) {
    const cause = `answers to ${source} leave by ${routed.way.dev}, and it is behind ${start.dev}`;
    meet(walk, backHere, {
      kind: 'route',
      verdict: 'broken',
      cause,
      remedy: linkRoute(walk.view, source, start.dev),
    });
    return { carriage };
  }
  if (passFirewall(walk, backHere, { ...question, outDevice: start.dev }))
    meetContainer(walk, backHere, source);
  return { carriage };
}
