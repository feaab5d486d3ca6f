/** Weft's own commands, with the flags that doctor was given. */
import type { IpAddress } from '../base/ip.ts';
import { shellWord } from '../base/shell-word.ts';
import { placeOf } from './registry-place.ts';
import type { Scene } from './scene.ts';

/** `-etcd-endpoints ... -etcd-prefix ... -iface eth0`: what says which network it is, and how this host is in it. */
export function networkFlags({ registry, options }: Pick<Scene, 'registry' | 'options'>): string[] {
  const { iface, ifaceRegex, ifaceCanReach, publicIp, publicIpv6, subnetFile } = options;
  const given = (flag: string, value: string | undefined): string[] =>
    value === undefined ? [] : [flag, shellWord(value)];
  return [
    ...placeOf(registry.name).flags,
    ...iface.flatMap(name => given('-iface', name)),
    ...ifaceRegex.flatMap(({ source }) => given('-iface-regex', source)),
    ...given('-iface-can-reach', ifaceCanReach),
    ...given('-public-ip', publicIp),
    ...given('-public-ipv6', publicIpv6),
    ...given('-subnet-file', subnetFile === usualSubnetFile ? undefined : subnetFile),
  ];
}

const usualSubnetFile = '/run/flannel/subnet.env';

/** Starts the daemon. */
export function runCommand(scene: Pick<Scene, 'registry' | 'options'>): string {
  return ['weft run', ...networkFlags(scene), ...ruleFlags(scene)].join(' ');
}

/** The same on the host of that address: its flags as far as they are likely to be ours. */
export function commandAt(
  address: IpAddress,
  command: 'run' | 'plan',
  scene: Pick<Scene, 'registry' | 'options'>,
): string {
  const flags = ['-iface', address, ...ruleFlags(scene)];
  return [`weft ${command}`, ...placeOf(scene.registry.name).flags, ...flags].join(' ');
}

function ruleFlags({ options: { ipMasq, iptablesForwardRules } }: Pick<Scene, 'options'>): string[] {
  return [
    ...(ipMasq ? ['-ip-masq'] : []),
    ...(iptablesForwardRules ? [] : ['-iptables-forward-rules=false']),
  ];
}
