/** The tunnel's worker thread as the main thread sees it: one that is started again when it breaks. */
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { type Backoff, backoffMs } from '../base/backoff.ts';
import type { FromWorker, ToWorker, WorkerSetup } from './worker-messages.ts';

export interface WorkerThreadOptions {
  /** What the next worker shall start with. */
  setup(): Omit<WorkerSetup, 'stopped'>;
  onMessage(message: Exclude<FromWorker, { type: 'broke' }>): void;
  /** A worker has started in the place of one that broke. */
  onRestart(): void;
  /** A worker broke; another one will follow. */
  onBreak(cause: unknown): void;
  /** Closes the descriptors that the worker waits for: one that is ended by force must not be woken, see worker.ts. */
  release(): void;
  /** The module that a worker runs; for tests. */
  readonly module?: URL | undefined;
}

/** Beside this file, and of its kind: TypeScript, or JavaScript in the published package. */
const workerModule = new URL(`worker${path.extname(import.meta.filename)}`, import.meta.url);

const restart: Backoff = { firstMs: 100, maxMs: 10_000 };
/** After that long without a break, the next one counts as the first. */
const soundMs = 60_000;
/** A worker looks at its messages every few milliseconds; one that does not is ended. */
const stopMs = 2_000;

export class WorkerThread {
  readonly #options: WorkerThreadOptions;
  readonly #stopped = new Int32Array(new SharedArrayBuffer(4));
  /** The process exits without having closed this: the same, without the event loop. */
  readonly #stopNow = (): void => {
    this.post({ type: 'stop' });
    if (this.#worker !== undefined) Atomics.wait(this.#stopped, 0, 0, stopMs);
  };
  #worker: Worker | undefined;
  #exited: Promise<unknown> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #breaks = 0;
  #startedMs = 0;
  #closed = false;

  constructor(options: WorkerThreadOptions) {
    this.#options = options;
    process.on('exit', this.#stopNow);
    this.#start();
  }

  /** Lost when there is no worker at present: the next one gets a setup that is up to date. */
  post(message: ToWorker): void {
    this.#worker?.postMessage(message);
  }

  /** Resolves when the thread has ended. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.post({ type: 'stop' });
    const ended = await Promise.race([this.#exited.then(() => true), sleep(stopMs, false, { ref: false })]);
    if (!ended) {
      this.#options.release();
      await this.#worker?.terminate();
    }
    process.off('exit', this.#stopNow);
  }

  #start(): void {
    this.#startedMs = performance.now();
    this.#stopped[0] = 0;
    const worker = new Worker(this.#options.module ?? workerModule, {
      workerData: { ...this.#options.setup(), stopped: this.#stopped },
      name: 'weft-tunnel',
    });
    this.#worker = worker;
    let cause: unknown;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#exited = promise;
    worker.on('message', (message: FromWorker) => {
      if (message.type === 'broke') cause = message.error;
      else this.#options.onMessage(message);
    });
    worker.on('error', error => {
      cause = error;
    });
    worker.on('exit', code => {
      this.#worker = undefined;
      resolve();
      if (!this.#closed) this.#broke(cause ?? new Error(`the thread ended with code ${code}`));
    });
  }

  #broke(cause: unknown): void {
    if (performance.now() - this.#startedMs > soundMs) this.#breaks = 0;
    this.#options.onBreak(cause);
    this.#timer = setTimeout(
      () => {
        this.#start();
        this.#options.onRestart();
      },
      backoffMs(restart, this.#breaks++, Math.random()),
    );
  }
}
