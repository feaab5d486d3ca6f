/** Commands as they are run on the host, for devices that may live in another network namespace. */
import { shellWord } from '../base/shell-word.ts';
import type { Step } from '../state/diff.ts';
import { stepCommands } from '../view/step-commands.ts';

export function commandsIn(netns: string | undefined, commands: readonly string[]): string[] {
  if (netns === undefined) return [...commands];
  return commands.map(command => `nsenter --net=${shellWord(netns)} ${command}`);
}

/** Chosen: more than anybody reads, and a page to copy all the same. */
const mostSteps = 90;

/**
 * The commands of all these steps; of too many the one that finds them itself.
 * @param flags those that say which registry it is
 */
export function commandsOf(
  steps: readonly Step[],
  { netns, flags }: { readonly netns: string | undefined; readonly flags: readonly string[] },
): string[] {
  if (steps.length > mostSteps) return [`weft plan ${flags.join(' ')} | sh`];
  return steps.flatMap(step => stepCommands(step, netns));
}
