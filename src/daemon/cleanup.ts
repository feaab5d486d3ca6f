/**
 * Taking a host out of the network: everything that is ours goes, in an order in which nothing leads to what has
 * gone already, and each act is told as the command line that does the same.
 *
 *     look: devices, lease, subnet.env ─> routes ─> neighbours ─> FDB ─> address ─> device ─> rules ─> lease ─> file
 *
 * What proves the lease ours goes after the lease itself, so that a run that was cut short can be finished by another.
 */
import { describeError, hasCode, WeftError } from '../base/errors.ts';
import { shellWord } from '../base/shell-word.ts';
import { cleanFirewalls } from '../firewall/clean.ts';
import { firewallPrograms, type Programs } from '../firewall/programs.ts';
import { addresses } from '../kernel/addresses.ts';
import { apply } from '../kernel/apply.ts';
import { links } from '../kernel/links.ts';
import type { Subnet } from '../lease/lease.ts';
import type { Registry } from '../registry/registry.ts';
import { stepCommand } from '../state/describe.ts';
import type { NetlinkSocket } from '../sys/netlink-socket.ts';
import { heldUnixNames } from '../sys/unix-name.ts';
import { deviceSteps, isOwnName, type OwnDevice, ownLinks, readDevices } from './cleanup-devices.ts';
import { planSubnetFile, removeFile } from './cleanup-file.ts';
import { findOwnLeases, type LeaseToRemove } from './cleanup-lease.ts';
import { acquireInstanceLock, type InstanceLock, instancePrefix } from './instance-lock.ts';
import { requireCapabilities } from './preflight.ts';

export interface CleanupOptions {
  /** Only these networks' devices; empty: all. */
  readonly vnis: readonly number[];
  readonly subnetFile: string;
  /** Tell what would be done, and do nothing. */
  readonly dryRun: boolean;
  /** Go on although a daemon runs. */
  readonly force: boolean;
  /** Reservations (keys that never expire) to remove as well, as in `10.2.14.0/24`; others of ours stay. */
  readonly reservations: readonly string[];
}

export interface CleanupTools {
  readonly socket: NetlinkSocket;
  /** Where our lease shall be removed too; undefined: no registry is asked. */
  readonly registry: RegistryToClean | undefined;
  /** Takes a command line that was (or, in a dry run, would be) carried out, or a remark that begins with `#`. */
  readonly print: (line: string) => void;
  readonly signal: AbortSignal;
}

export interface RegistryToClean {
  readonly registry: Registry;
  /** The command line that removes a key, for people. */
  deleteCommand(key: string): string;
}

/**
 * Removes what is ours from this network namespace; nothing is there to remove, nothing happens.
 * @throws WeftError `already-running`, `capability-missing`, what the registry says when it cannot be read (nothing
 * is removed then), and `cleanup-incomplete` with all that failed after everything was tried
 */
export async function cleanUp(options: CleanupOptions, tools: CleanupTools): Promise<void> {
  if (!options.dryRun) requireCapabilities();
  const locks = options.dryRun || options.force ? [] : await lockOut(options, tools.socket);
  try {
    const work = new Cleanup(options, tools);
    await work.run();
  } finally {
    for (const lock of locks) lock.close();
  }
}

/** No daemon may run, or start meanwhile: it would make everything anew. */
async function lockOut({ vnis }: CleanupOptions, socket: NetlinkSocket): Promise<InstanceLock[]> {
  const devices = ownLinks(await links.list(socket), vnis).map(link => link.name);
  const running = heldUnixNames(instancePrefix).map(name => name.slice(instancePrefix.length));
  const concerned = running.filter(name => vnis.length === 0 || vnis.some(vni => isOwnName(name, vni)));
  const locks: InstanceLock[] = [];
  try {
    for (const name of new Set([...devices, ...concerned])) locks.push(acquireInstanceLock(name));
    return locks;
  } catch (error) {
    for (const lock of locks) lock.close();
    if (!hasCode(error, 'already-running')) throw error;
    const remedy = `${error.remedy}; -force cleans all the same, but what runs makes it anew`;
    throw new WeftError(error.code, `nothing was removed: ${error.message}`, { cause: error, remedy });
  }
}

class Cleanup {
  readonly #options: CleanupOptions;
  readonly #tools: CleanupTools;
  readonly #failures: string[] = [];
  #lines = 0;

  constructor(options: CleanupOptions, tools: CleanupTools) {
    this.#options = options;
    this.#tools = tools;
  }

  async run(): Promise<void> {
    const { vnis, subnetFile } = this.#options;
    const { socket, registry } = this.#tools;
    const all = await readDevices(socket, ownLinks(await links.list(socket), []));
    const devices = all.filter(({ link }) => vnis.length === 0 || vnis.includes(link.kind.vni));
    const staying = all.filter(device => !devices.includes(device));
    const file = planSubnetFile(subnetFile, staying);
    const leases = registry === undefined ? [] : await this.#findLeases(registry, devices, file.subnet);
    for (const device of devices) await this.#removeDevice(device);
    if (staying.length === 0) await this.#removeRules();
    else
      this.#remark(`firewall rules stay: ${staying.map(({ link }) => link.name).join(', ')} may need them`);
    for (const lease of leases) await this.#removeLease(lease);
    if (file.remark !== '') this.#remark(file.remark);
    for (const path of file.remove) await this.#act(`rm ${shellWord(path)}`, () => removeFile(path));
    if (this.#lines === 0) this.#remark('nothing of ours is here');
    if (this.#failures.length > 0) throw incomplete(this.#failures);
  }

  async #findLeases(
    { registry }: RegistryToClean,
    devices: readonly OwnDevice[],
    subnet: Subnet | undefined,
  ): Promise<readonly LeaseToRemove[]> {
    const { socket, signal } = this.#tools;
    const own = (await addresses.list(socket)).filter(({ scope }) => scope === 'global');
    try {
      const traces = { devices, subnet, addresses: own.map(({ local }) => local) };
      return await findOwnLeases(registry, { ...this.#options, ...traces, signal });
    } catch (error) {
      if (!(error instanceof WeftError)) throw error;
      throw new WeftError(error.code, `nothing was removed: ${error.message}`, {
        cause: error,
        remedy: 'leave out -lease to clean this host alone; the lease ends by itself within 24 hours',
      });
    }
  }

  async #removeDevice(device: OwnDevice): Promise<void> {
    const steps = deviceSteps(device);
    const { done, failed } = this.#options.dryRun
      ? { done: steps, failed: [] }
      : await apply(this.#tools.socket, steps);
    for (const step of done) this.#tell(stepCommand(step));
    for (const { step, error } of failed) this.#fail(stepCommand(step), error);
  }

  async #removeRules(): Promise<void> {
    const { signal } = this.#tools;
    const { failures } = await cleanFirewalls(this.#toldPrograms(firewallPrograms()), { signal });
    for (const failure of failures) this.#fail('the firewall', failure);
  }

  /** The firewall's programs, which tell what they change: what is given to them to read is a change. */
  #toldPrograms(programs: Programs): Programs {
    return {
      has: name => programs.has(name),
      run: async (argv, options) => {
        if (options.input === undefined) return await programs.run(argv, options);
        const said = this.#options.dryRun ? '' : await programs.run(argv, options);
        this.#tell(`${argv.map(shellWord).join(' ')} <<'END'\n${options.input.trimEnd()}\nEND`);
        return said;
      },
    };
  }

  async #removeLease({ key, revision, kept }: LeaseToRemove): Promise<void> {
    const { registry: target, signal } = this.#tools;
    if (target === undefined) return;
    if (kept !== '') return this.#remark(`${key} in ${target.registry.name} stays: ${kept}`);
    await this.#act(target.deleteCommand(key), async () => {
      if (await target.registry.delete(key, { expect: revision, signal })) return;
      throw new WeftError('lease-changed', `${key} was written by somebody else meanwhile, so it stays`);
    });
  }

  async #act(line: string, act: () => void | Promise<void>): Promise<void> {
    try {
      if (!this.#options.dryRun) await act();
      this.#tell(line);
    } catch (error) {
      this.#fail(line, error);
    }
  }

  #tell(line: string): void {
    this.#lines++;
    this.#tools.print(line);
  }

  #remark(text: string): void {
    this.#lines++;
    this.#tools.print(`# ${text}`);
  }

  #fail(what: string, error: unknown): void {
    this.#failures.push(`${what}: ${describeError(error)}`);
  }
}

function incomplete(failures: readonly string[]): WeftError {
  return new WeftError('cleanup-incomplete', `not everything could be removed: ${failures.join('; ')}`, {
    remedy: 'mend what is named, and run it again: what is gone already does no harm',
  });
}
