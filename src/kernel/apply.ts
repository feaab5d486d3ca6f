/** The thin end: steps become rtnetlink requests, batched, in order; what fails is told, the rest goes on. */
import { WeftError } from '../base/errors.ts';
import { linkChange } from '../state/compare.ts';
import type { Step } from '../state/diff.ts';
import type { KernelObject, LinkName } from '../state/kernel-object.ts';
import { NetlinkError } from '../sys/netlink-error.ts';
import type { NetlinkSocket } from '../sys/netlink-socket.ts';
import type { LinkSpec } from '../wire/link.ts';
import type { LinkKind } from '../wire/link-kind.ts';
import type { NetlinkRequest } from '../wire/netlink.ts';
import type { IfIndex } from '../wire/rtnetlink.ts';
import { addresses } from './addresses.ts';
import { fdb } from './fdb.ts';
import { links } from './links.ts';
import { neighbours } from './neighbours.ts';
import { nextHops } from './next-hops.ts';
import { routes } from './routes.ts';

export interface Applied {
  readonly done: readonly Step[];
  readonly failed: ReadonlyArray<{ readonly step: Step; readonly error: WeftError }>;
  /** Numbers of the devices that were met, as of the end. */
  readonly devices: ReadonlyMap<LinkName, IfIndex>;
}

/**
 * Carries out `steps` in order. Consecutive steps on things that live on links go out in one batch; a link step
 * stands alone, because what follows may need its number.
 */
export async function apply(socket: NetlinkSocket, steps: readonly Step[]): Promise<Applied> {
  const done: Step[] = [];
  const failed: Array<{ step: Step; error: WeftError }> = [];
  const devices = new DeviceNumbers(socket);
  for (const batch of batches(steps)) {
    await devices.learn(batch);
    const missing = await missingForRemake(batch[0], steps, devices);
    if (missing !== undefined) {
      failed.push(...steps.filter(step => !done.includes(step)).map(step => ({ step, error: missing })));
      break;
    }
    const requests = batch.map(step => attempt(() => requestOf(step, devices)));
    const sent = requests.filter((request): request is NetlinkRequest => !(request instanceof WeftError));
    const outcomes = (await socket.requestAll(sent))[Symbol.iterator]();
    for (const [index, step] of batch.entries()) {
      const request = requests[index];
      const outcome = request instanceof WeftError ? undefined : outcomes.next().value;
      if (outcome?.ok === true || isGone(step, outcome?.error)) done.push(step);
      else if (await remakeInstead(socket, step, devices, outcome?.error)) done.push(step);
      else if (await replaceFirst(socket, step, devices, outcome?.error)) done.push(step);
      else failed.push({ step, error: outcome?.error ?? (request as WeftError) });
    }
  }
  return { done, failed, devices: devices.known() };
}

/**
 * A device that is to be made anew is not deleted while what the new one needs is absent, such as an underlay
 * interface that was just renamed: the old one may still carry packets.
 */
async function missingForRemake(
  step: Step | undefined,
  steps: readonly Step[],
  devices: DeviceNumbers,
): Promise<WeftError | undefined> {
  if (step?.verb !== 'delete' || step.object.type !== 'link') return undefined;
  const { name } = step.object.value;
  const successor = steps.find(
    ({ verb, object }) => verb === 'add' && object.type === 'link' && object.value.name === name,
  );
  if (successor === undefined) return undefined;
  await devices.learn([successor]);
  return attempt(
    () =>
      void devicesOf(successor.object)
        .filter(other => other !== name)
        .map(other => devices.of(other)),
  );
}

/** Old kernels refuse to change what newer ones change while it runs: there the device is made anew. */
async function remakeInstead(
  socket: NetlinkSocket,
  { verb, object }: Step,
  devices: DeviceNumbers,
  error: WeftError | undefined,
): Promise<boolean> {
  if (verb !== 'replace' || object.type !== 'link' || !(error instanceof NetlinkError)) return false;
  if (!['EOPNOTSUPP', 'EINVAL'].includes(error.errnoName)) return false;
  const { name } = object.value;
  const requests = attempt(() => [
    links.requests.delete({ name, index: devices.of(name) }),
    links.requests.add(numbered(object.value, devices)),
  ]);
  if (requests instanceof WeftError) return false;
  return (await socket.requestAll(requests)).every(outcome => outcome.ok);
}

/**
 * A route that was put before ours (`ip route prepend`) cannot be replaced by ours while ours is there, behind it
 * (net/ipv4/fib_trie.c fib_table_insert); ours, which nothing takes there, is in the way.
 */
async function replaceFirst(
  socket: NetlinkSocket,
  step: Step,
  devices: DeviceNumbers,
  error: WeftError | undefined,
): Promise<boolean> {
  if (step.verb === 'delete' || step.object.type !== 'route') return false;
  if (!(error instanceof NetlinkError) || error.errnoName !== 'EEXIST') return false;
  const requests = [requestOf({ verb: 'delete', object: step.object }, devices), requestOf(step, devices)];
  return (await socket.requestAll(requests)).at(-1)?.ok === true;
}

/** Groups for one send each: link steps alone, runs of others together. */
function batches(steps: readonly Step[]): Step[][] {
  const groups: Step[][] = [];
  for (const step of steps) {
    const last = groups.at(-1);
    if (last === undefined || step.object.type === 'link' || last[0]?.object.type === 'link')
      groups.push([step]);
    else last.push(step);
  }
  return groups;
}

/** Names to numbers, asked of the kernel before each batch: a device made by an earlier batch is found. */
class DeviceNumbers {
  readonly #socket: NetlinkSocket;
  readonly #numbers = new Map<LinkName, IfIndex | undefined>();

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  async learn(batch: readonly Step[]): Promise<void> {
    if (batch[0]?.object.type === 'link') this.#numbers.clear();
    for (const name of new Set(batch.flatMap(step => devicesOf(step.object)))) {
      if (this.#numbers.get(name) === undefined) {
        this.#numbers.set(name, (await links.get(this.#socket, name))?.index);
      }
    }
  }

  known(): Map<LinkName, IfIndex> {
    const known = [...this.#numbers].filter((entry): entry is [LinkName, IfIndex] => entry[1] !== undefined);
    return new Map(known);
  }

  /** @throws WeftError `device-missing` */
  of(name: LinkName): IfIndex {
    const index = this.#numbers.get(name);
    if (index === undefined) throw new WeftError('device-missing', `there is no network device ${name}`);
    return index;
  }
}

function devicesOf(object: KernelObject): LinkName[] {
  const { value } = object;
  const names: Array<LinkName | undefined> =
    'name' in value
      ? [value.name, value.master, value.kind?.kind === 'vxlan' ? value.kind.dev : undefined]
      : [value.dev];
  return names.filter(name => name !== undefined);
}

/** @throws WeftError `device-missing` */
function requestOf(step: Step, devices: DeviceNumbers): NetlinkRequest {
  const { object } = step;
  // Create or replace, as flannel does: whatever else has taken the place meanwhile, this is what shall be there.
  const verb = step.verb === 'add' ? 'replace' : step.verb;
  switch (object.type) {
    case 'link':
      return linkRequestOf(step, object.value, devices);
    case 'address':
      return addresses.request(verb, { ...object.value, dev: devices.of(object.value.dev) });
    case 'nexthop':
      return nextHops.request(verb, { ...object.value, dev: optional(object.value.dev, devices) });
    case 'fdb':
      return fdb.request(verb, { ...object.value, dev: devices.of(object.value.dev), master: undefined });
    case 'neighbour':
      return neighbours.request(verb, { ...object.value, dev: devices.of(object.value.dev) });
    case 'route':
      return routes.request(verb, {
        ...object.value,
        dev: optional(object.value.dev, devices),
        multipath: undefined,
      });
  }
}

function linkRequestOf(step: Step, link: LinkSpec<LinkName>, devices: DeviceNumbers): NetlinkRequest {
  const { name } = link;
  if (step.verb === 'delete') return links.requests.delete({ name, index: devices.of(name) });
  if (step.verb === 'add') return links.requests.add(numbered(link, devices));
  return links.requests.set(devices.of(name), numbered(linkChange(link, step.differences), devices));
}

function numbered(link: LinkSpec<LinkName>, devices: DeviceNumbers): LinkSpec {
  const kind: LinkKind | undefined =
    link.kind?.kind === 'vxlan' ? { ...link.kind, dev: optional(link.kind.dev, devices) } : link.kind;
  return { ...link, kind, master: optional(link.master, devices) };
}

function optional(name: LinkName | undefined, devices: DeviceNumbers): IfIndex | undefined {
  return name === undefined ? undefined : devices.of(name);
}

/** What shall be deleted and is not there is as good as deleted. */
function isGone(step: Step, error: WeftError | undefined): boolean {
  if (step.verb !== 'delete' || !(error instanceof NetlinkError)) return false;
  return ['ENOENT', 'ESRCH', 'ENODEV', 'EADDRNOTAVAIL'].includes(error.errnoName);
}

function attempt<T>(make: () => T): T | WeftError {
  try {
    return make();
  } catch (error) {
    if (error instanceof WeftError) return error;
    throw error;
  }
}
