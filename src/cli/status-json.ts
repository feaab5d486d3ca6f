/** A status as JSON: docs/status.md describes it. */
import { describeError, WeftError } from '../base/errors.ts';
import type { LiveStatus, LiveTrouble } from '../control/live-status.ts';
import type { PeerStatus } from '../view/peer-status.ts';
import { isHealthy, isPeerLost, probeOf, type ToldStatus } from './told-status.ts';

/** Raised whenever a reader of the JSON before would be misled. */
const version = 1;

/**
 * Part by part, because of thousands of peers the whole would be as much memory again.
 * @param indent spaces for each level; 0: all on one line
 */
export function* statusJson(statuses: readonly ToldStatus[], indent: number): Generator<string> {
  const fields = {
    version,
    at: statuses[0] && isoTime(statuses[0].nowMs),
    healthy: statuses.every(isHealthy),
  };
  yield* withList(fields, 'networks', eachOf(statuses, networkJson), indent);
}

type Rendered = (indent: number) => Iterable<string>;

function networkJson(status: ToldStatus): Rendered {
  const peers = eachOf(
    status.peers,
    (peer): Rendered =>
      indent => [render(peerOf(status, peer), indent)],
  );
  return indent => withList(networkOf(status), 'peers', peers, indent);
}

function* eachOf<T>(all: readonly T[], rendered: (one: T) => Rendered): Generator<Rendered> {
  for (const one of all) yield rendered(one);
}

/** An object whose last key is a list, of which each item is made when it is its turn. */
function* withList(
  fields: object,
  name: string,
  items: Iterable<Rendered>,
  indent: number,
): Generator<string> {
  const [line, pad, space] = indent > 0 ? ['\n', ' '.repeat(indent), ' '] : ['', '', ''];
  yield `${render(fields, indent).slice(0, -1 - line.length)},${line}${pad}"${name}":${space}[`;
  let between = '';
  for (const item of items) {
    yield between + line + pad + pad;
    for (const part of item(indent)) yield part.replaceAll('\n', `\n${pad}${pad}`);
    between = ',';
  }
  yield `${between === '' ? '' : line + pad}]${line}}`;
}

/** What is not known is there all the same, so that a reader need not ask twice. */
function render(value: object, indent: number): string {
  return JSON.stringify(value, (_, one: unknown) => (one === undefined ? null : one), indent);
}

/** In its place, on one line, when nothing could be read. */
export function unreadJson(error: unknown): string {
  const { code = null, remedy = null } = error instanceof WeftError ? error : {};
  return JSON.stringify({ version, healthy: false, error: { code, message: describeError(error), remedy } });
}

function networkOf(status: ToldStatus) {
  const { network, lease, registry, kernel, daemon, remarks } = status;
  return {
    network,
    host: hostOf(status),
    lease: lease && { ...lease, expiresAt: isoTime(status.leaseEndsMs) },
    registry: { ...registry, problem: registry.problem && problemOf(registry.problem) },
    kernel,
    daemon: { running: daemon.runs, mute: daemon.mute, live: daemon.live && liveOf(daemon.live) },
    counts: countsOf(status),
    remarks,
  };
}

function hostOf({ host: { subnet, networks, devices, ...host }, statistics }: ToldStatus) {
  const counted = devices.map(device => {
    const { received, sent } = statistics.get(device.name) ?? {};
    return { ...device, received, sent };
  });
  return { ...host, networks, subnet: subnet?.ipv4, ipv6Subnet: subnet?.ipv6, devices: counted };
}

function problemOf({ code, message, remedy }: { code: string; message: string; remedy: string | undefined }) {
  return { code, message, remedy };
}

/** What is found of peers is told with them. */
function liveOf({ version: ofDaemon, pid, startedMs, ready, reason, waiting, network }: LiveStatus) {
  const { registry, lease, repairs, troubles } = network ?? {};
  return {
    ...{ version: ofDaemon, pid, startedAt: isoTime(startedMs), ready, reason: reason || undefined },
    waiting: waiting && troubleOf(waiting),
    registry: registry && {
      ...{ connected: registry.connected, staleSince: isoTime(registry.staleSinceMs) },
      reconnects: registry.reconnects,
    },
    lease: lease && {
      ...{ held: lease.held, problem: lease.problem || undefined, expiresAt: isoTime(lease.expiresMs) },
    },
    repairs: repairs && {
      counts: repairs.counts,
      last: repairs.last.map(({ atMs, command, reason: why, by }) => ({
        ...{ at: isoTime(atMs), command, reason: why, by },
      })),
    },
    troubles: troubles?.map(troubleOf),
  };
}

function troubleOf({ atMs, sinceMs, count, level, message, remedy }: LiveTrouble) {
  return { at: isoTime(atMs), since: isoTime(sinceMs), count, level, message, remedy };
}

function countsOf(status: ToldStatus) {
  const { peers } = status;
  const of = (state: PeerStatus['state']): number => peers.filter(peer => peer.state === state).length;
  return {
    peers: peers.length,
    ...{ programmed: of('programmed'), carried: of('carried'), missing: of('missing') },
    ...{ differs: of('differs'), refused: of('refused') },
    silent: peers.filter(peer => isPeerLost(status, peer)).length,
  };
}

function peerOf(status: ToldStatus, peer: PeerStatus) {
  const { state, reason, backend, families, objects } = peer;
  const [ipv4, ipv6] = ([4, 6] as const).map(family => families.find(one => one.family === family));
  const facts = (one: (typeof families)[number] | undefined) => {
    if (one === undefined) return undefined;
    const { family, ...rest } = one;
    return { ...rest, probe: probeFactsOf(status, peer, family) };
  };
  return {
    ...{ state, reason: reason === '' ? undefined : reason, backend },
    ...{ ipv4: facts(ipv4), ipv6: facts(ipv6) },
    objects: objects.map(one => ({
      ...{ state: one.state, object: { type: one.object.type, ...one.object.value } },
    })),
  };
}

function probeFactsOf(status: ToldStatus, peer: PeerStatus, family: 4 | 6) {
  const found = probeOf(status, peer, family);
  if (found === undefined) return undefined;
  const { peer: _, family: __, lastAnswerMs, ...facts } = found;
  return { ...facts, lastAnswerAt: isoTime(lastAnswerMs) };
}

function isoTime(atMs: number | undefined): string | undefined {
  return atMs === undefined ? undefined : new Date(atMs).toISOString();
}
