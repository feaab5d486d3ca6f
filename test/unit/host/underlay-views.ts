/** Hosts as the choice of interfaces sees them. */
import { parseIp } from '../../../src/base/ip.ts';
import { parsePrefix, prefixContains } from '../../../src/base/prefix.ts';
import type { UnderlayView } from '../../../src/host/external-interface.ts';
import type { InterfaceChoice } from '../../../src/host/interface-choice.ts';
import type { Address, AddressFlags } from '../../../src/wire/address.ts';
import type { Link } from '../../../src/wire/link.ts';

export function choiceOf(choice: Partial<InterfaceChoice> = {}): InterfaceChoice {
  return {
    iface: [],
    ifaceRegex: [],
    ifaceCanReach: undefined,
    publicIp: undefined,
    publicIpv6: undefined,
    ...choice,
  };
}

const linkLocal = parsePrefix('fe80::/10');

export function addressOn(
  dev: number,
  text: string,
  { flags, ...more }: Partial<Omit<Address, 'flags'>> & { readonly flags?: Partial<AddressFlags> } = {},
): Address {
  const local = parseIp(text);
  return {
    dev,
    local,
    prefixLength: 24,
    scope: text.includes(':') && prefixContains(linkLocal, local) ? 'link' : 'global',
    flags: { secondary: false, deprecated: false, permanent: true, tentative: false, ...flags },
    ...more,
  };
}

/** On interface 2. */
export function address(text: string, flags: Partial<AddressFlags> = {}): Address {
  return addressOn(2, text, { flags });
}

/** The default routes lead over eth0, which has these addresses. */
export function viewOf(...addresses: readonly Address[]): UnderlayView {
  return {
    links: [linkNamed('eth0', 2), linkNamed('eth1', 3)],
    addresses,
    routes: ['0.0.0.0/0', '::/0'].map(dst => ({ dst: parsePrefix(dst), dev: 2, type: 'unicast' as const })),
    routeTo: async () => undefined,
  };
}

export function linkNamed(name: string, index: number): Link {
  return {
    index,
    name,
    kind: { kind: 'none' },
    mac: undefined,
    mtuBytes: 1500,
    txQueueLength: 0,
    up: true,
    carrier: true,
    loopback: name === 'lo',
    pointToPoint: false,
    master: undefined,
    parent: undefined,
    parentNetnsId: undefined,
    alias: undefined,
  };
}
