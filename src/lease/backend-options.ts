import { WeftError } from '../base/errors.ts';
import {
  type FieldSpecs,
  type FieldValues,
  foldFields,
  isJsonObject,
  type JsonObject,
  readFields,
  showJson,
} from './fields.ts';
import type { Json } from './lease.ts';

/** How the hosts reach each other. */
export interface BackendConfig {
  /** Lower case, never empty. Whether there is such a backend is not known here. */
  readonly type: string;
  /** What stands beside `Type`, unread: each backend knows its own options. */
  readonly options: Readonly<Record<string, Json>>;
  /** False when there is no `Backend` at all, which means udp, as in flannel. */
  readonly declared: boolean;
}

/**
 * Reads a backend's options by its table of keys, as Go would: keys in any case, null for the default.
 *
 * @example
 * readOptions(config.backend.options, {
 *   VNI: { type: 'integer', default: 1, min: 1, max: 0xffffff },
 *   Learning: { type: 'boolean', default: false },
 *   MacPrefix: { type: 'ignored', because: 'it is for Windows' },
 * })
 * @throws WeftError `config-invalid` for a value of the wrong type or outside its bounds
 */
export function readOptions<const T extends FieldSpecs>(
  options: JsonObject,
  spec: T,
): { readonly values: FieldValues<T>; readonly warnings: readonly string[] } {
  const own = Object.entries(options).filter(([key]) => key.toLowerCase() !== 'type');
  return readFields(Object.fromEntries(own), spec, 'Backend');
}

/**
 * The value of the configuration's `Backend` key, undefined when there is none.
 * @throws WeftError `config-invalid`
 */
export function parseBackend(value: Json | undefined): BackendConfig {
  if (value === undefined) return { type: 'udp', options: {}, declared: false };
  const remedy = 'write "Backend": {"Type": "vxlan"}';
  if (value !== null && !isJsonObject(value)) {
    throw new WeftError(
      'config-invalid',
      `error decoding Backend property of config: expected an object, found ${showJson(value)}`,
      { remedy },
    );
  }
  const { known, others } = foldFields(value ?? {}, ['Type']);
  const type = known.get('Type') ?? '';
  if (typeof type !== 'string') {
    throw new WeftError(
      'config-invalid',
      `error decoding Backend property of config: expected Type to be a string, found ${showJson(type)}`,
      { remedy },
    );
  }
  if (type === '') {
    throw new WeftError('config-invalid', 'Backend has no Type: the backend type "" is unknown', { remedy });
  }
  return { type: type.toLowerCase(), options: Object.fromEntries(others), declared: true };
}

/** Says so when the backend is only udp because nothing was said. */
export function backendWarnings(backend: BackendConfig): string[] {
  if (backend.declared) return [];
  return [
    'there is no Backend: that means udp, as in flannel; most networks want "Backend": {"Type": "vxlan"}, which is faster',
  ];
}
