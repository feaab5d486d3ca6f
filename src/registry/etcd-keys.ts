import path from 'node:path';
import { type KeyRange, type KeyValue, prefixEnd } from '../etcd/kv-messages.ts';
import type { RegistryEntry } from './registry.ts';

/**
 * Where a network's keys lie in etcd, as flannel joins them: `<prefix>/<key>`, with Go's path.Join, so that a
 * trailing or doubled slash in the prefix does not count.
 */
export class EtcdKeys {
  /** The prefix with its slash, `/coreos.com/network/`. */
  readonly base: string;
  readonly #baseBytes: number;

  constructor(prefix: string) {
    this.base = path.posix.join(prefix, 'x').slice(0, -1);
    this.#baseBytes = this.bytesOf('').length;
  }

  bytesOf(key: string): Uint8Array {
    return encoder.encode(this.base + key);
  }

  /** All keys that start with `prefix`. */
  rangeOf(prefix: string): KeyRange {
    const start = this.bytesOf(prefix);
    // etcd knows no empty key; a zero byte is the first there can be.
    return { key: start.length === 0 ? Uint8Array.of(0) : start, rangeEnd: prefixEnd(start) };
  }

  /** A foreign key that is not UTF-8 is shown with replacement characters. */
  keyOf(key: Uint8Array): string {
    return utf8.decode(key.subarray(this.#baseBytes));
  }

  entryOf(kv: KeyValue): RegistryEntry {
    return {
      key: this.keyOf(kv.key),
      value: utf8.decode(kv.value),
      revision: kv.modRevision,
      permanent: kv.lease === 0n,
    };
  }
}

const encoder = new TextEncoder();
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
