/** Keys in the registry that are no leases, or leases that nobody may follow. */
import { networkOf, subnetOf } from '../../backend/family.ts';
import { type Prefix, prefixBase, prefixCovers, prefixLength, prefixOf } from '../../base/prefix.ts';
import { type NetworkConfig, parseNetworkConfig } from '../../lease/network-config.ts';
import type { RegistryEntry } from '../../registry/registry.ts';
import { leasesPrefix, readSubnetEntry, type SubnetEntry } from '../../registry/subnet-entries.ts';
import { configKey } from '../../registry/subnet-manager.ts';
import type { Check } from '../check.ts';
import { counted } from '../counted.ts';
import { type Finding, ok, warn } from '../finding.ts';
import { placeOf, sentences } from '../registry-place.ts';
import type { Scene } from '../scene.ts';

export const strayKeys: Check = { name: 'stray-keys', title: 'keys of leases', look };

/** Chosen: as many as anybody reads; when they are gone the rest is told. */
const mostFindings = 10;

async function look(scene: Scene): Promise<Finding | Finding[]> {
  const { registry, signal } = scene;
  const [stored, { entries }] = await Promise.all([
    registry.get(configKey, { signal }),
    registry.list(leasesPrefix({ ipv6: true }), { signal }),
  ]);
  const own = await scene.view().then(
    ({ member }) => member?.found.key,
    () => undefined,
  );
  const strays = straysAmong(entries, stored === undefined ? undefined : configOf(stored), own);
  if (strays.length === 0) return ok(`${counted(entries.length, 'key')}: nothing but leases of the network`);
  return strays.slice(0, mostFindings).map(stray => findingOf(scene, stray));
}

export interface Stray {
  readonly key: string;
  readonly value: string;
  /** Begins with the key's or the lease's name. */
  readonly what: string;
}

/**
 * @param config undefined while there is none that makes sense: then no lease is outside of it
 * @param own key of this host's lease: of two that overlap it is the other that is the stray
 */
export function straysAmong(
  entries: readonly RegistryEntry[],
  config: NetworkConfig | undefined,
  own?: string | undefined,
): Stray[] {
  const strays: Stray[] = [];
  const leased: SubnetEntry[] = [];
  for (const entry of entries) {
    const add = (what: string): void => void strays.push({ key: entry.key, value: entry.value, what });
    const read = readSubnetEntry(entry, (_, message) =>
      add(message.replace(/^ignoring the (key|value of) /, '')),
    );
    if (read?.lease === undefined) continue;
    const outside = config === undefined ? undefined : outsideOf(config, read);
    if (outside === undefined) leased.push(read);
    else add(outside);
  }
  const values = new Map(entries.map(({ key, value }) => [key, value]));
  const overlaps = [4, 6].flatMap(family => overlapsAmong(leased, family as 4 | 6));
  return [
    ...strays,
    ...overlaps.map(({ inner, outer }): Stray => {
      const [stray, other] = inner.key === own ? [outer, inner] : [inner, outer];
      const what = `${stray.key} overlaps ${other.key}${other.key === own ? ', which is ours' : ''}`;
      return { key: stray.key, value: values.get(stray.key) ?? '', what };
    }),
  ];
}

function configOf({ value }: RegistryEntry): NetworkConfig | undefined {
  try {
    return parseNetworkConfig(value).config;
  } catch {
    return undefined;
  }
}

function outsideOf(config: NetworkConfig, { key, subnet }: SubnetEntry): string | undefined {
  for (const family of [4, 6] as const) {
    const [prefix, network] = [subnetOf(subnet, family), networkOf(config, family)];
    if (prefix !== undefined && network !== undefined && !prefixCovers(network, prefix))
      return `${key} lies outside the network ${network}: no host follows it`;
  }
  return undefined;
}

/** Two prefixes that overlap are one in the other: each is looked for in the longer lengths' shorter ones. */
function overlapsAmong(entries: readonly SubnetEntry[], family: 4 | 6) {
  const byPrefix = new Map<Prefix, SubnetEntry>();
  const found: Array<{ readonly inner: SubnetEntry; readonly outer: SubnetEntry }> = [];
  const named = entries.flatMap(entry => {
    const prefix = subnetOf(entry.subnet, family);
    return prefix === undefined ? [] : [{ entry, prefix }];
  });
  const lengths = [...new Set(named.map(({ prefix }) => prefixLength(prefix)))].sort(
    (one, other) => one - other,
  );
  for (const { entry, prefix } of named.sort(
    (one, other) => prefixLength(one.prefix) - prefixLength(other.prefix),
  )) {
    const outer = lengths
      .filter(length => length <= prefixLength(prefix))
      .map(length => byPrefix.get(prefixOf(prefixBase(prefix), length)))
      .find(one => one !== undefined);
    if (outer === undefined) byPrefix.set(prefix, entry);
    else found.push({ inner: entry, outer });
  }
  return found;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const unprintable = /[\x00-\x1f\x7f-\x9f]/;

export function findingOf(
  { registry: { name } }: Pick<Scene, 'registry'>,
  { key, value, what }: Stray,
): Finding {
  const place = placeOf(name);
  const line = value.trim().replace(/\s+/g, ' ');
  const shown = line.length > 200 ? `${line.slice(0, 200)}...` : line;
  return warn(`a key that is no lease of the network: ${what}`, {
    evidence: [`${place.readCommand(key)}: ${shown}`],
    remedy: unprintable.test(key)
      ? { commands: [], text: 'delete it by hand: its name has characters that a terminal cannot show' }
      : {
          commands: [place.deleteCommand(key)],
          text: sentences('a daemon that uses it writes it again', place.note),
        },
  });
}
