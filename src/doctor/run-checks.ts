/** All checks at once; none hides another. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describeError, WeftError } from '../base/errors.ts';
import type { Check } from './check.ts';
import { type Finding, skip, type Verdict, warn } from './finding.ts';
import type { Scene } from './scene.ts';

export interface Examined {
  readonly check: Pick<Check, 'name' | 'title'>;
  readonly findings: readonly Finding[];
  readonly milliseconds: number;
}

/** Chosen: longer than a registry that is away is waited for, and not so long that somebody thinks doctor hangs. */
const usualPatienceMs = 8000;

/** In the order of the checks. @throws the signal's reason */
export async function runChecks(
  checks: readonly Check[],
  scene: Scene,
  patienceMs = usualPatienceMs,
): Promise<Examined[]> {
  const over = new AbortController();
  const unfinished = [skip(`could not be looked at: there was no answer within ${patienceMs / 1000} s`)];
  const late = sleep(patienceMs, unfinished, { signal: over.signal });
  late.catch(() => {});
  try {
    const examined = await Promise.all(checks.map(check => examine(check, scene, late)));
    scene.signal.throwIfAborted();
    return examined;
  } finally {
    over.abort();
  }
}

async function examine(check: Check, scene: Scene, late: Promise<readonly Finding[]>): Promise<Examined> {
  const startMs = performance.now();
  const findings = await Promise.race([look(check, scene), late]);
  return { check, findings, milliseconds: performance.now() - startMs };
}

async function look(check: Check, scene: Scene): Promise<readonly Finding[]> {
  try {
    return [await check.look(scene)].flat();
  } catch (error) {
    return [isOfTheWorld(error) ? unseen(error) : ourFault(error)];
  }
}

/** What a check cannot cope with is most often what another tells, such as a registry that is away. */
export function unseen(error: unknown): Finding {
  const remedy = error instanceof WeftError && error.remedy !== undefined ? [error.remedy] : [];
  return skip(`could not be looked at: ${describeError(error)}`, ...remedy);
}

/** Told apart, so that a mistake in a check is not taken for a host on which nothing can be seen. */
function ourFault(error: unknown): Finding {
  const text = `could not be looked at, by a mistake of Weft's own: ${describeError(error)}`;
  const stack = error instanceof Error ? (error.stack ?? '').split('\n').slice(1, 4) : [];
  return warn(text, {
    evidence: stack.map(line => line.trim()),
    remedy: { commands: [], text: 'please report this, with the lines above' },
  });
}

/** Errors that have a code, Node's and our own, are about something outside; and so is time that ran out. */
function isOfTheWorld(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.every(isOfTheWorld);
  return error instanceof Error && ('code' in error || error.name === 'TimeoutError');
}

const order: readonly Verdict[] = ['fail', 'warn', 'skip', 'ok'];

/** The worst of them; `skip` only when there is nothing else. */
export function verdictOf(findings: readonly Finding[]): Verdict {
  const verdicts = new Set(findings.map(({ verdict }) => verdict));
  if (verdicts.has('skip') && verdicts.has('ok')) verdicts.delete('skip');
  return order.find(verdict => verdicts.has(verdict)) ?? 'skip';
}
