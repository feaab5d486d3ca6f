/** Reach of an address or route (kernel enum rt_scope_t, iproute2 rt_scopes). */
export type Scope = 'global' | 'site' | 'link' | 'host' | 'nowhere' | number;

const numbers = { global: 0, site: 200, link: 253, host: 254, nowhere: 255 } as const;
const names = new Map<number, Scope>(Object.entries(numbers).map(([name, value]) => [value, name as Scope]));

/** Default: global. */
export function scopeNumber(scope: Scope = 'global'): number {
  return typeof scope === 'number' ? scope : numbers[scope];
}

export function scopeOf(value: number): Scope {
  return names.get(value) ?? value;
}
