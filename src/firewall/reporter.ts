/** What the log hears of the firewall: everything once, and once more when it is over. */
import { describeError, WeftError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Stranger } from '../traffic/guard-report.ts';
import { describeObstacle, type Obstacle } from '../traffic/obstacles.ts';
import type { FirewallChange } from './engine.ts';

export class FirewallReporter {
  readonly #log: Log;
  #problem = '';
  #obstacles = new Set<string>();
  #strangers = new Set<string>();

  constructor(log: Log) {
    this.#log = log;
  }

  failed(error: unknown): string {
    const problem = describeError(error);
    if (problem !== this.#problem) {
      const { code, remedy } = error instanceof WeftError ? error : { code: undefined, remedy: undefined };
      this.#log.error({ code, remedy }, `the firewall rules are not in place: ${problem}`);
    }
    this.#problem = problem;
    return problem;
  }

  inPlace(): void {
    if (this.#problem !== '') this.#log.info({}, 'the firewall rules are in place again');
    this.#problem = '';
  }

  applied(drift: readonly string[]): void {
    if (drift.length > 0) this.#log.info({ changes: few(drift) }, 'the firewall rules are in place');
    else this.#log.debug({}, 'the firewall rules were in place already');
  }

  repaired(drift: readonly string[], by: FirewallChange | undefined): void {
    const who = by === undefined || by.process === '' ? {} : { changedBy: by.process, pid: by.pid };
    this.#log.warn({ drift: few(drift), ...who }, 'somebody undid our firewall rules: they are back');
  }

  heldBack(delayMs: number, { process, pid }: FirewallChange): void {
    const who = process === '' ? 'another program' : `${process} (pid ${pid})`;
    const seconds = Math.ceil(delayMs / 1000);
    this.#log.error({}, `${who} keeps undoing our firewall rules: the next repair waits ${seconds} s`);
  }

  othersCleaned(removed: readonly string[], failures: readonly string[]): void {
    if (removed.length > 0) this.#log.info({ removed }, 'took away rules that another firewall engine left');
    if (failures.length > 0) this.#log.warn({ failures }, 'rules of another firewall engine may be left');
  }

  obstacles(found: readonly Obstacle[]): void {
    const texts = new Set(found.map(describeObstacle));
    for (const text of texts) {
      if (!this.#obstacles.has(text)) this.#log.warn({ remedy: obstacleRemedy }, text);
    }
    for (const text of this.#obstacles) if (!texts.has(text)) this.#log.info({}, `no longer: ${text}`);
    this.#obstacles = texts;
  }

  strangers(found: readonly Stranger[]): void {
    const addresses = new Set<string>(found.map(one => one.address));
    for (const { address, packets } of found) {
      if (this.#strangers.has(address)) continue;
      const why =
        'it has no lease that we know of; a host that joined while the registry is out of reach is let in once that is back';
      this.#log.warn({ address, packets }, `tunnel packets from ${address} are dropped: ${why}`);
    }
    this.#strangers = addresses;
  }
}

/** A guard of iptables has a chain for every few peers: the first tell what it is about. */
function few(drift: readonly string[]): readonly string[] {
  const more = drift.length - mostTold;
  return more <= 1 ? drift : [...drift.slice(0, mostTold), `and ${more} more`];
}

const mostTold = 20;

const obstacleRemedy =
  'take the rule away, or accept the network before it (Docker: in DOCKER-USER; firewalld: put the devices into the zone trusted)';
