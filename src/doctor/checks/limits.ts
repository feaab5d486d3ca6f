import { isOnLink } from '../../backend/backend.ts';
import { publicIpOf } from '../../backend/family.ts';
import { type Family, familyOf } from '../../base/ip.ts';
import type { KernelView } from '../../trace/view.ts';
import type { MemberView } from '../../view/member-view.ts';
import type { Check } from '../check.ts';
import { type Finding, fail, ok, skip, warn } from '../finding.ts';
import { lasting, readSettings, type Settings, setCommand, settingLine } from '../settings.ts';

/**
 * Tables of the kernel that many hosts or connections fill: when one is full, packets to new destinations are dropped. Both
 * limits are of the machine, not of a namespace, and told only in the first one.
 */
export const limits: Check = {
  name: 'limits',
  title: 'limits of the kernel',
  look: async scene => {
    const kernel = await scene.kernel();
    const member = await scene.member().catch(() => undefined);
    scene.signal.throwIfAborted();
    const settings = readSettings(undefined, [
      ...([4, 6] as const).map(neighbourKey),
      ...Object.values(tracked),
    ]);
    const findings = [
      ...([4, 6] as const).flatMap(family =>
        judgeNeighbours(family, neighboursWanted(family, kernel, member), settings),
      ),
      ...judgeConnections(settings),
    ];
    return findings.length > 0 ? findings : skip('the limits are told in the first network namespace alone');
  },
};

/** Chosen: of a table that is four fifths full the rest is used up by the next burst. */
const fullRatio = 0.8;

function neighbourKey(family: Family): string {
  return `net/ipv${family}/neigh/default/gc_thresh3`;
}

/**
 * Hosts on the underlay's link take an entry each while packets go to them. Ours for VTEPs are permanent, which Linux 5.0
 * and newer leave out of the count (net/core/neighbour.c exempt_from_gc).
 */
function neighboursWanted(
  family: Family,
  { neighbours }: KernelView,
  member: MemberView | undefined,
): number {
  const passing = neighbours.filter(({ dst, state }) => familyOf(dst) === family && state !== 'permanent');
  if (member === undefined) return passing.length;
  const { external } = member.membership.host;
  const near = member.peers.leases.flatMap(({ attrs }) => {
    const address = publicIpOf(attrs, family);
    return address !== undefined && isOnLink(external, address) ? [address] : [];
  });
  return new Set([...passing.map(({ dst }) => dst), ...near]).size;
}

export function judgeNeighbours(family: Family, wanted: number, settings: Settings): Finding[] {
  const key = neighbourKey(family);
  const most = Number(settings.get(key) ?? Number.NaN);
  if (Number.isNaN(most)) return [];
  const text = `IPv${family} neighbours: ${wanted} are wanted, and the kernel keeps at most ${most}`;
  if (wanted < most * fullRatio) return [ok(text, settingLine(settings, key))];
  // A power of two with room for as many again.
  const enough = 2 ** Math.ceil(Math.log2(wanted * 2));
  const trouble = {
    evidence: [
      settingLine(settings, key),
      `ip -${family} neigh: ${wanted} entries, with hosts that are not spoken to yet`,
    ],
    remedy: {
      commands: [
        setCommand(undefined, key, enough),
        setCommand(undefined, key.replace(/3$/, '2'), enough / 2),
      ],
      text: lasting,
    },
  };
  const tell = wanted >= most ? fail : warn;
  return [
    tell(`the table of neighbours is too small: ${text}, then it drops packets to further hosts`, trouble),
  ];
}

const tracked = {
  count: 'net/netfilter/nf_conntrack_count',
  most: 'net/netfilter/nf_conntrack_max',
} as const;

export function judgeConnections(settings: Settings): Finding[] {
  const [count, most] = [tracked.count, tracked.most].map(key => Number(settings.get(key) ?? Number.NaN));
  if (count === undefined || most === undefined || !(most > 0) || Number.isNaN(count)) return [];
  const text = `${count} connections are tracked, of at most ${most}`;
  if (count < most * fullRatio) return [ok(text)];
  const tell = count >= most ? fail : warn;
  return [
    tell(`the table of tracked connections is nearly full: ${text}, then packets of new ones are dropped`, {
      evidence: Object.values(tracked).map(key => settingLine(settings, key)),
      remedy: { commands: [setCommand(undefined, tracked.most, most * 2)], text: lasting },
    }),
  ];
}
