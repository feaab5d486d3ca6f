/** Executes what doctor prints as the remedy, as an operator would: as it is, as root, where it says. */
import assert from 'node:assert/strict';
import type { Command } from '../../support/command.ts';
import { waitUntilReady } from '../../support/weft-host.ts';
import type { RemedyJson } from './doctor-on.ts';
import type { GalleryScene } from './fault.ts';

/** A daemon that is started so becomes that host's. */
export async function followRemedy({ commands, on }: RemedyJson, scene: GalleryScene): Promise<void> {
  for (const part of partsOf(commands)) {
    if (part.daemon) await startDaemon(part.script, on, scene);
    else await placeOf(on, scene).run(shell(part.script));
  }
}

interface Part {
  /** A command that stays. */
  readonly daemon: boolean;
  readonly script: string;
}

/** One script for all in between. */
function partsOf(commands: readonly string[]): Part[] {
  const parts: Part[] = [];
  for (const script of commands) {
    const daemon = /^(?:\w+=\S+ )*weft run\b/.test(script);
    const last = parts.at(-1);
    if (last === undefined || daemon || last.daemon) parts.push({ daemon, script });
    else parts.splice(-1, 1, { daemon, script: `${last.script}\n${script}` });
  }
  return parts;
}

/** Stops at the first that fails. */
function shell(script: string): string[] {
  return ['sh', '-ec', `PATH="$PWD/bin:$PATH"\n${script}`];
}

async function startDaemon(script: string, on: string | null, scene: GalleryScene): Promise<void> {
  const { a, b, c } = scene;
  const place = [a, b, c].find(({ host }) => host.address === (on ?? a.host.address));
  assert.ok(place, `a host of the lab: ${on}`);
  place.weft = await place.host.start(shell(`exec ${script}`));
  await waitUntilReady(place.weft);
}

function placeOf(
  on: string | null,
  { a, b, c, underlay }: GalleryScene,
): { run(command: Command): Promise<string> } {
  if (on === null) return a.host;
  if (underlay.etcd.url.includes(`//${on}:`)) return underlay.etcd.netns;
  const found = [a, b, c].find(({ host }) => host.address === on);
  assert.ok(found, `a host of the lab: ${on}`);
  return found.host;
}
