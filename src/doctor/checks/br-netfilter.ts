import type { Family } from '../../base/ip.ts';
import { ruleNamesOf } from '../../host/traffic-wish.ts';
import type { FirewallView } from '../../trace/view.ts';
import { wayThrough } from '../../traffic/packet-walk.ts';
import { type BaseChain, baseChains, isPolicy } from '../base-chains.ts';
import type { Check } from '../check.ts';
import { type Finding, fail, ok, skip, warn } from '../finding.ts';
import { forwardDrops } from '../forward-drops.ts';
import { type OverlayPart, overlayParts } from '../overlay-parts.ts';
import type { Scene } from '../scene.ts';
import { dotted, lasting, readSettings, type Settings, setCommand, settingLine } from '../settings.ts';

/**
 * With br_netfilter a bridge asks the firewall also about what it passes from one of its ports to another: a FORWARD that drops
 * then keeps containers of one host apart. kube-proxy needs it, for the answers of a service that is on the same bridge.
 */
export const brNetfilter: Check = {
  name: 'br-netfilter',
  title: 'bridges and firewall',
  look: async scene => {
    const parts = await overlayParts(scene);
    if (parts.length === 0) return skip('nothing tells which network this host is in');
    const settings = readSettings(scene.netns, Object.values(callKeys));
    return (await Promise.all(parts.map(part => judge(part, settings, scene)))).flat();
  },
};

const callKeys: Readonly<Record<Family, string>> = {
  4: 'net/bridge/bridge-nf-call-iptables',
  6: 'net/bridge/bridge-nf-call-ip6tables',
};

async function judge(part: OverlayPart, settings: Settings, scene: Scene): Promise<Finding[]> {
  const { family } = part;
  const key = callKeys[family];
  const value = settings.get(key);
  const view = await scene.firewall(family);
  if (view.unread !== undefined)
    return [skip(`IPv${family}: the firewall could not be read: ${view.unread}`)];
  if (value !== '1') {
    if (!isOfKubernetes(view))
      return [skip(`bridges do not ask the IPv${family} firewall, and without kube-proxy none has to`)];
    return [withoutCall(key, settings, scene)];
  }
  const drops = await dropsOnBridges(part, view, scene);
  if (drops.length > 0) return drops;
  return [ok(`${dotted(key)} is 1, and no rule is there to keep containers of one bridge apart`)];
}

/** Its chains, in either kind of firewall. */
function isOfKubernetes({ iptables, nft }: FirewallView): boolean {
  return (
    iptables.some(state => state.get('nat')?.has('KUBE-SERVICES') === true) ||
    nft.chains.some(({ table }) => table === 'kube-proxy')
  );
}

function withoutCall(key: string, settings: Settings, { netns }: Scene): Finding {
  const isMissing = settings.get(key) === undefined;
  const what = isMissing ? 'br_netfilter is not loaded' : `${dotted(key)} is ${settings.get(key)}`;
  return warn(`${what}: a Kubernetes service may not answer containers on the bridge of its own`, {
    evidence: [settingLine(settings, key)],
    remedy: {
      commands: [...(isMissing ? ['modprobe br_netfilter'] : []), setCommand(netns, key, 1)],
      text: isMissing ? 'and the module in /etc/modules-load.d to make it last' : lasting,
    },
  });
}

async function dropsOnBridges(part: OverlayPart, view: FirewallView, scene: Scene): Promise<Finding[]> {
  const { links } = await scene.kernel();
  const bridges = links.filter(({ name, kind }) => kind.kind === 'bridge' && part.containers.includes(name));
  const chains = baseChains(view, {
    ...{ family: part.family, hooks: ['forward'], type: 'filter' },
    ...{ names: ruleNamesOf(scene.options), netns: scene.netns },
  });
  return chains.flatMap(chain => {
    // What keeps hosts apart as well is named there, and goes with it.
    const told = forwardDrops([chain], part).map(({ rule }) => rule);
    return bridges.flatMap(({ name }) => {
      const flow = { inDevice: name, outDevice: name, source: part.subnet, destination: part.subnet };
      const way = wayThrough(chain.chains, chain.base, flow);
      return way.type === 'drops' && !told.includes(way.rule)
        ? [dropFinding(chain, way.rule, name, part)]
        : [];
    });
  });
}

function dropFinding(
  chain: BaseChain,
  rule: string,
  bridge: string,
  { subnet, family }: OverlayPart,
): Finding {
  const by = isPolicy(rule) ? 'its policy is DROP, and no rule accepts them' : `by ${rule}`;
  return fail(`${chain.name} drops packets between containers on ${bridge}: ${by}`, {
    evidence: [chain.evidence(rule), `sysctl: ${dotted(callKeys[family])} = 1`],
    remedy: {
      commands: [chain.accept({ inDevice: bridge, outDevice: bridge, source: subnet })],
      text: 'unless they are kept apart on purpose (Docker: --icc=false); with bridge-nf-call off the bridge asks nobody',
    },
  });
}
