/**
 * What breaks container networks, as data. Each fault is put into a lab of three hosts that are well; `weft doctor`
 * must name it, and what it prints as the remedy, executed as printed, must take it away: see gallery.ts.
 */
import type { Daemon } from '../../support/daemon.ts';
import type { Cluster } from '../../support/weft-cluster.ts';
import type { Container, WeftHost } from '../../support/weft-host.ts';
import type { Underlay } from '../../support/weft-underlay.ts';

export interface Fault {
  /** `FORWARD drops what Docker does not know`; no two faults have the same. */
  readonly name: string;
  /** Name of the check that must name it. */
  readonly check: string;
  readonly verdict: 'warn' | 'fail';
  /** Matches the text of the finding, and of none that remains once the remedy was followed. */
  readonly says: RegExp;
  /** Other checks that rightly complain too, by name; any other that does fails the test. */
  readonly also?: readonly string[];
  /** A daemon that runs would mend it at once: it is killed before, its kernel state stays, and started again after. */
  readonly daemon?: 'stopped';
  /** More for `weft doctor`. */
  readonly flags?: readonly string[];
  inject(scene: GalleryScene): Promise<void>;
  /** Removes what the remedy leaves behind, or puts back what it had to change, so that the lab is healthy again. */
  restore?(scene: GalleryScene): Promise<void>;
}

export interface GalleryScene {
  /** Where doctor runs. Unless the fault is about a peer, the host that is broken. */
  readonly a: GalleryHost;
  readonly b: GalleryHost;
  readonly c: GalleryHost;
  readonly cluster: Cluster;
  readonly underlay: Underlay;
}

export interface GalleryHost {
  readonly host: WeftHost;
  /** The daemon of the moment: a fault that starts another puts it here. */
  weft: Daemon;
  readonly container: Container;
}
