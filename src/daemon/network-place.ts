/** The network namespaces that a network has to do with: that of its devices, and that of the underlay. */
import { closeSync, lstatSync, statSync } from 'node:fs';
import path from 'node:path';
import { Bell } from '../base/bell.ts';
import type { Clock } from '../base/clock.ts';
import { WeftError } from '../base/errors.ts';
import { Scope } from '../base/scope.ts';
import type { Below } from '../kernel/below.ts';
import { hasCapability } from '../sys/capabilities.ts';
import { FolderWatch } from '../sys/folder-watch.ts';
import { NetlinkSocket } from '../sys/netlink-socket.ts';
import { inNetns, openNetns } from '../sys/netns.ts';

export interface NetworkPlace {
  /** Path of the namespace of the devices; undefined: the underlay's. */
  readonly netns: string | undefined;
  /** Where the devices are. */
  readonly socket: NetlinkSocket;
  /** Where the way to the other hosts is; the same socket when it is there too. */
  readonly underlay: NetlinkSocket;
  /** The underlay, as devices are made on it; undefined when they are there too. */
  readonly below: Below | undefined;
  /** Does something in the namespace of the devices. */
  inside<T>(act: () => T): T;
  /** Aborts when the namespace is gone, or another has its name: nothing more can be done in it. */
  readonly lost: AbortSignal;
  close(): Promise<void>;
}

/** A place with all in one namespace, over a socket that stays the caller's. */
export function placeOnUnderlay(socket: NetlinkSocket): NetworkPlace {
  return {
    ...{ netns: undefined, socket, underlay: socket, below: undefined },
    inside: act => act(),
    lost: new AbortController().signal,
    close: async () => {},
  };
}

/** How often is looked whether the namespace is still what its name stands for, where nobody tells. */
const lookMs = 500;
/** The like where its folder is watched: a namespace that is unmounted and leaves its file behind is not told of. */
const auditMs = 30_000;

/**
 * A place whose devices are in the namespace at `netns`, over a socket to the underlay that stays the caller's.
 * @throws WeftError `capability-missing`, `netns-missing`, `netns-own` when it is the underlay's
 */
export function placeInNetns(netns: string, underlay: NetlinkSocket, clock: Clock): NetworkPlace {
  requireNamespaces();
  const scope = new Scope();
  try {
    const netnsFd = openNetns(netns);
    scope.defer('namespace', () => closeSync(netnsFd));
    const identity = identityOf(netns);
    if (identity === identityOf('/proc/thread-self/ns/net')) throw ownNamespace(netns);
    const socket = scope.own('netlink socket', NetlinkSocket.open({ netns }));
    const lost = new AbortController();
    void watchIdentity(netns, identity, lost, clock, scope.signal);
    return {
      ...{ netns, socket, underlay, below: { socket: underlay, netnsFd } },
      // By the descriptor: the name may be another's by then.
      inside: act => inNetns(`/proc/self/fd/${netnsFd}`, act),
      lost: lost.signal,
      close: () => scope.close(),
    };
  } catch (error) {
    void scope.close();
    throw error;
  }
}

/** As long as we hold it open a namespace lives on without a name, so that nothing but the name tells that it is gone. */
async function watchIdentity(
  netns: string,
  identity: string | undefined,
  lost: AbortController,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const bell = new Bell();
  const folder = new FolderWatch(path.dirname(netns), () => bell.ring());
  signal.addEventListener('abort', () => folder.close());
  while (!signal.aborted) {
    // A link leads to what another folder, such as /proc, may lose.
    const watched = folder.follow() && !isLink(netns);
    if (identityOf(netns) === identity) {
      await bell.heard(clock, watched ? auditMs : lookMs, signal);
      continue;
    }
    folder.close();
    return lost.abort(
      new WeftError('netns-missing', `the network namespace ${netns} is gone, or another has its name`, {
        remedy: `make it (ip netns add NAME): the network goes on in it by itself`,
      }),
    );
  }
}

function isLink(file: string): boolean {
  return lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() === true;
}

function identityOf(file: string): string | undefined {
  const found = statSync(file, { throwIfNoEntry: false });
  return found && `${found.dev}:${found.ino}`;
}

function requireNamespaces(): void {
  if (hasCapability('CAP_SYS_ADMIN')) return;
  throw new WeftError(
    'capability-missing',
    'entering a network namespace needs CAP_SYS_ADMIN, which this process lacks',
    { remedy: 'run as root, or give it: AmbientCapabilities=CAP_SYS_ADMIN; or leave out @NETNS' },
  );
}

function ownNamespace(netns: string): WeftError {
  return new WeftError('netns-own', `${netns} is the network namespace that the daemon itself is in`, {
    remedy: 'leave out @NETNS for a network there',
  });
}
