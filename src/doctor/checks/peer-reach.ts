/** Do packets get to the peers, and back? */
import type { Check } from '../check.ts';
import { type Finding, fail, ok, skip } from '../finding.ts';
import { downFinding } from '../peer-down.ts';
import { lostFinding } from '../peer-lost.ts';
import { isUp, type PeerProbes, type ProbedPeer } from '../peer-probes.ts';
import { describeTarget } from '../peer-targets.ts';
import type { Scene } from '../scene.ts';

export const peerReach: Check = { name: 'peer-reach', title: 'way to the peers', look };

async function look(scene: Scene): Promise<Finding | Finding[]> {
  const probes = await scene.probes();
  const { peers } = probes;
  if (peers.length === 0) return skip('there are no peers to be reached');
  const silent = peers.filter(({ overlay }) => overlay.kind !== 'answered');
  const judged = await Promise.all(silent.map(async peer => ({ peer, finding: await judge(scene, peer) })));
  const mute = judged.filter(({ finding }) => finding === undefined).map(({ peer }) => peer);
  const troubles = judged.flatMap(({ finding }) => finding ?? []);
  const reached = peers.filter(({ overlay }) => overlay.kind === 'answered');
  return reached.length + mute.length === 0 ? troubles : [reachedFinding(probes, reached, mute), ...troubles];
}

/** Undefined: all is well but that it does not answer echo requests. */
async function judge(scene: Scene, peer: ProbedPeer): Promise<Finding | undefined> {
  const { lack, overlay, subnet } = peer;
  if (lack !== '')
    return { ...skip(`what leads to ${subnet} is not as it shall be here: ${lack}`), peer: subnet };
  if (!isUp(peer)) return await downFinding(scene, peer);
  if (overlay.kind === 'unsent') return unsent(peer, overlay.errno);
  return await lostFinding(scene, peer);
}

function unsent(peer: ProbedPeer, errno: string): Finding {
  const { inner, address, subnet } = peer;
  return fail(`this host does not send packets to ${describeTarget(peer)}: ${errno}`, {
    peer: subnet,
    evidence: [`ping ${inner ?? address}: ${errno}`],
    remedy: {
      commands: [],
      text: `see what else doctor says of this host, and \`weft trace ${inner ?? address}\`: a firewall rule on OUTPUT gives EPERM, a missing route ENETUNREACH`,
    },
  });
}

function reachedFinding(
  { total, peers }: PeerProbes,
  reached: readonly ProbedPeer[],
  mute: readonly ProbedPeer[],
): Finding {
  const times = reached.map(timeOf).sort((one, other) => one - other);
  const sample = total > peers.length ? `${peers.length} of ${total} peers were asked: ` : '';
  const answers =
    reached.length === 0
      ? []
      : [`${countText(reached)} over the overlay within ${(times.at(-1) ?? 0).toFixed(1)} ms`];
  const silent =
    mute.length === 0
      ? []
      : [`${mute.map(describeTarget).join(', ')} takes packets, and does not answer echo requests`];
  return ok(
    `${sample}${[...answers, ...silent].join('; ')}`,
    ...reached.map(
      peer =>
        `ping ${peer.inner ?? peer.address} (${peer.subnet}): answered within ${timeOf(peer).toFixed(1)} ms`,
    ),
    ...mute.map(
      ({ inner, address, door }) =>
        `ping ${inner ?? address}: no answer; ${door.kind === 'hello' ? 'its daemon sees the packet arrive' : 'its host answers TCP'}`,
    ),
  );
}

function countText(reached: readonly ProbedPeer[]): string {
  const [first] = reached;
  if (reached.length === 1 && first !== undefined) return `${describeTarget(first)} answers`;
  return `${reached.length} peers answer`;
}

function timeOf({ overlay }: ProbedPeer): number {
  return overlay.kind === 'answered' ? overlay.milliseconds : 0;
}
