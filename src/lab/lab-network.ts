/** The network that a lab's hosts share, by the backend that carries it. */
import { WeftError } from '../base/errors.ts';
import { nearest } from '../base/nearest.ts';
import type { LabShape } from './lab-plan.ts';

export const labBackends = ['vxlan', 'vxlan-direct', 'host-gw', 'udp'] as const;

/** A backend as the lab names it: with DirectRouting, vxlan is one of its own. */
export type LabBackend = (typeof labBackends)[number];

const options: Readonly<Record<LabBackend, object>> = {
  vxlan: { Type: 'vxlan' },
  'vxlan-direct': { Type: 'vxlan', DirectRouting: true },
  'host-gw': { Type: 'host-gw' },
  udp: { Type: 'udp' },
};

/** The network config, which the lab puts into its registry. */
export function networkConfigOf({ backend, family }: Pick<LabShape, 'backend' | 'family'>): object {
  return {
    ...(family === '6' ? { EnableIPv4: false } : { Network: '10.2.0.0/16' }),
    ...(family === '4' ? {} : { EnableIPv6: true, IPv6Network: 'fd02::/48' }),
    Backend: options[backend],
  };
}

/** Backends that are Weft's or flannel's, and why no lab can be made of them. */
const useless: Readonly<Record<string, string>> = {
  alloc: 'alloc leases subnets and carries no packets: somebody else has to, and in a lab there is nobody',
  extension: 'extension carries packets by commands of yours, of which a lab knows nothing',
};

/**
 * The backend that an operator names.
 * @throws WeftError `usage` that says why there is no lab of it, or which name was meant
 */
export function labBackendNamed(text: string): LabBackend {
  const found = labBackends.find(backend => backend === text);
  if (found !== undefined) return found;
  const near = nearest(text, labBackends);
  const why =
    useless[text] ??
    `a lab has no backend ${JSON.stringify(text)}${near === undefined ? '' : `; did you mean ${near}?`}`;
  throw new WeftError('usage', `--backend: ${why}`, { remedy: `choose one of: ${labBackends.join(', ')}` });
}

/** As people say it: `vxlan with DirectRouting, IPv4 and IPv6`. */
export function networkText({ backend, family }: Pick<LabShape, 'backend' | 'family'>): string {
  const name = backend === 'vxlan-direct' ? 'vxlan with DirectRouting' : backend;
  return `${name}, ${{ 4: 'IPv4', 6: 'IPv6', 46: 'IPv4 and IPv6' }[family]}`;
}
