/** The status of a network for people: this host, counts, and a table of the peers. */
import type { LiveRepair, LiveTrouble } from '../control/live-status.ts';
import { describeSubnet } from '../lease/judge.ts';
import type { DeviceFacts } from '../view/device-facts.ts';
import type { LinkStatistics, Traffic } from '../wire/link-statistics.ts';
import { bytesText, clockText, durationText, sinceText } from './moment.ts';
import type { StatusForm, StatusPaint } from './status-form.ts';
import { countLine, peerTable } from './status-peers.ts';
import type { ToldStatus } from './told-status.ts';
import { printable, wrap } from './wrap.ts';

export function renderStatus(status: ToldStatus, form: StatusForm): string {
  const { network, peers } = status;
  const { paint } = form;
  return [
    ...(network === undefined ? [] : [paint.heading(`network ${network}`), '']),
    ...hostLines(status, form),
    ...problemLines(status, form),
    '',
    countLine(status, form),
    ...(peers.length === 0 ? [] : ['', ...peerTable(status, form)]),
  ].join('\n');
}

type Fact = readonly [name: string, value: string];

function hostLines(status: ToldStatus, { columns, paint }: StatusForm): string[] {
  const { host, statistics } = status;
  const rows: readonly Fact[] = [
    ['interface', host.interface === undefined ? '' : `${host.interface}, MTU ${host.interfaceMtuBytes}`],
    ['public IP', [host.publicIp, host.publicIpv6].filter(ip => ip !== undefined).join(', ')],
    ['network', [host.networks.join(', '), host.backend].filter(Boolean).join(' by ')],
    ['subnet', host.subnet === undefined ? '' : describeSubnet(host.subnet)],
    ['lease', leaseText(status, paint)],
    ['containers', host.mtuBytes === undefined ? '' : `MTU ${host.mtuBytes}`],
    ...host.devices.map((device): Fact => ['device', deviceText(device, statistics.get(device.name), paint)]),
    ['kernel', kernelText(status, paint)],
    ['registry', registryText(status, paint)],
    ['daemon', daemonText(status, paint)],
    ...repairRows(status),
    ...troubleRows(status, paint),
  ];
  return rows
    .filter(([, value]) => value !== '')
    .map(([name, value]) =>
      wrap(`${name.padEnd(nameWidth)}${value}`, { width: columns, hanging: nameWidth }),
    );
}

const nameWidth = 12;

function leaseText(status: ToldStatus, paint: StatusPaint): string {
  const { lease, daemon } = status;
  if (lease === undefined) {
    return status.leaseEndsMs === undefined ? '' : `${endText(status, paint)}, by what the daemon knows`;
  }
  if (lease.key === undefined) return 'none in the registry; the daemon leases the subnet again';
  if (lease.permanent) return `${lease.key}, a reservation`;
  const problem = daemon.live?.network?.lease.problem ?? '';
  const ends = `${lease.key}, ${endText(status, paint)}`;
  return problem === '' ? ends : `${ends}; ${paint.bad(printable(problem))}`;
}

function endText({ leaseEndsMs, nowMs, daemon }: ToldStatus, paint: StatusPaint): string {
  const without = daemon.runs ? '' : ' unless the daemon renews it';
  if (leaseEndsMs === undefined) return `ends within a day${without || ' unless it is renewed'}`;
  if (leaseEndsMs <= nowMs) return paint.bad(`expired ${durationText(nowMs - leaseEndsMs)} ago`);
  return `expires in ${durationText(leaseEndsMs - nowMs)}${without}`;
}

function deviceText(
  { name, state, mtuBytes, mac }: DeviceFacts,
  counted: LinkStatistics | undefined,
  paint: StatusPaint,
): string {
  if (state === 'missing') return `${name} ${paint.bad('missing')}`;
  const facts = [`MTU ${mtuBytes}`, ...(mac === undefined ? [] : [mac])];
  const line = `${name} ${state === 'up' ? state : paint.bad(state)}, ${facts.join(', ')}`;
  return counted === undefined ? line : `${line}\n${trafficText(counted)}`;
}

function trafficText({ received, sent }: LinkStatistics): string {
  const of = ({ bytes, dropped }: Traffic): string =>
    dropped > 0 ? `${bytesText(bytes)} (${dropped} dropped)` : bytesText(bytes);
  return `in ${of(received)}, out ${of(sent)}`;
}

function kernelText({ kernel }: ToldStatus, paint: StatusPaint): string {
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

function registryText({ registry, daemon, nowMs }: ToldStatus, paint: StatusPaint): string {
  const answers = `${registry.name}: ${registry.reachable ? 'answers' : paint.bad('does not answer')}`;
  const { staleSinceMs } = daemon.live?.network?.registry ?? {};
  if (staleSinceMs === undefined) return answers;
  const stale = `stale since ${sinceText(staleSinceMs, nowMs)}`;
  return `${answers}; what the daemon knows is ${paint.bad(stale)}`;
}

function daemonText({ daemon, nowMs }: ToldStatus, paint: StatusPaint): string {
  const { runs, live, mute } = daemon;
  if (live !== undefined) {
    const { version, pid, startedMs, ready, reason } = live;
    const about = `weft ${printable(version)}, pid ${pid}, up ${durationText(nowMs - startedMs)}`;
    return `${about}, ${ready ? 'ready' : paint.bad(`not ready: ${printable(reason)}`)}`;
  }
  if (mute === 'hangs') return paint.bad('runs, but does not answer');
  if (mute === 'refuses') return 'runs, and tells more to root and to its own group';
  return runs ? 'runs' : paint.bad('does not run');
}

function repairRows({ daemon, nowMs }: ToldStatus): Fact[] {
  const { counts = {}, last = [] } = daemon.live?.network?.repairs ?? {};
  const all = Object.values(counts).reduce((sum, count) => sum + count, 0);
  if (all === 0) return [];
  const [newest] = last;
  const told = `${all} ${all === 1 ? 'repair' : 'repairs'}`;
  return [['repairs', newest === undefined ? told : `${told}, last ${repairText(newest, nowMs)}`]];
}

function repairText({ atMs, command, by }: LiveRepair, nowMs: number): string {
  const line = `${clockText(atMs, nowMs)} \`${printable(command)}\``;
  return by === undefined ? line : `${line}, undone by ${printable(by)}`;
}

const toldTroubles = 3;

/** Not all: the daemon's log has them, and -json those that it keeps. */
function troubleRows({ daemon, nowMs }: ToldStatus, paint: StatusPaint): Fact[] {
  const { network, waiting } = daemon.live ?? {};
  const all = network?.troubles ?? (waiting === undefined ? [] : [waiting]);
  return all
    .slice(0, toldTroubles)
    .map((trouble, index): Fact => [index === 0 ? 'troubles' : '', troubleText(trouble, nowMs, paint)]);
}

function troubleText(
  { atMs, sinceMs, count, level, message }: LiveTrouble,
  nowMs: number,
  paint: StatusPaint,
): string {
  const at = clockText(atMs, nowMs);
  const again = count > 1 ? ` (${count} times since ${clockText(sinceMs, nowMs)})` : '';
  const told = printable(message);
  return `${at} ${level === 'error' ? paint.bad(told) : told}${again}`;
}

function problemLines({ registry, remarks }: ToldStatus, { columns, paint }: StatusForm): string[] {
  const { problem } = registry;
  const sentences = [
    ...(problem === undefined ? [] : [problem.message]),
    ...(problem?.remedy === undefined ? [] : [`what to do: ${problem.remedy}`]),
    ...remarks,
  ];
  if (sentences.length === 0) return [];
  return ['', ...sentences.map(text => paint.quiet(wrap(printable(text), { width: columns, hanging: 2 })))];
}
