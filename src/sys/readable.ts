/** A descriptor's readiness on Node's event loop: koffi's poll handle over libuv; no thread waits, nothing is polled. */
import koffi from 'koffi';

export class ReadableWatch {
  readonly #onReadable: () => void;
  readonly #handle: ReturnType<typeof koffi.node.poll>;
  #closed = false;
  #paused = false;

  /**
   * @param fd nonblocking; closed by the caller, after this
   * @param onReadable is called as long as there is something to read or an error to fetch; it shall read until
   * EAGAIN, or as much as is fair to others
   */
  constructor(fd: number, onReadable: () => void) {
    this.#onReadable = onReadable;
    this.#handle = koffi.node.poll(fd, events, (status: unknown) => this.#wake(status));
  }

  /** A program that has nothing else to do may end all the same. */
  unref(): void {
    // koffi 3.3 dereferences null for a handle that is closed.
    if (!this.#closed) this.#handle.unref();
  }

  ref(): void {
    if (!this.#closed) this.#handle.ref();
  }

  /** Until {@link resume} nothing is read, and what comes waits. */
  pause(): void {
    this.#paused = true;
    if (!this.#closed) this.#handle.stop();
  }

  resume(): void {
    this.#paused = false;
    if (!this.#closed) this.#start();
  }

  close(): void {
    this.#closed = true;
    this.#handle.close();
  }

  #start(): void {
    this.#handle.start(events, (status: unknown) => this.#wake(status));
  }

  #wake(status: unknown): void {
    try {
      this.#onReadable();
    } finally {
      // An error on a socket (an overrun, a link that went down) is POLLERR, by which libuv stops the watch for good and
      // says EBADF (uv__poll_io); reading has fetched the error, so go on.
      if (Number(status) < 0 && !this.#closed && !this.#paused) this.#start();
      // koffi calls back without a callback scope: promises that reading has settled would sleep until something else
      // wakes the loop.
      setImmediate(() => {});
    }
  }
}

const events = { readable: true } as const;
