import { constants } from 'node:os';
import process from 'node:process';
import { type Argv, type Exit, startAttached } from '../sys/exec.ts';
import { identify, signalProcess } from '../sys/process.ts';
import { inside, launcherFolder } from './lab-programs.ts';
import { forgetProcess, recordProcess } from './lab-state.ts';
import { openLab } from './lab-status.ts';
import { findPlace } from './place.ts';
import { requirePrivileges } from './requirements.ts';

/**
 * Runs a program in a place of a lab, on this process's terminal, and gives its exit status: 128 and the signal's
 * number when a signal ended it, as a shell does. `weft lab down` ends it.
 * @param command without any: a shell; a leading `--` is left out; `weft` is this one where PATH has no other
 * @throws WeftError `lab-place`, `lab-privileges`, `program-missing`, and what {@link openLab} throws
 */
export async function execInLab(lab: string, place: string, command: Argv): Promise<number> {
  const { name, netns } = findPlace(openLab(lab), place);
  requirePrivileges('weft lab exec');
  const argv = command[0] === '--' ? command.slice(1) : command;
  const shell = process.env['SHELL'] ?? '/bin/sh';
  const words = inside(netns, argv.length === 0 ? [shell] : argv);
  const { pid, exited } = startAttached(words, launcherFolder);
  recordProcess(lab, `exec on ${name}`, pid);
  const release = passSignalsTo(pid);
  try {
    return statusOf(await exited);
  } finally {
    release();
    forgetProcess(lab, pid);
  }
}

/** The terminal sends SIGINT and SIGQUIT to the program as well; the others come to this process alone. */
function passSignalsTo(pid: number): () => void {
  const identity = identify(pid);
  const ignore = (): void => {};
  const pass = (signal: NodeJS.Signals): void => {
    if (identity !== undefined) signalProcess(identity, signal);
  };
  const handlers = [
    ...(['SIGINT', 'SIGQUIT'] as const).map(signal => [signal, ignore] as const),
    ...(['SIGTERM', 'SIGHUP'] as const).map(signal => [signal, pass] as const),
  ];
  for (const [signal, handler] of handlers) process.on(signal, handler);
  return () => {
    for (const [signal, handler] of handlers) process.off(signal, handler);
  };
}

function statusOf({ code, signal }: Exit): number {
  return code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
}
