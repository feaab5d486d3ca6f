/** Telling the world that the network works: subnet.env for Docker and the CNI plugin, READY for the service manager. */
import type { Clock } from '../base/clock.ts';
import { describeError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { formatSubnetEnv } from '../lease/subnet-env.ts';
import { writeFileAtomic } from '../sys/files.ts';
import { notifyServiceManager } from '../sys/notify.ts';
import type { Membership } from './membership.ts';
import type { DaemonOptions } from './options.ts';

const retryMs = 500;

export class Announcement {
  readonly #options: DaemonOptions;
  readonly #log: Log;
  #written = '';

  constructor(options: DaemonOptions, log: Log) {
    this.#options = options;
    this.#log = log;
  }

  /** True once subnet.env has been written. */
  get made(): boolean {
    return this.#written !== '';
  }

  /**
   * Writes subnet.env and says READY as soon as `problem` has nothing to object; tries until then.
   * @param problem why the network does not work yet
   */
  async make(
    membership: () => Membership,
    problem: () => string | undefined,
    { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
  ): Promise<void> {
    for (let told = false; !signal.aborted && !this.made; told = true) {
      const objection = problem() ?? this.write(membership());
      if (objection === undefined) break;
      if (!told) this.#log.error({ problem: objection }, 'not ready: trying again until it works');
      await clock.sleep(retryMs, { signal }).catch(() => {});
    }
    if (!this.made) return;
    this.#log.info({ subnetFile: this.#options.subnetFile }, 'ready');
    this.#tellServiceManager();
  }

  /** Writes subnet.env when it shall say something else than it does; gives the problem when that failed. */
  write({ backend, host }: Membership): string | undefined {
    const { subnetFile, ipMasq } = this.#options;
    const mtuBytes = backend.containerMtuBytes(host.external);
    const text = formatSubnetEnv({ config: host.config, subnet: host.lease.subnet, mtuBytes, ipMasq });
    if (text === this.#written) return undefined;
    try {
      writeFileAtomic(subnetFile, text);
    } catch (error) {
      return describeError(error);
    }
    if (this.made) {
      this.#log.warn(
        { subnetFile, mtu: mtuBytes },
        'subnet.env has changed: restart Docker, running containers keep the old MTU',
      );
    }
    this.#written = text;
    return undefined;
  }

  #tellServiceManager(): void {
    const { notifySocket } = this.#options;
    if (notifySocket === undefined) return;
    const problem = notifyServiceManager(notifySocket, 'READY=1');
    if (problem !== undefined) {
      this.#log.warn({ problem }, 'the service manager could not be told that we are ready');
    }
  }
}
