import { inNetns } from '../sys/netns.ts';
import { sysctl } from '../sys/sysctl.ts';
import { familiesOf, type LabPlan, placesOf } from './lab-plan.ts';
import { netnsPath } from './namespaces.ts';

/**
 * Readies the namespaces of a lab with IPv6, as long as there is nothing in them: hosts forward, and no address waits
 * for duplicate address detection, which would keep a router silent for its first two seconds (RFC 4862 section 5.4).
 * @throws WeftError `netns-missing`, `sysctl-write`
 */
export function prepareIpv6(plan: LabPlan): void {
  if (!familiesOf(plan.shape).includes(6)) return;
  for (const { netns } of placesOf(plan)) {
    inNetns(netnsPath(netns), () => {
      for (const scope of ['all', 'default']) sysctl.write(`net/ipv6/conf/${scope}/accept_dad`, '0');
    });
  }
  for (const { netns } of plan.hosts) {
    inNetns(netnsPath(netns), () => sysctl.write('net/ipv6/conf/all/forwarding', '1'));
  }
}
