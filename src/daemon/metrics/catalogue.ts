/**
 * All metrics of the daemon; docs/metrics.md is this table with a word on each. A name that has been told stays: dashboards
 * and alerts are made of them. Units are Prometheus' base units, seconds and bytes.
 */
import type { MetricTable } from '../../metrics/metric.ts';

export const catalogue = {
  weft_build_info: {
    type: 'gauge',
    help: 'Always 1; the labels say what runs',
    labels: ['version', 'node', 'arch'],
  },
  weft_ready: { type: 'gauge', help: 'Whether /readyz would say that the network works here' },
  weft_network_info: {
    type: 'gauge',
    help: 'Always 1 while there is a lease; the labels say what this host is in the network',
    labels: ['backend', 'interface', 'subnet', 'ipv6_subnet', 'public_ip', 'public_ipv6'],
  },

  weft_leases: {
    type: 'gauge',
    help: 'Leases in the registry that are known here, this host’s own among them',
  },
  weft_peers: {
    type: 'gauge',
    help: 'Other hosts by what leads to them: used, partly (one family of two), refused (nothing; the log says why)',
    labels: ['state'],
  },
  weft_peers_probed: {
    type: 'gauge',
    help: 'Peers, once for each family, by how they answer: answers, lossy (not all of the last ten times), silent (not any more), unanswered (never yet), unprobed (nobody to ask, or not asked)',
    labels: ['verdict'],
  },
  weft_probe_sent_total: { type: 'counter', help: 'Times that a peer was asked, with a small packet' },
  weft_probe_lost_total: { type: 'counter', help: 'Times that no answer came within a second' },
  weft_probe_latency_seconds: {
    type: 'histogram',
    help: 'From asking a peer to its answer',
  },
  weft_peer_worst_latency_seconds: {
    type: 'gauge',
    help: 'Of all peers’ last answers the slowest; absent while there is none',
  },
  weft_peer_worst_loss_ratio: {
    type: 'gauge',
    help: 'The largest share of its last ten probes that a peer which has ever answered did not answer',
  },
  weft_peers_short: {
    type: 'gauge',
    help: 'Peers, once for each family, to which packets as large as the containers’ MTU do not pass',
  },
  weft_peer_latency_seconds: {
    type: 'gauge',
    help: 'Of a peer’s last answer; this and the next two only while there are at most 100 peers',
    labels: ['peer', 'family'],
  },
  weft_peer_loss_ratio: {
    type: 'gauge',
    help: 'Share of the last ten probes that the peer did not answer',
    labels: ['peer', 'family'],
  },
  weft_peer_largest_packet_bytes: {
    type: 'gauge',
    help: 'The largest inner packet that passes to the peer and back, up to the containers’ MTU',
    labels: ['peer', 'family'],
  },

  weft_lease_held: {
    type: 'gauge',
    help: 'Whether our subnet is ours for sure: neither expired nor lost to another host',
  },
  weft_lease_permanent: { type: 'gauge', help: 'Whether our lease never expires (a reservation)' },
  weft_lease_remaining_seconds: {
    type: 'gauge',
    help: 'Until our lease expires, 0 when it has; absent when it is permanent',
  },
  weft_lease_renew_margin_seconds: {
    type: 'gauge',
    help: 'How long before it expires the lease is renewed (-subnet-lease-renew-margin)',
  },
  weft_lease_renewals_total: {
    type: 'counter',
    help: 'Times that our lease was written again: due, published (with other attributes), or because it was deleted or overwritten',
    labels: ['reason'],
  },
  weft_lease_renewal_failures_total: { type: 'counter', help: 'Times that our lease could not be written' },

  weft_registry_connected: { type: 'gauge', help: 'Whether the registry tells us of changes' },
  weft_registry_stale_since_timestamp_seconds: {
    type: 'gauge',
    help: 'When it was lost, in Unix time; absent while it is there',
  },
  weft_registry_reconnects_total: {
    type: 'counter',
    help: 'Times that the registry was lost and found again',
  },
  weft_registry_event_delay_seconds: {
    type: 'histogram',
    help: 'From the arrival of a change of leases here to the kernel having it',
  },

  weft_plan_objects: {
    type: 'gauge',
    help: 'Kernel objects that shall be there: devices, addresses, routes, neighbours, FDB entries',
  },
  weft_plan_differences: {
    type: 'gauge',
    help: 'Objects that are not known to be as they shall: pending (to be looked at now), failing (the kernel refuses them), waiting (something keeps undoing them)',
    labels: ['state'],
  },
  weft_repairs_total: {
    type: 'counter',
    help: 'Kernel objects put right that something had changed',
    labels: ['object'],
  },
  weft_kernel_changes_total: {
    type: 'counter',
    help: 'Changes that the kernel took: add, replace, delete',
    labels: ['verb', 'object'],
  },
  weft_kernel_change_seconds: {
    type: 'histogram',
    help: 'A batch of changes, from the first request to the last answer',
  },
  weft_kernel_look_seconds: { type: 'histogram', help: 'A look at the kernel as a whole' },
  weft_kernel_errors_total: {
    type: 'counter',
    help: 'Changes that the kernel refused, and looks that failed, by errno or by our own code',
    labels: ['task', 'error'],
  },
  weft_kernel_notice_overruns_total: {
    type: 'counter',
    help: 'Times that the kernel had more notices than there was room for; everything is looked at then',
  },

  weft_firewall_in_place: {
    type: 'gauge',
    help: 'Whether our firewall rules are as they shall be',
    labels: ['engine', 'netns'],
  },
  weft_firewall_repairs_total: {
    type: 'counter',
    help: 'Times that something undid our firewall rules',
    labels: ['engine', 'netns'],
  },
  weft_firewall_obstacles: {
    type: 'gauge',
    help: 'Rules of others that drop packets of the network',
    labels: ['engine', 'netns'],
  },
  weft_firewall_dropped_packets_total: {
    type: 'counter',
    help: 'Dropped by the guard: packets to the tunnel from a stranger, out of it with a source outside the network',
    labels: ['origin', 'engine', 'netns'],
  },
  weft_firewall_dropped_bytes_total: {
    type: 'counter',
    help: 'The same in bytes',
    labels: ['origin', 'engine', 'netns'],
  },

  weft_device_up: { type: 'gauge', help: 'Whether the device is there and is set up', labels: ['device'] },
  weft_device_receive_packets_total: {
    type: 'counter',
    help: 'Packets out of the device',
    labels: ['device'],
  },
  weft_device_receive_bytes_total: { type: 'counter', help: 'Bytes out of the device', labels: ['device'] },
  weft_device_receive_dropped_total: {
    type: 'counter',
    help: 'Packets that came and were dropped',
    labels: ['device'],
  },
  weft_device_receive_errors_total: {
    type: 'counter',
    help: 'Packets that came and were faulty',
    labels: ['device'],
  },
  weft_device_transmit_packets_total: {
    type: 'counter',
    help: 'Packets into the device',
    labels: ['device'],
  },
  weft_device_transmit_bytes_total: { type: 'counter', help: 'Bytes into the device', labels: ['device'] },
  weft_device_transmit_dropped_total: {
    type: 'counter',
    help: 'Packets that were to go and were dropped, such as those without an FDB entry',
    labels: ['device'],
  },
  weft_device_transmit_errors_total: {
    type: 'counter',
    help: 'Packets that could not be sent',
    labels: ['device'],
  },

  weft_tunnel_up: {
    type: 'gauge',
    help: 'Whether the udp backend’s tunnel passes packets',
    labels: ['device'],
  },
  weft_tunnel_packets_total: {
    type: 'counter',
    help: 'Inner packets through the tunnel: sent, received',
    labels: ['device', 'direction'],
  },
  weft_tunnel_bytes_total: { type: 'counter', help: 'The same in bytes', labels: ['device', 'direction'] },
  weft_tunnel_dropped_total: {
    type: 'counter',
    help: 'Packets and datagrams that the tunnel passed on to nobody',
    labels: ['device', 'reason'],
  },
  weft_tunnel_icmp_errors_total: {
    type: 'counter',
    help: 'ICMP errors that senders were told by',
    labels: ['device'],
  },
  weft_tunnel_segment_refusals_total: {
    type: 'counter',
    help: 'Messages of many datagrams that the kernel refused and that went one by one',
    labels: ['device'],
  },
  weft_tunnel_ability: {
    type: 'gauge',
    help: 'Whether the tunnel uses what makes it fast on this kernel',
    labels: ['device', 'ability'],
  },

  weft_event_loop_delay_seconds: {
    type: 'histogram',
    help: 'How late a timer comes, twice a second: how long everything else would have waited',
  },
  weft_event_loop_busy_seconds_total: { type: 'counter', help: 'Time that the main thread was busy' },
  weft_heap_used_bytes: { type: 'gauge', help: 'JavaScript objects, garbage included' },
  weft_heap_size_bytes: { type: 'gauge', help: 'What is set aside for them' },
  process_cpu_seconds_total: { type: 'counter', help: 'Processor time of the process and its threads' },
  process_resident_memory_bytes: { type: 'gauge', help: 'Memory that the process holds' },
  process_start_time_seconds: { type: 'gauge', help: 'When it started, in Unix time' },
  process_open_fds: { type: 'gauge', help: 'Open file descriptors' },
} as const satisfies MetricTable;

export type MetricName = keyof typeof catalogue;
