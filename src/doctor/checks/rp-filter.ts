import { type IpAddress, ipAdd } from '../../base/ip.ts';
import { prefixBase } from '../../base/prefix.ts';
import type { LinkName } from '../../state/kernel-object.ts';
import { lookupRoute } from '../../state/lookup.ts';
import type { KernelView } from '../../trace/view.ts';
import type { Check } from '../check.ts';
import { type Finding, ok, skip, warn } from '../finding.ts';
import { type OverlayPart, overlayParts } from '../overlay-parts.ts';
import type { Scene } from '../scene.ts';
import { lasting, readSettings, type Settings, setCommand, settingLine } from '../settings.ts';

/**
 * A strict reverse path filter drops, and counts nowhere but in `nstat TcpExtIPReversePathFilter`, what comes in by another
 * device than the one to which the way back leads. Of IPv4 alone; the kernel takes the higher of `all` and the device's own
 * (Documentation/networking/ip-sysctl.rst): 1 is strict, 2 is loose.
 */
export const rpFilter: Check = {
  name: 'rp-filter',
  title: 'reverse path filter',
  look: async scene => {
    const part = (await overlayParts(scene)).find(({ family }) => family === 4);
    if (part === undefined) return skip('this host is in no IPv4 network, as far as can be told');
    const devices = await devicesOf(scene, part);
    const settings = readSettings(
      scene.netns,
      ['all', 'default', ...devices.map(({ name }) => name)].map(filterKey),
    );
    const strict = devices.filter(({ name }) => effective(settings, name) === 1);
    const kernel = await scene.kernel();
    const wrong = strict.flatMap(device => judge(device, kernel, settings, scene.netns) ?? []);
    return wrong.length > 0 ? wrong : ok(summary(devices, settings), settingLine(settings, filterKey('all')));
  },
};

interface Filtered {
  readonly name: LinkName;
  readonly role: 'tunnel' | 'containers' | 'underlay';
  /** Some of those whose packets come in by it. */
  readonly sources: readonly IpAddress[];
}

/** Chosen: enough to see that hosts are reached by another interface, and cheap with thousands of them. */
const mostSources = 64;

async function devicesOf(scene: Scene, part: OverlayPart): Promise<Filtered[]> {
  const member = await scene.member().catch(() => undefined);
  const external = member?.membership.host.external.name;
  const peers = member?.peers.used.flatMap(({ lease }) => lease.attrs.publicIp ?? []) ?? [];
  const inside = ipAdd(prefixBase(part.subnet), 2n);
  const own: Filtered[] = [
    ...part.containers.map((name): Filtered => ({ name, role: 'containers', sources: [inside] })),
    ...(part.tunnel === external ? [] : [{ name: part.tunnel, role: 'tunnel', sources: [] } as const]),
  ];
  // In a namespace of its own the network has no underlay to look at from here.
  if (external === undefined || scene.netns !== undefined) return own;
  return [...own, { name: external, role: 'underlay', sources: peers.slice(0, mostSources) }];
}

function filterKey(device: string): string {
  return `net/ipv4/conf/${device}/rp_filter`;
}

function effective(settings: Settings, device: string): number {
  return Math.max(...['all', device].map(name => Number(settings.get(filterKey(name)) ?? 0)));
}

/** Undefined where strictness does no harm. */
function judge(
  device: Filtered,
  kernel: KernelView,
  settings: Settings,
  netns: string | undefined,
): Finding | undefined {
  const { name, role } = device;
  // Where every device is strict, as some distributions have it, it was somebody's decision.
  const usual = ['all', 'default'].some(one => Number(settings.get(filterKey(one)) ?? 0) === 1);
  const harm = role === 'tunnel' ? (usual ? undefined : forwardedHarm) : otherWay(device, kernel);
  if (harm === undefined) return undefined;
  return warn(`the reverse path filter of ${name} is strict: ${harm}`, {
    evidence: ['all', name].map(one => settingLine(settings, filterKey(one))),
    remedy: { commands: [setCommand(netns, filterKey(name), 2)], text: lasting },
  });
}

const forwardedHarm =
  'packets of containers pass, but what another host forwards for somebody outside the network is dropped without a word';

function otherWay({ name, sources }: Filtered, { tables }: KernelView): string | undefined {
  for (const destination of sources) {
    const decision = lookupRoute(tables, {
      ...{ family: 4, destination, source: undefined, iif: undefined, oif: undefined },
    });
    const ways = decision.type === 'route' ? decision.ways : [];
    if (ways.length === 0 || ways.some(({ dev }) => dev === name)) continue;
    return `it drops what comes in by it from ${destination}, because the way back leads over ${ways[0]?.dev}`;
  }
  return undefined;
}

const words = ['off', 'strict', 'loose'];

function summary(devices: readonly Filtered[], settings: Settings): string {
  const each = devices.map(({ name }) => `${words[effective(settings, name)] ?? 'unknown'} on ${name}`);
  return `the reverse path filter is ${each.join(', ')}`;
}
