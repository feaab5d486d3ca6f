/** Firewalls of the tests: one for each engine and variant, in a namespace. */

import { parseIp } from '../../src/base/ip.ts';
import type { Log } from '../../src/base/log.ts';
import { parsePrefix } from '../../src/base/prefix.ts';
import type { Scope } from '../../src/base/scope.ts';
import { Firewall } from '../../src/firewall/firewall.ts';
import type { FirewallOptions } from '../../src/firewall/options.ts';
import { firewallPrograms } from '../../src/firewall/programs.ts';
import type { Lease } from '../../src/lease/lease.ts';
import { systemClock } from '../../src/sys/clock.ts';
import type { Netns } from '../support/netns.ts';

export type Choice = Pick<FirewallOptions, 'engine' | 'iptablesVariant'>;

export const choices: ReadonlyArray<readonly [string, Choice]> = [
  ['iptables-legacy', { engine: 'iptables', iptablesVariant: 'legacy' }],
  ['iptables-nft', { engine: 'iptables', iptablesVariant: 'nft' }],
  ['nftables', { engine: 'nftables' }],
];

/** Long enough that nothing in a test is owed to it. */
export const neverMs = 3_600_000;

export interface LoggedFirewall {
  readonly firewall: Firewall;
  /** Everything that the log heard: level and sentence. */
  readonly said: string[];
}

export function openFirewall(
  scope: Scope,
  netns: Netns,
  choice: Choice,
  more: Partial<FirewallOptions> = {},
): LoggedFirewall {
  const said: string[] = [];
  const hear = (level: string) => (fields: object, message: string) =>
    void said.push(`${level}: ${message} ${JSON.stringify(fields)}`);
  const log: Log = { debug: hear('debug'), info: hear('info'), warn: hear('warn'), error: hear('error') };
  const firewall = Firewall.open({
    resyncMs: neverMs,
    tunnel: family => (family === 4 ? 'flannel.1' : 'flannel-v6.1'),
    containerDevices: () => ['docker0'],
    programs: firewallPrograms({ enter: netns.enter }),
    netns: netns.path,
    clock: systemClock,
    log,
    ...choice,
    ...more,
  });
  scope.own('firewall', firewall);
  return { firewall, said };
}

export function leaseOf(subnet: string, publicIp: string): Lease {
  return {
    subnet: { ipv4: parsePrefix(subnet), ipv6: undefined },
    attrs: {
      publicIp: parseIp(publicIp),
      publicIpv6: undefined,
      backendType: 'vxlan',
      backendData: undefined,
      backendV6Data: undefined,
    },
    permanent: false,
  };
}
