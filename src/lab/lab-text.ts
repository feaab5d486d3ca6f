/** What `lab up` and `lab ls` say. */
import { type LabBackend, networkText } from './lab-network.ts';
import { defaultShape, type LabShape } from './lab-plan.ts';
import { daemonLog } from './lab-state.ts';
import type { LabStatus } from './lab-status.ts';
import { renderLab, renderTable } from './lab-table.ts';

export function madeText(status: LabStatus, made: boolean): string {
  return [
    titleText(status.shape, made ? 'is up' : 'is there already'),
    renderLab(status),
    nextText(status),
  ].join('\n\n');
}

export function listedText(status: LabStatus): string {
  return `${titleText(status.shape, 'is up')}\n\n${renderLab(status)}`;
}

/** `The lab is up: 2 hosts at a switch, 1 container on each`, and what network they share. */
function titleText(shape: LabShape, state: string): string {
  const { name, hosts, containersPerHost, registry } = shape;
  const lab = name === defaultShape.name ? 'The lab' : `Lab ${name}`;
  const parts = [
    `${counted(hosts, 'host')} at a switch`,
    `${counted(containersPerHost, 'container')} on each`,
  ];
  return `${lab} ${state}: ${parts.join(', ')}\nBackend ${networkText(shape)}; registry ${registry}`;
}

function nextText({ shape, hosts }: LabStatus): string {
  const named = shape.name === defaultShape.name ? '' : ` --name ${shape.name}`;
  const exec = `weft lab exec${named}`;
  const reachable = hosts.flatMap(host => host.containers).filter(({ addresses }) => addresses.length > 0);
  const [from, to] = [reachable[0], reachable.at(-1)];
  const rows = [
    ...(from === undefined || to === undefined || from === to
      ? []
      : [[`  ${exec} ${from.name} -- ping -c3 ${to.addresses[0]}`, 'container to container']]),
    [`  ${exec} host1 -- ${shape.family === '6' ? 'ip -6 route' : 'ip route'}`, knowledge[shape.backend]],
    [`  ${exec} host1 -- weft doctor`, 'is anything wrong there?'],
    [`  tail -f ${daemonLog(shape.name, 'host1')}`, 'what its daemon says'],
    [`  weft lab down${named}`, 'take it all away'],
  ];
  return `Next:\n${renderTable(rows)}`;
}

/** What the routes of a host tell. */
const knowledge: Readonly<Record<LabBackend, string>> = {
  vxlan: "what host1's kernel knows of the others",
  'vxlan-direct': "what host1's kernel knows of the others",
  'host-gw': "what host1's kernel knows of the others",
  udp: 'flannel0 leads to all others, through the daemon',
};

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
