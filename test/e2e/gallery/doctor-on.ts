/** `weft doctor -json` on a host, as docs/doctor.md describes it. */
import assert from 'node:assert/strict';
import type { WeftHost } from '../../support/weft-host.ts';
import { said } from '../plan-house.ts';

export interface DoctorJson {
  readonly version: number;
  readonly verdict: string;
  readonly networks: ReadonlyArray<{
    readonly network: string | null;
    readonly verdict: string;
    readonly milliseconds: number;
    readonly checks: readonly CheckJson[];
  }>;
}

export interface CheckJson {
  readonly name: string;
  readonly title: string;
  readonly verdict: string;
  readonly milliseconds: number;
  readonly findings: readonly FindingJson[];
}

export interface FindingJson {
  readonly verdict: string;
  readonly text: string;
  readonly evidence: readonly string[];
  readonly remedy: RemedyJson | null;
  readonly peer: string | null;
}

export interface RemedyJson {
  readonly commands: readonly string[];
  readonly text: string;
  readonly on: string | null;
}

/** With the flags that the host's daemon has, and these. */
export async function doctorOn(host: WeftHost, flags: readonly string[] = []): Promise<DoctorJson> {
  const { code, text, stderr } = await said(host, ['bin/weft', 'doctor', '-json', ...host.flags, ...flags]);
  assert.ok(code < 2, stderr);
  const told = JSON.parse(text) as DoctorJson;
  assert.equal(told.version, 1);
  assert.equal(code, complaintsOf(told).length === 0 ? 0 : 1, text);
  return told;
}

/** Warnings and failures, each with its check's name. */
export function complaintsOf({ networks }: DoctorJson): Array<FindingJson & { readonly check: string }> {
  return networks
    .flatMap(({ checks }) => checks)
    .flatMap(({ name, findings }) => findings.map(finding => ({ ...finding, check: name })))
    .filter(({ verdict }) => verdict === 'warn' || verdict === 'fail');
}

export function namesOf(complaints: ReadonlyArray<{ readonly check: string }>): string[] {
  return [...new Set(complaints.map(({ check }) => check))];
}
