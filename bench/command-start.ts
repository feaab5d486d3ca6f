/**
 * How long does a command take that has nothing to do? `weft version` and `weft --help`, from the start of the process to its
 * end, beside a Node that ends at once.
 *
 *     npm run bench -- command-start
 *
 * ROUNDS is 15 unless given.
 */
import { run } from '../test/support/command.ts';
import { answer, type Row, setting } from './answer.ts';
import { pinnedNode } from './machine.ts';
import { median, renderTable } from './table.ts';

const rounds = setting('ROUNDS', 15);
const floor = 'a Node that ends at once';
const commands: ReadonlyArray<readonly [name: string, argv: readonly string[]]> = [
  [floor, [pinnedNode(), '-e', '']],
  ['weft version', ['bin/weft', 'version']],
  ['weft --help', ['bin/weft', '--help']],
];

await answer(import.meta.filename, async (_scope, say) => {
  const times = commands.map(([name, argv]) => ({ name, argv, milliseconds: [] as number[] }));
  // The first round compiles the program, and is not counted.
  for (let round = 0; round <= rounds; round++) {
    for (const { argv, milliseconds } of times) {
      const fromMs = performance.now();
      await run(argv);
      if (round > 0) milliseconds.push(performance.now() - fromMs);
    }
  }
  say(`${renderTable(`start to end, ${rounds} rounds`, times)}\n`);
  const [least, ...others] = times;
  const beside = { name: floor, value: median(least?.milliseconds ?? []) };
  return others.map(
    ({ name, milliseconds }): Row => ({ what: name, found: median(milliseconds), unit: 'ms', beside }),
  );
});
