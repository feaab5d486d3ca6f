/**
 * Whether a version is so old that hosts should not stay with it beside `other`: patches of one minor version do. What is no
 * version is not older than anything.
 */
export function isOlder(version: string, other: string): boolean {
  const [one, two] = [numbersOf(version), numbersOf(other)];
  if (one === undefined || two === undefined) return false;
  return one.major < two.major || (one.major === two.major && one.minor < two.minor);
}

function numbersOf(version: string): { readonly major: number; readonly minor: number } | undefined {
  const [, major, minor] = /^(\d+)\.(\d+)\./.exec(version) ?? [];
  return major === undefined || minor === undefined
    ? undefined
    : { major: Number(major), minor: Number(minor) };
}
