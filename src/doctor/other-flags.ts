/** Doctor is often run without the flags of the daemon, by which alone it is known what the firewall shall hold. */
import { parseSubnetEnv } from '../lease/subnet-env.ts';
import { readFileIfThere } from '../sys/files.ts';
import type { Scene } from './scene.ts';

/**
 * What the daemon has written of its -ip-masq, where doctor was given another: the check of the subnet file tells it. By
 * doctor's flags the daemon's rules would be wrong, and the commands that mend them would take masquerading away.
 */
export function otherMasquerading({ options: { subnetFile, ipMasq } }: Pick<Scene, 'options'>) {
  const { ipMasq: written } = parseSubnetEnv(readFileIfThere(subnetFile) ?? '');
  if (written === undefined || written === ipMasq) return undefined;
  return `the daemon runs ${written ? 'with' : 'without'} -ip-masq, as ${subnetFile} says: give doctor the same flags`;
}
