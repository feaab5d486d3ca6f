/** One family's view of a host, so that planners have no IPv4 and IPv6 twins. */
import { WeftError } from '../base/errors.ts';
import type { Family, IpAddress } from '../base/ip.ts';
import { isMulticastMac, type Mac, parseMac, zeroMac } from '../base/mac.ts';
import type { Prefix } from '../base/prefix.ts';
import type { Json, Lease, LeaseAttrs, Subnet } from '../lease/lease.ts';
import type { NetworkConfig } from '../lease/network-config.ts';
import type { ExternalInterface } from './backend.ts';

export function familiesOf(config: NetworkConfig): Family[] {
  return [...(config.enableIpv4 ? ([4] as const) : []), ...(config.enableIpv6 ? ([6] as const) : [])];
}

export function networkOf(config: NetworkConfig, family: Family): Prefix | undefined {
  return family === 4 ? config.network : config.ipv6Network;
}

export function subnetOf(subnet: Subnet, family: Family): Prefix | undefined {
  return family === 4 ? subnet.ipv4 : subnet.ipv6;
}

export function publicIpOf(attrs: LeaseAttrs, family: Family): IpAddress | undefined {
  return family === 4 ? attrs.publicIp : attrs.publicIpv6;
}

export function addressOf(external: ExternalInterface, family: Family): IpAddress | undefined {
  return family === 4 ? external.ipv4 : external.ipv6;
}

/** What a VTEP publishes: `{"VNI":1,"VtepMAC":"0a:1b:2c:3d:4e:5f"}`. */
export interface VtepData {
  /** Undefined in the leases of very old hosts. */
  readonly vni: number | undefined;
  readonly mac: Mac;
}

export function formatVtepData({ vni, mac }: { readonly vni: number; readonly mac: Mac }): Json {
  return { VNI: vni, VtepMAC: mac };
}

/** The VTEP that a lease publishes for `family`. @throws WeftError `backend-data-invalid` */
export function vtepDataOf({ attrs }: Lease, family: Family): VtepData {
  const field = family === 4 ? 'BackendData' : 'BackendV6Data';
  const data = family === 4 ? attrs.backendData : attrs.backendV6Data;
  const fields = new Map(
    Object.entries(isObject(data) ? data : {}).map(([key, value]) => [key.toLowerCase(), value]),
  );
  const vni = fields.get('vni');
  const mac = fields.get('vtepmac');
  const invalid = (expected: string): WeftError =>
    new WeftError(
      'backend-data-invalid',
      `${field} ${JSON.stringify(data) ?? 'is missing and'} lacks ${expected}`,
    );
  if (typeof mac !== 'string') throw invalid('a VtepMAC');
  if (vni !== undefined && typeof vni !== 'number') throw invalid('a numeric VNI');
  return { vni, mac: unicastMac(mac) };
}

function unicastMac(text: string): Mac {
  const mac = parseMac(text);
  if (mac !== zeroMac && !isMulticastMac(mac)) return mac;
  throw new WeftError('backend-data-invalid', `VtepMAC ${mac} is no address of a single host`);
}

function isObject(value: Json | undefined): value is { readonly [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
