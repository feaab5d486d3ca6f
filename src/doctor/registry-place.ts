/** The registry, as commands for a shell name it. */
import { shellWord } from '../base/shell-word.ts';

export interface RegistryPlace {
  /** Flags of every command of Weft's: `-etcd-endpoints http://192.0.2.10:2379 -etcd-prefix /coreos.com/network`. */
  readonly flags: readonly string[];
  /** The command that prints what a key holds, and the one that removes it. */
  readCommand(key: string): string;
  deleteCommand(key: string): string;
  /** Undefined for a registry that is no etcd. */
  readonly etcdctl: ((...words: readonly string[]) => string) | undefined;
  /** What else etcdctl has to be told; '' for nothing. */
  readonly note: string;
}

const etcdName = /^etcd ((?:https?:\/\/[^/,]+,?)+)(\/.*)?$/;

/** @param name see {@link Registry.name}: `etcd http://192.0.2.10:2379/coreos.com/network`, `dir:/var/lib/weft` */
export function placeOf(name: string): RegistryPlace {
  const [, endpoints, prefix = '/'] = etcdName.exec(name) ?? [];
  return endpoints === undefined ? folderPlace(name.replace(/^dir:/, '')) : etcdPlace(endpoints, prefix);
}

function etcdPlace(endpoints: string, prefix: string): RegistryPlace {
  const etcdctl = (...words: readonly string[]): string =>
    `ETCDCTL_API=3 etcdctl --endpoints ${[endpoints, ...words].map(shellWord).join(' ')}`;
  const pathOf = (key: string): string => `${prefix.replace(/\/$/, '')}/${key}`;
  return {
    flags: ['-etcd-endpoints', shellWord(endpoints), '-etcd-prefix', shellWord(prefix)],
    etcdctl,
    readCommand: key => etcdctl('get', '--', pathOf(key)),
    deleteCommand: key => etcdctl('del', '--', pathOf(key)),
    note: endpoints.includes('https://')
      ? 'etcdctl takes as --cacert, --cert and --key what weft has as -etcd-cafile, -etcd-certfile and -etcd-keyfile'
      : '',
  };
}

/** An operator may have given a file's name the ending .json. */
function folderPlace(folder: string): RegistryPlace {
  const file = (key: string): string => shellWord(`${folder}/${key}`);
  return {
    flags: ['-registry', shellWord(`dir:${folder}`)],
    etcdctl: undefined,
    readCommand: key => `cat ${file(key)}`,
    deleteCommand: key => `rm -f ${file(key)} ${file(`${key}.json`)}`,
    note: '',
  };
}

/** Advice and a note as one text. */
export function sentences(...parts: readonly string[]): string {
  return parts.filter(part => part !== '').join('; ');
}
