/**
 * Puts faults into a lab, one at a time:
 *
 *     well -> [daemon killed] -> inject -> doctor names it -> its commands by sh -> doctor has nothing more to say of it
 *          -> restore -> [daemon back] -> well
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Scope } from '../../../src/base/scope.ts';
import { eventually } from '../../support/eventually.ts';
import { testScope } from '../../support/leaks.ts';
import { createCluster, eventuallyMeshed } from '../../support/weft-cluster.ts';
import { healthFlags, type WeftHost, waitUntilReady } from '../../support/weft-host.ts';
import { createUnderlay, type Underlay } from '../../support/weft-underlay.ts';
import {
  complaintsOf,
  type DoctorJson,
  doctorOn,
  type FindingJson,
  namesOf,
  type RemedyJson,
} from './doctor-on.ts';
import type { Fault, GalleryHost, GalleryScene } from './fault.ts';
import { followRemedy } from './follow-remedy.ts';
import { type Exhibit, writeExhibits } from './gallery-table.ts';

/** What the daemons and doctor are given beside the usual flags. */
export const daemonFlags = ['-ip-masq', ...healthFlags] as const;

/** @param section of docs/doctor.md, into which the results go when WEFT_WRITE_GALLERY is set */
export function gallery(section: string, faults: readonly Fault[]): void {
  test(`the faults of the ${section}, one at a time, are named by doctor and mended by its remedy`, async t => {
    const scope = testScope(t);
    const underlay = await createUnderlay(scope);
    const exhibits: Exhibit[] = [];
    let lab: Lab | undefined;
    scope.defer('lab', () => lab?.scope.close());
    for (const fault of faults) {
      await t.test(fault.name, async () => {
        lab ??= await createLab(underlay);
        try {
          exhibits.push(await exhibit(fault, lab));
        } catch (error) {
          // The next shall not suffer from it.
          const broken = lab;
          lab = undefined;
          await broken.scope.close();
          throw error;
        }
      });
    }
    await t.test('afterwards all three hosts are well', async () => {
      lab ??= await createLab(underlay);
      await eventuallyWell([lab.scene.a, lab.scene.b, lab.scene.c]);
    });
    if (exhibits.length === faults.length) writeExhibits(section, exhibits);
  });
}

interface Lab {
  readonly scope: Scope;
  readonly scene: GalleryScene;
  /** Which checks complain when nothing is wrong but that the daemon of `a` does not run. */
  readonly withoutDaemon: readonly string[];
}

async function createLab(underlay: Underlay): Promise<Lab> {
  const scope = new Scope();
  try {
    const cluster = await createCluster(scope, underlay);
    const hosts = await cluster.addHosts('a', 'b', 'c');
    const daemons = await Promise.all(hosts.map(host => host.join(daemonFlags)));
    await eventuallyMeshed(cluster, hosts);
    const places = await Promise.all(
      hosts.map(async (host, index): Promise<GalleryHost> => {
        const weft = daemons[index];
        assert.ok(weft);
        return { host, weft, container: await host.addContainer() };
      }),
    );
    const [a, b, c] = places;
    assert.ok(a && b && c);
    await eventuallyWell(places);
    return { scope, scene: { a, b, c, cluster, underlay }, withoutDaemon: await complaintsWithoutDaemon(a) };
  } catch (error) {
    await scope.close();
    throw error;
  }
}

async function complaintsWithoutDaemon(a: GalleryHost): Promise<string[]> {
  await a.weft.kill();
  const { complaints } = await look(a.host);
  await startAgain(a);
  return namesOf(complaints);
}

async function exhibit(fault: Fault, { scene, withoutDaemon }: Lab): Promise<Exhibit> {
  const { a } = scene;
  const first = a.weft;
  if (fault.daemon === 'stopped') await a.weft.kill();
  await fault.inject(scene);
  const { told, matching } = await eventuallyNamed(fault, a.host, [
    fault.check,
    ...(fault.also ?? []),
    ...(fault.daemon === 'stopped' ? withoutDaemon : []),
  ]);
  for (const { text, evidence, remedy } of matching) {
    assert.ok(evidence.length > 0 && evidence.every(line => line.trim() !== ''), `evidence of: ${text}`);
    assert.ok(remedy !== null && remedy.commands.length + remedy.text.length > 0, `remedy of: ${text}`);
  }

  // Without commands there is only what `restore` does.
  const isByHand = matching.every(({ remedy }) => remedy?.commands.length === 0);
  if (!isByHand)
    for (const remedy of distinct(matching.map(one => one.remedy))) await followRemedy(remedy, scene);
  const isSame = a.weft === first && a.weft.exit === undefined;
  // To be well says more, but not before what the remedy left is taken away.
  const isDone = isSame && fault.restore === undefined && fault.flags === undefined;
  if (!isByHand && !isDone) await eventuallyGone(fault, a.host);
  await fault.restore?.(scene);
  if (isByHand) await eventuallyGone(fault, a.host);
  if (a.weft !== first || a.weft.exit !== undefined) await startAgain(a, first);
  await eventuallyWell([a]);
  const { verdict } = fault;
  const milliseconds = told.networks[0]?.checks.find(({ name }) => name === fault.check)?.milliseconds ?? 0;
  const mendedBy = isByHand ? 'words' : 'commands';
  return { name: fault.name, check: fault.check, verdict, mendedBy, milliseconds };
}

/** The daemon as it was at first, with the flags of then. */
async function startAgain(place: GalleryHost, first = place.weft): Promise<void> {
  await place.weft.kill();
  place.weft = await first.restart();
  await waitUntilReady(place.weft);
}

/** Generous: what the daemon finds by probing takes it some seconds. */
const patience = { timeoutMs: 20_000, intervalMs: 100 } as const;

/** With no other complaints than expected: what the daemon is about to mend may take it a moment. */
async function eventuallyNamed(
  fault: Fault,
  host: WeftHost,
  expected: readonly string[],
): Promise<{ readonly told: DoctorJson; readonly matching: readonly FindingJson[] }> {
  return await eventually(
    `${fault.check} to name it, and no other to complain`,
    async () => {
      const { told, complaints } = await look(host, fault.flags);
      const matching = matchingOf(fault, told).filter(({ verdict }) => verdict === fault.verdict);
      const isPrecise = complaints.every(({ check }) => expected.includes(check));
      if (matching.length > 0 && isPrecise) return { told, matching };
      throw new Error(`doctor says\n${complaints.map(describe).join('\n')}`);
    },
    patience,
  );
}

async function eventuallyGone(fault: Fault, host: WeftHost): Promise<void> {
  await eventually(
    'the finding to be gone',
    async () => {
      const { told } = await look(host, fault.flags);
      const left = matchingOf(fault, told).filter(({ verdict }) => verdict === 'warn' || verdict === 'fail');
      assert.deepEqual(left, []);
      return true;
    },
    patience,
  );
}

function matchingOf({ check, says }: Fault, told: DoctorJson): FindingJson[] {
  const checks = told.networks.flatMap(network => network.checks).filter(({ name }) => name === check);
  return checks.flatMap(({ findings }) => findings).filter(({ text }) => says.test(text));
}

async function eventuallyWell(places: readonly GalleryHost[]): Promise<void> {
  for (const { host } of places) {
    await eventually(
      `${host.name} to be well`,
      async () => {
        const { complaints, unseen } = await look(host);
        assert.deepEqual([...complaints, ...unseen].map(describe), []);
        return true;
      },
      patience,
    );
  }
}

async function look(host: WeftHost, flags: readonly string[] = []) {
  const told = await doctorOn(host, [...daemonFlags, ...flags]);
  const unseen = told.networks
    .flatMap(network => network.checks)
    .flatMap(({ name, findings }) => findings.map(finding => ({ check: name, ...finding })))
    .filter(({ verdict, text }) => verdict === 'skip' && text.startsWith('could not be looked at'));
  return { told, complaints: complaintsOf(told), unseen };
}

function describe({ check, verdict, text, evidence }: FindingJson & { readonly check: string }): string {
  return [`${verdict} ${check}: ${text}`, ...evidence.slice(0, 6)].join('\n    ');
}

/** One that is printed for each of several peers is followed once. */
function distinct(remedies: readonly FindingJson['remedy'][]): RemedyJson[] {
  const texts = new Set(remedies.filter(remedy => remedy !== null).map(remedy => JSON.stringify(remedy)));
  return [...texts].map(text => JSON.parse(text) as RemedyJson);
}
