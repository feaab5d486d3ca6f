import { describeError, hasCode, WeftError } from '../../base/errors.ts';
import { controlPath } from '../../control/control-path.ts';
import type { LiveStatus, LiveTrouble } from '../../control/live-status.ts';
import { locksOf } from '../../host/membership.ts';
import { readFileIfThere } from '../../sys/files.ts';
import type { ProcessStatus } from '../../sys/process-status.ts';
import type { Check } from '../check.ts';
import { findDaemon, flanneldsHere, processLine, weftsHere } from '../daemons.ts';
import { type Finding, fail, ok, type Remedy, skip, warn } from '../finding.ts';
import type { Scene } from '../scene.ts';
import { runCommand } from '../weft-command.ts';

/** The kernel goes on without the daemon, with what it was told last; nobody renews the lease or follows the others. */
export const daemon: Check = {
  name: 'daemon',
  title: 'daemon',
  look: async scene => {
    try {
      return judgeLive(await scene.live(), scene);
    } catch (error) {
      scene.signal.throwIfAborted();
      if (isForbidden(error))
        return skip('the daemon answers its own user and root alone', describeError(error));
      return await judgeSilence(error, scene);
    }
  },
};

function isForbidden(error: unknown): boolean {
  const cause = error instanceof Error ? (error.cause as NodeJS.ErrnoException | undefined) : undefined;
  return cause?.code === 'EACCES' || cause?.code === 'EPERM';
}

function judgeLive(live: LiveStatus, scene: Scene): Finding | Finding[] {
  const { version, pid, startedMs, ready, reason, network, waiting } = live;
  const since = new Date(startedMs).toISOString().replace(/\.\d+Z$/, 'Z');
  if (!ready) {
    const troubles = [waiting, ...(network?.troubles ?? [])].filter(one => one !== undefined);
    return fail(`the daemon, pid ${pid}, is not ready: ${reason || 'it does not say why'}`, {
      evidence: [
        `${controlPath(scene.options.subnetFile)}: ready: false`,
        ...troubles.slice(0, 3).map(troubleLine),
      ],
      remedy: {
        commands: [],
        text: troubles[0]?.remedy ?? 'it goes on by itself when what it waits for is there',
      },
    });
  }
  return ok(`weft ${version}, pid ${pid}, is ready; it runs since ${since}`);
}

function troubleLine({ level, message }: LiveTrouble): string {
  return `log: ${level}: ${message}`;
}

async function judgeSilence(error: unknown, scene: Scene): Promise<Finding> {
  const process = await processOf(scene);
  if (hasCode(error, 'door-silent')) return hangs(error, process, scene);
  if (!hasCode(error, 'door-closed')) return strange(error, process);
  if (process !== undefined) return closed(error, process);
  const [flanneld] = flanneldsHere();
  if (flanneld !== undefined)
    return skip(`flanneld, pid ${flanneld.pid}, is the daemon of this host`, processLine(flanneld));
  return await missing(error, scene);
}

/** By its lock, or without the registry, which tells the lock's name, any of Weft's. */
async function processOf(scene: Scene): Promise<ProcessStatus | undefined> {
  const member = await scene.member().catch(() => undefined);
  scene.signal.throwIfAborted();
  const locks = member === undefined ? scene.locks : locksOf(member.membership);
  return (await findDaemon(scene, locks)) ?? (scene.network === undefined ? weftsHere()[0] : undefined);
}

function hangs(error: WeftError, process: ProcessStatus | undefined, scene: Scene): Finding {
  if (process === undefined)
    return fail(`the daemon does not answer: ${describeError(error)}`, {
      evidence: [describeError(error)],
      remedy: { commands: [], text: 'see with `ps` what it does, as root, and start it again' },
    });
  const { pid, state } = process;
  const isStopped = state === 'T' || state === 't';
  return fail(`the daemon, pid ${pid}, ${isStopped ? 'is stopped by a signal' : 'hangs'}: ${error.message}`, {
    evidence: [processLine(process), error.message],
    remedy: isStopped
      ? { commands: [`kill -CONT ${pid}`], text: 'somebody sent it SIGSTOP, or a debugger holds it' }
      : restart(pid, scene),
  });
}

function strange(error: unknown, process: ProcessStatus | undefined): Finding {
  const remedy =
    (error instanceof WeftError && error.remedy) ||
    'restart it, so that it is of the same version as this program';
  return warn(`the daemon answers as none of this version does: ${describeError(error)}`, {
    evidence: process === undefined ? [describeError(error)] : [processLine(process)],
    remedy: { commands: [], text: remedy },
  });
}

/** It runs, and nobody listens at the door that belongs to these flags. */
function closed(error: WeftError, process: ProcessStatus): Finding {
  return warn(`a daemon, pid ${process.pid}, runs here and cannot be asked: ${error.message}`, {
    evidence: [processLine(process)],
    remedy: {
      commands: [],
      text: 'it starts just now, or it is of an older version, or has another -subnet-file: give doctor the flags that it has, or restart it',
    },
  });
}

async function missing(error: WeftError, scene: Scene): Promise<Finding> {
  const view = await scene.view().catch(() => undefined);
  scene.signal.throwIfAborted();
  const trouble = { evidence: [error.message, 'ps: no process is weft run'], remedy: start(scene) };
  const isNoMember = view !== undefined && view.member?.found.by !== 'address';
  return isNoMember
    ? fail('no daemon runs here, and this host has no lease of its own', trouble)
    : warn(
        'no daemon runs here: the lease is not renewed, and hosts that come and go are not followed',
        trouble,
      );
}

const unit = 'weft.service';
const unitFolders = [
  '/etc/systemd/system',
  '/run/systemd/system',
  '/usr/lib/systemd/system',
  '/lib/systemd/system',
];

/** Where systemd is at work, that is, not in every container that has its files. */
function hasUnit(): boolean {
  const runs = (readFileIfThere('/proc/1/comm') ?? '').trim() === 'systemd';
  return runs && unitFolders.some(folder => readFileIfThere(`${folder}/${unit}`) !== undefined);
}

function start(scene: Scene): Remedy {
  if (hasUnit()) return { commands: ['systemctl start weft'], text: 'journalctl -u weft tells why it ended' };
  if (scene.network !== undefined)
    return { commands: [], text: 'start `weft run` with the -networks that doctor was given' };
  return {
    commands: [runCommand(scene)],
    text: 'it stays in the foreground: have a service manager start it',
  };
}

function restart(pid: number, scene: Scene): Remedy {
  if (hasUnit()) return { commands: ['systemctl kill -s KILL weft', 'systemctl restart weft'], text: '' };
  const { commands, text } = start(scene);
  return { commands: [`kill -KILL ${pid}`, ...commands], text };
}
