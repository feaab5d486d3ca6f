/** The firewall's programs where nothing is at stake: how they take our rules, and in which words they print them. */
import { shellWord } from '../base/shell-word.ts';
import { firewallPrograms, type Programs } from '../firewall/programs.ts';
import type { Argv } from '../sys/exec.ts';

/**
 * Each call runs in a network namespace of its own, which ends with it: what was written before is written again first.
 * Needs CAP_SYS_ADMIN, as unshare(2) does.
 */
export function rehearsingPrograms(): Programs {
  const { has, run } = firewallPrograms({ enter: ['unshare', '--net', '--'] });
  let written = 'set -e\n';
  return {
    has,
    run: async (argv, { signal, input }) => {
      const script = `${written}${command(argv, input)}`;
      const said = await run(['sh', '-c', script], { signal });
      if (input !== undefined) written = script;
      return said;
    },
  };
}

function command(argv: Argv, input: string | undefined): string {
  const words = argv.map(shellWord).join(' ');
  return input === undefined ? words : `${words} <<'END'\n${input.trimEnd()}\nEND\n`;
}
