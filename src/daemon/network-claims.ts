/** What a network takes of a host for itself, and when two networks cannot both have it. Nothing here does anything. */
import { createBackend } from '../backend/backends.ts';
import { networksOf } from '../backend/family.ts';
import { WeftError } from '../base/errors.ts';
import { type Prefix, prefixesOverlap } from '../base/prefix.ts';
import { type TunnelClaim, tunnelsOf } from '../host/tunnel-claims.ts';
import type { NetworkConfig } from '../lease/network-config.ts';
import type { LinkName } from '../state/kernel-object.ts';

export interface NetworkClaims {
  /** Path of the network namespace of its devices; undefined: the one that the underlay is in. */
  readonly netns: string | undefined;
  readonly devices: readonly LinkName[];
  readonly prefixes: readonly Prefix[];
  /** On the underlay, which all networks share whatever namespace they are in. */
  readonly tunnels: readonly TunnelClaim[];
}

/** Two networks cannot both have this. */
export interface Clash {
  /** Goes on from "its": `VNI 7 at UDP port 8472 is also that of`. */
  readonly what: string;
  readonly remedy: string;
}

/** @throws WeftError `config-invalid`, `backend-unknown`, `backend-not-supported`, `backend-needs-underlay` */
export function claimsOf(config: NetworkConfig, netns: string | undefined): NetworkClaims {
  const { backend } = createBackend(config);
  if (netns !== undefined && backend.type === 'host-gw') throw needsUnderlay(netns);
  return {
    netns,
    devices: backend.devices,
    prefixes: networksOf(config),
    tunnels: tunnelsOf(backend, config),
  };
}

function needsUnderlay(netns: string): WeftError {
  return new WeftError(
    'backend-needs-underlay',
    `Backend.Type is host-gw, whose routes lead over the underlay, which is not in the network namespace ${netns}`,
    { remedy: 'use vxlan or udp, or leave out @NETNS' },
  );
}

/** Undefined when both can be. */
export function clashOf(one: NetworkClaims, other: NetworkClaims): Clash | undefined {
  return tunnelClash(one, other) ?? (one.netns === other.netns ? clashInside(one, other) : undefined);
}

function tunnelClash(one: NetworkClaims, other: NetworkClaims): Clash | undefined {
  for (const mine of one.tunnels) {
    const theirs = other.tunnels.find(tunnel => tunnel.port === mine.port);
    if (theirs === undefined) continue;
    if (mine.type === 'udp' || theirs.type === 'udp') {
      return {
        what: `UDP port ${mine.port} is also that of`,
        remedy: 'give one of them another Backend.Port',
      };
    }
    if (mine.vni === theirs.vni) {
      return {
        what: `VNI ${mine.vni} at UDP port ${mine.port} is also that of`,
        remedy: 'give one of them another Backend.VNI',
      };
    }
    // The kernel opens one socket for a port, with one set of extensions (drivers/net/vxlan vxlan_find_sock).
    if (mine.gbp !== theirs.gbp) {
      const what = `UDP port ${mine.port}, with Backend.GBP ${mine.gbp ? 'on' : 'off'}, is otherwise that of`;
      return { what, remedy: 'give both the same Backend.GBP, or one of them another Backend.Port' };
    }
  }
  return undefined;
}

function clashInside(one: NetworkClaims, other: NetworkClaims): Clash | undefined {
  const device = one.devices.find(name => other.devices.includes(name));
  if (device !== undefined) {
    const vni = /^flannel(?:-v6)?\./.test(device) ? 'give one of them another Backend.VNI, or ' : '';
    return { what: `device ${device} is also that of`, remedy: vni + apart };
  }
  for (const mine of one.prefixes) {
    const theirs = other.prefixes.find(prefix => prefixesOverlap(prefix, mine));
    if (theirs !== undefined) return { what: `network ${mine} overlaps ${theirs} of`, remedy: apart };
  }
  return undefined;
}

const apart = 'give each a network namespace of its own: -networks NAME@NETNS';
