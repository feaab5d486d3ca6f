/**
 * nftables' netlink: what changed, and elements of a set (kernel include/uapi/linux/netfilter/nfnetlink.h and
 * nf_tables.h). Rules are none of our business here: `nft` writes them.
 *
 * After the netlink header comes struct nfgenmsg, then attributes with numbers in network order:
 *
 *   0        1         2             4
 *   | family | version | resource id | attributes ...
 */
import { ByteWriter, readU8, readU32be } from '../base/bytes.ts';
import { type IpAddress, ipToBytes } from '../base/ip.ts';
import { eachAttribute, readString, writeAttribute, writeNested, writeString } from './attributes.ts';
import { type NetlinkMessage, type NetlinkRequest, NLM_F } from './netlink.ts';

/** NETLINK_NETFILTER, the protocol of the socket. */
export const netfilterProtocol = 12;

/** NFNLGRP_NFTABLES: every committed change, iptables-nft's too. */
export const nftablesGroup = 7;

/** One thing that a committed transaction changed, or the transaction's end. */
export type NftNotice =
  | {
      readonly type: 'new' | 'gone';
      readonly object: NftObject;
      readonly family: NftFamily;
      readonly table: string;
    }
  | { readonly type: 'committed'; readonly process: string; readonly pid: number };

export type NftObject = 'table' | 'chain' | 'rule' | 'set' | 'element' | 'object' | 'flowtable';
export type NftFamily = 'ip' | 'ip6' | 'inet' | 'arp' | 'bridge' | 'netdev' | 'unknown';

/** NFNL_SUBSYS_NFTABLES, the upper byte of a message's type. */
const subsystem = 10;
const NEWSETELEM = 12;
const DELSETELEM = 14;
const NEWGEN = 15;

/** NFT_MSG_*: the message that makes one, and the one that says that it is gone. */
const objects: Readonly<Record<number, { readonly type: 'new' | 'gone'; readonly object: NftObject }>> = {
  0: { type: 'new', object: 'table' },
  2: { type: 'gone', object: 'table' },
  3: { type: 'new', object: 'chain' },
  5: { type: 'gone', object: 'chain' },
  6: { type: 'new', object: 'rule' },
  8: { type: 'gone', object: 'rule' },
  9: { type: 'new', object: 'set' },
  11: { type: 'gone', object: 'set' },
  [NEWSETELEM]: { type: 'new', object: 'element' },
  [DELSETELEM]: { type: 'gone', object: 'element' },
  18: { type: 'new', object: 'object' },
  20: { type: 'gone', object: 'object' },
  22: { type: 'new', object: 'flowtable' },
  24: { type: 'gone', object: 'flowtable' },
};

/** NFPROTO_*. */
const families: Readonly<Record<number, NftFamily>> = {
  1: 'inet',
  2: 'ip',
  3: 'arp',
  5: 'netdev',
  7: 'bridge',
  10: 'ip6',
};

const headerBytes = 4;

/** Attribute 1 of each of these messages: NFTA_TABLE_NAME, NFTA_CHAIN_TABLE, NFTA_RULE_TABLE, ... */
const tableAttribute = 1;
const generation = { pid: 2, process: 3 } as const;

/** Undefined for what is no notice of nftables. @throws WeftError when its bytes make no sense */
export function decodeNftNotice(message: NetlinkMessage): NftNotice | undefined {
  if (message.type >>> 8 !== subsystem) return undefined;
  const number = message.type & 0xff;
  if (number === NEWGEN) return decodeGeneration(message.body);
  const what = objects[number];
  if (what === undefined) return undefined;
  const family = families[readU8(message.body, 0)] ?? 'unknown';
  let table = '';
  eachAttribute(message.body, headerBytes, (type, value) => {
    if (type === tableAttribute) table = readString(value);
  });
  return { ...what, family, table };
}

function decodeGeneration(body: Uint8Array): NftNotice {
  let process = '';
  let pid = 0;
  eachAttribute(body, headerBytes, (type, value) => {
    if (type === generation.process) process = readString(value);
    if (type === generation.pid) pid = readU32be(value, 0);
  });
  return { type: 'committed', process, pid };
}

export interface NftTableName {
  readonly family: NftFamily;
  readonly name: string;
}

/** Asks for all tables; the answers read as notices of new ones. */
export const tablesDump: NetlinkRequest = {
  type: (subsystem << 8) | 1,
  flags: NLM_F.REQUEST | NLM_F.DUMP,
  body: nfgenmsg(0, 0),
  what: () => 'nft list tables',
};

export interface ElementChange {
  readonly verb: 'add' | 'delete';
  readonly family: 'ip' | 'ip6';
  readonly table: string;
  readonly set: string;
  readonly addresses: readonly IpAddress[];
}

/** Requests of one transaction, from its begin to its end; every one in between wants a verdict. */
export function elementTransaction(changes: readonly ElementChange[]): NetlinkRequest[] {
  return [
    { type: batchBegin, flags: NLM_F.REQUEST, body: nfgenmsg(0, subsystem), what: () => 'begin' },
    ...changes.flatMap(elementRequests),
    { type: batchEnd, flags: NLM_F.REQUEST, body: nfgenmsg(0, subsystem), what: () => 'commit' },
  ];
}

/** NFNL_MSG_BATCH_BEGIN and NFNL_MSG_BATCH_END. */
const batchBegin = 0x10;
const batchEnd = 0x11;

const familyNumbers = { ip: 2, ip6: 10 } as const;
const listAttributes = { table: 1, set: 2, elements: 3 } as const;
const NFTA_LIST_ELEM = 1;
const NFTA_SET_ELEM_KEY = 1;
const NFTA_DATA_VALUE = 1;

/** Keeps the list of elements far below the 64 KiB that an attribute can hold. */
const elementsPerRequest = 512;

function elementRequests(change: ElementChange): NetlinkRequest[] {
  const requests: NetlinkRequest[] = [];
  for (let at = 0; at < change.addresses.length; at += elementsPerRequest) {
    const addresses = change.addresses.slice(at, at + elementsPerRequest);
    const adds = change.verb === 'add';
    requests.push({
      type: (subsystem << 8) | (adds ? NEWSETELEM : DELSETELEM),
      flags: NLM_F.REQUEST | NLM_F.ACK | (adds ? NLM_F.CREATE : 0),
      body: elementBody(change, addresses),
      what: () =>
        `nft ${change.verb} element ${change.family} ${change.table} ${change.set} { ${addresses.join(', ')} }`,
    });
  }
  return requests;
}

function elementBody({ family, table, set }: ElementChange, addresses: readonly IpAddress[]): Uint8Array {
  const writer = new ByteWriter(64 + addresses.length * 32).bytes(nfgenmsg(familyNumbers[family], 0));
  writeString(writer, listAttributes.table, table);
  writeString(writer, listAttributes.set, set);
  writeNested(writer, listAttributes.elements, () => {
    for (const address of addresses) {
      writeNested(writer, NFTA_LIST_ELEM, () =>
        writeNested(writer, NFTA_SET_ELEM_KEY, () =>
          writeAttribute(writer, NFTA_DATA_VALUE, ipToBytes(address)),
        ),
      );
    }
  });
  return writer.toBytes();
}

function nfgenmsg(family: number, resource: number): Uint8Array {
  return new ByteWriter(headerBytes).u8(family).u8(0).u16be(resource).toBytes();
}
