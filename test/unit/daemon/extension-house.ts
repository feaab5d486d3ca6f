/** Peers, commands and a log that is remembered, for the tests of the extension backend's commands. */
import type { Backend, ExtensionCommands } from '../../../src/backend/backend.ts';
import { createExtension } from '../../../src/backend/extension.ts';
import type { Log } from '../../../src/base/log.ts';
import type { CarriedPeer } from '../../../src/host/carried-peer.ts';
import { configOf, peer as leaseOf } from '../backend/hosts.ts';

export function commandsOf(options: object): ExtensionCommands {
  const { carrier } = backendOf(options);
  if (carrier?.type !== 'commands') throw new Error('no commands');
  return carrier.commands;
}

export function backendOf(options: object = {}): Backend {
  return createExtension(configOf({ Type: 'extension', ...options })).backend;
}

export function carried(number: number, backendData?: string, more: object = {}): CarriedPeer {
  const attrs = {
    PublicIP: `192.0.2.${number}`,
    BackendType: 'extension',
    BackendData: backendData,
    ...more,
  };
  const lease = leaseOf(number, attrs, 'PublicIPv6' in more ? '46' : '4');
  const routed = [lease.subnet.ipv4, lease.subnet.ipv6].filter(prefix => prefix !== undefined);
  return { lease, routed, objects: [], backend: backendOf() };
}

export interface Told {
  readonly level: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

export function rememberingLog(): Log & { readonly told: Told[] } {
  const told: Told[] = [];
  const keep =
    (level: string) =>
    (fields: object, message: string): void =>
      void told.push({ level, fields: { ...fields }, message });
  return { told, debug: keep('debug'), info: keep('info'), warn: keep('warn'), error: keep('error') };
}
