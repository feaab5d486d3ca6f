/** Sysctls, and how their findings speak of them. */
import { shellWord } from '../base/shell-word.ts';
import { inNetns } from '../sys/netns.ts';
import { sysctl } from '../sys/sysctl.ts';
import { commandsIn } from './commands-in.ts';

/** By key, with slashes; undefined for what this kernel, or this namespace, does not have. */
export type Settings = ReadonlyMap<string, string | undefined>;

/** @param netns path of the namespace whose they are; undefined: the process's own */
export function readSettings(netns: string | undefined, keys: readonly string[]): Settings {
  const read = (): Settings => new Map(keys.map(key => [key, sysctl.read(key)]));
  return netns === undefined ? read() : inNetns(netns, read);
}

/** As sysctl(8) prints it: `net.ipv4.conf.flannel/1.rp_filter = 1`. */
export function settingLine(settings: Settings, key: string): string {
  return `sysctl: ${dotted(key)} = ${settings.get(key) ?? 'not there'}`;
}

export function dotted(key: string): string {
  return key.replace(/[./]/g, found => (found === '/' ? '.' : '/'));
}

export function setCommand(netns: string | undefined, key: string, value: number): string {
  // With slashes a device's name may hold dots.
  const [command = ''] = commandsIn(netns, [`sysctl -w ${shellWord(`${key}=${value}`)}`]);
  return command;
}

export const lasting = 'the same line in a file of /etc/sysctl.d makes it last';
