import type { NetlinkSocket } from '../sys/netlink-socket.ts';
import type { Trace } from './hop.ts';
import { askKernel } from './read-view.ts';
import { type Question, traceFlow } from './trace-flow.ts';
import type { KernelView, NetworkView } from './view.ts';

/** Of the rounds below: the packet, its outer packet, the answer, and one to spare. */
const mostRounds = 6;

/**
 * Walks, asks the kernel what the walk would like to know, and walks again with the answers, until it has no more
 * questions.
 * @throws WeftError `trace-from-elsewhere`; NetlinkError
 */
export async function runTrace(
  socket: NetlinkSocket,
  view: KernelView,
  network: NetworkView,
  question: Question,
): Promise<Trace> {
  const decisions = new Map(view.decisions);
  for (let round = 0; ; round++) {
    const { trace, asked } = traceFlow({ ...view, decisions }, network, question);
    const open = [...asked].filter(([key]) => !decisions.has(key));
    if (open.length === 0 || round === mostRounds) return trace;
    let answers = 0;
    for (const [key, flow] of open) {
      const decision = await askKernel(socket, view, flow);
      if (decision === undefined) continue;
      decisions.set(key, decision);
      answers++;
    }
    if (answers === 0) return trace;
  }
}
