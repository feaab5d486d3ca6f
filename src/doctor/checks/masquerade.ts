import { ruleNamesOf } from '../../host/traffic-wish.ts';
import {
  anyDevice,
  type Flow,
  type SeenChain,
  type SeenChains,
  type SeenRule,
  wayThrough,
} from '../../traffic/packet-walk.ts';
import { type BaseChain, baseChains } from '../base-chains.ts';
import type { Check } from '../check.ts';
import { type Finding, ok, skip, warn } from '../finding.ts';
import { type OverlayPart, overlayParts } from '../overlay-parts.ts';
import type { Scene } from '../scene.ts';

/**
 * Somebody else's rule that gives packets between containers another source address: they arrive, but nobody sees who sent
 * them. Docker makes one unless it is told not to; a RETURN in our own chain only leads back to it.
 */
export const masquerade: Check = {
  name: 'masquerade',
  title: 'masquerading',
  look: async scene => {
    const parts = await overlayParts(scene);
    if (parts.length === 0) return skip('nothing tells which network this host is in');
    return (await Promise.all(parts.map(part => lookAt(part, scene)))).flat();
  },
};

async function lookAt(part: OverlayPart, scene: Scene): Promise<Finding[]> {
  const { family, network, subnet } = part;
  const view = await scene.firewall(family);
  if (view.unread !== undefined)
    return [skip(`IPv${family}: the firewall could not be read: ${view.unread}`)];
  const chains = baseChains(view, {
    ...{ family, hooks: ['postrouting'], type: 'nat' },
    ...{ names: ruleNamesOf(scene.options), netns: scene.netns },
  });
  const findings = chains.flatMap(chain => changesBy(chain, part));
  if (findings.length > 0) return findings;
  return [ok(`packets between ${subnet} and the rest of ${network} keep their source address`)];
}

/** One for each rule. */
function changesBy(chain: BaseChain, part: OverlayPart): Finding[] {
  const seen = withChangesAsDrops(chain.chains);
  const ways = new Map<string, WayOut[]>();
  for (const out of waysOf(part)) {
    const way = wayThrough(seen, chain.base, out.flow);
    if (way.type === 'drops') ways.set(way.rule, [...(ways.get(way.rule) ?? []), out]);
  }
  return [...ways].map(([rule, outs]) => findingOf(chain, rule, outs));
}

interface WayOut {
  readonly text: string;
  readonly flow: Flow;
}

function waysOf({ network, subnet, tunnel, containers }: OverlayPart): WayOut[] {
  const bridges = containers.length === 0 ? [anyDevice] : containers;
  return [
    {
      text: 'from containers to other hosts',
      flow: { inDevice: '', outDevice: tunnel, source: subnet, destination: network },
    },
    ...bridges.map(outDevice => ({
      text: 'from other hosts to containers',
      flow: { inDevice: '', outDevice, source: network, destination: subnet },
    })),
  ];
}

const changesSource = /\b(?:MASQUERADE|SNAT|NETMAP|masquerade|snat)\b/;

/** So that the walk, which knows only drops, names the first rule that changes a packet for sure. */
function withChangesAsDrops(chains: SeenChains): SeenChains {
  return new Map(
    [...chains].map(([name, chain]): [string, SeenChain] => [
      name,
      { rules: chain.rules.map(changeAsDrop), policy: chain.policy && 'accept' },
    ]),
  );
}

function changeAsDrop(rule: SeenRule): SeenRule {
  if (rule.verdict.type !== 'continue' || !changesSource.test(rule.text)) return rule;
  // The walk takes nftables' statement, the last of the rule, for something that is asked.
  const isStatement = /\b(?:masquerade|snat)\b/.test(rule.text) && rule.conditions.at(-1)?.field === 'other';
  const conditions = isStatement ? rule.conditions.slice(0, -1) : rule.conditions;
  return { ...rule, conditions, verdict: { type: 'drop' } };
}

function findingOf(chain: BaseChain, rule: string, outs: readonly WayOut[]): Finding {
  const way = [...new Set(outs.map(({ text }) => text))].join(', and ');
  const commands = outs.map(({ flow: { source, destination } }) => chain.accept({ source, destination }));
  return warn(`${chain.name} masquerades packets ${way}, whose real sender nobody sees: ${rule}`, {
    evidence: [chain.evidence(rule)],
    remedy: {
      commands: [...new Set(commands)],
      text: "lasts until the rules are loaded again. If it is Docker's: start dockerd with --ip-masq=false, as `weft docker-opts` prints it, and `weft run` with -ip-masq",
    },
  });
}
