/** What a VTEP publishes in its lease, so that peers can make its neighbour and FDB entries. */
import { WeftError } from '../base/errors.ts';
import type { Family } from '../base/ip.ts';
import { isMulticastMac, type Mac, parseMac, zeroMac } from '../base/mac.ts';
import type { Json, LeaseAttrs } from '../lease/lease.ts';

/** What a VTEP publishes: `{"VNI":1,"VtepMAC":"0a:1b:2c:3d:4e:5f"}`. */
export interface VtepData {
  /** Undefined in the leases of very old hosts. */
  readonly vni: number | undefined;
  readonly mac: Mac;
}

export function formatVtepData({ vni, mac }: { readonly vni: number; readonly mac: Mac }): Json {
  return { VNI: vni, VtepMAC: mac };
}

/** The VTEP that a lease publishes for `family`; undefined when it publishes none that is usable. */
export function tryVtepData(attrs: LeaseAttrs, family: Family): VtepData | undefined {
  try {
    return vtepDataOf(attrs, family);
  } catch {
    return undefined;
  }
}

/** The VTEP that a lease publishes for `family`. @throws WeftError `backend-data-invalid` */
export function vtepDataOf(attrs: LeaseAttrs, family: Family): VtepData {
  const field = family === 4 ? 'BackendData' : 'BackendV6Data';
  const data = family === 4 ? attrs.backendData : attrs.backendV6Data;
  let vni: Json | undefined;
  let mac: Json | undefined;
  if (isObject(data)) {
    for (const key in data) {
      if (isNamed(key, 'VNI')) vni = data[key];
      else if (isNamed(key, 'VtepMAC')) mac = data[key];
    }
  }
  const invalid = (expected: string): WeftError =>
    new WeftError(
      'backend-data-invalid',
      `${field} ${JSON.stringify(data) ?? 'is missing and'} lacks ${expected}`,
    );
  if (typeof mac !== 'string') throw invalid('a VtepMAC');
  if (vni !== undefined && typeof vni !== 'number') throw invalid('a numeric VNI');
  return { vni, mac: unicastMac(mac) };
}

/** As Go's encoding/json takes a key: in any case. */
function isNamed(key: string, name: string): boolean {
  return key === name || (key.length === name.length && key.toLowerCase() === name.toLowerCase());
}

function unicastMac(text: string): Mac {
  const mac = parseMac(text);
  if (mac !== zeroMac && !isMulticastMac(mac)) return mac;
  throw new WeftError('backend-data-invalid', `VtepMAC ${mac} is no address of a single host`);
}

function isObject(value: Json | undefined): value is { readonly [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
