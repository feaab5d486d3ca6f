/** What the guard has dropped, read back from either firewall. */
import type { Family, IpAddress } from '../base/ip.ts';
import { tryParseIp } from '../base/ip.ts';
import type { IptablesState, PacketCount } from './iptables-save.ts';
import { flannelNames, nftNames, type RuleNames } from './names.ts';
import type { NftListing } from './nft-listing.ts';

export interface GuardReport {
  /** Tunnel packets of hosts that are no peers. */
  readonly strangersDropped: PacketCount;
  /** Packets out of the tunnel that claimed a source outside the network. */
  readonly outsidersDropped: PacketCount;
  /** Whose tunnel packets were dropped in the last minutes, most packets first; only nftables tells. */
  readonly strangers: readonly Stranger[];
}

export interface Stranger {
  readonly address: IpAddress;
  readonly packets: number;
}

export const emptyGuardReport: GuardReport = {
  strangersDropped: { packets: 0, bytes: 0 },
  outsidersDropped: { packets: 0, bytes: 0 },
  strangers: [],
};

export function addGuardReports(one: GuardReport, other: GuardReport): GuardReport {
  return {
    strangersDropped: addCounts([one.strangersDropped, other.strangersDropped]),
    outsidersDropped: addCounts([one.outsidersDropped, other.outsidersDropped]),
    strangers: [...one.strangers, ...other.strangers].sort((a, b) => b.packets - a.packets),
  };
}

/** @param state with counters, of the table mangle at least */
export function iptablesGuardReport(
  state: IptablesState,
  { chains, isOwnChain }: RuleNames = flannelNames,
): GuardReport {
  const dropped = (isOurs: (chain: string) => boolean) => {
    const chains = [...(state.get('mangle') ?? [])].filter(([name]) => isOurs(name));
    return addCounts(
      chains.flatMap(([, { rules, counters }]) =>
        counters.filter((_, index) => /-j DROP$/.test(rules[index] ?? '')),
      ),
    );
  };
  return {
    strangersDropped: dropped(name => isOwnChain(name) && name.startsWith(chains.guard)),
    outsidersDropped: dropped(name => name === chains.inner),
    strangers: [],
  };
}

export function nftGuardReport(
  family: Family,
  listing: NftListing,
  { tables }: RuleNames = flannelNames,
): GuardReport {
  const table = tables[family];
  const inTable = (item: { readonly family: string; readonly table: string }) =>
    item.family === table.family && item.table === table.name;
  const counter = (name: string) =>
    addCounts(listing.counters.filter(one => inTable(one) && one.name === name));
  const set = listing.sets.find(one => inTable(one) && one.name === nftNames.strangers);
  const strangers = (set?.elements ?? []).flatMap(({ value, count }) => {
    const address = tryParseIp(value);
    return address === undefined ? [] : [{ address, packets: count?.packets ?? 0 }];
  });
  return addGuardReports(emptyGuardReport, {
    strangersDropped: counter(nftNames.strangersDropped),
    outsidersDropped: counter(nftNames.outsidersDropped),
    strangers,
  });
}

function addCounts(counts: readonly PacketCount[]): PacketCount {
  return counts.reduce<PacketCount>(
    (sum, { packets, bytes }) => ({ packets: sum.packets + packets, bytes: sum.bytes + bytes }),
    { packets: 0, bytes: 0 },
  );
}
