/** UDP sockets with the processes that have them open; `ss -ulpn sport = PORT`. */
import { readFileSync } from 'node:fs';
import { type IpAddress, ipFromBytes } from '../base/ip.ts';
import { socketHolder } from './process-status.ts';

export interface UdpBinding {
  /** `0.0.0.0` or `::` for all of this host's. */
  readonly address: IpAddress;
  /** Undefined: the kernel's own, such as a VXLAN device's; or a process that cannot be seen from here. */
  readonly pid: number | undefined;
}

/** In the network namespace of the calling thread, of both families. */
export function udpBindings(port: number): UdpBinding[] {
  return ['udp', 'udp6'].flatMap(file => bindingsIn(readTable(`/proc/thread-self/net/${file}`), port));
}

/** Empty where there is no such file: a kernel without IPv6. */
function readTable(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** `  12: 0B0200C0:205D 00000000:0000 07 0:0 00:0 0 UID 0 INODE ...`, addresses as words in the host's order. */
const line = /^ *\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) (?:\S+ +){5}\d+ +\d+ +(\d+) /gm;

function bindingsIn(table: string, port: number): UdpBinding[] {
  return [...table.matchAll(line)].flatMap(([, hex = '', hexPort = '', inode = '']) =>
    Number.parseInt(hexPort, 16) === port ? [{ address: addressOf(hex), pid: socketHolder(inode) }] : [],
  );
}

function addressOf(hex: string): IpAddress {
  const bytes = Uint8Array.from(hex.match(/../g) ?? [], byte => Number.parseInt(byte, 16));
  for (let word = 0; word < bytes.length; word += 4) bytes.subarray(word, word + 4).reverse();
  return ipFromBytes(bytes);
}
