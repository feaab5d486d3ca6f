/** What the firewall lacks of the rules that the daemon's flags ask for, as the text that the daemon would write. */
import { describeError, hasCode, WeftError } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import { shellWord } from '../base/shell-word.ts';
import { type Cleaned, cleanFirewalls, cleanOtherFirewalls } from '../firewall/clean.ts';
import type { EngineOptions, FirewallEngine } from '../firewall/engine.ts';
import { IptablesEngine } from '../firewall/iptables-engine.ts';
import { NftEngine } from '../firewall/nft-engine.ts';
import { type Programs, programsIn, refusesRandomPorts } from '../firewall/programs.ts';
import { tracesIn } from '../firewall/traces.ts';
import type { RuleNames } from '../traffic/names.ts';
import { type PeerAddresses, planTraffic, type TrafficWish, withoutFullyRandom } from '../traffic/plan.ts';
import type { Ruleset } from '../traffic/ruleset.ts';
import { rehearsingPrograms } from './rehearsal.ts';

export interface FirewallQuestion {
  /** Undefined: there shall be no rules of ours. */
  readonly wish: TrafficWish | undefined;
  readonly peers: readonly PeerAddresses[];
  readonly engine: 'iptables' | 'nftables';
  readonly names: RuleNames;
  /** Path of the namespace whose firewall it is; undefined: the process's own. */
  readonly netns: string | undefined;
}

export interface FirewallPlan {
  readonly engine: 'iptables' | 'nftables';
  /** What is not as wished, a few words each. */
  readonly differences: readonly string[];
  /** For a shell; together they close the differences. */
  readonly commands: readonly string[];
  /** Why it could not be read, so that `differences` says nothing; undefined when it could. */
  readonly unread: string | undefined;
}

/** Never throws what has to do with the firewall: the rest of a plan is worth something without. */
export async function planFirewall(question: FirewallQuestion, signal: AbortSignal): Promise<FirewallPlan> {
  const { engine, netns } = question;
  const commands: string[] = [];
  const programs = recordingPrograms(programsIn(netns), netns, command => commands.push(command));
  try {
    const differences = await findDifferences(question, programs, { signal });
    if (differences.length === 0) return { engine, differences, commands: [], unread: undefined };
    return { engine, differences, commands: commands.sort(), unread: undefined };
  } catch (error) {
    signal.throwIfAborted();
    return { engine, differences: [], commands: [], unread: describeError(error) };
  }
}

async function findDifferences(
  { wish, peers, engine: name, names, netns }: FirewallQuestion,
  programs: Programs,
  options: EngineOptions,
): Promise<readonly string[]> {
  const traces = tracesIn(netns, names);
  if (wish === undefined) return leftOver(await cleanFirewalls(programs, options, traces, names));
  const spelling = new Map<string, string>();
  const engineWith = (by: Programs): FirewallEngine =>
    name === 'nftables'
      ? new NftEngine(by, undefined, silentLog, names, spelling)
      : new IptablesEngine(by, undefined, () => false, names, spelling);
  const engine = engineWith(programs);
  const asked = planTraffic({ ...wish, names }, peers);
  const differs = (await engine.check(asked, options)).length > 0;
  const taken = differs ? await rehearse(engineWith(rehearsingPrograms()), asked, options) : asked;
  const wrong = await wrongRules(engine, taken, options);
  const chosen = { engine: name, variant: engine.variant };
  return [...wrong, ...leftOver(await cleanOtherFirewalls(programs, chosen, options, traces, names))];
}

/**
 * Rules may be there in other words than ours, or without random ports where those are not known: the daemon learns that by
 * writing them, and so does an engine here, where nothing is at stake.
 * @returns what the host's programs take; all of it where they cannot be tried out
 */
async function rehearse(engine: FirewallEngine, ruleset: Ruleset, options: EngineOptions): Promise<Ruleset> {
  try {
    await engine.apply(ruleset, options);
    return ruleset;
  } catch (error) {
    options.signal.throwIfAborted();
    if (!refusesRandomPorts(error)) return ruleset;
    const plainer = withoutFullyRandom(ruleset);
    await engine.apply(plainer, options).catch(() => options.signal.throwIfAborted());
    return plainer;
  }
}

/** What is written goes nowhere, so that an engine which has to write does not find it there afterwards. */
async function wrongRules(
  engine: FirewallEngine,
  ruleset: Ruleset,
  options: EngineOptions,
): Promise<readonly string[]> {
  const wrong = await engine.check(ruleset, options);
  try {
    const done = await engine.apply(ruleset, options);
    return [...wrong, ...done.filter(what => !wrong.includes(what))];
  } catch (error) {
    if (isNotTaken(error)) return wrong;
    throw error;
  }
}

function isNotTaken(error: unknown): boolean {
  const all = error instanceof AggregateError ? error.errors : [error];
  return all.every(one => hasCode(one, 'firewall-not-taken'));
}

/** @throws WeftError `firewall-unread` */
function leftOver({ removed, failures }: Cleaned): string[] {
  if (failures.length > 0) throw new WeftError('firewall-unread', failures.join('; '));
  return removed.map(what => `${what} is left over`);
}

/** The firewall's programs, of which only those that read are run: what is given to one to read is a change. */
function recordingPrograms(
  programs: Programs,
  netns: string | undefined,
  tell: (command: string) => void,
): Programs {
  const enter = netns === undefined ? '' : `nsenter --net=${shellWord(netns)} `;
  return {
    has: name => programs.has(name),
    run: async (argv, options) => {
      if (options.input === undefined) return await programs.run(argv, options);
      tell(`${enter}${argv.map(shellWord).join(' ')} <<'END'\n${options.input.trimEnd()}\nEND`);
      return '';
    },
  };
}
