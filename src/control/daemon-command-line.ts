/** Daemons are known by the command line that /proc shows of them. */

/** What follows `run` of a `node /opt/weft/src/cli/main.ts run ...`, with flags of Node's in between perhaps; undefined for anything else. */
export function weftRunArguments(argv: readonly string[]): readonly string[] | undefined {
  const main = argv.findIndex(word => /\/(?:src\/cli\/main\.ts|dist\/cli\/main\.js)$/.test(word));
  const ofNode = argv.slice(1, Math.max(main, 1));
  const isNode = /^node/.test(nameOf(argv[0] ?? '')) && ofNode.every(word => word.startsWith('-'));
  return isNode && main > 0 && argv[main + 1] === 'run' ? argv.slice(main + 2) : undefined;
}

/** The arguments of a flanneld; undefined for anything else. */
export function flanneldArguments([program = '', ...args]: readonly string[]): readonly string[] | undefined {
  return nameOf(program) === 'flanneld' ? args : undefined;
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
