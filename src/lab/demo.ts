import { hasCode, WeftError } from '../base/errors.ts';
import type { Family } from '../base/ip.ts';
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
import type { LabBackend } from './lab-network.ts';
import {
  defaultShape,
  familiesOf,
  type HostPlan,
  type LabFamily,
  type LabPlan,
  type LabShape,
} from './lab-plan.ts';
import { openLab, readStatus } from './lab-status.ts';
import { netnsPath } from './namespaces.ts';
import type { PathEnd } from './packet-path.ts';
import { type PingReport, ping } from './ping.ts';
import { readPath } from './read-path.ts';
import { makeLab } from './up.ts';

export interface DemoOptions {
  readonly signal: AbortSignal;
  readonly paint: Paint;
  readonly backend?: LabBackend | undefined;
  readonly family?: LabFamily | undefined;
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
export async function runDemo(options: DemoOptions): Promise<void> {
  const { signal, paint, print, backend = defaultShape.backend, family = defaultShape.family } = options;
  await clearHalfMade();
  const start = performance.now();
  print(introText(paint));
  const shape = { name, hosts: 2, containersPerHost: 1, registry: 'dir', backend, family } as const;
  const { plan, made } = await makeLab(shape, { signal });
  if (!made) throw standing();
  try {
    print(hostsText(paint, await readStatus(plan), (performance.now() - start) / 1000));
    for (const each of familiesOf(shape)) await show(plan, each, options);
  } finally {
    await takeDown(name);
  }
  print(farewellText(paint, flagsOf(shape)));
}

/** Only what is not usual. */
function flagsOf({ backend, family }: Pick<LabShape, 'backend' | 'family'>): string {
  return (
    (backend === defaultShape.backend ? '' : ` --backend ${backend}`) +
    (family === defaultShape.family ? '' : ` --family ${family}`)
  );
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

async function show(plan: LabPlan, family: Family, { signal, paint, print }: DemoOptions): Promise<void> {
  const [one, two] = plan.hosts;
  if (one === undefined || two === undefined) throw new TypeError('the demo has two hosts');
  const found = await readPath(plan, one, two, family);
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
