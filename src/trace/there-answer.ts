/** The other half of a trace: as a daemon writes it, as the asker reads it, and in its place in the trace. */
import type { IpAddress } from '../base/ip.ts';
import { type AnswerFields, fieldsOf, listIn, numberIn, optional, textIn } from '../control/answer-fields.ts';
import {
  type Entry,
  type Frame,
  type FrameLayer,
  type Hop,
  type HopKind,
  type HopVerdict,
  hopKinds,
  hopVerdicts,
  type Remedy,
  type Trace,
  verdictOf,
} from './hop.ts';
import { isKnownCommand } from './told-command.ts';

export interface ThereAnswer {
  readonly hops: readonly Hop[];
}

/** @throws WeftError `door-refused` for what no daemon of ours would say */
export function parseThereAnswer(value: unknown): ThereAnswer {
  return { hops: listIn(fieldsOf(value, 'the other half'), 'hops').map(hopOf) };
}

/** The trace with the other half as it was seen there, in place of what the registry told. */
export function withThereSeen(trace: Trace, { hops: there }: ThereAnswer, peer: IpAddress): Trace {
  const here = trace.hops.filter(({ host }) => host === 'here');
  const seen = there.map(hop =>
    hop.remedy === undefined ? hop : { ...hop, remedy: { ...hop.remedy, on: peer } },
  );
  const arrives = !seen.some(({ verdict }) => verdict === 'broken');
  const hops = [
    ...here.filter(({ direction }) => direction === 'out'),
    ...seen,
    ...(arrives ? here.filter(({ direction }) => direction === 'back') : []),
  ];
  return { ...trace, hops, verdict: verdictOf(hops), there: { answered: true } };
}

function hopOf(value: unknown): Hop {
  const fields = fieldsOf(value, 'a hop');
  return {
    host: 'there',
    direction: fields['direction'] === 'back' ? 'back' : 'out',
    packet: fields['packet'] === 'outer' ? 'outer' : 'inner',
    kind: kindOf(textIn(fields, 'kind')),
    verdict: judgementOf(textIn(fields, 'verdict')),
    text: lineIn(fields, 'text'),
    entries: listIn(fields, 'entries').map(entryOf),
    cause: optional(fields, 'cause', lineIn),
    remedy: optional(fields, 'remedy', (all, name) => remedyOf(fieldsOf(all[name], name))),
    device: optional(fields, 'device', lineIn),
    frame: optional(fields, 'frame', (all, name) => frameOf(fieldsOf(all[name], name))),
  };
}

/** So that none of it passes for a line of our own. */
function lineIn(fields: AnswerFields, name: string): string {
  return textIn(fields, name).replace(/\s*\n\s*/g, ' ');
}

/** A newer daemon may meet what this program has no word for. */
function kindOf(text: string): HopKind {
  return hopKinds.find(kind => kind === text) ?? 'host';
}

function judgementOf(text: string): HopVerdict {
  return hopVerdicts.find(verdict => verdict === text) ?? 'unknown';
}

function entryOf(value: unknown): Entry {
  const fields = fieldsOf(value, 'an entry');
  return { tool: lineIn(fields, 'tool'), line: lineIn(fields, 'line') };
}

function remedyOf(fields: AnswerFields): Remedy {
  const told = listIn(fields, 'commands').map(command => textIn({ command }, 'command'));
  const commands = told.filter(isKnownCommand);
  const text = lineIn(fields, 'text');
  const rest = commands.length === told.length ? [] : ['`weft trace` on that host tells what to do'];
  return { commands, text: [text, ...rest].filter(part => part !== '').join('; ') };
}

function frameOf(fields: AnswerFields): Frame {
  return {
    layers: listIn(fields, 'layers').map(layerOf),
    addedBytes: numberIn(fields, 'addedBytes'),
    innerMtuBytes: numberIn(fields, 'innerMtuBytes'),
    underlayMtuBytes: optional(fields, 'underlayMtuBytes', numberIn),
  };
}

function layerOf(value: unknown): FrameLayer {
  const fields = fieldsOf(value, 'a layer');
  const part = textIn(fields, 'part');
  return {
    name: lineIn(fields, 'name'),
    bytes: numberIn(fields, 'bytes'),
    text: lineIn(fields, 'text'),
    part: part === 'link' || part === 'added' ? part : 'packet',
  };
}
