/** The thin end: steps become rtnetlink requests, batched, in order; what fails is told, the rest goes on. */
import { WeftError } from '../base/errors.ts';
import { hostPrefix, prefixFamily } from '../base/prefix.ts';
import { isLiveVxlanField, linkChange } from '../state/compare.ts';
import type { Change, Step } from '../state/diff.ts';
import type { KernelObject, LinkName } from '../state/kernel-object.ts';
import { NetlinkError } from '../sys/netlink-error.ts';
import type { NetlinkSocket } from '../sys/netlink-socket.ts';
import type { LinkSpec } from '../wire/link.ts';
import type { LinkKind } from '../wire/link-kind.ts';
import type { NetlinkRequest } from '../wire/netlink.ts';
import type { IfIndex } from '../wire/rtnetlink.ts';
import { addresses } from './addresses.ts';
import type { Below } from './below.ts';
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
 * @param below where the devices that ours are made on are; ours unless given
 */
export async function apply(
  socket: NetlinkSocket,
  steps: readonly Step[],
  below?: Below | undefined,
): Promise<Applied> {
  const done: Step[] = [];
  const failed: Array<{ step: Step; error: WeftError }> = [];
  const devices = new DeviceNumbers(socket, below);
  for (const batch of batches(steps)) {
    await devices.learn(batch);
    const missing = await missingForRemake(batch[0], steps, devices);
    if (missing !== undefined) {
      failed.push(...steps.filter(step => !done.includes(step)).map(step => ({ step, error: missing })));
      break;
    }
    if (isTunAdd(batch[0])) {
      const error = await addTun(socket, batch[0], devices);
      if (error === undefined) done.push(batch[0]);
      else failed.push({ step: batch[0], error });
      continue;
    }
    const requests = batch.map(step => attempt(() => requestOf(step, devices)));
    const sent = requests.filter((request): request is NetlinkRequest => !(request instanceof WeftError));
    const outcomes = await socketFor(batch, socket, below).requestAll(sent);
    let [position, told] = [0, 0];
    for (const step of batch) {
      const request = requests[position++];
      const outcome = request instanceof WeftError ? undefined : outcomes[told++];
      if (outcome?.ok === true || isGone(step, outcome?.error)) done.push(step);
      else if (await remakeInstead(socket, step, devices, outcome?.error)) done.push(step);
      else if (await replaceFirst(socket, step, devices, outcome?.error)) done.push(step);
      else if (await replaceOnlink(socket, step, devices, outcome?.error)) done.push(step);
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
  return attempt((): undefined => {
    for (const other of devicesOf(successor.object)) if (other !== name) devices.of(other);
    for (const lower of lowerOf(successor.object)) devices.below(lower);
  });
}

/** A device is made from below, where what it is made on is. */
function socketFor(batch: readonly Step[], socket: NetlinkSocket, below: Below | undefined): NetlinkSocket {
  const [first] = batch;
  return first !== undefined && below !== undefined && isMadeBelow(first) ? below.socket : socket;
}

function isMadeBelow({ verb, object }: Change): boolean {
  return verb === 'add' && object.type === 'link' && object.value.kind?.kind === 'vxlan';
}

/**
 * Old kernels refuse to change what newer ones change while it runs: there the device is made anew. Not for anything else,
 * such as an MTU that no device could have here: what works is not given up for it.
 */
async function remakeInstead(
  socket: NetlinkSocket,
  step: Step,
  devices: DeviceNumbers,
  error: WeftError | undefined,
): Promise<boolean> {
  const { verb, object } = step;
  if (verb !== 'replace' || object.type !== 'link' || !(error instanceof NetlinkError)) return false;
  if (!['EOPNOTSUPP', 'EINVAL'].includes(error.errnoName)) return false;
  if (!step.differences.some(({ field }) => isLiveVxlanField(field))) return false;
  const { name } = object.value;
  const requests = attempt(() => ({
    remove: links.requests.delete({ name, index: devices.of(name) }),
    make: links.requests.add(devices.madeBelow(numbered(object.value, devices))),
  }));
  if (requests instanceof WeftError) return false;
  const [removed] = await socket.requestAll([requests.remove]);
  const [made] = await devices.makers.requestAll([requests.make]);
  return removed?.ok === true && made?.ok === true;
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

/**
 * IPv6 takes no onlink gateway to which another route leads over another device (net/ipv6/route.c
 * ip6_route_check_nh_onlink), as it does while the route to be replaced covers its own gateway. A route to the gateway
 * alone, for that moment, opens the new way, and the old one is there until then.
 */
async function replaceOnlink(
  socket: NetlinkSocket,
  { verb, object }: Step,
  devices: DeviceNumbers,
  error: WeftError | undefined,
): Promise<boolean> {
  if (verb === 'delete' || object.type !== 'route' || object.value.onlink !== true) return false;
  const { gateway, dev } = object.value;
  if (gateway === undefined || prefixFamily(object.value.dst) !== 6) return false;
  if (!(error instanceof NetlinkError) || error.errnoName !== 'EINVAL') return false;
  const opening: KernelObject = { type: 'route', value: { dst: hostPrefix(gateway), dev } };
  const steps: Change[] = [
    { verb: 'add', object: opening },
    { verb: 'add', object },
    { verb: 'delete', object: opening },
  ];
  const outcomes = await socket.requestAll(steps.map(step => requestOf(step, devices)));
  return outcomes[1]?.ok === true;
}

type LinkAdd = Step & { readonly verb: 'add'; readonly object: Extract<KernelObject, { type: 'link' }> };

function isTunAdd(step: Step | undefined): step is LinkAdd {
  return step?.verb === 'add' && step.object.type === 'link' && step.object.value.kind?.kind === 'tun';
}

/** No request makes a TUN device: it stands alone, as links do anyway. */
async function addTun(
  socket: NetlinkSocket,
  { object }: LinkAdd,
  devices: DeviceNumbers,
): Promise<WeftError | undefined> {
  try {
    await links.add(socket, numbered(object.value, devices));
    return undefined;
  } catch (error) {
    if (error instanceof WeftError) return error;
    throw error;
  }
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
  readonly #below: Below | undefined;
  readonly #numbers = new Map<LinkName, IfIndex | undefined>();
  readonly #lower = new Map<LinkName, IfIndex | undefined>();

  constructor(socket: NetlinkSocket, below: Below | undefined) {
    this.#socket = socket;
    this.#below = below;
  }

  /** Whence devices are made. */
  get makers(): NetlinkSocket {
    return this.#below?.socket ?? this.#socket;
  }

  async learn(batch: readonly Step[]): Promise<void> {
    if (batch[0]?.object.type === 'link') {
      this.#numbers.clear();
      this.#lower.clear();
    }
    const [names, lower] = [new Set<LinkName>(), new Set<LinkName>()];
    for (const { object } of batch) {
      for (const name of devicesOf(object)) names.add(name);
      for (const name of lowerOf(object)) lower.add(name);
    }
    await learnNumbers(this.#socket, names, this.#numbers);
    await learnNumbers(this.makers, lower, this.#lower);
  }

  /** Made from below, a link has to be told where it shall live. */
  madeBelow(link: LinkSpec): LinkSpec {
    return this.#below === undefined ? link : { ...link, netnsFd: this.#below.netnsFd };
  }

  /** The number below of a device that ours are made on. @throws WeftError `device-missing` */
  below(name: LinkName): IfIndex {
    return found(this.#lower.get(name), name);
  }

  known(): Map<LinkName, IfIndex> {
    const known = [...this.#numbers].filter((entry): entry is [LinkName, IfIndex] => entry[1] !== undefined);
    return new Map(known);
  }

  /** @throws WeftError `device-missing` */
  of(name: LinkName): IfIndex {
    return found(this.#numbers.get(name), name);
  }
}

async function learnNumbers(
  socket: NetlinkSocket,
  names: ReadonlySet<LinkName>,
  numbers: Map<LinkName, IfIndex | undefined>,
): Promise<void> {
  for (const name of names) {
    if (numbers.get(name) === undefined) numbers.set(name, (await links.get(socket, name))?.index);
  }
}

function found(index: IfIndex | undefined, name: LinkName): IfIndex {
  if (index === undefined) throw new WeftError('device-missing', `there is no network device ${name}`);
  return index;
}

function devicesOf({ type, value }: KernelObject): readonly LinkName[] {
  if (type !== 'link') return value.dev === undefined ? none : [value.dev];
  return value.master === undefined ? [value.name] : [value.name, value.master];
}

/** What the object is made on. */
function lowerOf({ type, value }: KernelObject): readonly LinkName[] {
  const dev = type === 'link' && value.kind?.kind === 'vxlan' ? value.kind.dev : undefined;
  return dev === undefined ? none : [dev];
}

const none: readonly LinkName[] = [];

/** @throws WeftError `device-missing` */
function requestOf(step: Change, devices: DeviceNumbers): NetlinkRequest {
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

function linkRequestOf(step: Change, link: LinkSpec<LinkName>, devices: DeviceNumbers): NetlinkRequest {
  const { name } = link;
  if (step.verb === 'delete') return links.requests.delete({ name, index: devices.of(name) });
  if (step.verb === 'add') {
    const spec = numbered(link, devices);
    return links.requests.add(isMadeBelow(step) ? devices.madeBelow(spec) : spec);
  }
  return links.requests.set(devices.of(name), numbered(linkChange(link, step.differences), devices));
}

function numbered(link: LinkSpec<LinkName>, devices: DeviceNumbers): LinkSpec {
  const kind: LinkKind | undefined =
    link.kind?.kind === 'vxlan'
      ? { ...link.kind, dev: link.kind.dev === undefined ? undefined : devices.below(link.kind.dev) }
      : link.kind;
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
