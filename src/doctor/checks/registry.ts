/** Is the registry there, does it answer in time, and would it take what the daemon has to write? */
import { describeError, hasCode, WeftError } from '../../base/errors.ts';
import { familyOf } from '../../base/ip.ts';
import { addressesOfEndpoints } from '../../host/guarded.ts';
import { leasesPrefix, subnetsPrefix } from '../../registry/subnet-entries.ts';
import { configKey } from '../../registry/subnet-manager.ts';
import { lookupRoute } from '../../state/lookup.ts';
import { routeEntry, ruleEntry } from '../../trace/entry-text.ts';
import { routeCommand } from '../../wire/iproute2.ts';
import { ruleDeleteCommand } from '../../wire/rule-text.ts';
import type { Check } from '../check.ts';
import { type Finding, fail, ok, warn } from '../finding.ts';
import { placeOf, sentences } from '../registry-place.ts';
import type { Scene } from '../scene.ts';

export const registry: Check = { name: 'registry', title: 'registry', look };

/** Chosen: a registry at hand answers in a millisecond, one across a continent in a hundred. */
const slowMs = 500;

async function look(scene: Scene): Promise<Finding[]> {
  try {
    const read = await measure(scene);
    return [await writing(scene, read), ...(await daemonsView(scene))];
  } catch (error) {
    scene.signal.throwIfAborted();
    if (!(error instanceof WeftError)) throw error;
    return [await unreadable(scene, error)];
  }
}

interface Read {
  readonly milliseconds: number;
  readonly revision: bigint;
}

/** The first answer also has the connection in it: a slow one is asked for again. */
async function measure(scene: Scene): Promise<Read> {
  const first = await readOnce(scene);
  if (first.milliseconds <= slowMs) return first;
  const second = await readOnce(scene);
  return second.milliseconds < first.milliseconds ? second : first;
}

async function readOnce({ registry: store, signal }: Scene): Promise<Read> {
  const startMs = performance.now();
  const { revision } = await store.list(configKey, { signal });
  return { milliseconds: performance.now() - startMs, revision };
}

/** Higher than any revision, so that nothing is ever written by what expects it. */
const neverRevision = 2n ** 62n;

/**
 * A write that cannot happen, because it expects a revision that no key has: etcd refuses it all the same where it would
 * refuse the daemon's, for want of a permission, of space, or of a leader.
 */
async function writing(scene: Scene, read: Read): Promise<Finding> {
  const { registry: store, signal } = scene;
  try {
    await store.put(`${subnetsPrefix}doctor`, '{}', { expect: neverRevision, signal });
    return timing(scene, read);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof WeftError)) throw error;
    return unwritable(scene, error, read);
  }
}

function timing({ registry: { name } }: Scene, { milliseconds, revision }: Read): Finding {
  const evidence = [`${name}: ${milliseconds.toFixed(1)} ms for one read, at revision ${revision}`];
  if (milliseconds <= slowMs) return ok(`${name} answers in ${milliseconds.toFixed(1)} ms`);
  return warn(`the registry is slow: one read took ${Math.round(milliseconds)} ms`, {
    evidence,
    remedy: {
      commands: [],
      text: `see what slows it: its disk (\`etcdctl check perf\`), the network to it, or a host with too much to do`,
    },
  });
}

function unwritable({ registry: { name } }: Scene, error: WeftError, { revision }: Read): Finding {
  const place = placeOf(name);
  const evidence = [`${name}: ${describeError(error)}`];
  const etcdctl = place.etcdctl;
  if (hasCode(error, 'etcd-nospace') && etcdctl !== undefined) {
    return fail('etcd is full and takes no writes: the alarm NOSPACE is up, and leases run out', {
      evidence,
      remedy: {
        commands: [etcdctl('compact', String(revision)), etcdctl('defrag'), etcdctl('alarm', 'disarm')],
        text: sentences('raise its --quota-backend-bytes if it fills again', place.note),
      },
    });
  }
  const what = hasCode(error, 'etcd-permission')
    ? `the etcd user may not write below ${subnetsPrefix}: the lease cannot be renewed`
    : 'the registry can be read, but takes no writes: the lease cannot be renewed';
  return fail(what, { evidence, remedy: { commands: [], text: error.remedy ?? `see the log of ${name}` } });
}

const unreadableTexts: Readonly<Record<string, string>> = {
  'etcd-unreachable': 'the registry cannot be reached',
  'etcd-timeout': 'the registry does not answer',
  'etcd-unavailable': 'etcd cannot serve now: it has no leader, or too much to do',
  'etcd-tls': 'no TLS comes about with the registry',
  'etcd-auth': 'etcd does not know this user, or wants one',
  'etcd-permission': `the etcd user may not read the network's keys`,
  'etcd-protocol': 'what answers at the endpoint is not etcd version 3',
  'registry-unavailable': 'the folder of the registry cannot be used',
};

/** Reading needs the config and all that {@link leasesPrefix} covers. */
async function unreadable(scene: Scene, error: WeftError): Promise<Finding> {
  const { name } = scene.registry;
  const evidence = [describeError(error)];
  if (/corrupt cluster/.test(error.message)) {
    return fail('etcd has found its members to differ: the alarm CORRUPT is up, and nothing is served', {
      evidence,
      remedy: {
        commands: [],
        text: 'replace the member that differs (etcd: "restoring a cluster"), then `etcdctl alarm disarm`',
      },
    });
  }
  const text = unreadableTexts[error.code] ?? 'the registry cannot be read';
  const way = ['etcd-unreachable', 'etcd-timeout'].includes(error.code) ? await wayThere(scene) : undefined;
  return fail(`${text}: ${name}`, {
    evidence: [...evidence, ...(way?.evidence ?? [])],
    remedy: {
      commands: way?.commands ?? [],
      text:
        error.remedy ??
        `see what is wrong with ${name}; its keys are ${configKey} and ${leasesPrefix({ ipv6: true })}*`,
    },
  });
}

interface Way {
  readonly evidence: readonly string[];
  readonly commands: readonly string[];
}

/** What of this host's own routing refuses the packets to an endpoint. */
async function wayThere(scene: Scene): Promise<Way | undefined> {
  if (scene.netns !== undefined) return undefined;
  const { tables } = await scene.kernel();
  for (const destination of await addressesOfEndpoints(scene.options.registryEndpoints)) {
    const flow = {
      family: familyOf(destination),
      destination,
      source: undefined,
      iif: undefined,
      oif: undefined,
    };
    const decision = lookupRoute(tables, flow);
    if (decision.type === 'none')
      return { evidence: [`ip route get ${destination}: Network is unreachable`], commands: [] };
    if (decision.type !== 'refused') continue;
    const { route, rule } = decision;
    const entry = route === undefined ? ruleEntry(rule) : routeEntry(route);
    const command = route === undefined ? ruleDeleteCommand(rule) : routeCommand('delete', route);
    return { evidence: [`${entry.tool}: ${entry.line}`], commands: [command] };
  }
  return undefined;
}

/** What doctor reads, the daemon may have lost. */
async function daemonsView(scene: Scene): Promise<Finding[]> {
  const live = await scene.live().catch(() => undefined);
  const seen = live?.network?.registry;
  if (live === undefined || seen === undefined || seen.connected) return [];
  const since = seen.staleSinceMs === undefined ? '' : ` since ${new Date(seen.staleSinceMs).toISOString()}`;
  return [
    warn(`the daemon has heard nothing from the registry${since}, which answers here`, {
      evidence: live.network?.troubles.slice(0, 3).map(({ level, message }) => `${level}: ${message}`) ?? [],
      remedy: {
        commands: [],
        text: 'it tries again by itself, within half a minute; else see its log, and start it again',
      },
    }),
  ];
}
