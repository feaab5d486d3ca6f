/**
 * The variables of an environment file, as a shell that sources it would see them: `KEY=value` lines, perhaps
 * quoted, perhaps with `export` or a comment. Other lines are skipped; the last value of a key wins.
 */
export function parseEnv(text: string): Readonly<Record<string, string>> {
  return Object.fromEntries(text.split(/\r?\n/).flatMap(line => parseLine(line) ?? []));
}

const assignment =
  /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(?:"([^"]*)"|'([^']*)'|([^\s"']*))(?:\s+#.*)?\s*$/;

function parseLine(line: string): [[string, string]] | undefined {
  const match = assignment.exec(line);
  if (match?.[1] === undefined) return undefined;
  return [[match[1], match[2] ?? match[3] ?? match[4] ?? '']];
}
