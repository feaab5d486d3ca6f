import { readdirSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import process from 'node:process';
import { Histogram } from '../../metrics/histogram.ts';
import type { Sheet } from '../../metrics/sheet.ts';
import type { MetricName } from './catalogue.ts';

const periodMs = 500;
const delayBounds = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5];

/** Measures this process for as long as it is open. */
export class ProcessGauge {
  readonly #delay = new Histogram(delayBounds);
  readonly #timer: NodeJS.Timeout;
  #dueMs = performance.now() + periodMs;

  constructor() {
    this.#timer = setInterval(() => this.#tick(), periodMs).unref();
  }

  collect(sheet: Sheet<MetricName>): void {
    const memory = process.memoryUsage();
    const { user, system } = process.cpuUsage();
    sheet.putHistogram('weft_event_loop_delay_seconds', this.#delay);
    sheet.put('weft_event_loop_busy_seconds_total', performance.eventLoopUtilization().active / 1000);
    sheet.put('weft_heap_used_bytes', memory.heapUsed);
    sheet.put('weft_heap_size_bytes', memory.heapTotal);
    sheet.put('process_cpu_seconds_total', (user + system) / 1_000_000);
    sheet.put('process_resident_memory_bytes', memory.rss);
    sheet.put('process_start_time_seconds', performance.timeOrigin / 1000);
    sheet.put('process_open_fds', openDescriptors());
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const nowMs = performance.now();
    // Timers come up to a millisecond early.
    this.#delay.observe(Math.max(0, nowMs - this.#dueMs) / 1000);
    this.#dueMs = nowMs + periodMs;
  }
}

/** Without the one that is opened to count them. */
function openDescriptors(): number | undefined {
  try {
    return readdirSync('/proc/self/fd').length - 1;
  } catch {
    return undefined;
  }
}
