/**
 * What the kernel holds of ours, as far as we know: from the last snapshot, from what we wrote since, and from what
 * the monitor told. A notice that contradicts the wish makes one key dirty; what a notice cannot tell (a device that
 * came, went or was down took other things with it) makes everything stale.
 */
import type { KernelEvent, MonitoredObject } from '../kernel/monitor.ts';
import { modelOf, type Snapshot } from '../kernel/snapshot.ts';
import { compare } from '../state/compare.ts';
import type { Step } from '../state/diff.ts';
import { deviceOf, type KernelObject, keyOf, type LinkName, type ObjectKey } from '../state/kernel-object.ts';
import type { StateBook } from '../state/state-book.ts';
import type { Link } from '../wire/link.ts';
import type { IfIndex } from '../wire/rtnetlink.ts';

/** What a notice means for the one who keeps the kernel right. */
export type Consequence =
  | { readonly type: 'nothing' }
  /** This object is not as wanted. */
  | { readonly type: 'dirty'; readonly key: ObjectKey }
  /** More may have changed than the notice tells: take a snapshot. `key` is what it was about, if that is known. */
  | { readonly type: 'stale'; readonly key: ObjectKey | undefined };

export interface MirrorOptions {
  /** By which steps are taken. */
  readonly socket?: { readonly port: number } | undefined;
  /** Devices of ours. */
  readonly devices: readonly LinkName[];
  /** Devices that ours need: when one comes, ours may be made again. */
  readonly needs: readonly LinkName[];
  /** Devices of others on which routes of ours lie, which go with the device's addresses, or when it is set down. */
  readonly borrowed: readonly LinkName[];
  owns(object: KernelObject): boolean;
}

const nothing: Consequence = { type: 'nothing' };

/** What of a link can change without anything else being lost that no notice tells of. */
const harmless: ReadonlySet<string> = new Set(['mac', 'mtuBytes', 'txQueueLength', 'learning']);

export class KernelMirror {
  readonly #options: MirrorOptions;
  readonly #book: StateBook;
  readonly #names = new Map<IfIndex, LinkName>();
  /** Of the namespace that our devices are made from, when that is another. */
  #namesBelow: Map<IfIndex, LinkName> | undefined;
  /** Which devices of others, by number, were seen up or down. */
  readonly #up = new Map<IfIndex, boolean>();
  /** Numbers of our devices, whatever they are called now. */
  readonly #ours = new Map<LinkName, IfIndex>();

  /** @param book what is wished, which comes and goes with the plan, beside what is believed to be there */
  constructor(options: MirrorOptions, book: StateBook) {
    this.#options = options;
    this.#book = book;
  }

  /** Is there a device of this name to make ours on? */
  hasLower(name: LinkName): boolean {
    return [...(this.#namesBelow ?? this.#names).values()].includes(name);
  }

  /** The device of ours that has, or last had, this name. */
  indexOf(name: LinkName): IfIndex | undefined {
    return this.#ours.get(name);
  }

  /** Takes a snapshot for all there is. */
  take({ state, links, below }: Snapshot): void {
    this.#book.seeAll(state, object => this.#options.owns(object));
    this.#names.clear();
    this.#namesBelow =
      below && new Map([...below.values()].map(({ index, name }): [IfIndex, LinkName] => [index, name]));
    for (const link of links.values()) {
      this.#name(link);
      this.#sawUp('present', link);
    }
  }

  /** Takes the numbers of devices, as the kernel has them now. */
  name(devices: ReadonlyMap<LinkName, IfIndex>): void {
    for (const [name, index] of devices) this.#name({ name, index });
  }

  /** Takes a step of ours that the kernel has carried out. True when it took other things along unseen. */
  learn({ verb, key, object }: Step): boolean {
    this.#book.see(key, verb === 'delete' ? undefined : object);
    if (object.type !== 'link') return false;
    const { name } = object.value;
    if (verb === 'delete') this.#forgetDevice(name);
    // A new MAC flushes the device's neighbours, going down its routes; and what is made has a number, to know it by.
    return verb === 'replace' || (verb === 'add' && !this.#isNamed(name));
  }

  /** Takes a notice of the kernel's monitor. */
  notice(event: KernelEvent): Consequence {
    if (event.type === 'overrun') return { type: 'stale', key: undefined };
    if (event.object.type === 'link') return this.#noticeLink(event.type, event.object.value);
    if (this.#isOwnRemoval(event)) return nothing;
    return this.#noticeObject(event.type, event.object);
  }

  /** Takes a notice of the monitor of the namespace below: what ours are made on came, went, or has another name. */
  noticeBelow(event: KernelEvent): Consequence {
    if (event.type === 'overrun') return { type: 'stale', key: undefined };
    const names = this.#namesBelow;
    if (event.object.type !== 'link' || names === undefined) return nothing;
    const { index, name } = event.object.value;
    const known = names.get(index);
    if (event.type === 'gone') names.delete(index);
    else names.set(index, name);
    if (event.type === 'present' && known === name) return nothing;
    const concerned = [known, name].some(one => one !== undefined && this.#options.needs.includes(one));
    return concerned ? { type: 'stale', key: undefined } : nothing;
  }

  #noticeLink(type: 'present' | 'gone', link: Link): Consequence {
    const { devices } = this.#options;
    const needs = this.#namesBelow === undefined ? this.#options.needs : [];
    const known = this.#names.get(link.index);
    if (type === 'gone') this.#names.delete(link.index);
    else this.#name(link);
    const renamed = known !== undefined && known !== link.name;
    const object = this.#modelOf({ type: 'link', value: link });
    const key = keyOf(object);
    const stale: Consequence = { type: 'stale', key };
    const wentUpOrDown = this.#sawUp(type, link);
    if (needs.includes(link.name) || this.#options.borrowed.includes(link.name)) {
      return known === undefined || type === 'gone' || renamed || wentUpOrDown ? stale : nothing;
    }
    if (!devices.includes(link.name) && !(renamed && devices.includes(known))) return nothing;
    if (type === 'gone' || renamed) return stale;
    const wish = this.#book.desired.get(key);
    if (wish === undefined) return stale;
    const wrong = compare(wish, object);
    if (known === undefined || !wrong.every(({ field }) => harmless.has(field)))
      return wrong.length === 0 ? nothing : stale;
    this.#book.see(key, object);
    return wrong.length === 0 ? nothing : { type: 'dirty', key };
  }

  #noticeObject(type: 'present' | 'gone', seen: MonitoredObject): Consequence {
    const object = this.#modelOf(seen);
    const key = keyOf(object);
    const { owns } = this.#options;
    const wish = this.#book.desired.get(key);
    const tookRoutes = type === 'gone' && object.type === 'address' && this.#isBorrowed(object);
    if (tookRoutes) return { type: 'stale', key: undefined };
    if (wish === undefined && (!this.#onOurDevice(object) || !owns(object))) return nothing;
    if (type === 'present') {
      this.#book.see(key, object);
      return this.#book.differs(key) ? { type: 'dirty', key } : nothing;
    }
    const before = this.#book.actual(key);
    // Another object of the same key may have gone, such as a second route to one destination.
    if (before !== undefined && compare(before, object).length > 0) return nothing;
    this.#book.see(key, undefined);
    if (wish === undefined) return nothing;
    return { type: takesRoutesAlong(object) ? 'stale' : 'dirty', key };
  }

  /** What we removed we know, and may have made again since: of making we are not told. Nothing else goes with these. */
  #isOwnRemoval(event: Exclude<KernelEvent, { type: 'overrun' }>): boolean {
    const { type } = event.object;
    return (
      event.type === 'gone' &&
      event.by === this.#options.socket?.port &&
      (type === 'route' || type === 'neighbour')
    );
  }

  #onOurDevice(object: KernelObject): boolean {
    return this.#options.devices.includes(deviceOf(object) ?? '') || this.#isBorrowed(object);
  }

  #isBorrowed(object: KernelObject): boolean {
    return this.#options.borrowed.includes(deviceOf(object) ?? '');
  }

  /** Has a device of others been set up or down since it was last seen? */
  #sawUp(type: 'present' | 'gone', { index, name, up }: Link): boolean {
    const before = this.#up.get(index);
    if (type === 'gone' || !this.#options.borrowed.includes(name)) this.#up.delete(index);
    else this.#up.set(index, up);
    return before !== undefined && before !== up;
  }

  #isNamed(name: LinkName): boolean {
    const index = this.#ours.get(name);
    return index !== undefined && this.#names.get(index) === name;
  }

  #name({ index, name }: Pick<Link, 'index' | 'name'>): void {
    this.#names.set(index, name);
    if (this.#options.devices.includes(name)) this.#ours.set(name, index);
  }

  #modelOf(object: MonitoredObject): KernelObject {
    const [names, below] = [this.#names, this.#namesBelow];
    return modelOf(object, nameIn(names), below && nameIn(below));
  }

  #forgetDevice(name: LinkName): void {
    const lost = [...this.#book.actuals()].filter(([, object]) => deviceOf(object) === name);
    for (const [key] of lost) this.#book.see(key, undefined);
  }
}

/**
 * With a device's last address go its routes, with a next-hop object those that lead by it, and no notice tells of them
 * (net/ipv4/fib_frontend.c fib_disable_ip, net/ipv4/nexthop.c __remove_nexthop_fib).
 */
function takesRoutesAlong({ type }: KernelObject): boolean {
  return type === 'address' || type === 'nexthop';
}

function nameIn(names: ReadonlyMap<IfIndex, LinkName>): (index: IfIndex) => LinkName {
  return index => names.get(index) ?? `if${index}`;
}
