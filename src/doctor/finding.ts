/** What a check found. The words here are those of the JSON, see docs/doctor.md. */

/** `skip`: it does not concern this host, or could not be looked at; the text says which. */
export type Verdict = 'ok' | 'warn' | 'fail' | 'skip';

export interface Finding {
  readonly verdict: Verdict;
  /** What was found: a sentence without a full stop, which says it all to who reads nothing else. */
  readonly text: string;
  /** What shows it, line by line, as the tool prints it that an operator would look with: `ip route: 10.2.3.0/24 ...` */
  readonly evidence: readonly string[];
  /** With a warning or a failure always. */
  readonly remedy?: Remedy | undefined;
  /** The peer that it is about: its subnet. */
  readonly peer?: string | undefined;
}

export interface Remedy {
  /** For a shell with root; executed as printed they clear the finding. None where there is no such command. */
  readonly commands: readonly string[];
  /** What else there is to say or to do; '' for nothing. */
  readonly text: string;
  /** Where they are to be executed when that is not this host: its underlay address. */
  readonly on?: string | undefined;
}

export function ok(text: string, ...evidence: readonly string[]): Finding {
  return { verdict: 'ok', text, evidence };
}

export function skip(text: string, ...evidence: readonly string[]): Finding {
  return { verdict: 'skip', text, evidence };
}

export interface Trouble {
  readonly evidence: readonly string[];
  readonly remedy: Remedy;
  readonly peer?: string | undefined;
}

export function warn(text: string, trouble: Trouble): Finding {
  return { verdict: 'warn', text, ...trouble };
}

export function fail(text: string, trouble: Trouble): Finding {
  return { verdict: 'fail', text, ...trouble };
}
