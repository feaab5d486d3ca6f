/** Does the registry say that this host has its subnet, how to reach it, and for how long? */
import { hasCode } from '../../base/errors.ts';
import { describeSubnet } from '../../lease/judge.ts';
import type { LeaseAttrs } from '../../lease/lease.ts';
import { formatLeaseAttrs } from '../../lease/lease-attrs.ts';
import type { MemberView } from '../../view/member-view.ts';
import type { Check } from '../check.ts';
import { type Finding, fail, ok, warn } from '../finding.ts';
import { placeOf, sentences } from '../registry-place.ts';
import type { Scene } from '../scene.ts';
import { runCommand } from '../weft-command.ts';

export const lease: Check = { name: 'lease', title: 'lease', look };

/** Chosen: a daemon renews an hour before the end unless told otherwise, and a lease lasts a day. */
const lateSeconds = 15 * 60;

async function look(scene: Scene): Promise<Finding> {
  const { member, notMember } = await scene.view();
  if (member === undefined) return notLeased(scene, notMember?.message ?? 'this host has no lease');
  const { found } = member;
  switch (found.by) {
    case 'nothing':
      return notLeased(
        scene,
        `the registry has no lease of this host: it was ${describeSubnet(found.subnet)}`,
      );
    case 'subnet':
      return publishesAnother(scene, member, found);
    case 'address': {
      const { attrs } = member.membership.host.lease;
      const isRight = formatLeaseAttrs(found.lease.attrs) === formatLeaseAttrs(attrs);
      return isRight ? await lasting(scene, found) : differing(scene, found, attrs);
    }
  }
}

type Found = Exclude<MemberView['found'], { readonly by: 'nothing' }>;

/** No peer leads here. */
async function notLeased(scene: Scene, what: string): Promise<Finding> {
  const live = await scene.live().catch(() => undefined);
  const problem = live?.network?.lease.problem || live?.reason;
  return fail(what, {
    evidence: [
      `${placeOf(scene.registry.name).readCommand('subnets/')} --prefix: none is of this host`,
      ...(problem === undefined || problem === '' ? [] : [`the daemon: ${problem}`]),
    ],
    remedy:
      live === undefined
        ? { commands: [runCommand(scene)], text: 'the daemon leases it' }
        : { commands: [], text: 'the daemon leases it again as soon as the registry lets it: see its log' },
  });
}

async function publishesAnother(scene: Scene, member: MemberView, { key, lease: theirs }: Found) {
  const { publicIp, publicIpv6 } = member.membership.chosen;
  const here = publicIp ?? publicIpv6;
  const published = theirs.attrs.publicIp ?? theirs.attrs.publicIpv6;
  const place = placeOf(scene.registry.name);
  return fail(
    `the lease of ${describeSubnet(theirs.subnet)}, which is in use here, publishes ${published}, not ${here}`,
    {
      evidence: [`${place.readCommand(key)}: ${formatLeaseAttrs(theirs.attrs)}`],
      remedy: {
        commands: [place.deleteCommand(key), runCommand(scene)],
        text: sentences(
          `if ${published} is another host, leave its lease alone: remove ${scene.options.subnetFile} here, start the daemon, and start Docker again with the new subnet`,
          `if ${published} is this host behind NAT, give doctor the daemon's -public-ip`,
          place.note,
        ),
      },
    },
  );
}

function differing(scene: Scene, { key, lease: theirs }: Found, attrs: LeaseAttrs): Finding {
  const place = placeOf(scene.registry.name);
  return fail('the lease does not say how this host is reached: peers that follow it send to nowhere', {
    evidence: [
      `${place.readCommand(key)}: ${formatLeaseAttrs(theirs.attrs)}`,
      `shall be: ${formatLeaseAttrs(attrs)}`,
    ],
    remedy: { commands: [runCommand(scene)], text: 'the daemon publishes it, when it is started again' },
  });
}

async function lasting(scene: Scene, { key, lease: ours }: Found): Promise<Finding> {
  const name = describeSubnet(ours.subnet);
  const isRunning = await scene.live().then(
    () => true,
    error => !hasCode(error, 'door-closed'),
  );
  if (ours.permanent) return ok(`${name} is reserved for this host, for good`);
  const seconds = await scene.registry.remaining(key, { signal: scene.signal });
  if (seconds === undefined) return ok(`${name} is leased`);
  if (seconds > lateSeconds) return ok(`${name} is leased for another ${durationText(seconds)}`);
  const left = durationText(seconds);
  return warn(`the lease of ${name} expires in ${left}, and has not been renewed`, {
    evidence: [`${placeOf(scene.registry.name).readCommand(key)}: expires in ${Math.round(seconds)} s`],
    remedy: isRunning
      ? { commands: [], text: 'the daemon runs: its log says why it does not renew' }
      : { commands: [runCommand(scene)], text: 'the daemon renews it' },
  });
}

function durationText(seconds: number): string {
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}
