import { readFileSync } from 'node:fs';

/** Capability numbers (include/uapi/linux/capability.h). */
export const capabilities = { CAP_NET_ADMIN: 12, CAP_NET_RAW: 13, CAP_SYS_ADMIN: 21 } as const;

/** True when the process's effective set has the capability, as seen in its own user namespace. */
export function hasCapability(name: keyof typeof capabilities): boolean {
  const line = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'));
  return ((BigInt(`0x${line?.[1] ?? '0'}`) >> BigInt(capabilities[name])) & 1n) === 1n;
}
