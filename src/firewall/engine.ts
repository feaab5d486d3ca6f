import type { IpAddress } from '../base/ip.ts';
import type { GuardReport } from '../traffic/guard-report.ts';
import type { Obstacle, OverlayPath } from '../traffic/obstacles.ts';
import type { Ruleset } from '../traffic/ruleset.ts';

export type EngineName = 'iptables' | 'nftables';

/** The two programs that may both be called iptables: one has a firewall of its own in the kernel, one uses nftables. */
export type IptablesVariant = 'legacy' | 'nft';

/** A firewall of the kernel, and the one that fills it with our rules. test/contract/firewall.ts says what each must do. */
export interface FirewallEngine {
  readonly name: EngineName;

  /** True when the kernel tells of every change in this firewall, so that nobody needs to ask. */
  readonly tellsChanges: boolean;

  /** Which iptables it is, once that is known. */
  readonly variant: IptablesVariant | undefined;

  /** What of ours is not as wished, a few words each; changes nothing. @throws WeftError see {@link apply} */
  check(ruleset: Ruleset, options: EngineOptions): Promise<string[]>;

  /**
   * Makes ours as wished, in one transaction for each table at most, without an instant without rules; does nothing
   * when all is right. Gives what was wrong.
   * @throws WeftError `firewall-program-missing`; `firewall-busy` when somebody holds iptables' lock for too long;
   * `program-failed`; `firewall-not-taken` when the rules read back are not those written
   */
  apply(ruleset: Ruleset, options: EngineOptions): Promise<string[]>;

  /**
   * Like {@link apply} after peers of the guard came or left, as cheap as the engine can make it.
   * @param ruleset with the change in it; asked for only when the change alone does not do
   * @returns true when it was one transaction that took elements away, of which the kernel tells, and no look at the rest
   */
  changePeers(change: PeerSetChange, ruleset: () => Ruleset, options: EngineOptions): Promise<boolean>;

  /**
   * Rules of others that are sure to drop the overlay's packets. Usually from what the last check has read; with
   * `everywhere` also in the firewalls that this engine does not use.
   */
  obstacles(ruleset: Ruleset, search: ObstacleSearch, options: EngineOptions): Promise<Obstacle[]>;

  /** What the guard has dropped. */
  guardReport(ruleset: Ruleset, options: EngineOptions): Promise<GuardReport>;

  /** Takes away all that is ours in this firewall, and nothing else. Gives what there was. */
  clean(options: EngineOptions): Promise<string[]>;

  close(): void;
}

export interface EngineOptions {
  readonly signal: AbortSignal;
}

export interface PeerSetChange {
  readonly added: readonly IpAddress[];
  readonly removed: readonly IpAddress[];
}

export interface ObstacleSearch {
  readonly path: (family: 4 | 6) => OverlayPath;
  readonly everywhere: boolean;
}

/** A transaction of somebody, or of ourselves, in the kernel's firewall. */
export interface FirewallChange {
  /** The program's name, such as `nft`; '' when unknown. */
  readonly process: string;
  readonly pid: number;
  /** It touched tables in which our rules are. */
  readonly ours: boolean;
  /** It touched other tables, whose rules can only stand in the way. */
  readonly elsewhere: boolean;
}
