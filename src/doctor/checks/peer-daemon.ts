/** How are the daemons of the peers? That no daemon of Weft answers is no fault: there may be flanneld. */
import { leaseTtlSeconds } from '../../registry/own-lease.ts';
import type { Check } from '../check.ts';
import { type Finding, ok, skip, warn } from '../finding.ts';
import { isUp, type ProbedPeer } from '../peer-probes.ts';
import type { Scene } from '../scene.ts';
import { isOlder } from '../version-order.ts';
import { commandAt } from '../weft-command.ts';

export const peerDaemon: Check = { name: 'peer-daemon', title: 'daemons of the peers', look };

async function look(scene: Scene): Promise<Finding | Finding[]> {
  const { peers } = await scene.probes();
  const hosts = hostsAmong(peers).filter(isUp);
  if (hosts.length === 0) return skip('no peer answers that could have a daemon');
  const own = await scene.live().catch(() => undefined);
  const troubles = await Promise.all(hosts.map(peer => troubleOf(scene, peer, own?.version)));
  const well = hosts.filter((_, index) => troubles[index] === undefined);
  const found = troubles.filter(trouble => trouble !== undefined);
  return well.length === 0 ? found : [wellFinding(scene, well), ...found];
}

/** Each host once, whatever families it has. */
function hostsAmong(peers: readonly ProbedPeer[]): ProbedPeer[] {
  return [...new Map(peers.toReversed().map(peer => [peer.key, peer])).values()].toReversed();
}

async function troubleOf(
  scene: Scene,
  peer: ProbedPeer,
  ownVersion: string | undefined,
): Promise<Finding | undefined> {
  const { door } = peer;
  if (door.kind === 'frozen') return frozen(scene, peer, door.why);
  if (door.kind === 'closed') return await overdue(scene, peer, door.why);
  if (door.kind !== 'hello') return undefined;
  const { ready, reason, version } = door.hello;
  if (!ready) return notReady(peer, reason);
  return ownVersion !== undefined && isOlder(version, ownVersion)
    ? outdated(peer, version, ownVersion)
    : undefined;
}

function frozen({ options: { peerPort } }: Scene, { subnet, address }: ProbedPeer, why: string): Finding {
  const pids = `$(ss -Hltnp sport = :${peerPort} | grep -o 'pid=[0-9]*' | cut -d= -f2)`;
  return warn(`the daemon of ${address} (${subnet}) hangs: it takes connections and does not answer`, {
    peer: subnet,
    evidence: [why],
    remedy: {
      commands: [`kill -CONT ${pids}`],
      text: 'the command wakes a daemon that a signal has stopped; any other has to be started again; packets pass all the same, as long as no lease changes',
      on: address,
    },
  });
}

/** Chosen: ten minutes after daemons, and flanneld, have renewed unless they were told otherwise. */
const overdueSeconds = 50 * 60;

async function overdue(
  scene: Scene,
  { key, subnet, address }: ProbedPeer,
  why: string,
): Promise<Finding | undefined> {
  const { registry, signal } = scene;
  const remaining = await registry.remaining(key, { signal });
  if (remaining === undefined || remaining > overdueSeconds) return undefined;
  const [left, since] = [remaining, leaseTtlSeconds - remaining].map(seconds => durationText(seconds));
  return warn(`no daemon renews the lease of ${subnet} (${address}), which expires in ${left}`, {
    peer: subnet,
    evidence: [why, `${key} in ${registry.name}: not renewed for ${since}, expires in ${left}`],
    remedy: {
      commands: [commandAt(address, 'run', scene)],
      text: 'start its daemon, with the flags that it had; when the lease has expired all hosts forget the way there',
      on: address,
    },
  });
}

function durationText(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

function notReady({ subnet, address }: ProbedPeer, reason: string): Finding {
  return warn(`the daemon of ${address} (${subnet}) is not ready: ${reason}`, {
    peer: subnet,
    evidence: [`${address} says of itself: not ready: ${reason}`],
    remedy: { commands: [], text: '`weft doctor` on that host tells what is wrong there', on: address },
  });
}

function outdated({ subnet, address }: ProbedPeer, version: string, own: string): Finding {
  return warn(`the daemon of ${address} (${subnet}) is old: Weft ${version}, here ${own}`, {
    peer: subnet,
    evidence: [`${address} says of itself: version ${version}`],
    remedy: {
      commands: [],
      text: 'give that host the version of the others, and start its daemon again',
      on: address,
    },
  });
}

function wellFinding({ options: { peerPort } }: Scene, well: readonly ProbedPeer[]): Finding {
  const answering = well.filter(({ door }) => door.kind === 'hello');
  const others = well.length - answering.length;
  const versions = new Set(
    answering.flatMap(({ door }) => (door.kind === 'hello' ? [door.hello.version] : [])),
  );
  const said =
    answering.length === 0
      ? 'no daemon of Weft answers at the peers'
      : `${answering.length === 1 ? '1 daemon is' : `${answering.length} daemons are`} ready: Weft ${[...versions].sort().join(', ')}`;
  const silent =
    answering.length > 0 && others > 0
      ? `; of ${others === 1 ? '1 host' : `${others} hosts`} none answers`
      : '';
  return ok(
    `${said}${silent}`,
    ...well.map(({ address, door }) =>
      door.kind === 'hello'
        ? `${address}:${peerPort}: Weft ${door.hello.version}, ready`
        : `${address}:${peerPort}: ${door.why}`,
    ),
  );
}
