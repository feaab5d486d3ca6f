/** Who may use flannel's names in the firewall: one daemon of a network namespace, and others beside it use their own. */
import { hasCode } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { NftProgram } from '../firewall/nft-program.ts';
import { programsIn } from '../firewall/programs.ts';
import { firewallTraces } from '../firewall/traces.ts';
import { namesOfNetwork } from '../traffic/names.ts';
import { acquireInstanceLock, type InstanceLock } from './instance-lock.ts';
import type { DaemonOptions } from './options.ts';

/** Among the locks of devices; no device can be called so. */
const lockName = 'flannel-rules';

export interface RuleNamesClaim {
  /** What of the daemon's options follows from it. */
  readonly options: Pick<DaemonOptions, 'network' | 'formerNetwork'>;
  readonly lock: InstanceLock | undefined;
}

/**
 * Claims flannel's names for this daemon, or the name of its device where another daemon of this namespace has them: two
 * that share chains would take away each other's rules.
 * @param own the name of its device, or of its backend where there is none
 */
export async function claimRuleNames(
  own: string,
  { log, signal }: { readonly log: Log; readonly signal: AbortSignal },
): Promise<RuleNamesClaim> {
  try {
    const lock = acquireInstanceLock(lockName);
    await removeTables(own, signal).catch(error =>
      log.warn({ error }, 'nftables tables of ours may be left'),
    );
    return { options: { network: undefined, formerNetwork: own }, lock };
  } catch (error) {
    if (!hasCode(error, 'already-running')) throw error;
    log.info(
      { name: own },
      "another daemon of this host has flannel's chains, so ours have names of their own",
    );
    return { options: { network: own, formerNetwork: undefined }, lock: undefined };
  }
}

/** Of nftables, where a table is one network's; chains of iptables are seen with the others of their table. */
async function removeTables(own: string, signal: AbortSignal): Promise<void> {
  const names = namesOfNetwork(own);
  if (firewallTraces(names).nftables) await new NftProgram(programsIn(undefined)).clean(names, { signal });
}
