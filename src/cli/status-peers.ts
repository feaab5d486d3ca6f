/** The peers of a status for people: how many, and a table with as many columns as there is room for. */
import type { ProbeFacts } from '../control/probe-facts.ts';
import { objectCommand } from '../state/describe.ts';
import type { PeerFamilyStatus, PeerState, PeerStatus } from '../view/peer-status.ts';
import { sinceText } from './moment.ts';
import type { StatusForm, StatusPaint } from './status-form.ts';
import { hasFallenSilent, leadsThere, probeOf, type ToldStatus } from './told-status.ts';
import { printable, wrap } from './wrap.ts';

const states: readonly PeerState[] = ['programmed', 'carried', 'missing', 'differs', 'refused'];

/** `3 peers: 2 programmed, 1 missing; 1 answers, 1 silent`. */
export function countLine(status: ToldStatus, { columns, paint }: StatusForm): string {
  const { peers } = status;
  const counts = states
    .map(state => [state, peers.filter(peer => peer.state === state).length] as const)
    .filter(([, count]) => count > 0)
    .map(([state, count]) => paintState(state, `${count} ${state}`, paint));
  const all = paint.heading(peers.length === 1 ? '1 peer' : `${peers.length} peers`);
  const told = [counts.join(', '), reachCounts(status, paint)].filter(Boolean).join('; ');
  return wrap(told === '' ? all : `${all}: ${told}`, { width: columns, hanging: 2 });
}

/** What probing finds of a family of a peer, for people. */
type Reach = 'silent' | 'lossy' | 'no answer' | 'answers' | '-';

/** From the worst. */
const reaches: readonly Reach[] = ['silent', 'lossy', 'no answer', 'answers'];

function reachCounts(status: ToldStatus, paint: StatusPaint): string {
  if (status.probes.size === 0) return '';
  const worst = status.peers.map(peer => {
    const found = peer.families.map(({ family }) => reachOf(probeOf(status, peer, family)));
    return reaches.find(reach => found.includes(reach)) ?? '-';
  });
  return reaches
    .map(reach => [reach, worst.filter(one => one === reach).length] as const)
    .filter(([, count]) => count > 0)
    .map(([reach, count]) => paintReach(reach, `${count} ${told(reach, count)}`, paint))
    .reverse()
    .join(', ');
}

function told(reach: Reach, count: number): string {
  if (reach === 'no answer') return 'without an answer';
  return reach === 'answers' && count !== 1 ? 'answer' : reach;
}

function reachOf(facts: ProbeFacts | undefined): Reach {
  if (facts === undefined || facts.verdict === 'unprobed') return '-';
  if (facts.verdict === 'silent') return hasFallenSilent(facts) ? 'silent' : 'no answer';
  return facts.verdict;
}

interface Column {
  readonly head: string;
  /** Those with the highest number go first when there is no room; those of 0 stay. */
  readonly spare: number;
  /** '' or '-' where there is nothing to tell. */
  text(row: Row): string;
  paint?(row: Row, text: string, paint: StatusPaint): string;
}

/** A peer has one for each family. */
interface Row {
  readonly peer: PeerStatus;
  readonly family: PeerFamilyStatus;
  readonly facts: ProbeFacts | undefined;
  readonly isFirst: boolean;
}

const columnsInOrder: readonly Column[] = [
  { head: 'SUBNET', spare: 0, text: ({ family }) => family.subnet },
  { head: 'HOST', spare: 0, text: ({ family }) => family.address ?? '-' },
  { head: 'VTEP MAC', spare: 5, text: ({ family }) => family.vtepMac ?? '-' },
  {
    ...{ head: 'STATE', spare: 0, text: ({ peer, isFirst }) => (isFirst ? peer.state : '') },
    paint: ({ peer }, text, paint) => paintState(peer.state, text, paint),
  },
  {
    ...{ head: 'REACH', spare: 1, text: ({ facts }) => reachOf(facts) },
    paint: ({ facts }, text, paint) => paintReach(reachOf(facts), text, paint),
  },
  { head: 'RTT', spare: 2, text: ({ facts }) => latencyText(facts?.latencyMs) },
  { head: 'LOSS', spare: 3, text: ({ facts }) => lossText(facts?.lossRatio) },
  { head: 'LARGEST', spare: 4, text: ({ facts }) => `${facts?.largestBytes ?? '-'}` },
];

function latencyText(latencyMs: number | undefined): string {
  if (latencyMs === undefined) return '-';
  return `${latencyMs.toFixed(latencyMs < 10 ? 2 : latencyMs < 100 ? 1 : 0)} ms`;
}

/** One lost of thousands is not none. */
function lossText(ratio: number | undefined): string {
  if (ratio === undefined) return '-';
  return `${ratio > 0 && ratio < 1 ? Math.min(99, Math.max(1, Math.round(ratio * 100))) : ratio * 100} %`;
}

/** A row for each family; below it, what is wrong. */
export function peerTable(status: ToldStatus, form: StatusForm): string[] {
  const { paint, columns } = form;
  const rows = status.peers.map(peer => rowsOf(status, peer));
  const shown = fitting(rows.flat(), columns);
  const line = (cells: readonly string[]): string => cells.join('  ').trimEnd();
  return [
    paint.quiet(line(shown.map(({ column, width }) => column.head.padEnd(width)))),
    ...status.peers.flatMap((peer, index) => [
      ...(rows[index] ?? []).map(row =>
        line(
          shown.map(({ column, width }) => {
            const text = column.text(row);
            return (column.paint?.(row, text, paint) ?? text) + ' '.repeat(width - text.length);
          }),
        ),
      ),
      ...detailLines(status, peer, form),
    ]),
  ];
}

function rowsOf(status: ToldStatus, peer: PeerStatus): Row[] {
  return peer.families.map((family, index) => ({
    ...{ peer, family, facts: probeOf(status, peer, family.family), isFirst: index === 0 },
  }));
}

interface ShownColumn {
  readonly column: Column;
  readonly width: number;
}

/** Without those that say nothing, and as many as a line has room for. */
function fitting(rows: readonly Row[], columns: number): ShownColumn[] {
  const all = columnsInOrder.flatMap((column): ShownColumn[] => {
    const width = rows.reduce((most, row) => Math.max(most, column.text(row).length), column.head.length);
    const isTold = column.spare === 0 || rows.some(row => !['', '-'].includes(column.text(row)));
    return isTold ? [{ column, width }] : [];
  });
  const widthOf = (some: readonly ShownColumn[]): number =>
    some.reduce((sum, { width }) => sum + width + 2, -2);
  let shown = all;
  while (widthOf(shown) > columns) {
    const most = Math.max(...shown.map(({ column }) => column.spare));
    if (most === 0) break;
    shown = shown.filter(({ column }) => column.spare !== most);
  }
  return shown;
}

function detailLines(status: ToldStatus, peer: PeerStatus, form: StatusForm): string[] {
  const { columns, paint } = form;
  const { state, reason, families, objects } = peer;
  const what = state === 'missing' || state === 'differs' ? `${state}: ${reason}` : reason && `it ${reason}`;
  const found = families.flatMap(({ family }) => {
    const sentence = reachSentence(probeOf(status, peer, family), status.nowMs);
    return families.length > 1 ? sentence.map(text => `IPv${family}: ${text}`) : sentence;
  });
  const sentences = [...(reason === '' ? [] : [what]), ...found];
  return [
    ...sentences.map(text => wrap(printable(text), { width: columns, indent: 2, hanging: 4 })),
    ...(form.entries ? objects : []).map(one => {
      const entry = `${paintState(one.state, one.state.padEnd(stateWidth), paint)}  ${objectCommand('replace', one.object)}`;
      return wrap(entry, { width: columns, indent: 2, hanging: 4 });
    }),
  ];
}

const stateWidth = 10;

function reachSentence(facts: ProbeFacts | undefined, nowMs: number): string[] {
  if (facts === undefined) return [];
  const { lastAnswerMs, largestBytes, wantedBytes, address } = facts;
  if (hasFallenSilent(facts) && lastAnswerMs !== undefined) {
    return [`silent since ${sinceText(lastAnswerMs, nowMs)}: ${address ?? 'it'} answers no more`];
  }
  if (largestBytes === undefined || wantedBytes === undefined || largestBytes >= wantedBytes) return [];
  return [`packets of ${wantedBytes} bytes do not come through, of ${largestBytes} they do`];
}

function paintState(state: PeerState, text: string, paint: StatusPaint): string {
  if (text === '') return text;
  return leadsThere({ state }) ? paint.good(text) : paint.bad(text);
}

function paintReach(reach: Reach, text: string, paint: StatusPaint): string {
  if (reach === 'answers') return paint.good(text);
  return reach === 'silent' || reach === 'lossy' ? paint.bad(text) : paint.quiet(text);
}
