/**
 * Commands that another host's daemon proposes. Somebody with root will paste them, and whoever answers at that host's port,
 * which any user there may open while no daemon has it, writes them: only what a trace proposes itself gets through.
 */

/** Of a command, or of both that `&&` joins: what a trace may begin with. */
const known =
  /^(?:nsenter --net=\S+ )?(?:ip(?: -[46])? (?:link|address|route|rule|neigh|nexthop|tuntap) (?:add|append|change|delete|replace|set) |bridge fdb (?:add|append|change|delete|replace) |sysctl -w 'net\/|sysctl -w net\/|ip6?tables(?:-nft|-legacy)? -w |nft insert rule )/;

/** What a shell takes for more than letters, outside of single quotes; and control characters anywhere. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const special = /[\x00-\x1f\x7f-\x9f;&|$`<>(){}[\]\\"'*?~#!]/;
/** iptables starts the program that this names. */
const startsProgram = / (?:-M|--mo)/;

export function isKnownCommand(command: string): boolean {
  return command
    .split(' && ')
    .every(part => known.test(part) && !special.test(unquoted(part)) && !startsProgram.test(part));
}

/** Without what `shellWord` has put in quotes; a line that is broken within them stays suspicious. */
function unquoted(text: string): string {
  return text.replace(/'[ -~]*?'/g, '').replaceAll("\\'", '');
}
