import process from 'node:process';
import type { Command } from 'commander';
import { paintFor } from '../colour.ts';
import { type CommandHelp, renderCommandHelp } from '../command-help.ts';
import { readDaemonArguments, withDaemonFlags } from '../daemon-arguments.ts';
import { doctorJson } from '../doctor-json.ts';
import { findingsOf, renderDoctor } from '../doctor-text.ts';
import type { FlagTable } from '../go-flags.ts';
import { registerWithOwnArguments } from '../own-arguments.ts';
import { isUsageError, print, reportError } from '../report.ts';
import { keepHeapSmall } from '../small-heap.ts';
import { columnsOf } from '../wrap.ts';

/** `weft doctor`: what is wrong on this host, what shows it, and what mends it. */
export function register(program: Command): void {
  registerWithOwnArguments(program, 'doctor', help, doctor);
}

const ownFlags = {
  json: { kind: 'bool', default: false, help: 'print JSON, which docs/doctor.md describes' },
  peer: {
    kind: 'string',
    default: '',
    placeholder: 'HOST',
    help: 'of the peers only that one: its underlay address, its subnet, or an address in that',
  },
  verbose: {
    kind: 'bool',
    default: false,
    help: 'print what shows it of what is right too, and how long each check took',
  },
} as const satisfies FlagTable;

const help: CommandHelp = {
  usage: 'weft doctor [flags]',
  summary: 'find what is wrong with the network here, and say what mends it',
  about: [
    'Looks at this host, its daemon, the registry, the network and the peers, with many checks at once that do not depend on one another. What is wrong comes first: what it is, what shows it, and the commands that mend it, as they can be run. Changes nothing, and needs neither the daemon nor the registry; without root it sees less, and says so.',
    'Flags that are not given are read from FLANNELD_* variables, and then as they were given to the daemon that runs here, if one does: a note says which.',
  ],
  flags: withDaemonFlags(ownFlags),
  examples: [
    ['weft doctor', 'what is wrong here?'],
    ['weft doctor -peer 10.2.14.3', 'and with the way to the host of that container?'],
    ['weft doctor -json', 'for programs'],
  ],
  exitCodes: [
    ['0', 'nothing is wrong, as far as could be seen'],
    ['1', 'there is a warning or a failure'],
    ['2', 'asked wrongly, and nothing was looked at'],
  ],
};

async function doctor(args: readonly string[]): Promise<void> {
  try {
    const given = readDaemonArguments(ownFlags, args);
    if (given === undefined) return print(renderCommandHelp(help));
    const { values, options } = given;
    keepHeapSmall();
    const { diagnoseAll } = await import('../diagnose.ts');
    const diagnoses = await diagnoseAll(options, values.peer);
    const text = values.json ? doctorJson(diagnoses) : renderDoctor(diagnoses, formOf(values.verbose));
    print(text);
    const isWell = diagnoses
      .flatMap(findingsOf)
      .every(({ verdict }) => verdict === 'ok' || verdict === 'skip');
    process.exitCode = isWell ? 0 : 1;
  } catch (error) {
    if (isUsageError(error)) throw error;
    reportError(error);
    process.exitCode = 2;
  }
}

function formOf(verbose: boolean): Parameters<typeof renderDoctor>[1] {
  const { stdout } = process;
  return {
    ...{ verbose, columns: columnsOf(stdout), paint: paintFor(stdout) },
    ...{ breakCommands: stdout.isTTY === true, isRoot: process.geteuid?.() === 0 },
  };
}
