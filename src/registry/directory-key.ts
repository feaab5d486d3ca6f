import { WeftError } from '../base/errors.ts';

/** Where the engine keeps its own files; no key can be spelled so. */
export const ownFolder = '.weft';

/** An operator may add this to a file's name; the engine itself writes without. */
export const jsonSuffix = '.json';

/** Longest file name Linux file systems take (NAME_MAX), with room for {@link jsonSuffix}. */
const maxNameLength = 250;
const maxDepth = 8;

/**
 * The path of a key below the directory: the key itself. Only what is a plain file name everywhere may be a part
 * of a key: letters, digits and `. _ & : @ + = , -`, not beginning with a dot and not ending in `.json`. So no
 * key can leave the directory, hide in it or mean two files.
 * @throws WeftError `key-invalid`
 */
export function pathOfKey(key: string): string {
  if (isKey(key)) return key;
  throw new WeftError(
    'key-invalid',
    `${JSON.stringify(key)} cannot be the key of a file: expected names of letters, digits and ._&:@+=,- separated by /, none beginning with a dot or ending in ${jsonSuffix}`,
  );
}

/** The key of a file below the directory, or undefined when the file's name is no key. */
export function keyOfPath(path: string): string | undefined {
  const key = path.endsWith(jsonSuffix) ? path.slice(0, -jsonSuffix.length) : path;
  return isKey(key) ? key : undefined;
}

function isKey(key: string): boolean {
  const parts = key.split('/');
  return (
    !key.endsWith(jsonSuffix) &&
    parts.length <= maxDepth &&
    parts.every(part => part.length <= maxNameLength && /^[\w&:@+=,-][\w.&:@+=,-]*$/.test(part))
  );
}
