import type { RegistryEntry, RegistryEvent, Revision } from './registry.ts';

/** What was done to a key, as of a revision. */
export interface Touch {
  readonly revision: Revision;
  readonly how: 'deleted' | 'overwritten';
  /** What is there now. */
  readonly entry: RegistryEntry | undefined;
}

/** What an event says of exactly this key. */
export function touchOf(key: string, event: RegistryEvent): Touch | undefined {
  switch (event.type) {
    case 'put':
      return event.entry.key === key ? overwrittenBy(event.entry) : undefined;
    case 'delete':
      return event.key === key ? deletedAt(event.revision) : undefined;
    case 'snapshot': {
      const entry = event.entries.find(found => found.key === key);
      return entry === undefined ? deletedAt(event.revision) : overwrittenBy(entry);
    }
    case 'state':
      return undefined;
  }
}

/**
 * True when what a snapshot says cannot come after the write of revision `written`: the key is as it was before, or is
 * not there although that write is the last there is. The registry is then another one, such as a restored backup.
 */
export function contradicts(touched: Touch | undefined, written: Revision): boolean {
  if (touched === undefined) return false;
  return touched.revision < written || (touched.revision === written && touched.how === 'deleted');
}

function overwrittenBy(entry: RegistryEntry): Touch {
  return { revision: entry.revision, how: 'overwritten', entry };
}

function deletedAt(revision: Revision): Touch {
  return { revision, how: 'deleted', entry: undefined };
}
