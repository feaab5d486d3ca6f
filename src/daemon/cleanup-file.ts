/** Which files are ours to remove: subnet.env, and what a daemon killed while writing it left beside it. */
import { readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { WeftError } from '../base/errors.ts';
import { prefixBase } from '../base/prefix.ts';
import type { Subnet } from '../lease/lease.ts';
import { parseSubnetEnv } from '../lease/subnet-env.ts';
import { readFileIfThere } from '../sys/files.ts';
import { addressesOf, type OwnDevice } from './cleanup-devices.ts';

export interface SubnetFilePlan {
  /** What the file says, whether it goes or not. */
  readonly subnet: Subnet | undefined;
  readonly remove: readonly string[];
  /** Why the file stays; '' when it goes, or is not there. */
  readonly remark: string;
}

/**
 * @param staying our devices that are not removed: a file with a subnet of theirs stays too
 * @throws WeftError `file-read`
 */
export function planSubnetFile(file: string, staying: readonly OwnDevice[]): SubnetFilePlan {
  const text = readFileIfThere(file);
  if (text === undefined) return { subnet: undefined, remove: halfWritten(file), remark: '' };
  const { subnet } = parseSubnetEnv(text);
  if (subnet === undefined) return { subnet, remove: [], remark: `${file} stays: it names no subnet` };
  const bases = [subnet.ipv4, subnet.ipv6].filter(prefix => prefix !== undefined).map(prefixBase);
  const user = staying.find(device => addressesOf(device).some(address => bases.includes(address)));
  if (user !== undefined) return { subnet, remove: [], remark: `${file} stays: it is of ${user.link.name}` };
  return { subnet, remove: [...halfWritten(file), file], remark: '' };
}

/** @throws WeftError `file-remove` */
export function removeFile(file: string): void {
  try {
    rmSync(file, { force: true });
  } catch (cause) {
    throw new WeftError('file-remove', `removing ${file} failed`, { cause });
  }
}

/** As writeFileAtomic names them: `.subnet.env.4711`. */
function halfWritten(file: string): string[] {
  const [folder, start] = [path.dirname(file), `.${path.basename(file)}.`];
  try {
    return readdirSync(folder)
      .filter(name => name.startsWith(start) && /^\d+$/.test(name.slice(start.length)))
      .map(name => path.join(folder, name));
  } catch {
    return [];
  }
}
