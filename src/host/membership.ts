/** This host as a member of the network, and how it changes while it lives. Nothing here does anything. */
import type { Backend, ExternalInterface, Host, PeerPlan } from '../backend/backend.ts';
import { createBackend } from '../backend/backends.ts';
import { networksOf } from '../backend/family.ts';
import { hasCode, WeftError } from '../base/errors.ts';
import type { Mac } from '../base/mac.ts';
import { fitsConfig } from '../lease/allocation.ts';
import { describeSubnet } from '../lease/judge.ts';
import type { Lease } from '../lease/lease.ts';
import { keepAddresses } from '../lease/lease-attrs.ts';
import type { NetworkConfig } from '../lease/network-config.ts';
import { type KernelObject, type LinkName, stateOf } from '../state/kernel-object.ts';
import type { ChosenInterface } from './external-interface.ts';
import type { Guarded } from './peer-table.ts';

export interface Membership {
  readonly backend: Backend;
  readonly host: Host;
  /** Backends that the network had before, by which peers are reached that have not changed yet. */
  readonly former: readonly Former[];
  readonly chosen: ChosenInterface;
  /** What no peer's route may take over. */
  readonly guarded: readonly Guarded[];
}

/** A backend that goes when no peer uses it any more, with the host as it publishes itself by it. */
export interface Former {
  readonly backend: Backend;
  readonly host: Host;
}

/** The backends in use, ours first. */
export function backendsOf({
  backend,
  host,
  former,
}: Pick<Membership, 'backend' | 'host' | 'former'>): Former[] {
  return [{ backend, host }, ...former];
}

/** The objects of this host alone, of all backends in use. */
export function planHost(membership: Pick<Membership, 'backend' | 'host' | 'former'>): KernelObject[] {
  return backendsOf(membership).flatMap(({ backend, host }) => backend.planHost(host));
}

/** Devices of all backends in use. */
export function devicesOf(membership: Pick<Membership, 'backend' | 'host' | 'former'>): LinkName[] {
  return [...new Set(backendsOf(membership).flatMap(({ backend }) => backend.devices))];
}

/** What two daemons would fight over: the devices, or without any the network itself. */
export function lockNames({ devices, type }: Backend, config: NetworkConfig): readonly string[] {
  return devices.length > 0 ? devices : [`${type} ${networksOf(config).join(' ')}`];
}

export function locksOf(membership: Pick<Membership, 'backend' | 'host' | 'former'>): string[] {
  return backendsOf(membership).flatMap(({ backend, host }) => lockNames(backend, host.config));
}

/** What leads to a peer: by our backend, or by a former one as long as the peer publishes that. */
export function planPeer(
  membership: Pick<Membership, 'backend' | 'host' | 'former'>,
  lease: Lease,
): { readonly backend: Backend; readonly plan: PeerPlan } {
  const { backend, host, former } = membership;
  const of = backend.speaks(lease.attrs)
    ? undefined
    : former.find(other => other.backend.speaks(lease.attrs));
  const { backend: speaker, host: self } = of ?? { backend, host };
  return { backend: speaker, plan: speaker.planPeer(self, lease) };
}

/** Does a backend in use know what to do with this lease? */
export function speaks(
  membership: Pick<Membership, 'backend' | 'host' | 'former'>,
  { attrs }: Lease,
): boolean {
  return backendsOf(membership).some(({ backend }) => backend.speaks(attrs));
}

/** The membership without those former backends that none of these peers uses. */
export function withoutUnused(membership: Membership, peers: readonly Lease[]): Membership {
  const { backend, former } = membership;
  const others = peers.filter(({ attrs }) => !backend.speaks(attrs));
  const used = former.filter(one => others.some(({ attrs }) => one.backend.speaks(attrs)));
  return used.length === former.length ? membership : { ...membership, former: used };
}

/**
 * The membership over another underlay: the same subnet and MAC, published with the new address.
 * @throws WeftError `public-ip-not-here`
 */
export function overUnderlay(
  membership: Membership,
  {
    external,
    ...underlay
  }: {
    readonly chosen: ChosenInterface;
    readonly guarded: readonly Guarded[];
    /** The chosen one as our devices see it. */
    readonly external: ExternalInterface;
  },
  randomMac: () => Mac,
): Membership {
  const { backend, host } = membership;
  const former = membership.former.map(one => ({ ...one, host: { ...one.host, external } }));
  return published({ ...underlay, former, backend, host: { ...host, external } }, randomMac);
}

/**
 * The membership under another config, as far as that can change while containers hold addresses.
 * @throws WeftError `config-needs-restart` for what cannot, `backend-unknown`, `backend-not-supported`, `config-invalid`
 */
export function underConfig(
  membership: Membership,
  config: NetworkConfig,
  randomMac: () => Mac,
): { readonly membership: Membership; readonly warnings: readonly string[] } {
  const { host } = membership;
  const { backend, warnings } = createBackend(config);
  if ([membership.backend, backend].some(({ carrier }) => carrier?.type === 'commands')) {
    throw needsRestart('Backend.Type is or was extension, whose commands run when weft starts');
  }
  for (const key of ['enableIpv4', 'enableIpv6'] as const) {
    if (config[key] !== host.config[key])
      throw needsRestart(`${key === 'enableIpv4' ? 'EnableIPv4' : 'EnableIPv6'} changed`);
  }
  if (!fitsConfig(config, host.lease.subnet)) {
    throw needsRestart(
      `our subnet ${describeSubnet(host.lease.subnet)}, whose addresses containers hold, does not fit it`,
    );
  }
  // What a peer still publishes as we did, only the backend of before can use.
  const all = backendsOf(membership);
  const former = all.filter(one => !backend.speaks(one.host.lease.attrs));
  const lease = all.find(one => backend.speaks(one.host.lease.attrs))?.host.lease ?? host.lease;
  const next = { ...membership, backend, former, host: { ...host, lease, config } };
  return { membership: published(next, randomMac), warnings };
}

/** True when what peers read of us differs. */
export function publishesOtherwise(one: Membership, other: Membership): boolean {
  return JSON.stringify(one.host.lease.attrs) !== JSON.stringify(other.host.lease.attrs);
}

/** The lease's attributes follow from everything else; the identity, such as the VTEP's MAC, is kept. */
function published(membership: Membership, randomMac: () => Mac): Membership {
  const { backend, host, chosen } = membership;
  const { external, publicIp, publicIpv6 } = chosen;
  const observed = stateOf([]);
  const attrs = backend.attrs({ external, publicIp, publicIpv6, existing: host.lease, observed, randomMac });
  return {
    ...membership,
    host: { ...host, lease: { ...host.lease, attrs: keepAddresses(attrs, host.lease) } },
  };
}

function needsRestart(why: string): WeftError {
  return new WeftError('config-needs-restart', `the new network config cannot be taken over live: ${why}`, {
    remedy: 'put the old config back, or restart weft and Docker on each host',
  });
}

/** True for a config that this host goes on without. */
export function isRefusal(error: unknown): error is WeftError {
  const codes = [
    'config-needs-restart',
    'config-invalid',
    'backend-unknown',
    'backend-not-supported',
    'already-running',
    'public-ip-not-here',
  ];
  return codes.some(code => hasCode(error, code));
}
