/** Wishes that the tests of the traffic rules share: the network of flannel's captured texts in test/golden/traffic. */
import { parseIp } from '../../../src/base/ip.ts';
import { parsePrefix } from '../../../src/base/prefix.ts';
import { namesOfNetwork } from '../../../src/traffic/names.ts';
import { type PeerAddresses, planTraffic, type TrafficWish } from '../../../src/traffic/plan.ts';
import type { FamilyRules, Ruleset } from '../../../src/traffic/ruleset.ts';

export const everyFlag: TrafficWish = {
  config: { network: parsePrefix('10.2.0.0/16'), ipv6Network: parsePrefix('fd00:10:2::/48') },
  subnet: { ipv4: parsePrefix('10.2.1.0/24'), ipv6: parsePrefix('fd00:10:2:1::/64') },
  ipMasq: true,
  fullyRandom: true,
  ipMasqExclude: [],
  forwardRules: true,
  guard: undefined,
};

export const guarded: TrafficWish = {
  ...everyFlag,
  guard: { ports: [8472], devices: ['flannel.1', 'flannel-v6.1'] },
};

export const twoPeers: readonly PeerAddresses[] = [
  { publicIp: parseIp('192.0.2.2'), publicIpv6: parseIp('2001:db8::2') },
  { publicIp: parseIp('192.0.2.3'), publicIpv6: parseIp('2001:db8::3') },
];

export function plan(change: Partial<TrafficWish> = {}, peers: readonly PeerAddresses[] = twoPeers): Ruleset {
  return planTraffic({ ...everyFlag, ...change }, peers);
}

export function familyOfPlan(ruleset: Ruleset, family: 4 | 6): FamilyRules {
  const rules = ruleset.families.find(one => one.family === family);
  if (rules === undefined) throw new Error(`no rules for IPv${family}`);
  return rules;
}

/** A network called red that is beside others on its host. */
export const besideOthers: TrafficWish = {
  ...everyFlag,
  names: namesOfNetwork('red'),
  apart: [parsePrefix('10.3.0.0/16'), parsePrefix('fd00:10:3::/48')],
  guard: { ports: [], vxlans: [{ port: 8472, vni: 7 }], devices: ['flannel.7', 'flannel-v6.7'] },
};
