import { WeftError } from '../base/errors.ts';
import { instancePrefix } from '../control/instance-name.ts';
import { commandLine } from '../sys/process.ts';
import { claimUnixName, holderOfUnixName } from '../sys/unix-name.ts';

export interface InstanceLock {
  /** Lets another daemon begin; more than once does no harm. */
  close(): void;
}

/**
 * Makes this process the only daemon of `name` in its network namespace, where `name` is what two daemons would
 * fight over: the backend's device, such as `flannel.1`. Ends with the process, however that ends.
 * @throws WeftError `already-running`, naming the other as far as it can be seen
 */
export function acquireInstanceLock(name: string): InstanceLock {
  const held = claimUnixName(instancePrefix + name);
  if (held !== undefined) return held;
  const pid = holderOfUnixName(instancePrefix + name);
  const other = pid === undefined ? 'a process that cannot be seen from here' : describeProcess(pid);
  const find = `find it as root with: ss -xap src @${instancePrefix}${name}`;
  throw new WeftError('already-running', `another daemon has ${name} of this host in hand: ${other}`, {
    remedy: pid === undefined ? find : `stop it first: kill ${pid}`,
  });
}

/** The locks of the devices that this daemon has in hand for one network. */
export class InstanceLocks {
  readonly #inside: Inside;
  readonly #held = new Map<string, InstanceLock>();

  /** @param inside acts in the network namespace of the devices, to which names of locks belong */
  constructor(inside: Inside = act => act()) {
    this.#inside = inside;
  }

  /**
   * Holds the locks of exactly these devices; those held already are kept without a gap.
   * @throws WeftError `already-running`; then what was held before is held still
   */
  hold(devices: readonly string[]): void {
    const fresh = new Map<string, InstanceLock>();
    try {
      for (const device of devices)
        if (!this.#held.has(device))
          fresh.set(
            device,
            this.#inside(() => acquireInstanceLock(device)),
          );
    } catch (error) {
      for (const lock of fresh.values()) lock.close();
      throw error;
    }
    for (const [device, lock] of this.#held) {
      if (devices.includes(device)) continue;
      lock.close();
      this.#held.delete(device);
    }
    for (const [device, lock] of fresh) this.#held.set(device, lock);
  }

  close(): void {
    this.hold([]);
  }
}

type Inside = <T>(act: () => T) => T;

function describeProcess(pid: number): string {
  const command = commandLine(pid);
  return command === '' ? `pid ${pid}` : `pid ${pid}, ${command}`;
}
