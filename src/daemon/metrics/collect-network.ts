/** What one network has to tell, read when it is asked for. More peers cost a look at what is known of each, not more lines. */
import { readLinkStatistics } from '../../kernel/link-statistics.ts';
import type { Sheet } from '../../metrics/sheet.ts';
import { abilities } from '../../tunnel/abilities.ts';
import type { LinkStatistics } from '../../wire/link-statistics.ts';
import type { KeptFirewall } from '../traffic.ts';
import type { MetricName } from './catalogue.ts';
import { putProbes } from './collect-probes.ts';
import type { GuardReader } from './guard-reader.ts';
import type { MeasuredNetwork } from './measured-network.ts';

type NetworkSheet = Sheet<MetricName>;

export async function collectNetwork(
  sheet: NetworkSheet,
  network: MeasuredNetwork,
  guards: GuardReader,
): Promise<void> {
  putNetwork(sheet, network);
  putLease(sheet, network);
  putRegistry(sheet, network);
  putKernel(sheet, network);
  putTunnels(sheet, network);
  putProbes(sheet, network.probes);
  await Promise.all([putDevices(sheet, network), putFirewalls(sheet, network.firewalls, guards)]);
}

function putNetwork(sheet: NetworkSheet, { membership, peers }: MeasuredNetwork): void {
  const { subnet, attrs } = membership.host.lease;
  sheet.put('weft_network_info', 1, {
    backend: membership.backend.type,
    interface: membership.host.external.name,
    subnet: subnet.ipv4 ?? '',
    ipv6_subnet: subnet.ipv6 ?? '',
    public_ip: attrs.publicIp ?? '',
    public_ipv6: attrs.publicIpv6 ?? '',
  });
  sheet.put('weft_leases', 1 + peers.used + peers.partly + peers.refused);
  for (const [state, count] of Object.entries(peers)) sheet.put('weft_peers', count, { state });
}

function putLease(sheet: NetworkSheet, { lease, renewMarginSeconds }: MeasuredNetwork): void {
  sheet.put('weft_lease_held', lease.problem === '');
  sheet.put('weft_lease_permanent', lease.permanent);
  const remaining = Math.max(0, lease.remainingMs) / 1000;
  sheet.put('weft_lease_remaining_seconds', Number.isFinite(remaining) ? remaining : undefined);
  sheet.put('weft_lease_renew_margin_seconds', renewMarginSeconds);
  for (const reason of ['due', 'published', 'deleted', 'overwritten'] as const) {
    sheet.put('weft_lease_renewals_total', lease.renewals.get(reason) ?? 0, { reason });
  }
  sheet.put('weft_lease_renewal_failures_total', lease.failures);
}

function putRegistry(sheet: NetworkSheet, { registry, instruments }: MeasuredNetwork): void {
  const { staleSinceWallMs } = registry;
  sheet.put('weft_registry_connected', registry.connected);
  sheet.put(
    'weft_registry_stale_since_timestamp_seconds',
    staleSinceWallMs === undefined ? undefined : staleSinceWallMs / 1000,
  );
  sheet.put('weft_registry_reconnects_total', registry.reconnects);
  sheet.putHistogram('weft_registry_event_delay_seconds', instruments.eventDelay);
}

/** Kinds that nothing has happened to yet are told as 0: of what appears at 1, no rate can be known. */
const objectTypes = ['link', 'address', 'nexthop', 'route', 'neighbour', 'fdb'] as const;

function putKernel(sheet: NetworkSheet, { reconciler, instruments }: MeasuredNetwork): void {
  sheet.put('weft_plan_objects', reconciler.desired.size);
  sheet.put('weft_plan_differences', reconciler.pending, { state: 'pending' });
  sheet.put('weft_plan_differences', reconciler.failing.size, { state: 'failing' });
  sheet.put('weft_plan_differences', reconciler.heldBack.size, { state: 'waiting' });
  for (const object of objectTypes) {
    sheet.put('weft_repairs_total', reconciler.repaired.get(object) ?? 0, { object });
  }
  for (const { key, count } of instruments.steps.entries) sheet.put('weft_kernel_changes_total', count, key);
  for (const { key, count } of instruments.errors.entries) sheet.put('weft_kernel_errors_total', count, key);
  sheet.putHistogram('weft_kernel_change_seconds', instruments.applying);
  sheet.putHistogram('weft_kernel_look_seconds', instruments.looking);
  sheet.put('weft_kernel_notice_overruns_total', instruments.overruns);
}

function putTunnels(sheet: NetworkSheet, { tunnels }: MeasuredNetwork): void {
  for (const { device, works, counters } of tunnels) {
    const ours = sheet.with({ device });
    ours.put('weft_tunnel_up', works);
    for (const direction of ['sent', 'received'] as const) {
      ours.put('weft_tunnel_packets_total', counters[direction].packets, { direction });
      ours.put('weft_tunnel_bytes_total', counters[direction].bytes, { direction });
    }
    for (const [reason, count] of Object.entries(counters.drops)) {
      ours.put('weft_tunnel_dropped_total', count, { reason });
    }
    ours.put('weft_tunnel_icmp_errors_total', counters.icmpErrors);
    ours.put('weft_tunnel_segment_refusals_total', counters.segmentRefusals);
    for (const ability of abilities) {
      ours.put('weft_tunnel_ability', counters.abilities.includes(ability), { ability });
    }
  }
}

async function putDevices(sheet: NetworkSheet, { socket, devices }: MeasuredNetwork): Promise<void> {
  // A namespace that has just gone takes its socket with it.
  const found = await readLinkStatistics(socket, devices).catch(() => new Map<string, LinkStatistics>());
  for (const device of devices) {
    const statistics = found.get(device);
    const ours = sheet.with({ device });
    ours.put('weft_device_up', statistics?.up ?? false);
    if (statistics === undefined) continue;
    const { received, sent } = statistics;
    ours.put('weft_device_receive_packets_total', received.packets);
    ours.put('weft_device_receive_bytes_total', received.bytes);
    ours.put('weft_device_receive_dropped_total', received.dropped);
    ours.put('weft_device_receive_errors_total', received.errors);
    ours.put('weft_device_transmit_packets_total', sent.packets);
    ours.put('weft_device_transmit_bytes_total', sent.bytes);
    ours.put('weft_device_transmit_dropped_total', sent.dropped);
    ours.put('weft_device_transmit_errors_total', sent.errors);
  }
}

async function putFirewalls(
  sheet: NetworkSheet,
  firewalls: readonly KeptFirewall[],
  guards: GuardReader,
): Promise<void> {
  for (const { firewall, netns = '' } of firewalls) {
    const { engine, problem, repairs, obstacles } = firewall.status;
    const ours = sheet.with({ engine, netns });
    ours.put('weft_firewall_in_place', problem === '');
    ours.put('weft_firewall_repairs_total', repairs);
    ours.put('weft_firewall_obstacles', obstacles.length);
    const report = await guards.read(firewall);
    for (const [origin, dropped] of [
      ['stranger', report?.strangersDropped],
      ['outsider', report?.outsidersDropped],
    ] as const) {
      ours.put('weft_firewall_dropped_packets_total', dropped?.packets, { origin });
      ours.put('weft_firewall_dropped_bytes_total', dropped?.bytes, { origin });
    }
  }
}
