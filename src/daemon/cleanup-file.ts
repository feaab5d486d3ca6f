/** Which files are ours to remove: subnet.env, and what a daemon killed while writing it left beside it. */
import { readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { WeftError } from '../base/errors.ts';
import { type Prefix, prefixBase } from '../base/prefix.ts';
import type { Subnet } from '../lease/lease.ts';
import { parseSubnetEnv } from '../lease/subnet-env.ts';
import { readFileIfThere } from '../sys/files.ts';
import { addressesOf, type OwnDevice } from './cleanup-devices.ts';

export interface SubnetFilePlan {
  /** What the file says, whether it goes or not. */
  readonly subnet: Subnet | undefined;
  readonly networks: readonly Prefix[];
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
  if (text === undefined) return { subnet: undefined, networks: [], remove: halfWritten(file), remark: '' };
  const { subnet, network, ipv6Network } = parseSubnetEnv(text);
  const networks = [network, ipv6Network].filter(prefix => prefix !== undefined);
  const stays = (why: string): SubnetFilePlan => {
    return { subnet, networks, remove: [], remark: `${file} stays: ${why}` };
  };
  if (subnet === undefined) return stays('it names no subnet');
  const user = staying.find(device => isOfSubnet(device, subnet));
  if (user !== undefined) return stays(`it is of ${user.link.name}`);
  return { subnet, networks, remove: [...halfWritten(file), file], remark: '' };
}

/** Has the device the subnet's first address? */
export function isOfSubnet(device: OwnDevice, { ipv4, ipv6 }: Subnet): boolean {
  const bases = [ipv4, ipv6].filter(prefix => prefix !== undefined).map(prefixBase);
  return addressesOf(device).some(address => bases.includes(address));
}

/** Where a daemon of several networks keeps their files: each goes only when it is the one that is named. */
const networksFolder = '/run/flannel/networks';

/** The files of other networks, `file` aside. */
export function otherNetworksFiles(file: string): string[] {
  return namesIn(networksFolder)
    .filter(name => name.endsWith('.env') && !name.startsWith('.'))
    .map(name => path.join(networksFolder, name))
    .filter(other => other !== path.resolve(file));
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
  return namesIn(folder)
    .filter(name => name.startsWith(start) && /^\d+$/.test(name.slice(start.length)))
    .map(name => path.join(folder, name));
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}
