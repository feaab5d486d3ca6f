import process from 'node:process';
import { locksOf } from '../../host/membership.ts';
import { hasCapability } from '../../sys/capabilities.ts';
import type { ProcessStatus } from '../../sys/process-status.ts';
import type { Check } from '../check.ts';
import { findDaemon, processLine } from '../daemons.ts';
import { type Finding, fail, ok, skip } from '../finding.ts';
import type { Scene } from '../scene.ts';

/**
 * The daemon needs CAP_NET_ADMIN for all that it does to the kernel, and CAP_SYS_ADMIN to enter other namespaces. Where none
 * runs, what this process may stands for what it would have.
 */
export const capabilitiesHeld: Check = {
  name: 'capabilities',
  title: 'privileges',
  look: async scene => {
    const member = await scene.member().catch(() => undefined);
    scene.signal.throwIfAborted();
    const daemon = await findDaemon(scene, member === undefined ? scene.locks : locksOf(member.membership));
    return daemon === undefined ? judgeSelf() : judgeDaemon(daemon, scene);
  },
};

function judgeDaemon(daemon: ProcessStatus, { netns }: Scene): Finding {
  const needed = ['CAP_NET_ADMIN', ...(netns === undefined ? [] : ['CAP_SYS_ADMIN' as const])] as const;
  const missing = needed.filter(name => !daemon.capabilities.has(name));
  if (missing.length === 0) return ok(`the daemon, pid ${daemon.pid}, has ${needed.join(' and ')}`);
  return fail(`the daemon, pid ${daemon.pid}, lacks ${missing.join(' and ')}`, {
    evidence: [processLine(daemon), `grep CapEff /proc/${daemon.pid}/status`],
    remedy: {
      commands: [],
      text: `start it again as root, or with it: AmbientCapabilities=${missing.join(' ')} in its unit; docker run --cap-add ${missing[0]?.replace('CAP_', '')}`,
    },
  });
}

function judgeSelf(): Finding {
  if (hasCapability('CAP_NET_ADMIN'))
    return ok('no daemon runs; this process has CAP_NET_ADMIN, which it would need');
  const who = process.geteuid?.() === 0 ? 'this process, though root,' : 'this process';
  return skip(
    `${who} lacks CAP_NET_ADMIN, so that firewall rules and other users' processes cannot be looked at: run \`weft doctor\` as root`,
  );
}
