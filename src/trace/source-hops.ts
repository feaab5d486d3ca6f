/** The address that a packet leaves with, and what becomes of the answer to it. */
import { networksOf, subnetOf } from '../backend/family.ts';
import type { IpAddress } from '../base/ip.ts';
import { prefixBase, prefixContains } from '../base/prefix.ts';
import type { LinkName } from '../state/kernel-object.ts';
import { masqueradeOf } from './firewall-hops.ts';
import { command } from './hop.ts';
import type { Start } from './start.ts';
import { meet, outHere, type Walk } from './walk.ts';
import { plannedCommands, tunnelOf } from './wish.ts';

/** Who changes the source address, and whether that is as it should be. */
export function masquerade(
  walk: Walk,
  source: IpAddress | undefined,
  inDevice: LinkName | undefined,
  outDevice: LinkName,
): boolean {
  if (source === undefined || walk.view.firewall.unread !== undefined) return true;
  const { network, destination } = walk;
  const entry = masqueradeOf(walk, { source, destination, inDevice, outDevice });
  const networks = network.config === undefined ? network.networks : networksOf(network.config);
  const inside = (address: IpAddress): boolean => networks.some(one => prefixContains(one, address));
  const text = `it leaves with the address of ${outDevice}, not as ${source}`;
  if (entry !== undefined && inside(source) && inside(destination)) {
    const cause = `${text}: the other side cannot see who sent it`;
    const remedy = command(
      'let `weft run` masquerade (-ip-masq), and switch it off elsewhere (Docker: --ip-masq=false)',
    );
    return meet(walk, outHere, { kind: 'masquerade', verdict: 'doubtful', entries: [entry], cause, remedy });
  }
  if (entry !== undefined)
    return meet(walk, outHere, { kind: 'masquerade', verdict: 'passes', entries: [entry], text });
  if (inDevice === undefined || !inside(source) || inside(destination)) return true;
  const cause = `no rule masquerades it: it leaves as ${source}, to which nobody outside knows a way back`;
  const remedy = command('start `weft run` with -ip-masq');
  return meet(walk, outHere, { kind: 'masquerade', verdict: 'doubtful', cause, remedy });
}

/** With another source than the tunnel's own address the answer does not come through the tunnel. */
export function checkSource(walk: Walk, start: Start, source: IpAddress | undefined): boolean {
  const { wish, family, network } = walk;
  const subnet = network.own === undefined ? undefined : subnetOf(network.own.subnet, family);
  if (start.type === 'container' || start.source !== undefined || wish === undefined || subnet === undefined)
    return true;
  if (source !== undefined && prefixContains(subnet, source)) return true;
  const tunnel = tunnelOf(wish, family);
  const cause = `${tunnel} lacks its address ${prefixBase(subnet)}: this host sends as ${source}, and is answered past the tunnel`;
  const remedy = command('', ...plannedCommands(wish, walk.view, ['address']));
  return meet(walk, outHere, { kind: 'address', verdict: 'doubtful', cause, remedy });
}
