/** Which addresses UDP sockets are bound to, as /proc tells (proc_net_udp(5)); `ss -uln sport = PORT`. */
import { readFileSync } from 'node:fs';
import { type IpAddress, ipFromBytes } from '../base/ip.ts';

/** Local addresses of the UDP sockets with this port in the process's network namespace; of both families. */
export function udpAddresses(port: number): IpAddress[] {
  const tables = ['/proc/net/udp', '/proc/net/udp6'].map(readTable);
  return [...new Set(tables.flatMap(text => addressesIn(text, port)))];
}

/** Empty where there is no such file: a kernel without IPv6. */
function readTable(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** The second column is `0B0200C0:205D`, the address as 32-bit words in the host's order (little-endian). */
function addressesIn(table: string, port: number): IpAddress[] {
  return [...table.matchAll(/^ *\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) /gm)].flatMap(
    ([, hex = '', hexPort = '']) => (Number.parseInt(hexPort, 16) === port ? [addressOf(hex)] : []),
  );
}

function addressOf(hex: string): IpAddress {
  const bytes = Uint8Array.from(hex.match(/../g) ?? [], byte => Number.parseInt(byte, 16));
  for (let word = 0; word < bytes.length; word += 4) bytes.subarray(word, word + 4).reverse();
  return ipFromBytes(bytes);
}
