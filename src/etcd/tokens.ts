import { hasCode } from '../base/errors.ts';

/**
 * The token that stands for user and password (etcd's authentication, version 3): asked for once and shared, and
 * asked for anew after a refusal, since etcd forgets an unused one within minutes and all of them when it restarts.
 */
export class Tokens {
  readonly #authenticate: (() => Promise<string>) | undefined;
  /** What etcd gave; without a token when it has authentication switched off. */
  #current: { readonly token: string | undefined } | undefined;
  #asking: Promise<string | undefined> | undefined;

  /** @param authenticate asks etcd for a token; undefined when we are nobody */
  constructor(authenticate: (() => Promise<string>) | undefined) {
    this.#authenticate = authenticate;
  }

  /** The present token; undefined without user, or when etcd has authentication switched off. */
  async get(): Promise<string | undefined> {
    if (this.#authenticate === undefined) return undefined;
    if (this.#current !== undefined) return this.#current.token;
    this.#asking ??= this.#ask(this.#authenticate);
    return this.#asking;
  }

  /** Forgets a token that was refused. False when there is none to be had, so that the refusal stands. */
  refuse(token: string | undefined): boolean {
    if (this.#current?.token === token) this.#current = undefined;
    return this.#authenticate !== undefined;
  }

  async #ask(authenticate: () => Promise<string>): Promise<string | undefined> {
    try {
      const token = await authenticate().catch(unlessDisabled);
      this.#current = { token };
      return token;
    } finally {
      this.#asking = undefined;
    }
  }
}

function unlessDisabled(error: unknown): undefined {
  if (!hasCode(error, 'etcd-auth-disabled')) throw error;
}
