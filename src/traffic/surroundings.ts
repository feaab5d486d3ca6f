/** Kernel settings on which the overlay depends and which are the operator's to decide. */
import type { Family } from '../base/ip.ts';

/** A setting that stands in the way, in words for the operator. */
export interface SettingFinding {
  /** What was found: `net/ipv4/ip_forward is 0`. */
  readonly what: string;
  readonly consequence: string;
  readonly remedy: string;
}

export interface SettingsWish {
  readonly families: readonly Family[];
  /** The tunnel's devices, as far as they are there. */
  readonly devices: readonly string[];
  /** The interface to the underlay. */
  readonly external: string;
}

/** The sysctls to read, with slashes; those of a device that is not there read as undefined. */
export function settingKeys({ families, devices, external }: SettingsWish): string[] {
  return families.flatMap(family => [
    forwarding[family].key,
    bridgeCall[family],
    ...(family === 4 ? ['all', external, ...devices].map(rpFilterKey) : []),
  ]);
}

/** @param values by key, undefined for what this kernel does not have */
export function judgeSettings(
  wish: SettingsWish,
  values: ReadonlyMap<string, string | undefined>,
): SettingFinding[] {
  return wish.families.flatMap(family => [
    ...judgeForwarding(family, values),
    ...judgeBridge(family, values),
    ...(family === 4 ? judgeReversePath(wish, values) : []),
  ]);
}

type Values = ReadonlyMap<string, string | undefined>;

const forwarding = {
  4: { key: 'net/ipv4/ip_forward', name: 'IPv4' },
  6: { key: 'net/ipv6/conf/all/forwarding', name: 'IPv6' },
} as const;

const bridgeCall = {
  4: 'net/bridge/bridge-nf-call-iptables',
  6: 'net/bridge/bridge-nf-call-ip6tables',
} as const;

function judgeForwarding(family: Family, values: Values): SettingFinding[] {
  const { key, name } = forwarding[family];
  const value = values.get(key);
  if (value === '1') return [];
  return [
    {
      what: value === undefined ? `this kernel has no ${key}` : `${key} is ${value}`,
      consequence: `the host forwards no ${name}: its containers reach no other host and are not reached`,
      remedy: `sysctl -w ${key}=1, and the same line in /etc/sysctl.d to make it last`,
    },
  ];
}

function judgeBridge(family: Family, values: Values): SettingFinding[] {
  const key = bridgeCall[family];
  const value = values.get(key);
  if (value === '1') return [];
  return [
    {
      what:
        value === undefined
          ? `${key} is missing: the module br_netfilter is not loaded`
          : `${key} is ${value}`,
      consequence:
        'packets between containers of one bridge skip the firewall: a service address that leads back to the same host may not answer',
      remedy:
        value === undefined
          ? 'modprobe br_netfilter, and the name in /etc/modules-load.d (needed with Kubernetes only)'
          : `sysctl -w ${key}=1 (needed with Kubernetes only)`,
    },
  ];
}

/** The kernel takes the stricter of `all` and the device's own (Documentation/networking/ip-sysctl.rst); 1 is strict. */
function judgeReversePath({ devices, external }: SettingsWish, values: Values): SettingFinding[] {
  const all = Number(values.get(rpFilterKey('all')) ?? 0);
  return [external, ...devices].flatMap(device => {
    const own = values.get(rpFilterKey(device));
    if (own === undefined || Math.max(all, Number(own)) !== 1) return [];
    const consequence =
      device === external
        ? 'with several interfaces to the underlay, tunnel packets that come in by another one than the answers leave by are dropped, silently'
        : 'packets out of the tunnel whose source is not routed back into it are dropped, silently: those that a host forwards for somebody outside the network';
    const keys = [...(all === 1 ? ['all'] : []), device].map(rpFilterKey);
    return [
      {
        what: `the reverse path filter of ${device} is strict (${keys.join(', ')})`,
        consequence,
        remedy: `if such packets are missed: sysctl -w ${rpFilterKey(device)}=2`,
      },
    ];
  });
}

function rpFilterKey(device: string): string {
  return `net/ipv4/conf/${device}/rp_filter`;
}
