import type { Registry } from '../registry/registry.ts';

/** Stands for a registry that could not be opened, where all that needs none shall go on: it answers with the reason. */
export function unopenedRegistry(name: string, reason: unknown): Registry {
  const refuse = (): Promise<never> => Promise.reject(reason);
  return {
    name,
    ...{ get: refuse, list: refuse, put: refuse, delete: refuse, move: refuse, remaining: refuse },
    watch: () => ({ [Symbol.asyncIterator]: () => ({ next: refuse }) }),
    close: async () => {},
  };
}
