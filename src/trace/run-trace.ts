import type { Flow } from '../state/lookup.ts';
import type { NetlinkSocket } from '../sys/netlink-socket.ts';
import { type Arrival, traceArrival } from './arrival.ts';
import type { Hop, Trace } from './hop.ts';
import { askKernel } from './read-view.ts';
import { type Question, traceFlow } from './trace-flow.ts';
import type { KernelView, NetworkView } from './view.ts';

/** @throws WeftError `trace-from-elsewhere`; NetlinkError */
export async function runTrace(
  socket: NetlinkSocket,
  view: KernelView,
  network: NetworkView,
  question: Question,
): Promise<Trace> {
  const { trace } = await walkAsking(socket, view, seen => traceFlow(seen, network, question));
  return trace;
}

/** The other half: of a packet that comes from another host. @throws NetlinkError */
export async function runArrival(
  socket: NetlinkSocket,
  view: KernelView,
  network: NetworkView,
  arrival: Arrival,
): Promise<readonly Hop[]> {
  const { hops } = await walkAsking(socket, view, seen => traceArrival(seen, network, arrival));
  return hops;
}

/** Of the rounds below: the packet, its outer packet, the answer, and one to spare. */
const mostRounds = 6;

/** Walks, asks the kernel what the walk would like to know, and walks again with the answers, until it has no more questions. */
async function walkAsking<T extends { readonly asked: ReadonlyMap<string, Flow> }>(
  socket: NetlinkSocket,
  view: KernelView,
  walk: (view: KernelView) => T,
): Promise<T> {
  const decisions = new Map(view.decisions);
  for (let round = 0; ; round++) {
    const walked = walk({ ...view, decisions });
    const open = [...walked.asked].filter(([key]) => !decisions.has(key));
    if (open.length === 0 || round === mostRounds) return walked;
    let answers = 0;
    for (const [key, flow] of open) {
      const decision = await askKernel(socket, view, flow);
      if (decision === undefined) continue;
      decisions.set(key, decision);
      answers++;
    }
    if (answers === 0) return walked;
  }
}
