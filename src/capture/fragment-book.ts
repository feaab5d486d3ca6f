import type { Ipv4Header } from '../wire/ipv4.ts';
import type { Ipv6Header } from '../wire/ipv6.ts';

/** Chosen: datagrams whose pieces are awaited; a host has no more under way at once. */
const mostDatagrams = 1024;

/** Which datagrams the first fragment has been seen of; the oldest are forgotten. */
export class FragmentBook {
  readonly #known = new Set<string>();

  add(ip: Ipv4Header | Ipv6Header): void {
    const key = keyOf(ip);
    this.#known.delete(key);
    this.#known.add(key);
    if (this.#known.size <= mostDatagrams) return;
    for (const oldest of this.#known) {
      this.#known.delete(oldest);
      return;
    }
  }

  has(ip: Ipv4Header | Ipv6Header): boolean {
    return this.#known.has(keyOf(ip));
  }
}

/** RFC 791 section 3.2, RFC 8200 section 4.5: of one protocol, which is UDP here. */
function keyOf(ip: Ipv4Header | Ipv6Header): string {
  const identification = ip.layer === 'ipv4' ? ip.identification : ip.fragment?.identification;
  return `${ip.source} ${ip.destination} ${identification}`;
}
