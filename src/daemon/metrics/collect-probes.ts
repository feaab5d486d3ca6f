/** What probing has found of the peers: summed up, and by name while they are few. */
import type { ProbeFacts } from '../../control/probe-facts.ts';
import type { Sheet } from '../../metrics/sheet.ts';
import type { MetricName } from './catalogue.ts';
import type { MeasuredNetwork } from './measured-network.ts';

/** Chosen: a network of a hundred hosts then has 30,000 series, one of a thousand would have three million. */
const mostPeersByName = 100;
const probeStates = ['answers', 'lossy', 'silent', 'unanswered', 'unprobed'] as const;

export function putProbes(
  sheet: Sheet<MetricName>,
  { facts, counts, latency }: MeasuredNetwork['probes'],
): void {
  sheet.put('weft_probe_sent_total', counts.sent);
  sheet.put('weft_probe_lost_total', counts.lost);
  sheet.putHistogram('weft_probe_latency_seconds', latency);
  const states = Map.groupBy(facts, probeState);
  for (const verdict of probeStates) {
    sheet.put('weft_peers_probed', states.get(verdict)?.length ?? 0, { verdict });
  }
  const answered = facts.filter(({ lastAnswerMs }) => lastAnswerMs !== undefined);
  sheet.put('weft_peer_worst_latency_seconds', greatest(answered.map(latencySeconds)));
  sheet.put('weft_peer_worst_loss_ratio', greatest(answered.map(({ lossRatio }) => lossRatio)));
  sheet.put('weft_peers_short', facts.filter(isShort).length);
  if (new Set(facts.map(({ peer }) => peer)).size > mostPeersByName) return;
  for (const { peer, family, ...one } of facts) {
    const ours = sheet.with({ peer, family: String(family) });
    ours.put('weft_peer_latency_seconds', latencySeconds(one));
    ours.put('weft_peer_loss_ratio', one.lossRatio);
    ours.put('weft_peer_largest_packet_bytes', one.largestBytes);
  }
}

/** A peer that has never answered may have a firewall, where one that falls silent has a problem. */
function probeState({ verdict, lastAnswerMs }: ProbeFacts): (typeof probeStates)[number] {
  return verdict === 'unprobed' || lastAnswerMs !== undefined ? verdict : 'unanswered';
}

function isShort({ largestBytes, wantedBytes }: ProbeFacts): boolean {
  return largestBytes !== undefined && wantedBytes !== undefined && largestBytes < wantedBytes;
}

function latencySeconds({ latencyMs }: Pick<ProbeFacts, 'latencyMs'>): number | undefined {
  return latencyMs === undefined ? undefined : latencyMs / 1000;
}

function greatest(values: ReadonlyArray<number | undefined>): number | undefined {
  return values.reduce(
    (one, other) => (other === undefined || (one ?? other) > other ? one : other),
    undefined,
  );
}
