import { release } from 'node:os';
import type { KernelFacts } from '../state/kernel-limits.ts';
import { readFileIfThere } from '../sys/files.ts';
import { sysctl } from '../sys/sysctl.ts';

/** The limits of the kernel as this process meets them, in the network namespace of the calling thread. */
export function readKernelFacts(): KernelFacts {
  return {
    release: release(),
    neighbours: {
      4: numberAt('net/ipv4/neigh/default/gc_thresh3'),
      6: numberAt('net/ipv6/neigh/default/gc_thresh3'),
    },
    ipv6Routes: numberAt('net/ipv6/route/max_size'),
    receiveBufferBytes: mayExceed() ? undefined : numberAt('net/core/rmem_max'),
  };
}

/** Undefined too where /proc may not be read: then nobody can say. */
function numberAt(key: string): number | undefined {
  try {
    const text = sysctl.read(key);
    return text === undefined || !/^\d+$/.test(text) ? undefined : Number(text);
  } catch {
    return undefined;
  }
}

/** SO_RCVBUFFORCE asks for CAP_NET_ADMIN in the first user namespace, which is the one that maps all ids (user_namespaces(7)). */
function mayExceed(): boolean {
  return /^\s*0\s+0\s+4294967295\s*$/.test(readFileIfThere('/proc/self/uid_map') ?? '');
}
