import { describeError } from '../base/errors.ts';
import { labNames } from './lab-state.ts';
import { openLab, readStatus } from './lab-status.ts';
import { listedText } from './lab-text.ts';
import { requirePrivileges } from './requirements.ts';

/** All labs as tables; of what is no whole lab, why not. @throws WeftError `lab-privileges` */
export async function listLabs(): Promise<string> {
  const names = labNames();
  if (names.length === 0) return 'There is no lab. Make one with: weft lab up';
  requirePrivileges('weft lab ls');
  return (await Promise.all(names.map(describeLab))).join('\n\n');
}

async function describeLab(lab: string): Promise<string> {
  try {
    return listedText(await readStatus(openLab(lab)));
  } catch (error) {
    const remedy = error instanceof Error && 'remedy' in error ? `; what to do: ${error.remedy}` : '';
    return `${describeError(error)}${remedy}`;
  }
}
