/** All checks at once; none hides another. */
import { describeError, WeftError } from '../base/errors.ts';
import type { Check } from './check.ts';
import { type Finding, skip, type Verdict } from './finding.ts';
import type { Scene } from './scene.ts';

export interface Examined {
  readonly check: Pick<Check, 'name' | 'title'>;
  readonly findings: readonly Finding[];
  readonly milliseconds: number;
}

/** In the order of the checks. @throws the signal's reason */
export async function runChecks(checks: readonly Check[], scene: Scene): Promise<Examined[]> {
  const examined = await Promise.all(checks.map(check => examine(check, scene)));
  scene.signal.throwIfAborted();
  return examined;
}

async function examine(check: Check, scene: Scene): Promise<Examined> {
  const startMs = performance.now();
  const findings = await look(check, scene);
  return { check, findings, milliseconds: performance.now() - startMs };
}

/** What a check cannot cope with is most often what another tells, such as a registry that is away. */
async function look(check: Check, scene: Scene): Promise<readonly Finding[]> {
  try {
    return [await check.look(scene)].flat();
  } catch (error) {
    const remedy = error instanceof WeftError && error.remedy !== undefined ? [error.remedy] : [];
    return [skip(`could not be looked at: ${describeError(error)}`, ...remedy)];
  }
}

const order: readonly Verdict[] = ['fail', 'warn', 'skip', 'ok'];

/** The worst of them; `skip` only when there is nothing else. */
export function verdictOf(findings: readonly Finding[]): Verdict {
  const verdicts = new Set(findings.map(({ verdict }) => verdict));
  if (verdicts.has('skip') && verdicts.has('ok')) verdicts.delete('skip');
  return order.find(verdict => verdicts.has(verdict)) ?? 'skip';
}
