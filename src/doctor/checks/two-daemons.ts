import type { ProcessStatus } from '../../sys/process-status.ts';
import type { Check } from '../check.ts';
import { findDaemon, flanneldsHere, processLine, weftsHere } from '../daemons.ts';
import { fail, ok, skip } from '../finding.ts';
import type { Scene } from '../scene.ts';

/**
 * Two daemons that both make the device and delete what they do not know. Those of Weft keep each other out with a lock
 * for each device; flanneld asks for none.
 */
export const twoDaemons: Check = {
  name: 'two-daemons',
  title: 'one daemon',
  look: async scene => {
    const flannelds = flanneldsHere();
    const daemon = await weftOf(scene);
    const [first, second] = flannelds;
    if (first === undefined)
      return daemon === undefined
        ? skip('no daemon runs, as far as can be seen')
        : ok(`pid ${daemon.pid} is the only daemon here`);
    const both = daemon === undefined ? second : daemon;
    if (both === undefined) return skip(`flanneld, pid ${first.pid}, is the daemon of this host`);
    const surplus = daemon === undefined ? flannelds.slice(1) : flannelds;
    const pids = surplus.map(({ pid }) => pid);
    const whom =
      daemon === undefined
        ? `${flannelds.length} of flanneld`
        : `flanneld, pid ${pids.join(', ')}, beside weft, pid ${daemon.pid}`;
    return fail(`two daemons have this host's network in hand: ${whom}`, {
      evidence: [...flannelds, ...(daemon === undefined ? [] : [daemon])].map(processLine),
      remedy: {
        commands: [`kill ${pids.join(' ')}`],
        text: 'or end the other; and see that nothing starts it again, such as flanneld.service or a DaemonSet',
      },
    });
  },
};

/** By its lock or door, or else any in this namespace. */
async function weftOf(scene: Scene): Promise<ProcessStatus | undefined> {
  return (await findDaemon(scene, scene.locks)) ?? weftsHere()[0];
}
