/** The program nft: listings as values, and whole transactions. */
import { hasCode } from '../base/errors.ts';
import type { RuleNames } from '../traffic/names.ts';
import { emptyListing, type NftListing, parseNftListing } from '../traffic/nft-listing.ts';
import { nftDeleteText } from '../traffic/nft-text.ts';
import type { EngineOptions } from './engine.ts';
import type { Programs } from './programs.ts';

export class NftProgram {
  readonly #programs: Programs;

  constructor(programs: Programs) {
    this.#programs = programs;
  }

  get there(): boolean {
    return this.#programs.has('nft');
  }

  /** Everything in one table; an empty listing when it is not there. @throws WeftError see {@link Programs} */
  async listTable(family: string, name: string, { signal }: EngineOptions): Promise<NftListing> {
    try {
      return parseNftListing(
        await this.#programs.run(['nft', '-j', 'list', 'table', family, name], { signal }),
      );
    } catch (error) {
      if (hasCode(error, 'program-failed') && /No such file or directory/.test(error.message)) {
        return emptyListing;
      }
      throw error;
    }
  }

  /** The whole firewall but the contents of its sets, which may be huge. @throws WeftError see {@link Programs} */
  async listAll({ signal }: EngineOptions): Promise<NftListing> {
    return parseNftListing(await this.#programs.run(['nft', '-j', '-t', 'list', 'ruleset'], { signal }));
  }

  /** Runs a text as one transaction. @throws WeftError see {@link Programs} */
  async commit(text: string, { signal }: EngineOptions): Promise<void> {
    await this.#programs.run(['nft', '-f', '-'], { signal, input: text });
  }

  /** Takes away the tables of these names; gives what there was. Nothing is there where there is no nft. */
  async clean({ isOwnTable }: Pick<RuleNames, 'isOwnTable'>, options: EngineOptions): Promise<string[]> {
    if (!this.there) return [];
    const { signal } = options;
    const { tables } = parseNftListing(await this.#programs.run(['nft', '-j', 'list', 'tables'], { signal }));
    const ours = tables.filter(({ family, name }) => isOwnTable(family, name));
    if (ours.length > 0) await this.commit(nftDeleteText(ours), options);
    return ours.map(({ family, name }) => `table ${family} ${name}`);
  }
}
