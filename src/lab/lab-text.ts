/** What `lab up` and `lab ls` say. */
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

/** `The lab is up: 2 hosts at a switch, 1 container on each, registry dir` */
function titleText({ name, hosts, containersPerHost, registry }: LabShape, state: string): string {
  const lab = name === defaultShape.name ? 'The lab' : `Lab ${name}`;
  const parts = [
    `${counted(hosts, 'host')} at a switch`,
    `${counted(containersPerHost, 'container')} on each`,
  ];
  return `${lab} ${state}: ${parts.join(', ')}, registry ${registry}`;
}

function nextText({ shape, hosts }: LabStatus): string {
  const named = shape.name === defaultShape.name ? '' : ` --name ${shape.name}`;
  const exec = `weft lab exec${named}`;
  const reachable = hosts.flatMap(host => host.containers).filter(({ address }) => address !== undefined);
  const [from, to] = [reachable[0], reachable.at(-1)];
  const rows = [
    ...(from === undefined || to === undefined || from === to
      ? []
      : [[`  ${exec} ${from.name} -- ping -c3 ${to.address}`, 'container to container']]),
    [`  ${exec} host1 -- ip route`, "what host1's kernel knows of the others"],
    [`  tail -f ${daemonLog(shape.name, 'host1')}`, 'what its daemon says'],
    [`  weft lab down${named}`, 'take it all away'],
  ];
  return `Next:\n${renderTable(rows)}`;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
