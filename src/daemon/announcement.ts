/** Telling the world that the network works: subnet.env for Docker and the CNI plugin, READY for the service manager. */
import type { Clock } from '../base/clock.ts';
import { describeError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Membership } from '../host/membership.ts';
import { formatSubnetEnv } from '../lease/subnet-env.ts';
import { writeFileAtomic } from '../sys/files.ts';
import { notifyServiceManager } from '../sys/notify.ts';
import type { DaemonOptions } from './options.ts';

const retryMs = 500;

export class Announcement {
  readonly #options: DaemonOptions;
  readonly #log: Log;
  #written = '';
  #problem = '';

  constructor(options: DaemonOptions, log: Log) {
    this.#options = options;
    this.#log = log;
  }

  /** True once subnet.env has been written. */
  get made(): boolean {
    return this.#written !== '';
  }

  /** Why subnet.env does not say what it shall; '' when it does. */
  get problem(): string {
    return this.#problem;
  }

  /**
   * Writes subnet.env as soon as `objection` has none, the first time says that the network is ready, and tries until
   * then. To be called again when the membership has changed.
   * @param objection why the network does not work yet
   */
  async make(
    membership: () => Membership,
    objection: () => string | undefined,
    { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
  ): Promise<void> {
    for (let told = false; !signal.aborted; told = true) {
      this.#problem = objection() ?? this.#write(membership()) ?? '';
      if (this.#problem === '') return;
      if (!told)
        this.#log.error(
          { problem: this.#problem },
          `${this.made ? 'subnet.env is not as it shall be' : 'not ready'}: trying again until it works`,
        );
      await clock.sleep(retryMs, { signal }).catch(() => {});
    }
  }

  /** Gives the problem when the file could not be written. */
  #write({ backend, host }: Membership): string | undefined {
    const { subnetFile, ipMasq } = this.#options;
    const mtuBytes = backend.containerMtuBytes(host.external);
    const text = formatSubnetEnv({ config: host.config, subnet: host.lease.subnet, mtuBytes, ipMasq });
    if (text === this.#written) return undefined;
    try {
      writeFileAtomic(subnetFile, text);
    } catch (error) {
      return describeError(error);
    }
    const first = !this.made;
    this.#written = text;
    if (first) this.#tellReady();
    else {
      this.#log.warn(
        { subnetFile, mtu: mtuBytes },
        'subnet.env has changed: restart Docker, running containers keep the old MTU',
      );
    }
    return undefined;
  }

  #tellReady(): void {
    this.#log.info({ subnetFile: this.#options.subnetFile }, 'ready');
    this.#tellServiceManager();
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
