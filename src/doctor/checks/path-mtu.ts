/** Do the largest packets of containers get to the peers, or only small ones? */
import { randomInt } from 'node:crypto';
import type { ExternalInterface } from '../../backend/backend.ts';
import { watchAt } from '../../control/ask-peer.ts';
import type { Check } from '../check.ts';
import { Echoes } from '../echoes.ts';
import { type Finding, fail, ok, type Remedy, skip } from '../finding.ts';
import { closeGap } from '../largest-packet.ts';
import { mtuRemedy } from '../mtu-remedy.ts';
import { askingFrom } from '../peer-door.ts';
import type { ProbedPeer } from '../peer-probes.ts';
import type { Scene } from '../scene.ts';

export const pathMtu: Check = { name: 'path-mtu', title: 'size of packets on the way', look };

/** Chosen: several losses by chance in a row are no chance; and as long as an answer takes from the other side of the world. */
const fullWaitsMs = [150, 200, 300];
const searchWaitsMs = [150, 200];

/** What passes in any case, as it has been answered before: the echo request of `ping`. */
const smallBytes = { 4: 84, 6: 104 } as const;

type Sized =
  | { readonly kind: 'passes' }
  /** The device here does not take it. */
  | { readonly kind: 'refused-here' }
  | { readonly kind: 'vanishes'; readonly passesBytes: number; readonly lostOn: LostOn };

/** `unknown`: nobody has looked at the other host. */
type LostOn = 'way-out' | 'way-back' | 'unknown';

async function look(scene: Scene): Promise<Finding | Finding[]> {
  const { peers } = await scene.probes();
  const reached = peers.filter(({ overlay }) => overlay.kind === 'answered');
  if (reached.length === 0) return skip('no peer answers that could be asked for more');
  const echoes = new Echoes(scene.netns, scene.signal);
  try {
    const sized = await Promise.all(
      reached.map(async peer => ({ peer, size: await measure(scene, echoes, peer) })),
    );
    return await findings(scene, sized);
  } finally {
    echoes.close();
  }
}

async function measure(scene: Scene, echoes: Echoes, peer: ProbedPeer): Promise<Sized> {
  const { inner, address, mtuBytes, family } = peer;
  const destination = inner ?? address;
  const full = await echoes.ask({ destination, lengthBytes: mtuBytes, waitsMs: fullWaitsMs });
  if (full.kind === 'answered') return { kind: 'passes' };
  if (full.kind === 'unsent') return { kind: 'refused-here' };
  const passing = async (sizes: readonly number[]): Promise<Set<number>> => {
    const answers = await Promise.all(
      sizes.map(lengthBytes => echoes.ask({ destination, lengthBytes, waitsMs: searchWaitsMs })),
    );
    return new Set(sizes.filter((_, index) => answers[index]?.kind === 'answered'));
  };
  const gap = { passesBytes: smallBytes[family], vanishesBytes: mtuBytes };
  const [{ passesBytes }, lostOn] = await Promise.all([
    closeGap(gap, passing),
    directionOf(scene, echoes, peer),
  ]);
  return { kind: 'vanishes', passesBytes, lostOn };
}

/** Whether a large request arrives, so that it is the answer which is lost. */
async function directionOf(
  scene: Scene,
  echoes: Echoes,
  { door, inner, address, lease, mtuBytes }: ProbedPeer,
): Promise<LostOn> {
  if (door.kind !== 'hello') return 'unknown';
  const { options, signal, network } = scene;
  const mark = randomInt(2 ** 32);
  const destination = inner ?? address;
  const host = lease.attrs.publicIp ?? address;
  try {
    const from = await askingFrom(scene, host);
    const watch = await watchAt(host, options.peerPort, {
      ...{ destination, mark, watchMs: 2000, patienceMs: 500, signal, network, from },
    });
    await echoes.ask({ destination, mark, lengthBytes: mtuBytes, waitsMs: [200] });
    const seen = await watch.seen(100);
    return seen.some(({ requestMs }) => requestMs !== undefined) ? 'way-back' : 'way-out';
  } catch {
    signal.throwIfAborted();
    return 'unknown';
  }
}

interface SizedPeer {
  readonly peer: ProbedPeer;
  readonly size: Sized;
}

async function findings(scene: Scene, sized: readonly SizedPeer[]): Promise<Finding[]> {
  const passing = sized.filter(({ size }) => size.kind === 'passes');
  const refused = sized.filter(({ size }) => size.kind === 'refused-here');
  return [
    ...(passing.length === 0 ? [] : [passes(passing)]),
    ...(refused.length === 0 ? [] : [refusedHere(refused)]),
    ...(await Promise.all([...bySize(sized)].map(([bytes, peers]) => vanishing(scene, bytes, peers)))),
  ];
}

function passes(sized: readonly SizedPeer[]): Finding {
  const sizes = [...new Set(sized.map(({ peer }) => peer.mtuBytes))].join(' and ');
  const whom = sized.length === 1 ? `${sized[0]?.peer.subnet}` : `${sized.length} peers`;
  return ok(
    `packets of ${sizes} bytes, as large as containers send, pass to ${whom} and back`,
    ...sized.map(({ peer: { subnet, mtuBytes } }) => `${subnet}: ${mtuBytes} bytes pass`),
  );
}

function refusedHere(sized: readonly SizedPeer[]): Finding {
  const [first] = sized;
  return skip(
    `${first?.peer.device} does not take packets of ${first?.peer.mtuBytes} bytes, so that none was sent`,
  );
}

/** What is too narrow for several peers is most often one place. */
function bySize(sized: readonly SizedPeer[]): Map<number, VanishingPeer[]> {
  const groups = new Map<number, VanishingPeer[]>();
  for (const { peer, size } of sized) {
    if (size.kind !== 'vanishes') continue;
    groups.set(size.passesBytes, [...(groups.get(size.passesBytes) ?? []), { peer, lostOn: size.lostOn }]);
  }
  return groups;
}

interface VanishingPeer {
  readonly peer: ProbedPeer;
  readonly lostOn: LostOn;
}

async function vanishing(
  scene: Scene,
  passesBytes: number,
  peers: readonly VanishingPeer[],
): Promise<Finding> {
  const subnets = peers.map(({ peer }) => peer.subnet).join(', ');
  return fail(
    `packets to ${subnets} vanish at ${passesBytes + 1} bytes (${passesBytes} pass), and containers send up to ${peers[0]?.peer.mtuBytes}`,
    {
      peer: peers.length === 1 ? peers[0]?.peer.subnet : undefined,
      evidence: peers.flatMap(one => evidenceOf(one, passesBytes)),
      remedy: await remedyFor(scene, passesBytes, peers),
    },
  );
}

function evidenceOf({ peer, lostOn }: VanishingPeer, passesBytes: number): string[] {
  const { inner, address, family, mtuBytes } = peer;
  const to = inner ?? address;
  // ping counts neither its own header nor that of IP.
  const pingBytes = (bytes: number): number => bytes - (family === 4 ? 28 : 48);
  const where = {
    'way-out': [`${address}: the large packet does not arrive`],
    'way-back': [`${address}: the large packet arrives, and its answer does not come back`],
    unknown: [],
  }[lostOn];
  return [
    `ping -M do -s ${pingBytes(passesBytes)} ${to}: answered`,
    `ping -M do -s ${pingBytes(passesBytes + 1)} ${to}: no answer`,
    `ping -M do -s ${pingBytes(mtuBytes)} ${to}: no answer`,
    ...where,
  ];
}

async function remedyFor(
  scene: Scene,
  passesBytes: number,
  [first]: readonly VanishingPeer[],
): Promise<Remedy> {
  const { membership } = await scene.member();
  const backend = first?.peer.backend ?? membership.backend;
  const { external } = membership.host;
  const containerMtu = (mtuBytes: number): number =>
    backend.containerMtuBytes({ ...external, mtuBytes } satisfies ExternalInterface);
  return await mtuRemedy(scene, { passesBytes, containerMtu, external });
}
