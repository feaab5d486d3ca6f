/** Joining the network: config, interface, lease. Whatever the registry cannot tell yet is waited for. */
import { randomBytes } from 'node:crypto';
import type { Backend } from '../backend/backend.ts';
import { createBackend } from '../backend/backends.ts';
import { familiesOf } from '../backend/family.ts';
import type { Clock } from '../base/clock.ts';
import { describeError, hasCode, WeftError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { type Mac, macFromRandom } from '../base/mac.ts';
import type { ChosenInterface, UnderlayView } from '../host/external-interface.ts';
import { formerBackends, leftDevices } from '../host/former-backends.ts';
import { lockNames, locksOf, type Membership } from '../host/membership.ts';
import { readUnderlay } from '../host/read-underlay.ts';
import { underlayFrom } from '../host/underlay-from.ts';
import { deviceState } from '../kernel/device-state.ts';
import { links } from '../kernel/links.ts';
import { hasNextHops } from '../kernel/next-hops.ts';
import { describeSubnet } from '../lease/judge.ts';
import type { Lease, Subnet } from '../lease/lease.ts';
import type { NetworkConfig } from '../lease/network-config.ts';
import { overlapWarnings } from '../lease/network-overlap.ts';
import { parseSubnetEnv } from '../lease/subnet-env.ts';
import type { OwnLease } from '../registry/own-lease.ts';
import type { SubnetManager } from '../registry/subnet-manager.ts';
import type { KernelState } from '../state/kernel-object.ts';
import { readFileIfThere } from '../sys/files.ts';
import { runPostStartup, runPreStartup } from './extension-commands.ts';
import type { InstanceLocks } from './instance-lock.ts';
import { awaitInterface } from './interface-wait.ts';
import type { NetworkPlace } from './network-place.ts';
import type { DaemonOptions } from './options.ts';
import { requireVxlan } from './preflight.ts';

export interface JoinTools {
  readonly place: NetworkPlace;
  readonly manager: SubnetManager;
  readonly log: Log;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly locks: InstanceLocks;
}

/** @throws WeftError what only the operator can mend; everything else is waited for, see {@link patiently} */
export async function joinNetwork(
  options: DaemonOptions,
  tools: JoinTools,
): Promise<{ readonly membership: Membership; readonly own: OwnLease }> {
  const { manager, log, place } = tools;
  const { config, warnings } = await patiently(tools, 'the network config', signal =>
    manager.getConfig({ signal }),
  );
  const { backend, warnings: backendWarnings } = createBackend(config);
  for (const warning of [...warnings, ...backendWarnings]) log.warn({}, warning);
  tools.locks.hold(lockNames(backend, config));
  if (backend.type === 'vxlan') await requireVxlan(tools.place.underlay);
  const read = (): Promise<UnderlayView> => readUnderlay(place.underlay);
  const { chosen, view } = await awaitInterface(options, familiesOf(config), { ...tools, read });
  const { publicIp, publicIpv6, because } = chosen;
  const { external, guarded } = underlayFrom(place.below !== undefined, chosen, view, config);
  log.info(
    { interface: external.name, publicIp, publicIpv6, mtu: external.mtuBytes, because },
    'chose the interface to the underlay',
  );
  for (const oddity of backend.oddities?.(external) ?? []) log.warn({}, oddity);
  for (const { family, why, remedy } of chosen.missing) {
    log.warn({ remedy }, `going without IPv${family} until that changes: ${why}`);
  }
  const { own, existing, observed } = await acquire(options, tools, config, backend, chosen);
  if (backend.carrier?.type === 'commands') {
    await runPostStartup(backend.carrier.commands, { config, lease: own.lease }, tools);
  }
  const around = place.below === undefined ? view : await readUnderlay(place.socket);
  for (const warning of overlapWarnings(config, hostRoutes(around), own.lease.subnet)) log.warn({}, warning);
  const nextHops = (await hasNextHops(place.socket)) ? options.routeNextHops : undefined;
  const host = { config, external, lease: own.lease, nextHops };
  const former = formerBackends({ backend, host }, { existing, observed });
  tools.locks.hold(locksOf({ backend, host, former }));
  return { own, membership: { guarded, backend, chosen, former, host } };
}

async function acquire(
  { subnetFile }: DaemonOptions,
  tools: JoinTools,
  config: NetworkConfig,
  backend: Backend,
  { external, publicIp, publicIpv6 }: ChosenInterface,
): Promise<{ readonly own: OwnLease; readonly existing: Lease | undefined; readonly observed: KernelState }> {
  const { manager, log, place } = tools;
  const previousSubnet = parseSubnetEnv(readFileIfThere(subnetFile) ?? '').subnet;
  const left = leftDevices(await links.list(place.socket));
  const devices = [...backend.devices, ...left];
  const observed = await deviceState(place.socket, devices, place.below);
  const startupOutput =
    backend.carrier?.type === 'commands' ? await runPreStartup(backend.carrier.commands, tools) : undefined;
  const identity = {
    startupOutput,
    external,
    publicIp,
    publicIpv6,
    observed,
    randomMac,
  };
  let found: Lease | undefined;
  const own = await patiently(tools, 'a subnet lease', signal =>
    manager.acquireLease({
      config,
      publicIp,
      publicIpv6,
      previousSubnet,
      signal,
      attrsFor: existing => {
        found = existing;
        return backend.attrs({ ...identity, existing });
      },
    }),
  );
  const { subnet, permanent } = own.lease;
  log.info({ how: own.how, permanent, publicIp }, `leased ${describeSubnet(subnet)}`);
  if (previousSubnet !== undefined && losesAddresses(previousSubnet, subnet)) {
    const change = `the subnet was ${describeSubnet(previousSubnet)} and is now ${describeSubnet(subnet)}`;
    log.warn({ subnetFile }, `${change}: restart Docker, running containers keep addresses of the old one`);
  }
  return { own, existing: found, observed };
}

export function randomMac(): Mac {
  return macFromRandom(randomBytes(6));
}

/** What waiting does not mend. */
const finalCodes = ['subnets-exhausted', 'public-ip-missing', 'public-ip-not-here', 'lease-contended'];
const retryMs = 1000;
const repeatAfterTries = 60;

/** Asks until there is an answer, as flanneld does; says what is waited for, and says it again each minute. */
async function patiently<T>(
  { log, clock, signal }: JoinTools,
  what: string,
  ask: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  let told = '';
  for (let tries = 0; ; tries++) {
    try {
      return await ask(signal);
    } catch (error) {
      if (signal.aborted || finalCodes.some(code => hasCode(error, code))) throw error;
      const message = describeError(error);
      if (message !== told || tries % repeatAfterTries === 0) {
        const { code, remedy } = error instanceof WeftError ? error : { code: undefined, remedy: undefined };
        log.warn({ code, remedy }, `waiting for ${what}: ${message}`);
        told = message;
      }
    }
    await clock.sleep(retryMs, { signal });
  }
}

function hostRoutes({ links: all, routes: table }: UnderlayView): Parameters<typeof overlapWarnings>[1] {
  const names = new Map(all.map(link => [link.index, link.name]));
  return table.map(({ dst, gateway, dev }) => ({
    dst,
    gateway,
    dev: dev === undefined ? undefined : names.get(dev),
  }));
}

/** Not when a family has come. */
function losesAddresses(before: Subnet, now: Subnet): boolean {
  return (
    (before.ipv4 !== undefined && before.ipv4 !== now.ipv4) ||
    (before.ipv6 !== undefined && before.ipv6 !== now.ipv6)
  );
}
