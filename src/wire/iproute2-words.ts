/** The words that iproute2's commands are made of. */
import { shellWord } from '../base/shell-word.ts';
import type { Dev } from './rtnetlink.ts';

/** Devices known only by number are written `if7`, which iproute2 understands; names of others as a shell takes them. */
export function deviceName(dev: Dev): string {
  return typeof dev === 'number' ? `if${dev}` : shellWord(dev);
}

export function deviceWords(name: string, dev: Dev | undefined): string | undefined {
  return dev === undefined ? undefined : `${name} ${deviceName(dev)}`;
}

/** `name value`, nothing for a value that is not told. */
export function pair(name: string, value: string | number | undefined): string | undefined {
  return value === undefined ? undefined : `${name} ${value}`;
}

/** `name` or `noname`, nothing for a switch that is not told. */
export function onOff(name: string, value: boolean | undefined): string | undefined {
  return value === undefined ? undefined : value ? name : `no${name}`;
}

export function words(...parts: ReadonlyArray<string | undefined>): string {
  return parts.filter(part => part !== undefined && part !== '').join(' ');
}
