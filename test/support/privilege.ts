/** What a test needs of the machine beyond the sandbox, which an ordinary user can have too. */
import { readFileSync } from 'node:fs';
import process from 'node:process';

/**
 * The `skip` of tests that need the machine's own root (dockerd does, for its cgroups): false for root; on a laptop
 * the reason why the test is skipped; false in CI too, where the test shall fail rather than be skipped.
 */
export const skipWithoutRealRoot: string | false =
  isRealRoot() || process.env['CI'] !== undefined ? false : "needs the machine's own root: sudo npm test";

/** In a user namespace of our own making only some user ids are mapped; outside, all are. */
function isRealRoot(): boolean {
  return (
    process.getuid?.() === 0 && /^\s*0\s+0\s+4294967295\s*$/.test(readFileSync('/proc/self/uid_map', 'utf8'))
  );
}
