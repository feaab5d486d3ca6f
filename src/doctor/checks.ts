/** All checks, in the order in which a human would look: the host, the daemon, the registry, the network, the peers. */
import type { Check } from './check.ts';
import { backendMismatch } from './checks/backend-mismatch.ts';
import { brNetfilter } from './checks/br-netfilter.ts';
import { capabilitiesHeld } from './checks/capabilities.ts';
import { chosenInterface } from './checks/chosen-interface.ts';
import { clock } from './checks/clock.ts';
import { config } from './checks/config.ts';
import { containerBridge } from './checks/container-bridge.ts';
import { daemon } from './checks/daemon.ts';
import { device } from './checks/device.ts';
import { firewallRules } from './checks/firewall-rules.ts';
import { forwardDrop } from './checks/forward-drop.ts';
import { inputDrop } from './checks/input-drop.ts';
import { ipForward } from './checks/ip-forward.ts';
import { lease } from './checks/lease.ts';
import { leftOver } from './checks/left-over.ts';
import { limits } from './checks/limits.ts';
import { masquerade } from './checks/masquerade.ts';
import { networkOverlap } from './checks/network-overlap.ts';
import { pathMtu } from './checks/path-mtu.ts';
import { peerDaemon } from './checks/peer-daemon.ts';
import { peerReach } from './checks/peer-reach.ts';
import { peers } from './checks/peers.ts';
import { portTaken } from './checks/port-taken.ts';
import { registry } from './checks/registry.ts';
import { rpFilter } from './checks/rp-filter.ts';
import { shadowedRoutes } from './checks/shadowed-routes.ts';
import { strayKeys } from './checks/stray-keys.ts';
import { subnetEnv } from './checks/subnet-env.ts';
import { twins } from './checks/twins.ts';
import { twoDaemons } from './checks/two-daemons.ts';
import { txChecksum } from './checks/tx-checksum.ts';
import { vxlanSupport } from './checks/vxlan-support.ts';

export const checks: readonly Check[] = [
  vxlanSupport,
  capabilitiesHeld,
  ipForward,
  rpFilter,
  brNetfilter,
  forwardDrop,
  inputDrop,
  firewallRules,
  masquerade,
  portTaken,
  txChecksum,
  limits,
  daemon,
  twoDaemons,
  chosenInterface,
  registry,
  clock,
  config,
  networkOverlap,
  strayKeys,
  lease,
  twins,
  subnetEnv,
  containerBridge,
  device,
  leftOver,
  backendMismatch,
  peers,
  shadowedRoutes,
  peerReach,
  peerDaemon,
  pathMtu,
];
