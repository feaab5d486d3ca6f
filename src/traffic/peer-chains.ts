/**
 * The peers' addresses as iptables chains of bounded size, without ipset: a 16-way tree over the hexadecimal digits
 * of the addresses, its long paths compressed.
 *
 *   WEFT-VTEP             -s 192.0.2.0/28 -g WEFT-VTEP-c000020 ... -j DROP
 *   WEFT-VTEP-c000020     -s 192.0.2.1/32 -j RETURN ...           -j DROP
 *
 * A packet meets at most {@link peersPerChain} rules on each level; a new peer changes one chain, or splits one.
 * Branches are entered by goto, so that RETURN leads out of the whole tree, and each ends with a DROP of its own.
 */
import { addressBits, familyOf, type IpAddress, ipToBytes } from '../base/ip.ts';
import { hostPrefix, prefixOf } from '../base/prefix.ts';

export const peersPerChain = 16;

/** Chains by name, from `root` down, each rule as iptables-save prints it. */
export function peerChains(root: string, peers: readonly IpAddress[]): Map<string, string[]> {
  const chains = new Map<string, string[]>();
  const sorted = peers.map(address => ({ address, digits: hexOf(address) }));
  sorted.sort((a, b) => (a.digits < b.digits ? -1 : 1));
  grow(chains, root, root, sorted);
  return chains;
}

interface Peer {
  readonly address: IpAddress;
  readonly digits: string;
}

function grow(chains: Map<string, string[]>, root: string, name: string, peers: readonly Peer[]): void {
  const rules: string[] = [];
  chains.set(name, rules);
  for (const group of groupsOf(peers)) {
    const [first] = group;
    if (first === undefined) continue;
    if (group.length === 1) {
      rules.push(`-s ${hostPrefix(first.address)} -j RETURN`);
      continue;
    }
    const shared = sharedDigits(group);
    const child = `${root}-${chainSuffix(first.digits.slice(0, shared), longestName - root.length - 1)}`;
    rules.push(`-s ${prefixOf(first.address, shared * 4)} -g ${child}`);
    grow(chains, root, child, group);
  }
  rules.push('-j DROP');
}

/** One by one while they are few; otherwise by the first digit in which they differ. */
function groupsOf(peers: readonly Peer[]): Peer[][] {
  if (peers.length <= peersPerChain) return peers.map(peer => [peer]);
  const at = sharedDigits(peers);
  return [...Map.groupBy(peers, peer => peer.digits[at]).values()];
}

/** How many leading digits are the same in all; the peers are sorted, so the outermost tell. */
function sharedDigits(peers: readonly Peer[]): number {
  const first = peers[0]?.digits ?? '';
  const last = peers.at(-1)?.digits ?? '';
  let count = 0;
  while (count < first.length && first[count] === last[count]) count++;
  return count;
}

/** XT_EXTENSION_MAXNAMELEN leaves so many characters for a name (include/uapi/linux/netfilter/x_tables.h). */
const longestName = 28;

/** The digits themselves, or as much of 64 bits of FNV-1a over them, behind an x, as there is room for. */
function chainSuffix(digits: string, longest: number): string {
  if (digits.length <= longest) return digits;
  let hash = 0xcbf29ce484222325n;
  for (const digit of digits) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(digit.charCodeAt(0))) * 0x100000001b3n);
  }
  return `x${hash
    .toString(16)
    .padStart(16, '0')
    .slice(0, longest - 1)}`;
}

function hexOf(address: IpAddress): string {
  const width = addressBits[familyOf(address)] / 4;
  const digits = Array.from(ipToBytes(address), byte => byte.toString(16).padStart(2, '0')).join('');
  return digits.padStart(width, '0');
}
