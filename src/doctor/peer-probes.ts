/**
 * Each peer asked three ways at once, whose answers together tell a broken tunnel from a host that is down:
 *
 *     overlay    echo to its tunnel address     our tunnel, the way, its tunnel
 *     underlay   echo to the host               the way
 *     door       TCP to its daemon              the way, and the daemon
 */
import type { IpAddress } from '../base/ip.ts';
import { type EchoAnswer, Echoes } from './echoes.ts';
import { askDoor, type DoorAnswer } from './peer-door.ts';
import { type PeerTarget, type PeerTargets, peerTargets } from './peer-targets.ts';
import type { Scene } from './scene.ts';

export interface ProbedPeer extends PeerTarget {
  /** Without a tunnel the same as `underlay`. */
  readonly overlay: EchoAnswer;
  readonly underlay: EchoAnswer;
  readonly door: DoorAnswer;
}

export interface PeerProbes extends Omit<PeerTargets, 'targets'> {
  readonly peers: readonly ProbedPeer[];
}

/** Chosen: a packet may be lost, and the first waits for the kernel to find the neighbour. */
export const waitsMs = [200, 250, 450];

/** @throws why this host is no member; WeftError `icmp-forbidden`; the signal's reason */
export async function probePeers(scene: Scene): Promise<PeerProbes> {
  const { targets, total } = await peerTargets(scene);
  const [inside, below] = [new Echoes(scene.netns, scene.signal), new Echoes(undefined, scene.signal)];
  const doors = new Map<IpAddress, Promise<DoorAnswer>>();
  const doorOf = (address: IpAddress): Promise<DoorAnswer> => {
    const asked = doors.get(address) ?? askDoor(address, scene);
    doors.set(address, asked);
    return asked;
  };
  try {
    const peers = await Promise.all(
      targets.map(async (target): Promise<ProbedPeer> => {
        const { address, inner, lease } = target;
        const [underlay, through, door] = await Promise.all([
          below.ask({ destination: address, waitsMs }),
          inner === undefined ? undefined : inside.ask({ destination: inner, waitsMs }),
          // Where a host has both families, its door is on IPv4.
          doorOf(lease.attrs.publicIp ?? address),
        ]);
        return { ...target, underlay, overlay: through ?? underlay, door };
      }),
    );
    return { peers, total };
  } finally {
    inside.close();
    below.close();
  }
}

/** Something of the host answers on the underlay. */
export function isUp({ underlay, door }: Pick<ProbedPeer, 'underlay' | 'door'>): boolean {
  return underlay.kind === 'answered' || ['hello', 'closed', 'frozen', 'refused'].includes(door.kind);
}
