import type { Family } from '../../base/ip.ts';
import { IptablesPrograms } from '../../firewall/iptables-programs.ts';
import { programsIn } from '../../firewall/programs.ts';
import { ruleNamesOf } from '../../host/traffic-wish.ts';
import { baseChains, isPolicy } from '../base-chains.ts';
import type { Check } from '../check.ts';
import { type Finding, fail, ok, type Remedy, skip } from '../finding.ts';
import { type ForwardDrop, forwardDrops } from '../forward-drops.ts';
import { type OverlayPart, overlayParts } from '../overlay-parts.ts';
import type { Scene } from '../scene.ts';

/**
 * Docker sets the policy of FORWARD to DROP, firewalls have rules that drop what they do not know: nothing then passes
 * between containers of different hosts, though the host itself reaches everything. Whatever is sure to be dropped is named;
 * rules that depend on ports, marks and the like are not judged.
 */
export const forwardDrop: Check = {
  name: 'forward-drop',
  title: 'firewall, forwarded',
  look: async scene => {
    const parts = await overlayParts(scene);
    if (parts.length === 0) return skip('nothing tells which network this host is in');
    return (await Promise.all(parts.map(part => lookAt(part, scene)))).flat();
  },
};

async function lookAt(part: OverlayPart, scene: Scene): Promise<Finding[]> {
  const { family } = part;
  const view = await scene.firewall(family);
  if (view.unread !== undefined)
    return [skip(`IPv${family}: the firewall could not be read: ${view.unread}`)];
  const chains = baseChains(view, {
    ...{ family, hooks: ['prerouting', 'forward'], type: 'filter' },
    ...{ names: ruleNamesOf(scene.options), netns: scene.netns },
  });
  const drops = forwardDrops(chains, part);
  const names = chains.map(({ name }) => name).join(', ');
  if (drops.length === 0)
    return [ok(`nothing is sure to drop IPv${family} of ${part.network}: ${names || 'there are no rules'}`)];
  return await Promise.all(
    drops.map(async drop => {
      const evidence = [drop.chain.evidence(drop.rule)];
      return fail(textOf(drop), { evidence, remedy: await remedyFor(drop, part, scene) });
    }),
  );
}

function textOf({ chain, rule, directions, devices, protocol }: ForwardDrop): string {
  const containers = devices.size === 0 ? 'containers' : `containers on ${[...devices].join(' and ')}`;
  const what = protocol === undefined ? 'packets' : `${protocol.toUpperCase()} packets`;
  const way =
    directions.size === 2
      ? `between ${containers} and other hosts`
      : directions.has('in')
        ? `from other hosts to ${containers}`
        : `from ${containers} to other hosts`;
  const by = isPolicy(rule) ? 'its policy is DROP, and no rule accepts them' : `by ${rule}`;
  return `${chain.name} drops ${what} ${way}: ${by}`;
}

async function remedyFor(drop: ForwardDrop, part: OverlayPart, scene: Scene): Promise<Remedy> {
  const ours = await ourRules(drop, part.family, scene);
  if (ours.length > 0)
    return {
      commands: ours,
      text: 'the rules of `weft run`, which are missing; it keeps them in place while it runs',
    };
  const { chain, directions, protocol } = drop;
  const { network } = part;
  const commands =
    chain.hook === 'forward'
      ? [
          ...(directions.has('out') ? [chain.accept({ source: network, protocol })] : []),
          ...(directions.has('in') ? [chain.accept({ destination: network, protocol })] : []),
        ]
      : [chain.accept({ source: network, destination: network, protocol })];
  return { commands, text: `lasts until the rules are loaded again; for good: ${advice(drop, scene)}` };
}

function advice({ rule, chain }: ForwardDrop, { options }: Scene): string {
  if (isPolicy(rule) && chain.program !== 'nft' && !options.iptablesForwardRules)
    return '-iptables-forward-rules=false keeps `weft run` from accepting the network itself';
  return 'have whatever made this rule leave it out, or accept the network before it (Docker: in DOCKER-USER; firewalld: the devices in the zone trusted)';
}

/** The commands of the plan, when a policy drops because our rules, which would accept, are not there. */
async function ourRules(
  { rule, chain }: ForwardDrop,
  family: Family,
  { options, netns, signal, plan }: Scene,
): Promise<readonly string[]> {
  if (!isPolicy(rule) || !options.iptablesForwardRules || chain.hook !== 'forward') return [];
  const found = await plan().catch(() => undefined);
  signal.throwIfAborted();
  const lacking = found?.firewalls.find(
    ({ engine, commands }) => engine === 'iptables' && commands.length > 0,
  );
  if (lacking === undefined) return [];
  const variant = await new IptablesPrograms(programsIn(netns), undefined).variant({ signal });
  return chain.program === `${family === 4 ? 'iptables' : 'ip6tables'}-${variant}` ? lacking.commands : [];
}
