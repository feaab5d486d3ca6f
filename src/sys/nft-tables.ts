import { ByteWriter } from '../base/bytes.ts';
import { WeftError } from '../base/errors.ts';
import { decodeMessages, decodeVerdict, encodeMessage, NLMSG } from '../wire/netlink.ts';
import { decodeNftNotice, type NftTableName, netfilterProtocol, tablesDump } from '../wire/nftables.ts';
import { NetlinkEndpoint } from './netlink-endpoint.ts';
import { NetlinkError } from './netlink-error.ts';

/**
 * All tables in nftables, as `nft list tables` prints them, without a process; none where the kernel has no nftables.
 * Tables of iptables' nft variant are among them.
 * @throws WeftError `syscall-failed`, `netlink-send`, `netlink-overrun`; NetlinkError
 */
export function listNftTables(): NftTableName[] {
  const tables: NftTableName[] = [];
  let answer: 'none' | 'whole' | NetlinkError = 'none';
  const onDatagram = (bytes: Uint8Array): void => {
    for (const message of decodeMessages(bytes)) {
      const notice = decodeNftNotice(message);
      if (notice?.type === 'new') tables.push({ family: notice.family, name: notice.table });
      if (message.type === NLMSG.DONE) answer = 'whole';
      if (message.type === NLMSG.ERROR) answer = new NetlinkError(tablesDump.what(), decodeVerdict(message));
    }
  };
  const lost = () => {};
  const endpoint = NetlinkEndpoint.open(
    { protocol: netfilterProtocol, receiveBufferBytes: 256 * 1024 },
    { onDatagram, onOverrun: lost, onFailure: lost },
  );
  try {
    const writer = new ByteWriter(64);
    encodeMessage(writer, tablesDump, 1);
    endpoint.send(writer.toBytes());
    // The kernel has answered when send comes back.
    endpoint.drain();
  } finally {
    endpoint.close();
  }
  return whole(answer, tables);
}

function whole(answer: 'none' | 'whole' | NetlinkError, tables: NftTableName[]): NftTableName[] {
  if (answer === 'whole') return tables;
  if (answer === 'none') throw new WeftError('netlink-overrun', 'the list of nftables tables was cut short');
  // The subsystem is not there (net/netfilter/nfnetlink.c).
  if (answer.errnoName === 'EINVAL' || answer.errnoName === 'EOPNOTSUPP') return [];
  throw answer;
}
