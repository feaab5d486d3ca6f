import { WeftError } from '../base/errors.ts';
import { type Family, familyOf, type IpAddress, isUnspecified, tryParseIp, unspecified } from '../base/ip.ts';
import { isJsonObject, type JsonObject, knownFields, showJson } from './fields.ts';
import { maxJsonDepth } from './json-text.ts';
import type { Json, Lease, LeaseAttrs } from './lease.ts';

/** The longest text taken for a lease: hundreds of times what any backend publishes. */
export const maxLeaseCharacters = 1 << 16;

/** The fields of a lease in the order flannel writes them. */
const names = ['PublicIP', 'PublicIPv6', 'BackendType', 'BackendData', 'BackendV6Data'] as const;

/** The lease as flannel writes it, byte for byte: Go's field order, Go's escapes, null for no IPv6 address. */
export function formatLeaseAttrs(attrs: LeaseAttrs): string {
  return escapeLikeGo(
    JSON.stringify({
      PublicIP: attrs.publicIp ?? unspecified[4],
      PublicIPv6: attrs.publicIpv6 ?? null,
      BackendType: attrs.backendType === '' ? undefined : attrs.backendType,
      BackendData: attrs.backendData,
      BackendV6Data: attrs.backendV6Data,
    }),
  );
}

/**
 * Reads a lease that anybody may have written, as tolerantly as flannel: keys in any case, unknown ones ignored.
 * What a backend makes of its data is its own business.
 * @throws WeftError `lease-invalid`
 */
export function parseLeaseAttrs(text: string): LeaseAttrs {
  const known = knownFields(parseObject(text), names);
  return {
    publicIp: readIp('PublicIP', 4, known.PublicIP ?? null),
    publicIpv6: readIp('PublicIPv6', 6, known.PublicIPv6 ?? null),
    backendType: readType(known.BackendType ?? ''),
    backendData: known.BackendData,
    backendV6Data: known.BackendV6Data,
  };
}

/**
 * The attributes, with the address that `existing` publishes of a family in which it has a subnet and we have no address
 * now: what peers have made for it stays good for when the address comes back, and is not taken for a mistake.
 */
export function keepAddresses(attrs: LeaseAttrs, { subnet, attrs: existing }: Lease): LeaseAttrs {
  return {
    ...attrs,
    publicIp: attrs.publicIp ?? (subnet.ipv4 && existing.publicIp),
    publicIpv6: attrs.publicIpv6 ?? (subnet.ipv6 && existing.publicIpv6),
  };
}

/** Go's encoding/json escapes what could end a script element, and the two separators JavaScript once stumbled over. */
function escapeLikeGo(json: string): string {
  return json.replace(
    /[<>&\u2028\u2029]/g,
    character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function parseObject(text: string): JsonObject {
  if (text.length > maxLeaseCharacters) {
    throw invalid(`the lease has ${text.length} characters, expected at most ${maxLeaseCharacters}`);
  }
  const value = parseJson(text);
  if (!isJsonObject(value)) throw invalid(`the lease is ${showJson(value)}, expected a JSON object`);
  return value;
}

function parseJson(text: string): Json {
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch (cause) {
    throw invalid(`the lease ${JSON.stringify(text.slice(0, 40))} is not JSON`, cause);
  }
  if (isDeeper(value, maxJsonDepth)) {
    throw invalid(`the lease is nested more than ${maxJsonDepth} levels deep`);
  }
  return value;
}

function isDeeper(value: Json, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  for (const item of Object.values(value)) if (isDeeper(item, levels - 1)) return true;
  return false;
}

function readIp(name: string, family: Family, value: Json): IpAddress | undefined {
  if (value === null) return undefined;
  const address = typeof value === 'string' ? tryParseIp(value) : undefined;
  if (address === undefined || familyOf(address) !== family) {
    throw invalid(`${name}: expected an IPv${family} address, found ${showJson(value)}`);
  }
  return isUnspecified(address) ? undefined : address;
}

function readType(value: Json): string {
  if (typeof value !== 'string') throw invalid(`BackendType: expected a string, found ${showJson(value)}`);
  return value.toLowerCase();
}

function invalid(message: string, cause?: unknown): WeftError {
  return new WeftError('lease-invalid', message, { cause });
}
