/** Who may have this host's part of the network in hand: daemons of Weft, and flanneld. */
import { flanneldArguments, weftRunArguments } from '../control/daemon-command-line.ts';
import { instancePrefix } from '../control/instance-name.ts';
import { inNetns } from '../sys/netns.ts';
import { type ProcessStatus, processesHere, processStatus } from '../sys/process-status.ts';
import { holderOfUnixName } from '../sys/unix-name.ts';
import type { Scene } from './scene.ts';

/** The process that holds the lock of a device; undefined when none does, or it cannot be seen from here. */
export function lockHolder({ netns }: Pick<Scene, 'netns'>, lock: string): number | undefined {
  const find = (): number | undefined => holderOfUnixName(instancePrefix + lock);
  return netns === undefined ? find() : inNetns(netns, find);
}

/** The daemon of this network: by what it says itself, else by the lock of one of these names. */
export async function findDaemon(scene: Scene, locks: readonly string[]): Promise<ProcessStatus | undefined> {
  const live = await scene.live().catch(() => undefined);
  scene.signal.throwIfAborted();
  if (live !== undefined) return processStatus(live.pid);
  const [held] = locks.filter(name => scene.locks.includes(name));
  const pid = held === undefined ? undefined : lockHolder(scene, held);
  return pid === undefined ? undefined : processStatus(pid);
}

/** Started as `weft run`, in the network namespace of this process. */
export function weftsHere(): ProcessStatus[] {
  return processesHere(argv => weftRunArguments(argv) !== undefined);
}

/** In the network namespace of this process. */
export function flanneldsHere(): ProcessStatus[] {
  return processesHere(argv => flanneldArguments(argv) !== undefined);
}

/** As `ps -o pid,stat,args` prints it, save passwords. */
export function processLine({ pid, state, argv }: ProcessStatus): string {
  return `ps: ${pid} ${state} ${commandLineText(argv, 160)}`;
}

/** Without passwords. */
export function commandLineText(argv: ProcessStatus['argv'], mostCharacters: number): string {
  const words = argv.map(hidePassword).join(' ').trimEnd();
  return words.length > mostCharacters ? `${words.slice(0, mostCharacters)}...` : words;
}

/** Also of two words, and of a URL. */
function hidePassword(word: string, index: number, all: readonly string[]): string {
  if (/^--?etcd-password$/.test(all[index - 1] ?? '')) return '***';
  return word.replace(/^(--?etcd-password=).*$/, '$1***').replace(/(:\/\/[^:/@]*):[^@/]*@/g, '$1:***@');
}
