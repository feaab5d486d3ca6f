/** Links as `ip link` commands; see iproute2.ts. */
import { type IpAddress, ipToBytes } from '../base/ip.ts';
import { deviceName, deviceWords, onOff, pair, words } from './iproute2-words.ts';
import type { LinkSpec } from './link.ts';
import type { Tun } from './link-kind.ts';
import type { Dev, Verb } from './rtnetlink.ts';
import type { Vxlan } from './vxlan-link.ts';

/** @param now the present name of a link that is changed or deleted, where `link` gives it another */
export function linkCommand(verb: Verb, link: LinkSpec<Dev>, now: string = link.name): string {
  const name = deviceName(now);
  if (verb === 'delete') return `ip link delete ${name}`;
  if (verb === 'add' && link.kind?.kind === 'tun') return tunCommand(link, link.kind);
  if (verb === 'add') return words('ip link add', name, ...settings(link), ...kindWords(link));
  const newName = now === link.name ? undefined : deviceName(link.name);
  return words('ip link set', name, pair('name', newName), ...settings(link), ...kindWords(link));
}

/** Two lines in one: `ip tuntap` takes no settings. */
function tunCommand(link: LinkSpec<Dev>, { mode }: Tun): string {
  const name = deviceName(link.name);
  const make = `ip tuntap add dev ${name} mode ${mode}`;
  const wanted = settings(link).filter(word => word !== undefined);
  return wanted.length === 0 ? make : words(make, '&& ip link set', name, ...wanted);
}

function settings(link: LinkSpec<Dev>): Array<string | undefined> {
  return [
    pair('address', link.mac),
    pair('mtu', link.mtuBytes),
    pair('txqueuelen', link.txQueueLength),
    link.master === 0 ? 'nomaster' : deviceWords('master', link.master),
    // A number of this process; a shell that opens the namespace under it may run the line as it is.
    pair('netns', link.netnsFd === undefined ? undefined : `/proc/self/fd/${link.netnsFd}`),
    pair('alias', link.alias === undefined ? undefined : JSON.stringify(link.alias)),
    link.up === undefined ? undefined : link.up ? 'up' : 'down',
  ];
}

function kindWords({ kind }: LinkSpec<Dev>): Array<string | undefined> {
  switch (kind?.kind) {
    case undefined:
    case 'none':
      return [];
    case 'vxlan':
      return ['type vxlan', ...vxlanWords(kind)];
    case 'bridge':
      return ['type bridge', flag('stp_state', kind.stp), flag('vlan_filtering', kind.vlanFiltering)];
    case 'veth':
      return [
        'type veth',
        ...(kind.peer === undefined
          ? []
          : [`peer name ${deviceName(kind.peer.name)}`, ...settings(kind.peer)]),
      ];
    case 'other':
      return [`type ${kind.name}`];
    // Nothing of it can be changed.
    case 'tun':
      return [];
  }
}

function flag(name: string, value: boolean | undefined): string | undefined {
  return pair(name, value === undefined ? undefined : Number(value));
}

function vxlanWords(vxlan: Vxlan<Dev>): Array<string | undefined> {
  const { group, sourcePorts, tos, flowLabel } = vxlan;
  return [
    // In metadata mode the VNI comes with each packet, and iproute2 refuses one.
    pair('id', vxlan.external === true ? undefined : vxlan.vni),
    deviceWords('dev', vxlan.dev),
    pair('local', vxlan.local),
    group === undefined ? undefined : `${isMulticast(group) ? 'group' : 'remote'} ${group}`,
    pair('dstport', vxlan.port),
    sourcePorts === undefined ? undefined : `srcport ${sourcePorts.low} ${sourcePorts.high}`,
    pair('ttl', vxlan.ttlInherit === true ? 'inherit' : vxlan.ttl === 0 ? 'auto' : vxlan.ttl),
    pair('tos', tos === undefined ? undefined : tos === 1 ? 'inherit' : `0x${tos.toString(16)}`),
    pair('df', vxlan.df === undefined ? undefined : (['unset', 'set', 'inherit'][vxlan.df] ?? vxlan.df)),
    pair('flowlabel', flowLabel === undefined ? undefined : `0x${flowLabel.toString(16)}`),
    pair('ageing', vxlan.ageingSeconds),
    pair('maxaddress', vxlan.limit),
    onOff('proxy', vxlan.proxy),
    onOff('rsc', vxlan.rsc),
    onOff('l2miss', vxlan.l2miss),
    onOff('l3miss', vxlan.l3miss),
    onOff('udpcsum', vxlan.udpChecksum),
    onOff('udp6zerocsumtx', vxlan.udp6ZeroChecksumTx),
    onOff('udp6zerocsumrx', vxlan.udp6ZeroChecksumRx),
    onOff('remcsumtx', vxlan.remoteChecksumTx),
    onOff('remcsumrx', vxlan.remoteChecksumRx),
    onOff('external', vxlan.external),
    // After `external`, which switches it off.
    onOff('learning', vxlan.learning),
    onOff('vnifilter', vxlan.vniFilter),
    vxlan.gbp === true ? 'gbp' : undefined,
    vxlan.gpe === true ? 'gpe' : undefined,
  ];
}

/** 224.0.0.0/4 (RFC 5771) and ff00::/8 (RFC 4291 section 2.7). */
function isMulticast(address: IpAddress): boolean {
  const first = ipToBytes(address)[0] ?? 0;
  return address.includes(':') ? first === 0xff : first >>> 4 === 14;
}
