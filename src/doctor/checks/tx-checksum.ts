import type { Family } from '../../base/ip.ts';
import { shellWord } from '../../base/shell-word.ts';
import { leavesChecksums } from '../../sys/ethtool.ts';
import { readFileIfThere } from '../../sys/files.ts';
import { inNetns } from '../../sys/netns.ts';
import type { Check } from '../check.ts';
import { commandsIn } from '../commands-in.ts';
import { type Finding, ok, skip, warn } from '../finding.ts';
import { overlayParts } from '../overlay-parts.ts';
import type { Scene } from '../scene.ts';

/**
 * Some network cards and kernels send VXLAN packets with wrong checksums when those are left to the device, and once more to
 * the one below it; the receiver drops and counts them (kernel 4.19 to 5.6 beside kube-proxy's MASQUERADE --random-fully, VMware's
 * vmxnet3). What is counted here was sent by other hosts, which most often have the same card and kernel.
 */
export const txChecksum: Check = {
  name: 'tx-checksum',
  title: 'checksum offload',
  look: async scene => {
    const { links } = await scene.kernel();
    const parts = await overlayParts(scene);
    const vteps = parts.filter(({ tunnel }) =>
      links.some(({ name, kind }) => name === tunnel && kind.kind === 'vxlan'),
    );
    if (vteps.length === 0) return skip('no VXLAN device leaves checksums to the underlay');
    return vteps.map(({ family, tunnel }) => judge(scene, tunnel, family));
  },
};

function judge({ netns }: Scene, device: string, family: Family): Finding {
  const counts = readUdpCounts(family);
  const offloads =
    netns === undefined ? leavesChecksums(device) : inNetns(netns, () => leavesChecksums(device));
  if (offloads === undefined)
    return skip(`${device} does not tell whether it leaves checksums to the underlay`);
  const counted = `${counts.wrong} of ${counts.all} UDP packets over IPv${family} came with a wrong checksum`;
  if (!offloads) return ok(`${device} makes its own checksums`);
  if (!isSuspicious(counts)) return ok(`${device} leaves checksums to the underlay; ${counted}`);
  return warn(`${counted} and were dropped, while ${device} leaves checksums to the underlay`, {
    evidence: [counts.line, `ethtool -k ${device}: tx-checksumming: on`],
    remedy: {
      commands: commandsIn(netns, [`ethtool -K ${shellWord(device)} tx-checksum-ip-generic off`]),
      text: 'the same on the hosts that send to this one: the wrong checksums are theirs. It lasts until the device is made anew (Debian: the package ethtool)',
    },
  });
}

export interface UdpCounts {
  readonly wrong: number;
  readonly all: number;
  /** As the tool prints it that an operator would look with. */
  readonly line: string;
}

/** Chosen: a wire that flips bits makes fewer, and the fault many at once. */
const [fewest, leastRatio] = [10, 1 / 10_000];

export function isSuspicious({ wrong, all }: UdpCounts): boolean {
  return wrong >= fewest && wrong >= all * leastRatio;
}

/** Those of the namespace of the underlay, since it exists. */
function readUdpCounts(family: Family): UdpCounts {
  const text = readFileIfThere(`/proc/thread-self/net/${family === 4 ? 'snmp' : 'snmp6'}`) ?? '';
  return family === 4 ? parseSnmp(text) : parseSnmp6(text);
}

/** A line of names and one of numbers for each protocol (proc_net_snmp: net/ipv4/proc.c). */
export function parseSnmp(text: string): UdpCounts {
  const [names = [], numbers = []] = text
    .split('\n')
    .filter(line => line.startsWith('Udp: '))
    .map(line => line.split(' '));
  const count = (name: string): number => Number(numbers[names.indexOf(name)] ?? 0);
  return countsOf('UdpInCsumErrors', count('InCsumErrors'), count('InDatagrams'));
}

/** A name and a number on each line. */
export function parseSnmp6(text: string): UdpCounts {
  const count = (name: string): number => Number(new RegExp(`^${name}\\s+(\\d+)$`, 'm').exec(text)?.[1] ?? 0);
  return countsOf('Udp6InCsumErrors', count('Udp6InCsumErrors'), count('Udp6InDatagrams'));
}

function countsOf(name: string, wrong: number, right: number): UdpCounts {
  return { wrong, all: wrong + right, line: `nstat -az ${name}: ${wrong}` };
}
