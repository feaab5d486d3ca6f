import type { Log } from '../base/log.ts';
import { NftSocket } from '../sys/nft-socket.ts';
import { iptablesTableNames, type RuleNames } from '../traffic/names.ts';
import type { NftNotice } from '../wire/nftables.ts';
import type { EngineName, FirewallChange } from './engine.ts';

export interface MonitorOptions {
  readonly engine: EngineName;
  readonly netns: string | undefined;
  readonly names: RuleNames;
  readonly log: Log;
  onChange(change: FirewallChange): void;
}

/**
 * Hears of every transaction in nftables, which iptables' nft variant uses too; undefined where the kernel has no
 * nftables. The socket also changes sets.
 */
export function openChangeMonitor({
  engine,
  netns,
  names,
  log,
  onChange,
}: MonitorOptions): NftSocket | undefined {
  const touched = { ours: false, elsewhere: false };
  const onNotice = (notice: NftNotice): void => {
    if (notice.type !== 'committed') {
      if (matters(notice)) touched[isOurs(engine, names, notice) ? 'ours' : 'elsewhere'] = true;
      return;
    }
    const { process, pid } = notice;
    if (touched.ours || touched.elsewhere) onChange({ process, pid, ...touched });
    touched.ours = false;
    touched.elsewhere = false;
  };
  const onOverrun = () => onChange({ process: '', pid: 0, ours: true, elsewhere: true });
  try {
    return NftSocket.open({ netns, onNotice, onOverrun });
  } catch (error) {
    log.debug({ error }, 'no notices from nftables: the firewall is looked at each period instead');
    return undefined;
  }
}

type ObjectNotice = Exclude<NftNotice, { type: 'committed' }>;

/** Sets fill by the packet and by the minute; only what a set of ours loses can hurt. */
function matters({ object, type }: ObjectNotice): boolean {
  return object !== 'element' || type === 'gone';
}

function isOurs(engine: EngineName, names: RuleNames, { family, table }: ObjectNotice): boolean {
  if (engine === 'nftables') return names.isOwnTable(family, table);
  return (family === 'ip' || family === 'ip6') && iptablesTableNames.some(name => name === table);
}
