import { hasCode, WeftError } from '../base/errors.ts';
import {
  drawingText,
  entriesText,
  farewellText,
  hostsText,
  introText,
  layersText,
  type Paint,
  pingsText,
} from './demo-text.ts';
import { takeDown } from './down.ts';
import type { HostPlan, LabPlan } from './lab-plan.ts';
import { openLab, readStatus } from './lab-status.ts';
import { netnsPath } from './namespaces.ts';
import type { PathEnd } from './packet-path.ts';
import { type PingReport, ping } from './ping.ts';
import { readPath } from './read-path.ts';
import { makeLab } from './up.ts';

export interface DemoOptions {
  readonly signal: AbortSignal;
  readonly paint: Paint;
  /** Takes one piece of the text, without its last line break. */
  print(text: string): void;
}

/** A name of its own, so that the demo never meets somebody's lab. */
const name = 'demo';
const pingCount = 5;

/**
 * Makes two hosts, pings between their containers, shows what carries the packets, and takes everything away.
 * @throws WeftError `lab-demo-lost` when a packet was lost, and what {@link makeLab} throws
 */
export async function runDemo({ signal, paint, print }: DemoOptions): Promise<void> {
  await clearHalfMade();
  const start = performance.now();
  print(introText(paint));
  const { plan, made } = await makeLab({ name, hosts: 2, containersPerHost: 1, registry: 'dir' }, { signal });
  if (!made) throw standing();
  try {
    print(hostsText(paint, await readStatus(plan), (performance.now() - start) / 1000));
    await show(plan, { signal, paint, print });
  } finally {
    await takeDown(name);
  }
  print(farewellText(paint));
}

/** What a demo that was killed has left. */
async function clearHalfMade(): Promise<void> {
  try {
    openLab(name);
  } catch (error) {
    if (hasCode(error, 'lab-half-made') || hasCode(error, 'lab-state')) await takeDown(name);
    else if (!hasCode(error, 'lab-missing')) throw error;
  }
}

async function show(plan: LabPlan, { signal, paint, print }: DemoOptions): Promise<void> {
  const [one, two] = plan.hosts;
  if (one === undefined || two === undefined) throw new TypeError('the demo has two hosts');
  const found = await readPath(plan, one, two);
  const { from, to } = found.path;
  const pings = [
    [from, to, await pingFrom(one, to, signal)],
    [to, from, await pingFrom(two, from, signal)],
  ] as const;
  print(pingsText(paint, pings));
  refuseLoss(pings.map(([, , report]) => report));
  print(entriesText(paint, found));
  print(drawingText(paint, found));
  print(layersText(paint, found));
}

function pingFrom(
  { containers }: HostPlan,
  { containerAddress }: PathEnd,
  signal: AbortSignal,
): Promise<PingReport> {
  const netns = netnsPath(containers[0]?.netns ?? '');
  return ping({
    netns,
    destination: containerAddress,
    count: pingCount,
    intervalMs: 20,
    timeoutMs: 2_000,
    signal,
  });
}

function refuseLoss(reports: readonly PingReport[]): void {
  if (reports.every(({ sent, roundTripsMs }) => roundTripsMs.length === sent)) return;
  throw new WeftError('lab-demo-lost', 'expected every packet to be answered, and some were not', {
    remedy: 'make the same network stay, and look at it: weft lab up',
  });
}

function standing(): WeftError {
  return new WeftError(
    'lab-differs',
    `there is a lab named ${name} already, which the demo would take away`,
    {
      remedy: `weft lab down --name ${name}`,
    },
  );
}
