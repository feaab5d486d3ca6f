import type { FirewallPlan } from '../../view/firewall-plan.ts';
import type { Check } from '../check.ts';
import { type Finding, fail, ok, skip } from '../finding.ts';
import { otherMasquerading } from '../other-flags.ts';
import type { Scene } from '../scene.ts';

/** The rules that the daemon's flags ask for; what an earlier run with other flags has left is another check's. */
export const firewallRules: Check = {
  name: 'firewall-rules',
  title: 'firewall, own rules',
  look: async scene => {
    const { firewalls } = await scene.plan();
    const other = otherMasquerading(scene);
    if (other !== undefined) return skip(`what the rules shall be is not known: ${other}`);
    return firewalls.flatMap(plan => judge(plan, scene));
  },
};

/** Chosen: what is missing altogether is many rules, of which these tell enough. */
const mostDifferences = 12;

function judge({ engine, differences, commands, unread }: FirewallPlan, { options }: Scene): Finding {
  if (unread !== undefined) return skip(`the rules in ${engine} could not be read: ${unread}`);
  const wrong = differences.filter(what => !what.endsWith('is left over'));
  if (wrong.length === 0) return ok(`${engine}: ${wishText(options)}`);
  const more = wrong.length - mostDifferences;
  return fail(`rules of Weft's in ${engine} are missing or differ: ${wrong[0]}`, {
    evidence: [...wrong.slice(0, mostDifferences), ...(more > 0 ? [`and ${more} more`] : [])].map(
      what => `weft plan: ${what}`,
    ),
    remedy: {
      commands,
      text: 'as `weft plan` prints them; `weft run` keeps them in place while it runs',
    },
  });
}

function wishText({ iptablesForwardRules, ipMasq }: Scene['options']): string {
  const wished = [
    ...(iptablesForwardRules ? ['the network is accepted'] : []),
    ...(ipMasq ? ['what leaves it is masqueraded'] : []),
  ];
  return wished.length === 0 ? 'no rules are wished, and none are there' : `${wished.join(', ')}, as wished`;
}
