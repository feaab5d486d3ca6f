/** This host as a member of the network, and how it changes while it lives. Nothing here does anything. */
import type { Backend, Host } from '../backend/backend.ts';
import { createBackend } from '../backend/backends.ts';
import { hasCode, WeftError } from '../base/errors.ts';
import type { Mac } from '../base/mac.ts';
import { fitsConfig } from '../lease/allocation.ts';
import { describeSubnet } from '../lease/judge.ts';
import type { NetworkConfig } from '../lease/network-config.ts';
import { stateOf } from '../state/kernel-object.ts';
import type { ChosenInterface } from './external-interface.ts';
import type { Guarded } from './peer-table.ts';

export interface Membership {
  readonly backend: Backend;
  readonly host: Host;
  readonly chosen: ChosenInterface;
  /** What no peer's route may take over. */
  readonly guarded: readonly Guarded[];
}

/** The membership over another underlay: the same subnet and MAC, published with the new address. */
export function overUnderlay(
  { backend, host }: Membership,
  underlay: { readonly chosen: ChosenInterface; readonly guarded: readonly Guarded[] },
  randomMac: () => Mac,
): Membership {
  const { external } = underlay.chosen;
  return published({ ...underlay, backend, host: { ...host, external } }, randomMac);
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
  if (backend.type !== membership.backend.type) {
    throw needsRestart(`Backend.Type changed from ${membership.backend.type} to ${backend.type}`);
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
  const next = { ...membership, backend, host: { ...host, config } };
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
  return { ...membership, host: { ...host, lease: { ...host.lease, attrs } } };
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
  ];
  return codes.some(code => hasCode(error, code));
}
