/**
 * What is known of one family of a peer, and what an answer or a loss makes of it.
 *
 *     small ─answered─> is a size due? ─yes─> size ─answered─> next size, until the search is over
 *       ^ └─lost─> at once again, until it is silent  └─lost─> small at once: only when that is answered did the size vanish
 *       └──────────── after the interval
 */
import type { ProbeFacts, ProbeVerdict } from '../../control/probe-facts.ts';
import { formatSubnetKey } from '../../lease/subnet-key.ts';
import {
  lossRatioOf,
  noProbes,
  type ProbeHistory,
  verdictOf,
  withAnswer,
  withLoss,
} from './probe-history.ts';
import { smallBytes } from './probe-message.ts';
import type { ProbeTarget } from './probe-target.ts';
import {
  beginSearch,
  isOver,
  nextSize,
  type SizeSearch,
  withPassed,
  withTooLarge,
  withVanished,
} from './size-search.ts';

/** Changed in place: there are thousands, and each is asked again and again. */
export interface ProbedPeer {
  target: ProbeTarget;
  /** Not to be asked any more. */
  gone: boolean;
  history: ProbeHistory;
  /** Of the last answer. */
  latencyMs: number | undefined;
  /** Unix time in milliseconds. */
  lastAnswerMs: number | undefined;
  search: SizeSearch;
  /** What is asked next: with the size that the search wants, or with a small packet. */
  asksSize: boolean;
  /** A size has been lost, and a small packet is to tell whether it was its fault. */
  doubtsSize: boolean;
  /** When the next small packet is due if nothing happens, by the monotonic clock. */
  regularMs: number;
  /** When the next search is. */
  searchMs: number;
  /** The largest packet that was complained about, until larger ones pass. */
  complainedBytes: number | undefined;
}

export interface ProbeTimes {
  readonly nowMs: number;
  readonly wallMs: number;
  /** When to search again for the largest packet. */
  readonly nextSearchMs: number;
}

/** What is worth a word in the log. */
export type PeerTurn = 'silent' | 'back' | 'short' | 'whole';

export function newPeer(target: ProbeTarget): ProbedPeer {
  return {
    target,
    gone: false,
    history: noProbes,
    latencyMs: undefined,
    lastAnswerMs: undefined,
    search: beginSearch(target.wantedBytes, smallBytes),
    asksSize: false,
    doubtsSize: false,
    regularMs: 0,
    searchMs: 0,
    complainedBytes: undefined,
  };
}

/** The same peer, of which other packets are wanted now. */
export function wantOtherwise(peer: ProbedPeer, target: ProbeTarget): void {
  peer.target = target;
  peer.search = beginSearch(target.wantedBytes, smallBytes);
  peer.asksSize = false;
  peer.doubtsSize = false;
  peer.searchMs = 0;
  peer.complainedBytes = undefined;
}

/** Size of the probe that is to be sent now. */
export function nextBytes({ asksSize, search }: ProbedPeer): number {
  return asksSize ? nextSize(search) : smallBytes;
}

/** @param latencyMs from send to receive */
export function takeAnswer(peer: ProbedPeer, latencyMs: number, times: ProbeTimes): PeerTurn | undefined {
  const first = peer.lastAnswerMs === undefined;
  const wasSilent = verdictOf(peer.history) === 'silent';
  peer.lastAnswerMs = times.wallMs;
  if (peer.asksSize) return takeSize(peer, withPassed, times);
  peer.latencyMs = latencyMs;
  // What was lost before the first answer tells of a host that was still joining, or of a flanneld's firewall since opened.
  peer.history = withAnswer(first ? noProbes : peer.history);
  const turn = peer.doubtsSize ? takeSize(peer, withVanished, times) : undefined;
  peer.asksSize = peer.searchMs <= times.nowMs && !isOver(peer.search);
  return wasSilent && !first ? 'back' : turn;
}

export function takeLoss(peer: ProbedPeer): PeerTurn | undefined {
  if (peer.asksSize) {
    peer.asksSize = false;
    peer.doubtsSize = true;
    return undefined;
  }
  const before = verdictOf(peer.history);
  peer.doubtsSize = false;
  peer.history = withLoss(peer.history);
  if (verdictOf(peer.history) !== 'silent' || before === 'silent') return undefined;
  // Whoever comes back may come another way.
  peer.search = beginSearch(peer.target.wantedBytes, smallBytes, peer.search.largestBytes);
  peer.searchMs = 0;
  return peer.lastAnswerMs === undefined ? undefined : 'silent';
}

/** This host's device takes no packet of the size that was asked with. */
export function takeRefusal(peer: ProbedPeer, times: ProbeTimes): PeerTurn | undefined {
  return takeSize(peer, withTooLarge, times);
}

/** Shall it be asked again without waiting for its turn? */
export function isPressing(peer: ProbedPeer): boolean {
  if (peer.asksSize || peer.doubtsSize) return true;
  return (peer.history & 1) === 1 && verdictOf(peer.history) === 'lossy';
}

function takeSize(
  peer: ProbedPeer,
  step: (search: SizeSearch) => SizeSearch,
  times: ProbeTimes,
): PeerTurn | undefined {
  peer.doubtsSize = false;
  peer.search = step(peer.search);
  if (!isOver(peer.search)) return undefined;
  const { wantedBytes, largestBytes = wantedBytes } = peer.search;
  peer.search = beginSearch(wantedBytes, smallBytes, largestBytes);
  peer.asksSize = false;
  peer.searchMs = times.nextSearchMs;
  if (largestBytes === (peer.complainedBytes ?? wantedBytes)) return undefined;
  peer.complainedBytes = largestBytes < wantedBytes ? largestBytes : undefined;
  return largestBytes < wantedBytes ? 'short' : 'whole';
}

export function factsOf({ target, history, latencyMs, lastAnswerMs, search }: ProbedPeer): ProbeFacts {
  const verdict: ProbeVerdict = target.address === undefined ? 'unprobed' : verdictOf(history);
  return {
    peer: formatSubnetKey(target.leased),
    family: target.family,
    address: target.address,
    verdict,
    latencyMs,
    lossRatio: lossRatioOf(history),
    largestBytes: search.largestBytes,
    wantedBytes: target.wantedBytes,
    lastAnswerMs,
  };
}
