import { complete } from './completion.ts';
import { valueSources } from './completion-values.ts';
import type { CommandDescription } from './description.ts';

/**
 * What the completion scripts in share/ read: a line with what the shell shall add itself and with the part of the
 * word that stays, then one with value and description for each candidate; a tab between the two in all of them.
 */
export async function answer(weft: CommandDescription, words: readonly string[]): Promise<string> {
  const { prefix, candidates, also } = await complete(weft, words, valueSources);
  return [[also, prefix], ...candidates.map(({ value, about }) => [value, about])]
    .map(fields => `${fields.map(text => text.replace(/[\t\n]/g, ' ')).join('\t')}\n`)
    .join('');
}
