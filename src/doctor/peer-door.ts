/** What the daemon of another host says at its peer door, and what it means when it says nothing. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { addressOf } from '../backend/family.ts';
import { hasCode } from '../base/errors.ts';
import { familyOf, type IpAddress } from '../base/ip.ts';
import { askHello } from '../control/ask-peer.ts';
import type { PeerHello } from '../control/peer-questions.ts';
import type { Scene } from './scene.ts';

/**
 * `closed`: the host refuses connections, so that it lives, and no daemon of Weft with it. `unreachable`: neither yes nor
 * no, as from a host that is down or a firewall. `frozen`: somebody takes connections and says nothing. `refused`: it
 * does not know us. `unasked`: this host has no peer doors to ask at.
 */
export type DoorAnswer =
  | { readonly kind: 'hello'; readonly hello: PeerHello; readonly aheadMs: number }
  | {
      readonly kind: 'closed' | 'unreachable' | 'frozen' | 'refused' | 'unasked';
      /** In words. */
      readonly why: string;
    };

/** Chosen: of a connection, to which a kernel answers; and of an answer, for which a daemon may be busy. */
const connectPatienceMs = 800;
const answerPatienceMs = 1500;

export async function askDoor(address: IpAddress, scene: Scene): Promise<DoorAnswer> {
  const { options, network, signal } = scene;
  const { peerPort: port } = options;
  if (port === 0) return { kind: 'unasked', why: '-peer-port is 0 here' };
  const from = await askingFrom(scene, address);
  const refusal = await tryConnect({ host: address, port, localAddress: from }, signal);
  if (refusal !== undefined) {
    const kind = refusal === 'ECONNREFUSED' ? 'closed' : 'unreachable';
    return { kind, why: `connecting to TCP ${port} of ${address}: ${refusal}` };
  }
  const askedMs = Date.now();
  try {
    const hello = await askHello(address, port, { patienceMs: answerPatienceMs, signal, network, from });
    // The answer was written halfway between the two, as far as can be known.
    return { kind: 'hello', hello, aheadMs: hello.wallMs - (askedMs + Date.now()) / 2 };
  } catch (error) {
    signal.throwIfAborted();
    return { kind: hasCode(error, 'door-silent') ? 'frozen' : 'refused', why: (error as Error).message };
  }
}

/** Peers know this host by the address that it publishes; of several the kernel might take another. */
export async function askingFrom(scene: Scene, peer: IpAddress): Promise<IpAddress | undefined> {
  try {
    return addressOf((await scene.view()).chosen.external, familyOf(peer));
  } catch {
    return undefined;
  }
}

interface DoorPlace {
  readonly host: IpAddress;
  readonly port: number;
  readonly localAddress: IpAddress | undefined;
}

/** Gives why not, as an errno. */
async function tryConnect(
  { host, port, localAddress }: DoorPlace,
  signal: AbortSignal,
): Promise<string | undefined> {
  const patience = AbortSignal.timeout(connectPatienceMs);
  const socket = connect({ host, port, ...(localAddress === undefined ? {} : { localAddress }) });
  try {
    await once(socket, 'connect', { signal: AbortSignal.any([signal, patience]) });
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    return patience.aborted ? 'ETIMEDOUT' : ((error as NodeJS.ErrnoException).code ?? 'failed');
  } finally {
    socket.on('error', () => {}).destroy();
  }
}
