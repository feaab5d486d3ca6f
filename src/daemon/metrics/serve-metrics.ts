/**
 * /metrics, for Prometheus:
 *
 *     request ─> one sheet ─┬─ process
 *                           └─ each network: what is known, the devices' counters, the guards'  ─> text
 */
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import process from 'node:process';
import { describeError, WeftError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { createServer } from '../../control/http.ts';
import { contentTypes, exposition, type Format, formatFor } from '../../metrics/exposition.ts';
import { createSheet } from '../../metrics/sheet.ts';
import type { Readiness } from '../health.ts';
import type { MetricsAddress } from '../options.ts';
import { catalogue } from './catalogue.ts';
import { collectNetwork } from './collect-network.ts';
import { GuardReader } from './guard-reader.ts';
import type { MeasuredNetwork } from './measured-network.ts';
import { ProcessGauge } from './process-gauge.ts';

export interface NetworkToMeasure {
  /** Which of several it is. */
  readonly name?: string | undefined;
  readonly readiness: Readiness;
  /** Undefined while there is no lease. */
  readonly measured: MeasuredNetwork | undefined;
}

export interface MetricsListener {
  close(): void;
}

/**
 * Serves /metrics until it is closed.
 * @throws WeftError `metrics-listen`
 */
export async function serveMetrics(
  address: MetricsAddress,
  networks: () => readonly NetworkToMeasure[],
  log: Log,
): Promise<MetricsListener> {
  const gauge = new ProcessGauge();
  const guards = new GuardReader(() => performance.now());
  const scrape = async (format: Format): Promise<string> => {
    const sheet = createSheet(catalogue);
    const { version } = address;
    sheet.put('weft_build_info', 1, { version, node: process.versions.node, arch: process.arch });
    for (const { name = '', readiness, measured } of networks()) {
      const ours = sheet.with({ network: name });
      ours.put('weft_ready', readiness.ready);
      if (measured !== undefined) await collectNetwork(ours, measured, guards);
    }
    gauge.collect(sheet);
    return exposition(catalogue, sheet, format);
  };
  const server = createServer((request, response) => void answer(request, response, scrape, log));
  try {
    server.listen(address.port, address.host);
    await once(server, 'listening');
  } catch (cause) {
    gauge.close();
    throw listenError(address, cause);
  }
  // Such as EMFILE when a connection is taken: no reason to end the network.
  server.on('error', error => log.warn({ error }, 'the metrics listener had a problem'));
  return {
    close() {
      gauge.close();
      server.close().closeAllConnections();
    },
  };
}

async function answer(
  { url = '/', method, headers }: IncomingMessage,
  response: ServerResponse,
  scrape: (format: Format) => Promise<string>,
  log: Log,
): Promise<void> {
  const end = (status: number, type: string, text: string): void => {
    response.writeHead(status, { 'content-type': type }).end(method === 'HEAD' ? undefined : text);
  };
  if (url.split('?')[0] !== '/metrics') return end(404, plain, '404 page not found: try /metrics\n');
  if (method !== 'GET' && method !== 'HEAD') return end(405, plain, '405 method not allowed\n');
  const format = formatFor(headers.accept);
  try {
    end(200, contentTypes[format], await scrape(format));
  } catch (error) {
    log.warn({ error }, 'the metrics could not be read');
    end(500, plain, `500 the metrics could not be read: ${describeError(error)}\n`);
  }
}

const plain = 'text/plain; charset=utf-8';

function listenError({ host, port }: MetricsAddress, cause: unknown): WeftError {
  return new WeftError('metrics-listen', `listening on ${host}:${port} for metrics failed`, {
    cause,
    remedy: 'choose another -metrics-addr, or leave it out',
  });
}
