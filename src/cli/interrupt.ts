import process from 'node:process';
import { WeftError } from '../base/errors.ts';

/**
 * Runs `work` with a signal that SIGINT or SIGTERM aborts. Only the first is caught: the second ends the process at
 * once, as flanneld does.
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const interrupt = (name: NodeJS.Signals) => {
    letThrough();
    controller.abort(new WeftError('interrupted', `stopped by ${name}`));
  };
  const letThrough = () => {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  try {
    return await work(controller.signal);
  } finally {
    letThrough();
  }
}
