/** What etcd itself says that it has done: its own metrics, before and after. */

/** Sums since etcd started. */
export interface EtcdReading {
  readonly cpuSeconds: number;
  readonly rssBytes: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** Requests that began, by name: Range, Txn, LeaseGrant, Watch. */
  readonly requests: ReadonlyMap<string, number>;
  readonly fsyncs: number;
  readonly databaseBytes: number;
}

/** @throws TypeError when etcd does not answer */
export async function readEtcd(url: string): Promise<EtcdReading> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const value = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN);
  const requests = new Map<string, number>();
  for (const [, method = '', times] of text.matchAll(
    /^grpc_server_started_total\{grpc_method="(\w+)".*\} (\S+)$/gm,
  )) {
    requests.set(method, (requests.get(method) ?? 0) + Number(times));
  }
  return {
    requests,
    cpuSeconds: value('process_cpu_seconds_total'),
    rssBytes: value('process_resident_memory_bytes'),
    sentBytes: value('etcd_network_client_grpc_sent_bytes_total'),
    receivedBytes: value('etcd_network_client_grpc_received_bytes_total'),
    fsyncs: value('etcd_disk_wal_fsync_duration_seconds_count'),
    databaseBytes: value('etcd_mvcc_db_total_size_in_bytes'),
  };
}

/** What was done between two readings of one etcd; sizes are those of the later. */
export function between(before: EtcdReading, after: EtcdReading): EtcdReading {
  return {
    ...after,
    cpuSeconds: after.cpuSeconds - before.cpuSeconds,
    sentBytes: after.sentBytes - before.sentBytes,
    receivedBytes: after.receivedBytes - before.receivedBytes,
    fsyncs: after.fsyncs - before.fsyncs,
    requests: new Map(
      [...after.requests].map(([name, times]) => [name, times - (before.requests.get(name) ?? 0)]),
    ),
  };
}

/** A reading of one that was just started, for what it does from then on. */
export const freshEtcd: EtcdReading = {
  ...{ cpuSeconds: 0, rssBytes: 0, sentBytes: 0, receivedBytes: 0, fsyncs: 0, databaseBytes: 0 },
  requests: new Map(),
};
