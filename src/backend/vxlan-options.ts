import { readOptions } from '../lease/backend-options.ts';
import type { Json } from '../lease/lease.ts';

/** The vxlan backend's options in the network config. */
export interface VxlanOptions {
  readonly vni: number;
  /** UDP destination port. */
  readonly port: number;
  /** MTU of the underlay as assumed, before encapsulation; undefined: the external interface's. */
  readonly underlayMtuBytes: number | undefined;
  readonly gbp: boolean;
  readonly learning: boolean;
  /** Peers on the external interface's own link are reached without the tunnel. */
  readonly directRouting: boolean;
}

/** Linux's own default, from before IANA assigned 4789. Named, so that a device left with another is made anew. */
const defaultPort = 8472;

const windowsOnly = 'it is for Windows';

/** @throws WeftError `config-invalid` */
export function parseVxlanOptions(options: Readonly<Record<string, Json>>): {
  readonly options: VxlanOptions;
  readonly warnings: readonly string[];
} {
  const { values, warnings } = readOptions(options, {
    VNI: { type: 'integer', default: 1, max: 0xffffff },
    Port: { type: 'integer', default: 0, max: 65535 },
    MTU: { type: 'integer', default: 0, max: 65535 },
    GBP: { type: 'boolean', default: false },
    Learning: { type: 'boolean', default: false },
    DirectRouting: { type: 'boolean', default: false },
    MacPrefix: { type: 'ignored', because: windowsOnly },
    Name: { type: 'ignored', because: windowsOnly },
  });
  return {
    options: {
      vni: values.VNI,
      port: values.Port === 0 ? defaultPort : values.Port,
      underlayMtuBytes: values.MTU === 0 ? undefined : values.MTU,
      gbp: values.GBP,
      learning: values.Learning,
      directRouting: values.DirectRouting,
    },
    warnings,
  };
}
