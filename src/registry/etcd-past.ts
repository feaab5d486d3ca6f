import { hasCode } from '../base/errors.ts';
import type { EtcdClient } from '../etcd/client.ts';
import type { EtcdKeys } from './etcd-keys.ts';
import type { RegistryEntry, RegistryEvent, RequestOptions, Revision } from './registry.ts';

/**
 * What a watch remembers of the past that it told, to know it again. A restored backup counts its revisions on from
 * where it was taken, so that a number alone says little once it has grown; and it may bear the old cluster's identity.
 */
export class EtcdPast {
  /** The last writing told. */
  #put: RegistryEntry | undefined;
  /** The last deletion told, when it came after that. */
  #deletion: { readonly key: string; readonly revision: Revision } | undefined;

  /** The last change told; undefined when there was none. */
  get revision(): Revision | undefined {
    return this.#deletion?.revision ?? this.#put?.revision;
  }

  note(event: RegistryEvent): void {
    switch (event.type) {
      case 'state':
        return;
      case 'delete':
        this.#deletion = event;
        return;
      case 'put':
      case 'snapshot':
        this.#put = event.type === 'put' ? event.entry : latestOf(event.entries);
        this.#deletion = undefined;
    }
  }

  /**
   * Whether etcd has the same past; false too when it has been compacted, so that nobody can know.
   * @throws WeftError as EtcdClient.range
   */
  async isThatOf(client: EtcdClient, keys: EtcdKeys, options: RequestOptions): Promise<boolean> {
    const [put, deletion] = [this.#put, this.#deletion];
    const at = async (key: string, revision: Revision): Promise<RegistryEntry | undefined> => {
      const { kvs } = await client.range({ key: keys.bytesOf(key), revision }, options);
      return kvs[0] && keys.entryOf(kvs[0]);
    };
    try {
      if (put !== undefined && !isSame(put, await at(put.key, put.revision))) return false;
      return deletion === undefined || (await at(deletion.key, deletion.revision)) === undefined;
    } catch (error) {
      if (hasCode(error, 'etcd-compacted') || hasCode(error, 'etcd-future')) return false;
      throw error;
    }
  }
}

function latestOf(entries: readonly RegistryEntry[]): RegistryEntry | undefined {
  return entries.reduce<RegistryEntry | undefined>(
    (latest, entry) => (latest === undefined || entry.revision > latest.revision ? entry : latest),
    undefined,
  );
}

function isSame(one: RegistryEntry, other: RegistryEntry | undefined): boolean {
  return one.revision === other?.revision && one.value === other.value;
}
