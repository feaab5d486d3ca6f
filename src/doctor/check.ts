import type { Finding } from './finding.ts';
import type { Scene } from './scene.ts';

/** One question to the host, independent of all others. Each is a file of its own in checks/, listed in checks.ts. */
export interface Check {
  /** For `-json` and the manual: `ip-forward`. */
  readonly name: string;
  /** What it looks at, as a heading: `forwarding`. */
  readonly title: string;
  /**
   * One finding when all is well. What cannot be read because something else is broken, which another check tells,
   * is a `skip`. @throws what it could not cope with; the runner makes a finding of it
   */
  look(scene: Scene): Promise<Finding | readonly Finding[]>;
}
