/** A host that says nothing at all, not even that it does not want to talk. */

import { links } from '../kernel/links.ts';
import { neighbours } from '../kernel/neighbours.ts';
import { decideRoute } from '../kernel/route-decision.ts';
import { modelOf, namesOf } from '../kernel/snapshot.ts';
import type { LinkName } from '../state/kernel-object.ts';
import { neighbourEntry, routeEntry } from '../trace/entry-text.ts';
import type { Neighbour } from '../wire/neighbour.ts';
import type { Route } from '../wire/route.ts';
import { type Finding, type Remedy, warn } from './finding.ts';
import type { ProbedPeer } from './peer-probes.ts';
import { placeOf, sentences } from './registry-place.ts';
import type { Scene } from './scene.ts';

/** Not this host's fault, so that it is no failure. */
export async function downFinding(scene: Scene, peer: ProbedPeer): Promise<Finding> {
  const { subnet, address, door, underlay } = peer;
  const silence =
    underlay.kind === 'unsent' ? `ping ${address}: ${underlay.errno}` : `ping ${address}: no answer`;
  return warn(`host ${address} does not answer on the underlay: ${subnet} cannot be reached`, {
    peer: subnet,
    evidence: [silence, ...('why' in door ? [door.why] : []), ...(await wayTo(scene, peer))],
    remedy: remedyFor(scene, peer),
  });
}

/** To delete the lease of a host that comes back would cost it its subnet: only what never ends by itself is worth a command. */
function remedyFor({ registry }: Scene, { key, address, lease }: ProbedPeer): Remedy {
  const place = placeOf(registry.name);
  const command = place.deleteCommand(key);
  const start = `start host ${address}, or mend its way to the underlay`;
  if (!lease.permanent) {
    const text = sentences(
      start,
      `if it is gone for good, its lease ends within a day, or by \`${command}\``,
    );
    return { commands: [], text };
  }
  const gone = 'if it is gone for good, delete its lease, which never ends by itself';
  return { commands: [command], text: sentences(start, gone, place.note) };
}

/** How the kernel would send, and whether it has found the next machine: asked afterwards, when it has tried. */
async function wayTo({ tools }: Scene, { address }: ProbedPeer): Promise<string[]> {
  const socket = tools.below?.socket ?? tools.socket;
  const decision = await decideRoute(socket, { destination: address });
  if (decision.type === 'refused') return [`ip route get ${address}: ${decision.errno}`];
  const name = namesOf(await links.list(socket));
  const way = modelOf({ type: 'route', value: decision.way }, name).value as Route<LinkName>;
  const next = way.gateway ?? address;
  const found = (await neighbours.list(socket)).find(one => one.dst === next);
  return [
    `ip route get ${address}: ${routeEntry({ ...way, protocol: undefined }).line}`,
    ...(found === undefined
      ? []
      : [
          `ip neigh: ${neighbourEntry(modelOf({ type: 'neighbour', value: found }, name).value as Neighbour<LinkName>).line}`,
        ]),
  ];
}
