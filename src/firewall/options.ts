import { networkInterfaces } from 'node:os';
import type { Clock } from '../base/clock.ts';
import { type Family, tryParseIp } from '../base/ip.ts';
import type { Log } from '../base/log.ts';
import { type Prefix, prefixContains } from '../base/prefix.ts';
import { inNetns } from '../sys/netns.ts';
import type { RuleNames } from '../traffic/names.ts';
import type { Obstacle } from '../traffic/obstacles.ts';
import type { EngineName, IptablesVariant } from './engine.ts';
import type { Programs } from './programs.ts';

export interface FirewallOptions {
  readonly engine: EngineName;
  /** Default: whichever is called `iptables`. */
  readonly iptablesVariant?: IptablesVariant | undefined;
  /** How often rules are looked at where the kernel tells nothing: --iptables-resync. */
  readonly resyncMs: number;
  /** The backend's device of a family (the external interface where the backend has none). */
  readonly tunnel: (family: Family) => string;
  /** Devices to containers of our subnet. Default: those up that have an address of it. */
  readonly containerDevices?: ((subnet: Prefix, tunnel: string) => readonly string[]) | undefined;
  /** What the rules are called; flannel's names unless given. */
  readonly names?: RuleNames | undefined;
  /** How the firewall's programs are called, otherwise than by their names and in the right namespace. */
  readonly programs?: Programs | undefined;
  /** Path of the network namespace whose firewall it is; `programs`, if given, must enter the same. */
  readonly netns?: string | undefined;
  readonly log: Log;
  readonly clock: Clock;
}

export interface FirewallStatus {
  readonly engine: EngineName;
  /** Why the rules are not in place, as far as we know; '' when they are. */
  readonly problem: string;
  /** Rules of others that drop the overlay's packets although ours are right. */
  readonly obstacles: readonly Obstacle[];
  /** How often somebody undid our rules. */
  readonly repairs: number;
}

/** How to find the bridges of a subnet's containers in the network namespace at a path, or in the process's own. */
export function devicesIn(netns: string | undefined): typeof devicesInside {
  if (netns === undefined) return devicesInside;
  return (subnet, tunnel) => inNetns(netns, () => devicesInside(subnet, tunnel));
}

/** Devices that are up and have an address inside the subnet. */
export function devicesInside(subnet: Prefix, tunnel: string): string[] {
  return Object.entries(networkInterfaces())
    .filter(([name]) => name !== tunnel && name !== 'lo')
    .filter(([, addresses]) =>
      addresses?.some(({ address }) => {
        const ip = tryParseIp(address);
        return ip !== undefined && prefixContains(subnet, ip);
      }),
    )
    .map(([name]) => name);
}
