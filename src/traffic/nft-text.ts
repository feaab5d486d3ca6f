/** Text for `nft -f`: one transaction, right from any state before it, and without an instant without rules. */
import { nftNames } from './names.ts';
import { addressTypeOf, type NftChain, type NftTable } from './nft-table.ts';

/** What the table's present state asks for beyond the usual. */
export interface NftTextOptions {
  /** Something in the table has our name but not our kind: the table is made anew, within the transaction. */
  readonly replaceTable?: boolean;
}

/** Makes the table hold exactly what is wished in what is ours; other chains in it stay. */
export function nftText(table: NftTable, { replaceTable = false }: NftTextOptions = {}): string {
  const place = `${table.family} ${table.name}`;
  const create = `add table ${place} { comment "${table.comment}" ; }`;
  const lines = [
    ...(replaceTable ? [`add table ${place}`, `delete table ${place}`] : []),
    create,
    ...unwantedChains(table).flatMap(name => [
      `add chain ${place} ${name}`,
      `flush chain ${place} ${name}`,
      `delete chain ${place} ${name}`,
    ]),
    ...guardObjects(table),
    ...table.chains.flatMap(chain => chainLines(place, chain)),
  ];
  return `${lines.join('\n')}\n`;
}

/** Takes the tables away, be they there or not. */
export function nftDeleteText(
  tables: ReadonlyArray<{ readonly family: string; readonly name: string }>,
): string {
  return tables
    .map(({ family, name }) => `add table ${family} ${name}\ndelete table ${family} ${name}\n`)
    .join('');
}

function unwantedChains({ chains, ownChains }: NftTable): string[] {
  return ownChains.filter(name => !chains.some(chain => chain.name === name));
}

function chainLines(place: string, chain: NftChain): string[] {
  const { name, type, hook, priorityText, comment, rules } = chain;
  const kind = `type ${type} hook ${hook} priority ${priorityText} ; policy accept ; comment "${comment}" ;`;
  return [
    `add chain ${place} ${name} { ${kind} }`,
    `flush chain ${place} ${name}`,
    ...rules.map(rule => `add rule ${place} ${name} ${rule.text}`),
  ];
}

/** Addresses in one line: enough to be few lines, few enough for a line to be read. */
const addressesPerLine = 100;

/** Strangers are forgotten so much after their last packet, and more of them at a time are not remembered. */
const strangersTimeoutMinutes = 10;
const mostStrangers = 256;

function guardObjects({ family, name, guard }: NftTable): string[] {
  const place = `${family} ${name}`;
  const type = addressTypeOf(family === 'ip' ? 4 : 6);
  const peers = `set ${place} ${nftNames.peers}`;
  const strangers = `set ${place} ${nftNames.strangers}`;
  const counters = [nftNames.strangersDropped, nftNames.outsidersDropped].map(
    counter => `counter ${place} ${counter}`,
  );
  const add = [
    `add ${peers} { type ${type} ; }`,
    `add ${strangers} { type ${type} ; size ${mostStrangers} ; flags dynamic,timeout ; timeout ${strangersTimeoutMinutes}m ; }`,
    ...counters.map(counter => `add ${counter}`),
  ];
  if (guard === undefined) return [...add, ...[peers, strangers, ...counters].map(what => `delete ${what}`)];
  const elements: string[] = [];
  for (let at = 0; at < guard.peers.length; at += addressesPerLine) {
    const some = guard.peers.slice(at, at + addressesPerLine).join(', ');
    elements.push(`add element ${place} ${nftNames.peers} { ${some} }`);
  }
  return [...add, `flush ${peers}`, ...elements];
}
