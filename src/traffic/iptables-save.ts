/** What iptables-save prints, as values (iptables-save(8)). */

/** Tables by name: `nat`, `filter`, ... A table that no rule has ever been put into may be missing. */
export type IptablesState = ReadonlyMap<string, ReadonlyMap<string, IptablesChain>>;

export interface IptablesChain {
  /** Of a built-in chain; '-' for the others. */
  readonly policy: string;
  /** In order, without their `-A CHAIN`. */
  readonly rules: readonly string[];
  /** Packets and bytes of each rule; zeros unless they were asked for (`iptables-save -c`). */
  readonly counters: readonly PacketCount[];
}

export interface PacketCount {
  readonly packets: number;
  readonly bytes: number;
}

/** Lines that are not understood are left out. */
export function parseIptablesSave(text: string): IptablesState {
  const state = new Map<string, Map<string, MutableChain>>();
  let table: Map<string, MutableChain> | undefined;
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) {
      table = new Map();
      state.set(line.slice(1).trim(), table);
    } else if (line.startsWith(':')) {
      const [name = '', policy = '-'] = line.slice(1).split(' ');
      table?.set(name, { policy, rules: [], counters: [] });
    } else {
      const [, packets = '0', bytes = '0', chain = '', rule = ''] = appendLine.exec(line) ?? [];
      const into = table?.get(chain);
      into?.rules.push(rule);
      into?.counters.push({ packets: Number(packets), bytes: Number(bytes) });
    }
  }
  return state;
}

interface MutableChain {
  readonly policy: string;
  readonly rules: string[];
  readonly counters: PacketCount[];
}

const appendLine = /^(?:\[(\d+):(\d+)\] )?-A (\S+) ?(.*)$/;

/** A rule's words; what stands in double quotes is one, with \" and \\ inside. */
export function iptablesWords(rule: string): string[] {
  return [...rule.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(
    ([, quoted, bare]) => quoted?.replace(/\\(.)/g, '$1') ?? bare ?? '',
  );
}

/** The chain that a rule leads to, by jump or goto; or its target, such as `ACCEPT`. */
export function iptablesTarget(rule: string): string | undefined {
  const words = iptablesWords(rule);
  const at = words.findIndex(word => word === '-j' || word === '-g');
  return at < 0 ? undefined : words[at + 1];
}
