/**
 * Taking a host out of the network: everything that is ours goes, in an order in which nothing leads to what has
 * gone already, and each act is told as the command line that does the same.
 *
 *     look: devices, direct routes, lease, subnet.env ─> direct routes ─>
 *     of each device: routes ─> neighbours ─> FDB ─> address ─> the device itself ─> rules ─> lease ─> file
 *
 * What proves the lease ours goes after the lease itself, so that a run that was cut short can be finished by another.
 */
import { describeError, hasCode, WeftError } from '../base/errors.ts';
import { shellWord } from '../base/shell-word.ts';
import { controlPath } from '../control/control-path.ts';
import { instancePrefix } from '../control/instance-name.ts';
import { cleanFirewalls } from '../firewall/clean.ts';
import { type Programs, programsIn } from '../firewall/programs.ts';
import { tracesIn } from '../firewall/traces.ts';
import { isOfNetworks, isOwnName, ownLinks } from '../host/own-links.ts';
import { addresses } from '../kernel/addresses.ts';
import { apply } from '../kernel/apply.ts';
import { links } from '../kernel/links.ts';
import type { Subnet } from '../lease/lease.ts';
import type { Registry } from '../registry/registry.ts';
import { stepCommand } from '../state/describe.ts';
import type { Step } from '../state/diff.ts';
import type { LinkName } from '../state/kernel-object.ts';
import type { NetlinkSocket } from '../sys/netlink-socket.ts';
import { inNetns } from '../sys/netns.ts';
import { heldUnixNames } from '../sys/unix-name.ts';
import { everyName, namesOfNetwork } from '../traffic/names.ts';
import type { Route } from '../wire/route.ts';
import { deviceSteps, type OwnDevice, readDevices } from './cleanup-devices.ts';
import {
  isOfSubnet,
  otherNetworksFiles,
  planSubnetFile,
  removeFile,
  type SubnetFilePlan,
} from './cleanup-file.ts';
import { findOwnLeases, type LeaseToRemove } from './cleanup-lease.ts';
import { isWithin, readDirectRoutes, routeSteps } from './cleanup-routes.ts';
import { isStaleSocket } from './control-socket.ts';
import { acquireInstanceLock, type InstanceLock } from './instance-lock.ts';
import { requireCapabilities } from './preflight.ts';

export interface CleanupOptions {
  /** One of several networks of this host, whose rules bear its name; undefined: all that is ours. */
  readonly network?: string | undefined;
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
  /** In the namespace of the devices. */
  readonly socket: NetlinkSocket;
  /** Path of that namespace, and a socket to the underlay; undefined: both are one. */
  readonly elsewhere?: { readonly netns: string; readonly underlay: NetlinkSocket } | undefined;
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
 * Removes what is ours from one network namespace; nothing is there to remove, nothing happens.
 * @throws WeftError `already-running`, `capability-missing`, what the registry says when it cannot be read (nothing
 * is removed then), and `cleanup-incomplete` with all that failed after everything was tried
 */
export async function cleanUp(options: CleanupOptions, tools: CleanupTools): Promise<void> {
  if (!options.dryRun) requireCapabilities();
  const locks = options.dryRun || options.force ? [] : await lockOut(options, tools);
  try {
    const work = new Cleanup(options, tools);
    await work.run();
  } finally {
    for (const lock of locks) lock.close();
  }
}

/** No daemon may run, or start meanwhile: it would make everything anew. */
async function lockOut(options: CleanupOptions, tools: CleanupTools): Promise<InstanceLock[]> {
  const devices = ownLinks(await links.list(tools.socket), options.vnis).map(link => link.name);
  const { elsewhere } = tools;
  return elsewhere === undefined
    ? lockAll(devices, options)
    : inNetns(elsewhere.netns, () => lockAll(devices, options));
}

function lockAll(devices: readonly LinkName[], { vnis }: CleanupOptions): InstanceLock[] {
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
    const { subnetFile, network } = this.#options;
    const { socket, registry } = this.#tools;
    const all = await readDevices(socket, ownLinks(await links.list(socket), []));
    const devices = this.#concerned(all);
    const staying = all.filter(device => !devices.includes(device));
    const file = planSubnetFile(subnetFile, staying);
    const direct = await this.#directRoutes(all, file);
    const leases = registry === undefined ? [] : await this.#findLeases(registry, devices, file.subnet);
    await this.#take(routeSteps(direct.going));
    for (const device of devices) await this.#take(deviceSteps(device));
    this.#remarkRoutes(direct.staying);
    const users = [...staying.map(({ link }) => link.name), ...direct.staying.map(({ dst }) => dst)];
    if (users.length === 0 || network !== undefined) await this.#removeRules();
    else this.#remark(`firewall rules stay: ${shortList(users)} may need them`);
    for (const lease of leases) await this.#removeLease(lease);
    if (file.remark !== '') this.#remark(file.remark);
    for (const path of file.remove) await this.#act(`rm ${shellWord(path)}`, () => removeFile(path));
    if (file.remark === '') await this.#removeSocket(controlPath(subnetFile));
    for (const path of network === undefined ? otherNetworksFiles(subnetFile) : []) {
      this.#remark(`${path} stays: -subnet-file ${shellWord(path)} removes it`);
    }
    if (this.#lines === 0) this.#remark('nothing of ours is here');
    if (this.#failures.length > 0) throw incomplete(this.#failures);
  }

  /** Beside other networks those that have the address which the subnet file tells. */
  #concerned(all: readonly OwnDevice[]): OwnDevice[] {
    const { vnis, subnetFile, network } = this.#options;
    const chosen = all.filter(({ link }) => isOfNetworks(link, vnis));
    if (network === undefined || this.#tools.elsewhere !== undefined) return chosen;
    const { subnet } = planSubnetFile(subnetFile, []);
    return subnet === undefined ? [] : chosen.filter(device => isOfSubnet(device, subnet));
  }

  async #findLeases(
    { registry }: RegistryToClean,
    devices: readonly OwnDevice[],
    subnet: Subnet | undefined,
  ): Promise<readonly LeaseToRemove[]> {
    const { socket, elsewhere, signal } = this.#tools;
    const own = (await addresses.list(elsewhere?.underlay ?? socket)).filter(
      ({ scope }) => scope === 'global',
    );
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

  /**
   * With -vni only what lies in the network of those devices, which subnet.env tells: nothing else says of which
   * network a route without a tunnel is.
   */
  async #directRoutes(
    all: readonly OwnDevice[],
    { subnet, networks }: SubnetFilePlan,
  ): Promise<DirectRoutes> {
    const { vnis } = this.#options;
    const found = await readDirectRoutes(
      this.#tools.socket,
      all.map(({ link }) => link.name),
    );
    const isTheirs =
      subnet !== undefined &&
      all.some(device => isOfNetworks(device.link, vnis) && isOfSubnet(device, subnet));
    const goes = (route: Route<LinkName>): boolean =>
      vnis.length === 0 || (isTheirs && isWithin(route, networks));
    return { going: found.filter(goes), staying: found.filter(route => !goes(route)) };
  }

  #remarkRoutes(staying: ReadonlyArray<Route<LinkName>>): void {
    if (staying.length === 0) return;
    const routes = shortList(staying.map(({ dst }) => dst));
    this.#remark(`routes without a tunnel stay, to ${routes}: they may be of another network`);
  }

  async #take(steps: readonly Step[]): Promise<void> {
    const { done, failed } = this.#options.dryRun
      ? { done: steps, failed: [] }
      : await apply(this.#tools.socket, steps);
    for (const step of done) this.#tell(this.#enter + stepCommand(step));
    for (const { step, error } of failed) this.#fail(stepCommand(step), error);
  }

  async #removeRules(): Promise<void> {
    const { signal, elsewhere } = this.#tools;
    const { network } = this.#options;
    const names = network === undefined ? everyName : namesOfNetwork(network);
    for (const netns of elsewhere === undefined ? [undefined] : [elsewhere.netns, undefined]) {
      const programs = this.#toldPrograms(programsIn(netns), enterText(netns));
      const { failures } = await cleanFirewalls(programs, { signal }, tracesIn(netns, names), names);
      for (const failure of failures) this.#fail('the firewall', failure);
    }
  }

  /** What to put before a command so that it acts in the namespace of the devices. */
  get #enter(): string {
    return enterText(this.#tools.elsewhere?.netns);
  }

  /** The firewall's programs, which tell what they change: what is given to them to read is a change. */
  #toldPrograms(programs: Programs, enter: string): Programs {
    return {
      has: name => programs.has(name),
      run: async (argv, options) => {
        if (options.input === undefined) return await programs.run(argv, options);
        const said = this.#options.dryRun ? '' : await programs.run(argv, options);
        this.#tell(`${enter}${argv.map(shellWord).join(' ')} <<'END'\n${options.input.trimEnd()}\nEND`);
        return said;
      },
    };
  }

  /** That of a daemon which was killed; one that lives (-force) removes its own. */
  async #removeSocket(file: string): Promise<void> {
    if (await isStaleSocket(file)) await this.#act(`rm ${shellWord(file)}`, () => removeFile(file));
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

function enterText(netns: string | undefined): string {
  return netns === undefined ? '' : `nsenter --net=${shellWord(netns)} `;
}

interface DirectRoutes {
  readonly going: ReadonlyArray<Route<LinkName>>;
  readonly staying: ReadonlyArray<Route<LinkName>>;
}

const listed = 5;

function shortList(names: readonly string[]): string {
  const more = names.length - listed;
  return names.slice(0, listed).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

function incomplete(failures: readonly string[]): WeftError {
  return new WeftError('cleanup-incomplete', `not everything could be removed: ${failures.join('; ')}`, {
    remedy: 'mend what is named, and run it again: what is gone already does no harm',
  });
}
