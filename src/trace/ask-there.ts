/** Asks the daemon of the other host for its half of a trace, and to look for a packet on its way. */
import { describeError } from '../base/errors.ts';
import type { IpAddress } from '../base/ip.ts';
import { type AskingPeer, askPeer, peerAddress, type WatchThere, watchAt } from '../control/ask-peer.ts';
import { thereQuestion } from '../control/peer-questions.ts';
import type { Trace } from './hop.ts';
import { parseThereAnswer, withThereSeen } from './there-answer.ts';
import { isOwnAddress, type KernelView, leaseOf, type NetworkView } from './view.ts';

export interface AskingThere {
  readonly view: KernelView;
  readonly network: NetworkView;
  /** Of the peer doors; 0: nobody is asked. */
  readonly port: number;
  readonly signal: AbortSignal;
}

/** Chosen: enough for the other side of the world, and little for who waits at a terminal where no daemon is. */
const connectMs = 300;
/** Chosen: for a host that is busy. It has to read its kernel, and its firewall by starting programs. */
const patienceMs = 3000;

/** The trace with the other half as that host has it; as it was, and why, when its daemon does not tell. @throws the signal's reason */
export async function askThere(trace: Trace, asking: AskingThere): Promise<Trace> {
  const { port, signal } = asking;
  const { source: from, destination: to } = trace;
  const peer = doorOf(trace, asking);
  const goesThere = trace.hops.some(({ host, kind }) => host === 'there' && kind !== 'lease');
  if (port === 0 || peer === undefined || from === undefined || !goesThere) return trace;
  try {
    const said = await askPeer(peer, port, thereQuestion, { from, to }, askingFrom(asking));
    return withThereSeen(trace, parseThereAnswer(said), trace.peer ?? peer);
  } catch (error) {
    signal.throwIfAborted();
    return { ...trace, there: { answered: false, why: describeError(error) } };
  }
}

/** Undefined when the other host is not asked, or is not there to be asked. */
export async function watchThere(
  trace: Trace,
  asking: AskingThere,
  { mark, watchMs }: { readonly mark: number; readonly watchMs: number },
): Promise<WatchThere | undefined> {
  const peer = doorOf(trace, asking);
  if (asking.port === 0 || peer === undefined || trace.there?.answered === false) return undefined;
  const { destination } = trace;
  return await watchAt(peer, asking.port, { ...askingFrom(asking), destination, mark, watchMs });
}

function doorOf({ destination }: Trace, { network }: AskingThere): IpAddress | undefined {
  const lease = leaseOf(network, destination);
  return lease === undefined || lease === network.own ? undefined : peerAddress(lease.attrs);
}

/** From the address by which the other hosts know this one, where it is its own. */
function askingFrom({ view, network: { own }, signal }: AskingThere): AskingPeer {
  const from = own && peerAddress(own.attrs);
  return {
    ...{ connectMs, patienceMs, signal },
    from: from !== undefined && isOwnAddress(view, from) ? from : undefined,
  };
}
