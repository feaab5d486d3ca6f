/**
 * Where a packet to a peer is lost, and where its answer: one marked echo request, looked for on the devices of this host
 * and, where a daemon of Weft does it for us, on those of the other.
 *
 *     here                                there
 *     flannel.1 ── eth0 ──── the way ──── eth0 ── flannel.1
 */
import { randomInt } from 'node:crypto';
import { watchAt } from '../control/ask-peer.ts';
import type { Sighting } from '../control/peer-questions.ts';
import { probeLive } from '../trace/live-probe.ts';
import { askingFrom } from './peer-door.ts';
import type { ProbedPeer } from './peer-probes.ts';
import type { Scene } from './scene.ts';

/** All that was seen, of each host in the order of its devices on the way that the request takes there. */
export interface Sightings {
  readonly here: readonly Sighting[];
  /** Undefined: nobody looked. */
  readonly there: readonly Sighting[] | undefined;
}

/**
 * `not-sent`: it has not left this host. `way-out`: it has, and did not arrive. `kept-there`: it arrived, and the tunnel there
 * did not take it. `not-answered`: the tunnel took it. `answer-kept`: the answer did not leave that host. `way-back`: it left,
 * and did not arrive. `kept-here`: it arrived, and our tunnel did not take it. `unseen-there`: it left this host, and nobody
 * looked at the other. `unknown`: not even here. `answered`: it has come back, this time.
 */
export type LossPlace =
  | 'not-sent'
  | 'way-out'
  | 'kept-there'
  | 'not-answered'
  | 'answer-kept'
  | 'way-back'
  | 'kept-here'
  | 'unseen-there'
  | 'unknown'
  | 'answered';

/** Chosen: the way there and back, and what a daemon needs to say that it is looking. */
const [answerMs, armingMs, watchMs, lateMs] = [400, 500, 2500, 200];

/** @throws the signal's reason */
export async function watchPacket(
  scene: Scene,
  { inner, address, device, door, lease }: ProbedPeer,
): Promise<Sightings> {
  const { signal, network, netns, options } = scene;
  const destination = inner ?? address;
  const mark = randomInt(2 ** 32);
  const host = lease.attrs.publicIp ?? address;
  const from = await askingFrom(scene, host);
  const asking = { destination, mark, watchMs, patienceMs: armingMs, signal, network, from };
  const devices = await devicesHere(scene, device);
  const armed =
    door.kind === 'hello' ? await watchAt(host, options.peerPort, asking).catch(() => undefined) : undefined;
  const { sightings } = await probeLive({
    ...{ netns, destination, devices, mark, patienceMs: answerMs, signal },
  });
  signal.throwIfAborted();
  return { here: sightings, there: await armed?.seen(lateMs).catch(() => undefined) };
}

/** From another namespace that to the underlay cannot be seen. */
async function devicesHere(
  scene: Scene,
  device: string,
): Promise<Array<{ readonly name: string; readonly index: number }>> {
  const { external } = (await scene.view()).chosen;
  const names = scene.netns === undefined ? [device, external.name] : [device];
  const { links } = await scene.kernel();
  return [...new Set(names)].flatMap(name => links.find(link => link.name === name) ?? []);
}

/** The last place where either of the two was seen. */
export function lossPlace({ here, there }: Sightings): LossPlace {
  const [inside, outside] = [here[0], here.length > 1 ? here.at(-1) : undefined];
  if (inside?.answerMs !== undefined) return 'answered';
  if (outside?.answerMs !== undefined) return 'kept-here';
  if (there === undefined) return placeHere(inside, outside);
  const [gate, ...behind] = there.filter(({ problem }) => problem === undefined);
  if (gate === undefined) return placeHere(inside, outside);
  if (gate.answerMs !== undefined) return 'way-back';
  if (behind.some(one => one.answerMs !== undefined)) return 'answer-kept';
  if (behind.some(one => one.requestMs !== undefined)) return 'not-answered';
  if (gate.requestMs !== undefined) return behind.length === 0 ? 'not-answered' : 'kept-there';
  const sent = placeHere(inside, outside);
  return sent === 'unseen-there' ? 'way-out' : sent;
}

function placeHere(inside: Sighting | undefined, outside: Sighting | undefined): LossPlace {
  const last = outside ?? inside;
  if (last === undefined || last.problem !== undefined) return 'unknown';
  return last.requestMs === undefined ? 'not-sent' : 'unseen-there';
}
