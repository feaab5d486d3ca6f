/** Kernel entries as `ip` and `bridge` list them, device and all. */
import type { LinkName } from '../state/kernel-object.ts';
import { fdbText, neighbourText, routeText } from '../wire/iproute2.ts';
import type { FdbEntry, Neighbour } from '../wire/neighbour.ts';
import type { Route } from '../wire/route.ts';
import type { Rule } from '../wire/rule.ts';
import { ruleText } from '../wire/rule-text.ts';
import type { Entry } from './hop.ts';
import type { ViewLink } from './view.ts';

export function ruleEntry(rule: Rule): Entry {
  return { tool: rule.family === 6 ? 'ip -6 rule' : 'ip rule', line: ruleText(rule) };
}

export function routeEntry(route: Route<LinkName>): Entry {
  return { tool: route.dst.includes(':') ? 'ip -6 route' : 'ip route', line: routeText(route) };
}

export function neighbourEntry(neighbour: Neighbour<LinkName>): Entry {
  const { dev, dst } = neighbour;
  return { tool: 'ip neigh', line: withDevice(neighbourText(neighbour), dst, dev) };
}

export function fdbEntry(entry: FdbEntry<LinkName>): Entry {
  return { tool: 'bridge fdb', line: withDevice(fdbText(entry), entry.lladdr, entry.dev) };
}

/** Not all that `ip -d link` says: what matters on the way. */
export function linkEntry(link: ViewLink): Entry {
  const { name, mtuBytes, kind, up, carrier, master } = link;
  const state = !up ? 'DOWN' : carrier ? 'UP' : 'NO-CARRIER,UP';
  const line = [
    `${name}: <${state}> mtu ${mtuBytes}`,
    master === undefined ? '' : `master ${master}`,
    kindText(kind),
  ];
  return { tool: 'ip link', line: line.filter(part => part !== '').join(' ') };
}

export function settingEntry(key: string, value: string | undefined): Entry {
  return { tool: 'sysctl', line: `${key} = ${value ?? '(missing)'}` };
}

function kindText(kind: ViewLink['kind']): string {
  if (kind.kind === 'vxlan') {
    const { vni, local, port, learning } = kind;
    const words = [
      `vxlan id ${vni}`,
      local && `local ${local}`,
      kind.dev && `dev ${kind.dev}`,
      `dstport ${port}`,
    ];
    return [...words, learning === true ? 'learning' : undefined].filter(Boolean).join(' ');
  }
  if (kind.kind === 'tun') return kind.mode;
  return kind.kind === 'none' ? '' : kind.kind === 'other' ? kind.name : kind.kind;
}

/** `ip neigh show dev D` leaves out the device, which `ip neigh show` puts second. */
function withDevice(text: string, first: string, dev: LinkName): string {
  return `${first} dev ${dev}${text.slice(first.length)}`;
}
