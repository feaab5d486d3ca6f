/** The status of a network for people: this host, counts, and a table of the peers. */
import { describeSubnet } from '../lease/judge.ts';
import { objectCommand } from '../state/describe.ts';
import type { DeviceFacts } from '../view/device-facts.ts';
import type { HostStatus } from '../view/host-status.ts';
import type { PeerState, PeerStatus } from '../view/peer-status.ts';
import { printable, wrap } from './wrap.ts';

export interface StatusPaint {
  heading(text: string): string;
  quiet(text: string): string;
  good(text: string): string;
  bad(text: string): string;
}

export interface StatusForm {
  readonly columns: number;
  readonly paint: StatusPaint;
  /** Every entry of the kernel that leads to a peer, too. */
  readonly entries: boolean;
}

/** A network's status, and what the caller knows besides. */
export interface ToldStatus extends HostStatus {
  readonly network: string | undefined;
  readonly daemonRuns: boolean;
}

/** True when this host is a member, its daemon runs, and everything leads where it shall. */
export function isHealthy({ registry, kernel, peers, daemonRuns }: ToldStatus): boolean {
  if (registry.problem !== undefined || kernel === undefined || !daemonRuns) return false;
  const { missing, differing, leftOver } = kernel;
  return missing + differing + leftOver === 0 && peers.every(({ state }) => isGood(state));
}

export function renderStatus(status: ToldStatus, form: StatusForm): string {
  const { network, peers } = status;
  const { paint } = form;
  return [
    ...(network === undefined ? [] : [paint.heading(`network ${network}`), '']),
    ...hostLines(status, form),
    ...problemLines(status, form),
    '',
    countLine(peers, paint),
    ...(peers.length === 0 ? [] : ['', ...peerTable(peers, form)]),
  ].join('\n');
}

function hostLines(status: ToldStatus, { columns, paint }: StatusForm): string[] {
  const { host, lease, registry, daemonRuns } = status;
  const rows: ReadonlyArray<readonly [string, string]> = [
    ['interface', host.interface === undefined ? '' : `${host.interface}, MTU ${host.interfaceMtuBytes}`],
    ['public IP', [host.publicIp, host.publicIpv6].filter(ip => ip !== undefined).join(', ')],
    ['network', [host.networks.join(', '), host.backend].filter(Boolean).join(' by ')],
    ['subnet', host.subnet === undefined ? '' : describeSubnet(host.subnet)],
    ['lease', lease === undefined ? '' : leaseText(lease)],
    ['containers', host.mtuBytes === undefined ? '' : `MTU ${host.mtuBytes}`],
    ...host.devices.map(device => ['device', deviceText(device, paint)] as const),
    ['kernel', kernelText(status, paint)],
    ['registry', `${registry.name}: ${registry.reachable ? 'answers' : paint.bad('does not answer')}`],
    ['daemon', daemonRuns ? 'runs' : paint.bad('does not run')],
  ];
  return rows
    .filter(([, value]) => value !== '')
    .map(([name, value]) =>
      wrap(`${name.padEnd(nameWidth)}${value}`, { width: columns, hanging: nameWidth }),
    );
}

const nameWidth = 12;

function leaseText({ key, permanent }: NonNullable<HostStatus['lease']>): string {
  if (key === undefined) return 'none in the registry; the daemon leases the subnet again';
  return permanent ? `${key}, a reservation` : `${key}, ends within a day unless the daemon renews it`;
}

function deviceText({ name, state, mtuBytes, mac }: DeviceFacts, paint: StatusPaint): string {
  if (state === 'missing') return `${name} ${paint.bad('missing')}`;
  const facts = [`MTU ${mtuBytes}`, ...(mac === undefined ? [] : [mac])];
  return `${name} ${state === 'up' ? state : paint.bad(state)}, ${facts.join(', ')}`;
}

function kernelText({ kernel }: HostStatus, paint: StatusPaint): string {
  if (kernel === undefined) return 'what it shall have is not known; this is what it has';
  const { objects, missing, differing, leftOver } = kernel;
  const wrong = [
    ...(missing > 0 ? [`${missing} missing`] : []),
    ...(differing > 0 ? [`${differing} otherwise`] : []),
    ...(leftOver > 0 ? [`${leftOver} left over`] : []),
  ];
  if (wrong.length === 0) return paint.good(`all ${objects} objects are as they shall be`);
  return `${paint.bad(wrong.join(', '))} of ${objects} objects: \`weft plan\` shows them`;
}

function problemLines({ registry, remarks }: HostStatus, { columns, paint }: StatusForm): string[] {
  const { problem } = registry;
  const sentences = [
    ...(problem === undefined ? [] : [problem.message]),
    ...(problem?.remedy === undefined ? [] : [`what to do: ${problem.remedy}`]),
    ...remarks,
  ];
  if (sentences.length === 0) return [];
  return ['', ...sentences.map(text => paint.quiet(wrap(printable(text), { width: columns, hanging: 2 })))];
}

const states: readonly PeerState[] = ['programmed', 'carried', 'missing', 'differs', 'refused'];

function countLine(peers: readonly PeerStatus[], paint: StatusPaint): string {
  const counts = states
    .map(state => [state, peers.filter(peer => peer.state === state).length] as const)
    .filter(([, count]) => count > 0)
    .map(([state, count]) => paintState(state, `${count} ${state}`, paint));
  const all = peers.length === 1 ? '1 peer' : `${peers.length} peers`;
  return `${paint.heading(all)}${counts.length === 0 ? '' : `: ${counts.join(', ')}`}`;
}

function paintState(state: PeerState, text: string, paint: StatusPaint): string {
  return isGood(state) ? paint.good(text) : paint.bad(text);
}

function isGood(state: PeerState): boolean {
  return state === 'programmed' || state === 'carried';
}

type Row = readonly [subnet: string, host: string, mac: string, state: PeerState | ''];

/** A row for each family; below it, what is wrong. */
function peerTable(peers: readonly PeerStatus[], form: StatusForm): string[] {
  const { columns, paint } = form;
  const rows = peers.map(rowsOf);
  const width = (column: 0 | 1 | 2, least: number): number =>
    rows.flat().reduce((most, row) => Math.max(most, row[column].length), least);
  const widths = [width(0, 6), width(1, 4), width(2, 8)] as const;
  // A MAC is the first that can be done without; -peer tells it.
  const hasMacs = widths[2] > 8 && widths[0] + widths[1] + widths[2] + 6 + stateWidth <= columns;
  const line = ([subnet, host, mac, state]: readonly [string, string, string, string]): string =>
    [subnet.padEnd(widths[0]), host.padEnd(widths[1]), ...(hasMacs ? [mac.padEnd(widths[2])] : []), state]
      .join('  ')
      .trimEnd();
  return [
    paint.quiet(line(['SUBNET', 'HOST', 'VTEP MAC', 'STATE'])),
    ...peers.flatMap((peer, index) => [
      ...(rows[index] ?? []).map(([subnet, host, mac, state]) =>
        line([subnet, host, mac, state === '' ? '' : paintState(state, state, paint)]),
      ),
      ...detailLines(peer, form),
    ]),
  ];
}

const stateWidth = 10;

function rowsOf({ families, state }: PeerStatus): Row[] {
  return families.map(({ subnet, address, vtepMac }, index) => [
    ...([subnet, address ?? '-', vtepMac ?? '-'] as const),
    index === 0 ? state : '',
  ]);
}

function detailLines(
  { state, reason, objects }: PeerStatus,
  { columns, paint, entries }: StatusForm,
): string[] {
  const what = state === 'missing' || state === 'differs' ? `${state}: ${reason}` : reason && `it ${reason}`;
  return [
    ...(reason === '' ? [] : [wrap(printable(what), { width: columns, indent: 2, hanging: 4 })]),
    ...(entries
      ? objects.map(one =>
          wrap(
            `${paintState(one.state, one.state.padEnd(stateWidth), paint)}  ${objectCommand('replace', one.object)}`,
            {
              ...{ width: columns, indent: 2, hanging: 4 },
            },
          ),
        )
      : []),
  ];
}
