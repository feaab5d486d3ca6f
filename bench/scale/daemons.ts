/** The daemons that are compared: Weft, flanneld when FLANNELD names one, and a Node that does nothing. */
import process from 'node:process';
import type { Daemon } from '../../test/support/daemon.ts';
import type { WeftHost } from '../../test/support/weft-host.ts';
import { pinnedNode } from '../machine.ts';

/** The competitor's program; undefined: it is not there. */
export const flanneld = process.env['FLANNELD'];

/** For profiles: more flags for `weft run`, and NODE_OPTIONS for it. */
const flags = (process.env['FLAGS'] ?? '').split(' ').filter(Boolean);
const nodeOptions = process.env['NODEOPT'];

export function startWeft(host: WeftHost, more: readonly string[] = []): Promise<Daemon> {
  const env: Record<string, string> = nodeOptions === undefined ? {} : { NODE_OPTIONS: nodeOptions };
  return host.startWeft([...more, ...flags], { env });
}

/** @throws Error unless FLANNELD names one */
export function startFlanneld(host: WeftHost): Promise<Daemon> {
  if (flanneld === undefined) throw new Error('expected FLANNELD=PROGRAM in the environment');
  return host.start([flanneld, ...host.flags]);
}

/** A Node with nothing to do: the floor under every daemon written for it. */
export function startNode(host: WeftHost): Promise<Daemon> {
  return host.start([pinnedNode(), '-e', 'setInterval(() => {}, 1e9)']);
}

/** Ends it at once; with NODEOPT in good order, so that Node writes the profile that was asked for. */
export async function endDaemon(daemon: Daemon): Promise<void> {
  await (nodeOptions === undefined ? daemon.kill() : daemon.stop());
}
