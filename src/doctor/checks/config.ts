/** Is there a network config, is it one, and can this host do what it asks for? */
import { createBackend } from '../../backend/backends.ts';
import { networksOf } from '../../backend/family.ts';
import { describeError, WeftError } from '../../base/errors.ts';
import type { Lease } from '../../lease/lease.ts';
import { parseNetworkConfig } from '../../lease/network-config.ts';
import { parseSubnetEnv } from '../../lease/subnet-env.ts';
import type { RegistryEntry } from '../../registry/registry.ts';
import { leasesPrefix, readSubnetEntry } from '../../registry/subnet-entries.ts';
import { configKey } from '../../registry/subnet-manager.ts';
import { readFileIfThere } from '../../sys/files.ts';
import type { Check } from '../check.ts';
import { guessConfig } from '../config-guess.ts';
import { type Finding, fail, ok, type Remedy, warn } from '../finding.ts';
import { placeOf, sentences } from '../registry-place.ts';
import type { Scene } from '../scene.ts';

export const config: Check = { name: 'config', title: 'network config', look };

async function look(scene: Scene): Promise<Finding | Finding[]> {
  const { registry, signal } = scene;
  const entry = await registry.get(configKey, { signal });
  if (entry === undefined) return await missing(scene);
  try {
    const parsed = parseNetworkConfig(entry.value);
    const { backend, warnings } = createBackend(parsed.config);
    const odd = [...parsed.warnings, ...warnings].filter(text => !isForWindows(text));
    if (odd.length > 0) return odd.map(text => strange(entry, text));
    return ok(`the network is ${networksOf(parsed.config).join(' and ')}, by ${backend.type}`);
  } catch (error) {
    if (error instanceof WeftError) return await invalid(scene, entry, error);
    throw error;
  }
}

/** Such options are in configs that are right, for networks which have such hosts too. */
function isForWindows(warning: string): boolean {
  return warning.includes('for Windows');
}

async function missing(scene: Scene): Promise<Finding> {
  const { name } = scene.registry;
  return fail(`there is no network config in ${name}`, {
    evidence: [`${placeOf(name).readCommand(configKey)}: nothing`],
    remedy: await putBack(scene, 'no host can join until there is one'),
  });
}

async function invalid(scene: Scene, entry: RegistryEntry, error: WeftError): Promise<Finding> {
  const what =
    error.code === 'config-invalid' ? 'the network config is invalid' : 'the backend is unknown here';
  return fail(`${what}: ${describeError(error)}`, {
    evidence: [shown(entry)],
    remedy: await putBack(scene, error.remedy ?? 'correct it, with `weft config put`'),
  });
}

function strange(entry: RegistryEntry, text: string): Finding {
  return warn(`the network config is odd: ${text}`, {
    evidence: [shown(entry)],
    remedy: { commands: [], text: 'correct it, with `weft config get` and `weft config put`' },
  });
}

function shown({ value }: RegistryEntry): string {
  const line = value.trim().replace(/\s+/g, ' ');
  return `weft config get: ${line.length > 300 ? `${line.slice(0, 300)}...` : line}`;
}

/** A config that makes the network what the hosts still have it for. */
async function putBack(scene: Scene, advice: string): Promise<Remedy> {
  const env = parseSubnetEnv(readFileIfThere(scene.options.subnetFile) ?? '');
  const guess = guessConfig(env, await leasesIn(scene));
  const { flags } = placeOf(scene.registry.name);
  if (guess === undefined)
    return { commands: [], text: sentences(advice, 'write one with `weft config put FILE`') };
  return {
    commands: [`weft config put ${flags.join(' ')} - <<'END'\n${guess}\nEND`],
    text: sentences(
      advice,
      'the command puts back what subnet.env and the leases tell: a Port, DirectRouting, SubnetMin and the like they do not',
    ),
  };
}

async function leasesIn({ registry, signal }: Scene): Promise<Lease[]> {
  const { entries } = await registry.list(leasesPrefix({ ipv6: true }), { signal });
  return entries.flatMap(entry => readSubnetEntry(entry, () => {})?.lease ?? []);
}
