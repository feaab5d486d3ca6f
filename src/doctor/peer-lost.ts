/** A host that lives, and a tunnel to it that does not: where packets are lost, by all that can be seen on both sides. */
import { askPeer } from '../control/ask-peer.ts';
import { type PeerDevice, type Sighting, thereQuestion } from '../control/peer-questions.ts';
import { culpritOf, type Hop } from '../trace/hop.ts';
import { parseThereAnswer } from '../trace/there-answer.ts';
import { type Finding, fail, type Remedy, warn } from './finding.ts';
import { askingFrom } from './peer-door.ts';
import { type LossPlace, lossPlace, type Sightings, watchPacket } from './peer-loss.ts';
import { type ProbedPeer, waitsMs } from './peer-probes.ts';
import { describeTarget } from './peer-targets.ts';
import type { Scene } from './scene.ts';
import { commandAt } from './weft-command.ts';

/** Undefined: as far as can be seen packets arrive there, and nothing but echo requests is left unanswered. @throws the signal's reason */
export async function lostFinding(scene: Scene, peer: ProbedPeer): Promise<Finding | undefined> {
  const [there, seen] = await Promise.all([halfThere(scene, peer), watchPacket(scene, peer)]);
  const culprit = there === undefined ? undefined : culpritOf(there);
  const place = lossPlace(seen);
  const differing = await tunnelsDiffer(scene, peer);
  // What that host says of itself counts for more than what follows from where a packet was seen.
  if (culprit?.verdict === 'broken') return brokenThere(peer, culprit);
  if (place === 'answered') return nowAndThen(peer);
  if (differing !== undefined) return differing;
  if (place === 'unseen-there' && answersOtherwise(peer)) return undefined;
  return findingFor(place, { scene, peer, seen, own: await ownAddress(scene, peer) });
}

/**
 * Without a tunnel an echo request goes to the host as any packet does, and its kernel has answered one of TCP: many a cloud
 * keeps ICMP from hosts, and nothing else.
 */
function answersOtherwise({ inner, door }: Pick<ProbedPeer, 'inner' | 'door'>): boolean {
  return inner === undefined && ['hello', 'closed', 'frozen', 'refused'].includes(door.kind);
}

/** Hops of the other host, if its daemon tells them. */
async function halfThere(
  scene: Scene,
  { door, inner, ownInner, address, lease }: ProbedPeer,
): Promise<readonly Hop[] | undefined> {
  if (door.kind !== 'hello' || inner === undefined || ownInner === undefined) return undefined;
  const { options, network, signal } = scene;
  const host = lease.attrs.publicIp ?? address;
  const asking = { patienceMs: halfPatienceMs, signal, network, from: await askingFrom(scene, host) };
  try {
    const said = await askPeer(host, options.peerPort, thereQuestion, { from: ownInner, to: inner }, asking);
    return parseThereAnswer(said).hops;
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}

/** Chosen: that host reads its kernel for it. */
const halfPatienceMs = 1500;

function brokenThere(
  { subnet, address }: ProbedPeer,
  { text, entries, cause, remedy, device }: Hop,
): Finding {
  const where = [device, text].filter(part => part !== undefined && part !== '').join(': ');
  return fail(`${address} does not let packets of ${subnet} pass: ${cause ?? where}`, {
    peer: subnet,
    evidence: entries.length === 0 ? [where] : entries.map(({ tool, line }) => `${tool}: ${line}`),
    remedy: { commands: remedy?.commands ?? [], text: remedy?.text ?? '', on: address },
  });
}

function nowAndThen(peer: ProbedPeer): Finding {
  const { inner, address, subnet } = peer;
  return warn(`${describeTarget(peer)} answers over the overlay only now and then`, {
    peer: subnet,
    evidence: [`ping ${inner ?? address}: ${waitsMs.length} packets without an answer, and then one with`],
    remedy: {
      commands: [],
      text: `ping it for a while, and its host ${address} beside it: packets that both lose are lost on the underlay`,
    },
  });
}

/** With another VNI or port there than here, the kernel there throws packets away without a word. */
async function tunnelsDiffer(scene: Scene, peer: ProbedPeer): Promise<Finding | undefined> {
  const { door, device, subnet, address, backend } = peer;
  if (door.kind !== 'hello' || door.hello.member === undefined) return undefined;
  const { member } = door.hello;
  const ours = await tunnelHere(scene, device);
  if (ours === undefined || member.devices.some(one => isSame(one, ours))) return undefined;
  const theirs = member.devices.map(describeTunnel).join(', ') || `no tunnel, but ${member.backend}`;
  return fail(`${address} has another tunnel than this host: ${theirs}, here ${describeTunnel(ours)}`, {
    peer: subnet,
    evidence: [`here: ${backend.type}, ${describeTunnel(ours)}`, `${address}: ${member.backend}, ${theirs}`],
    remedy: {
      commands: [],
      text: 'one of the two hosts has not followed the network config: start its daemon again',
    },
  });
}

async function tunnelHere(scene: Scene, device: string): Promise<PeerDevice | undefined> {
  const { links } = await scene.kernel();
  const kind = links.find(({ name }) => name === device)?.kind;
  return kind?.kind === 'vxlan' ? { name: device, vni: kind.vni, port: kind.port } : undefined;
}

function isSame(one: PeerDevice, other: PeerDevice): boolean {
  return one.vni === other.vni && one.port === other.port;
}

function describeTunnel({ vni, port }: PeerDevice): string {
  return [vni === undefined ? '' : `VNI ${vni}`, port === undefined ? '' : `UDP ${port}`]
    .filter(part => part !== '')
    .join(' at ');
}

async function ownAddress(scene: Scene, { family }: ProbedPeer): Promise<string> {
  const { publicIp, publicIpv6 } = (await scene.view()).chosen;
  return (family === 4 ? publicIp : publicIpv6) ?? 'this host';
}

interface Case {
  readonly scene: Scene;
  readonly peer: ProbedPeer;
  readonly seen: Sightings;
  /** This host on the underlay. */
  readonly own: string;
}

function findingFor(place: LossPlace, lost: Case): Finding | undefined {
  const words = wordsFor(place, lost);
  if (words === undefined) return undefined;
  const { subnet, address, door } = lost.peer;
  const { here, there } = lost.seen;
  return fail(words.text, {
    peer: subnet,
    evidence: [
      ...here.map(one => sightingText('here', one)),
      ...(there ?? []).map(one => sightingText(`on ${address}`, one)),
      ...('why' in door ? [door.why] : []),
    ],
    remedy: words.remedy,
  });
}

function wordsFor(
  place: LossPlace,
  { scene, peer, own }: Case,
): { readonly text: string; readonly remedy: Remedy } | undefined {
  const { address, device, subnet } = peer;
  const what = carriageOf(peer);
  const byHand = (text: string): Remedy => ({ commands: [], text });
  switch (place) {
    case 'answered':
    case 'not-answered':
      return undefined;
    case 'way-out':
      return {
        text: `${what} from ${own} to ${address} is blocked on the way: packets for ${subnet} leave here and do not arrive there`,
        remedy: byHand(`let ${what} through from ${own} to ${address}, and back: ${whoBlocks}`),
      };
    case 'way-back':
      return {
        text: `${what} from ${address} to ${own} is blocked on the way: packets for ${subnet} arrive, and their answers do not come back`,
        remedy: byHand(`let ${what} through from ${address} to ${own}: ${whoBlocks}`),
      };
    case 'kept-there':
      return {
        text: `${address} gets packets for ${subnet} in ${what} and throws them away`,
        remedy: {
          commands: [],
          text: `look at the firewall and the tunnel of that host: \`weft doctor\` there tells more`,
          on: address,
        },
      };
    case 'answer-kept':
      return {
        text: `${address} takes packets for ${subnet}, and its answers do not leave it`,
        remedy: {
          commands: [],
          text: '`weft doctor` on that host tells what it lacks on the way back',
          on: address,
        },
      };
    case 'kept-here':
      return {
        text: `answers of ${describeTarget(peer)} arrive here in ${what} and do not come out of ${device}`,
        remedy: byHand(
          'see what else doctor says of this host: most often a firewall rule on INPUT keeps them',
        ),
      };
    case 'not-sent':
      return {
        text: `packets for ${describeTarget(peer)} do not leave this host`,
        remedy: byHand(
          `see what else doctor says of this host, and \`weft trace ${peer.inner ?? address}\`: most often a firewall rule on OUTPUT keeps them`,
        ),
      };
    default:
      return {
        text: `${describeTarget(peer)} does not answer over the overlay, though the host lives: ${what} is blocked on the way, or that host does not take it`,
        remedy: {
          commands: [`${commandAt(address, 'plan', scene)} | sh`],
          text: `the command gives that host what it lacks; should it lack nothing, let ${what} through between ${own} and ${address}: ${whoBlocks}`,
          on: address,
        },
      };
  }
}

const whoBlocks = 'a firewall or security group, of the two hosts or in between, has to allow it';

function carriageOf({ backend, inner, family }: ProbedPeer): string {
  const [port] = backend.udpPorts;
  if (inner !== undefined && port !== undefined) return `UDP ${port}`;
  return family === 4 ? 'IPv4' : 'IPv6';
}

function sightingText(where: string, { device, requestMs, answerMs, problem }: Sighting): string {
  if (problem !== undefined) return `${device} ${where}: ${problem}`;
  if (requestMs === undefined) return `${device} ${where}: the packet was not seen`;
  return `${device} ${where}: the packet was seen, ${answerMs === undefined ? 'no answer' : 'and its answer'}`;
}
