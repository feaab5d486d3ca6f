/** What doctor found, as JSON: docs/doctor.md describes it. */
import type { Finding } from '../doctor/finding.ts';
import { type Examined, verdictOf } from '../doctor/run-checks.ts';
import { type Diagnosis, findingsOf } from './doctor-text.ts';

/** Raised whenever a reader of the JSON before would be misled. */
const version = 1;

export function doctorJson(diagnoses: readonly Diagnosis[]): string {
  const value = {
    version,
    verdict: verdictOf(diagnoses.flatMap(findingsOf)),
    networks: diagnoses.map(diagnosis => ({
      network: diagnosis.network,
      verdict: verdictOf(findingsOf(diagnosis)),
      milliseconds: rounded(diagnosis.milliseconds),
      checks: diagnosis.examined.map(checkOf),
    })),
  };
  // What there is not is there all the same, so that a reader need not ask twice.
  return JSON.stringify(value, (_, one: unknown) => (one === undefined ? null : one), 2);
}

function checkOf({ check: { name, title }, findings, milliseconds }: Examined) {
  return {
    ...{ name, title, verdict: verdictOf(findings), milliseconds: rounded(milliseconds) },
    findings: findings.map(findingOf),
  };
}

function findingOf({ verdict, text, evidence, remedy, peer }: Finding) {
  return { verdict, text, evidence, remedy: remedy && { ...remedy, on: remedy.on }, peer };
}

function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 10) / 10;
}
