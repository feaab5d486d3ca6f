/** Doctor's checks on each network that `weft run` with these flags would serve. */
import { hasCode } from '../base/errors.ts';
import { shellWord } from '../base/shell-word.ts';
import { instancePrefix } from '../control/instance-name.ts';
import type { NamedNetwork } from '../daemon/options.ts';
import { checks } from '../doctor/checks.ts';
import { type Finding, fail } from '../doctor/finding.ts';
import { runChecks, unseen } from '../doctor/run-checks.ts';
import { createScene, type Scene } from '../doctor/scene.ts';
import type { Registry } from '../registry/registry.ts';
import { inNetns } from '../sys/netns.ts';
import { heldUnixNames } from '../sys/unix-name.ts';
import { configsOf } from './configs-apart.ts';
import type { Diagnosis } from './doctor-text.ts';
import { eachNetwork, type PlacedNetwork } from './each-network.ts';
import { interruptible } from './interrupt.ts';
import { openToLook } from './open-registry.ts';
import { type CalledPeer, type PeerChoice, peerChoice, unknownPeer } from './peer-choice.ts';
import type { RunOptions } from './run-options.ts';

/**
 * @param peer of the peers only that one, as `-peer` names it; '' for all
 * @throws WeftError `flag-invalid`, `host-unknown` when no network that could be read has such a peer
 */
export async function diagnoseAll(options: RunOptions, peer: string): Promise<Diagnosis[]> {
  const choice = peer === '' ? undefined : peerChoice(peer);
  return await interruptible(async signal => {
    const registry = await openToLook(options.registry);
    try {
      const { placed, unplaced } = placesOf(options);
      const diagnoses = await eachNetwork(placed, { registry, signal }, network => diagnose(network, choice));
      const found = [...diagnoses.filter(one => one !== undefined), ...unplaced];
      if (found.length === 0) throw unknownPeer(peer);
      return found;
    } finally {
      await registry.close();
    }
  });
}

interface Places {
  /** Without the networks whose namespace cannot be entered. */
  readonly placed: RunOptions;
  /** Those, each with the reason. */
  readonly unplaced: readonly Diagnosis[];
}

/** A namespace that is missing is no reason to keep silent about the other networks. */
function placesOf(options: RunOptions): Places {
  const { several } = options;
  if (several === undefined) return { placed: options, unplaced: [] };
  const tried = several.networks.map(network => ({ network, problem: problemWith(network) }));
  const networks = tried.filter(({ problem }) => problem === undefined).map(({ network }) => network);
  const unplaced = tried.flatMap(({ network, problem }): Diagnosis[] =>
    problem === undefined
      ? []
      : [
          {
            network: network.name,
            milliseconds: 0,
            examined: [{ check: namespace, findings: [problem], milliseconds: 0 }],
          },
        ],
  );
  return { placed: { ...options, several: { ...several, networks } }, unplaced };
}

/** Not among the checks: without the namespace none of them can begin. */
const namespace = { name: 'namespace', title: 'namespace' };

function problemWith({ name, netns }: NamedNetwork): Finding | undefined {
  if (netns === undefined) return undefined;
  try {
    return inNetns(netns, () => undefined);
  } catch (error) {
    if (!hasCode(error, 'netns-missing')) return unseen(error);
    const [, known] = /^\/run\/netns\/([^/]+)$/.exec(netns) ?? [];
    return fail(`there is no network namespace ${netns}, in which the device of ${name} shall be`, {
      evidence: [`ls: cannot access '${netns}': No such file or directory`],
      remedy: {
        commands: known === undefined ? [] : [`ip netns add ${shellWord(known)}`],
        text: 'make it, or correct -networks, and start `weft run` again',
      },
    });
  }
}

/** Undefined when the peer that is asked for is none of this network's. */
async function diagnose(
  network: PlacedNetwork,
  choice: PeerChoice | undefined,
): Promise<Diagnosis | undefined> {
  const startMs = performance.now();
  // Whatever a check has left under way ends with the examination.
  const over = new AbortController();
  const signal = AbortSignal.any([network.tools.signal, over.signal]);
  try {
    const scene = await sceneOf(network, choice, signal);
    if (choice !== undefined && (await isStranger(scene, choice))) return undefined;
    const examined = await runChecks(checks, scene);
    return { network: network.name, examined, milliseconds: performance.now() - startMs };
  } finally {
    over.abort();
  }
}

async function sceneOf(
  { name, options, tools, apart }: PlacedNetwork,
  choice: PeerChoice | undefined,
  signal: AbortSignal,
): Promise<Scene> {
  const { netns } = tools;
  return createScene({
    ...{ options, network: name, netns },
    tools: { ...tools, signal, apart: await apartOrNone(apart, signal) },
    locks: locksIn(netns),
    concerns: ({ address, subnets }) =>
      choice?.({ addresses: address === undefined ? [] : [address], subnets }) ?? true,
  });
}

/** Without them the rules cannot be told, which the registry's check explains. */
async function apartOrNone(apart: readonly Registry[], signal: AbortSignal) {
  try {
    return await configsOf(apart, signal);
  } catch {
    signal.throwIfAborted();
    return [];
  }
}

/** Whoever has a device of the network in hand holds its lock, in the namespace of the device. */
function locksIn(netns: string | undefined): string[] {
  const read = (): string[] => heldUnixNames(instancePrefix).map(name => name.slice(instancePrefix.length));
  return netns === undefined ? read() : inNetns(netns, read);
}

/** Only as far as the registry can be read. */
async function isStranger(scene: Scene, choice: PeerChoice): Promise<boolean> {
  try {
    const { entries, member } = await scene.view();
    const peers = entries.filter(({ key }) => key !== member?.found.key);
    return !peers.some(({ subnet, lease }) => choice(called(subnet, lease?.attrs)));
  } catch {
    scene.signal.throwIfAborted();
    return false;
  }
}

function called(
  { ipv4, ipv6 }: Awaited<ReturnType<Scene['view']>>['entries'][number]['subnet'],
  attrs:
    | {
        publicIp: CalledPeer['addresses'][number] | undefined;
        publicIpv6: CalledPeer['addresses'][number] | undefined;
      }
    | undefined,
): CalledPeer {
  const known = <T>(values: readonly (T | undefined)[]): T[] => values.filter(one => one !== undefined);
  return { addresses: known([attrs?.publicIp, attrs?.publicIpv6]), subnets: known([ipv4, ipv6]) };
}
