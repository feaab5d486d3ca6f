/** Who touched what on a VTEP, as the kernel tells it to a monitor. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Scope } from '../../src/base/scope.ts';
import { type MonitoredObject, monitor, NetlinkSocket } from '../../src/kernel/netlink.ts';
import type { WeftHost } from '../../test/support/weft-host.ts';
import { sharedMs } from './clock.ts';
import { vtepIndex } from './overlay-entries.ts';

export interface Touches {
  /** How often each entry was written or removed since {@link forget}: `neighbour 10.0.1.0`. */
  readonly counts: ReadonlyMap<string, number>;
  /** When each was first touched since then, by the clock that all processes share. */
  readonly firstMs: ReadonlyMap<string, number>;
  /** When the last of all was touched. */
  readonly lastMs: number;
  forget(): void;
  /** Resolves when for so long nothing was touched. @throws Error when notices were lost */
  quiet(milliseconds: number): Promise<void>;
}

/** Room for the notices of the largest network, all at once. */
const receiveBufferBytes = 256 * 1024 * 1024;

/** Listens from now until the scope is closed; the VTEP must be there. */
export async function listenToVtep(scope: Scope, host: WeftHost): Promise<Touches> {
  const dev = await vtepOf(host);
  const counts = new Map<string, number>();
  const firstMs = new Map<string, number>();
  const heard = { lastMs: 0, overrun: false };
  scope.own(
    'monitor',
    monitor({
      netns: host.netns.path,
      receiveBufferBytes,
      objects: ['link', 'address', 'route', 'nexthop', 'neighbour', 'fdb'],
      onEvent: event => {
        if (event.type === 'overrun') heard.overrun = true;
        else if (indexOf(event.object) === dev && !isOfTheKernel(event.object)) {
          const entry = entryOf(event.object);
          counts.set(entry, (counts.get(entry) ?? 0) + 1);
          heard.lastMs = sharedMs();
          if (!firstMs.has(entry)) firstMs.set(entry, heard.lastMs);
        }
      },
    }),
  );
  return {
    counts,
    firstMs,
    get lastMs() {
      return heard.lastMs;
    },
    forget: () => {
      counts.clear();
      firstMs.clear();
    },
    quiet: async milliseconds => {
      const fromMs = sharedMs();
      while (sharedMs() - Math.max(heard.lastMs, fromMs) < milliseconds) await sleep(10);
      if (heard.overrun) throw new Error('expected every notice of the kernel, found that some were lost');
    },
  };
}

async function vtepOf(host: WeftHost): Promise<number> {
  const socket = NetlinkSocket.open({ netns: host.netns.path });
  try {
    return await vtepIndex(socket);
  } finally {
    socket.close();
  }
}

/** A device's link-local address, with its route, is there when nobody else turns out to have it, seconds after the device. */
function isOfTheKernel({ type, value }: MonitoredObject): boolean {
  if (type === 'address') return value.scope === 'link';
  return type === 'route' && value.protocol === 'kernel' && value.dst.startsWith('fe80:');
}

function indexOf({ type, value }: MonitoredObject): number | undefined {
  return type === 'link' ? value.index : value.dev;
}

function entryOf({ type, value }: MonitoredObject): string {
  switch (type) {
    case 'link':
      return `link ${value.name}`;
    case 'address':
      return `address ${value.local}`;
    case 'route':
    case 'neighbour':
      return `${type} ${value.dst}`;
    case 'nexthop':
      return `nexthop ${value.id}`;
    case 'fdb':
      return `fdb ${value.lladdr} dst ${value.dst}`;
  }
}
