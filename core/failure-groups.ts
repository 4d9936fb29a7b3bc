/**
 * Failures grouped by their cause, so that "21 of 2,000 failed" can be understood in one look.
 *
 * Two failures have one cause when code, exit code and signal are the same, and so is what the command said last once
 * everything is taken out of it that differs from task to task: numbers, times, ids, addresses, paths, quoted values.
 * Rather one group too few than fifty of one task each: every group shows examples.
 */
import { createHash } from 'node:crypto';
import type { Failure, TaskRecord } from './task.ts';

export const MAX_EXAMPLES = 5;
/** Longer lines, and more of them, tell causes apart no better. */
const MAX_LINE_CHARACTERS = 400;
const MAX_LINES_LOOKED_AT = 12;
const MAX_LINES_TOLD = 3;
const MAX_MESSAGE_CHARACTERS = 500;

export interface FailureGroup {
  /** Stable: the same cause has it in every job. */
  readonly group: string;
  readonly code: Failure['code'];
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** What all of them said, with placeholders for what differs; empty where they said nothing. */
  readonly pattern: string;
  readonly count: number;
  /** As the first of them put it. */
  readonly message: string;
  /** The first tasks of the group. */
  readonly examples: readonly { readonly taskId: string; readonly index: number }[];
  readonly firstAt: string | null;
  readonly lastAt: string | null;
}

/** What differs from task to task, most specific first. */
const PLACEHOLDERS: readonly (readonly [RegExp, string])[] = [
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are told by control characters
  [/\u001b\[[0-9;]*[A-Za-z]/g, ''],
  [/\b[a-z][a-z0-9+.-]*:\/\/[^\s'"`<>)\]]+/gi, '<url>'],
  [/\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?/g, '<time>'],
  [/\b\d\d:\d\d:\d\d(?:[.,]\d+)?\b/g, '<time>'],
  [/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/gi, '<id>'],
  [/\b(?:job_)?[0-9A-HJKMNP-TV-Z]{26}(?:-\d+)?\b/g, '<id>'],
  // An apostrophe within a word opens and closes nothing.
  [/(?<!\w)"[^"]*"|(?<!\w)'[^']*'(?!\w)|`[^`]*`/g, '<value>'],
  [/\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+/g, '<address>'],
  [/(?<![\w<.~@+-])(?:[A-Za-z]:)?(?:[\w.~@+-]*[/\\])+[\w.~@+-]*/g, '<path>'],
  [
    /\b[\w-]+\.(?:csv|json|jsonl|txt|xml|ya?ml|parquet|png|jpe?g|tiff?|gif|mp[34]|wav|pdf|npy|h5|nc|gz|zip)\b/gi,
    '<path>',
  ],
  [/\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b/g, '<address>'],
  [/(?<![\w:])(?:[0-9a-f]{1,4}:){3,7}[0-9a-f:]*[0-9a-f]{1,4}\b/gi, '<address>'],
  [/\b0x[0-9a-f]+\b/gi, '<hex>'],
  [/\b(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{7,}\b/gi, '<hex>'],
  [/(?:(?<!\w)[-+])?\d+(?:[.,]\d+)*(?:e[-+]?\d+)?/gi, '<n>'],
  [/\s+/g, ' '],
];

/** Stack frames, carets and the like say where, not what. */
const POINTLESS = /^\s*(?:at\s.+|File ".*", line \d+.*|\.{3} \d+ more|[\^~\s]*|Node\.js v[\d.]+|note: run with .*)$/;
const NAMES_A_FAULT =
  /error|exception|fatal|panic|fail|cannot|can't|could not|unable|denied|refused|invalid|not found|no such|killed|out of memory/i;

/** How such a command's last words look without what differs from task to task. */
export function patternOf(failure: Failure): string {
  switch (failure.code) {
    case 'exit':
    case 'signal':
      return lastWords(failure.stderrTail ?? failure.message);
    // What a command was at when its time ran out, or what it wrote instead of a result, is no cause.
    case 'timeout':
    case 'result-invalid':
    case 'result-too-large':
    case 'poison':
      return '';
    case 'command-not-found':
    case 'command-not-executable':
    case 'input-unavailable':
    case 'released-too-often':
    case 'reported':
      return lastWords(failure.message);
  }
}

/** From the last line that names a fault on; the last lines, if none does. */
function lastWords(text: string): string {
  const lines = text
    .split(/\r\n|\r|\n/)
    .filter((line) => !POINTLESS.test(line))
    .slice(-MAX_LINES_LOOKED_AT)
    .map((line) => line.slice(0, MAX_LINE_CHARACTERS));
  const fault = lines.findLastIndex((line) => NAMES_A_FAULT.test(line));
  const told = fault === -1 ? lines.slice(-1) : lines.slice(fault, fault + MAX_LINES_TOLD);
  return told.map(withoutParticulars).join('\n');
}

const withoutParticulars = (line: string): string =>
  PLACEHOLDERS.reduce((text, [what, placeholder]) => text.replace(what, placeholder), line).trim();

/** The short id of a failure's group. */
export const failureGroupId = (failure: Failure): string => groupIdOf(failure, patternOf(failure));

const groupIdOf = ({ code, exitCode, signal }: Failure, pattern: string): string =>
  createHash('sha256')
    .update(JSON.stringify([code, exitCode ?? null, signal ?? null, pattern]))
    .digest('hex')
    .slice(0, 10);

export const isFailureGroupId = (text: string): boolean => /^[0-9a-f]{10}$/.test(text);

/** Groups found so far; more failures may be added at any time. */
export class FailureGroups {
  readonly #groups = new Map<string, FailureGroup>();

  add(task: Pick<TaskRecord, 'taskId' | 'index' | 'failure' | 'finishedAt'>): void {
    const { failure } = task;
    if (!failure) return;
    const pattern = patternOf(failure);
    const group = groupIdOf(failure, pattern);
    const known = this.#groups.get(group) ?? emptyGroup(group, failure, pattern);
    const { taskId, index, finishedAt } = task;
    this.#groups.set(group, {
      ...known,
      count: known.count + 1,
      examples: known.examples.length < MAX_EXAMPLES ? [...known.examples, { taskId, index }] : known.examples,
      firstAt: earliest(known.firstAt, finishedAt),
      lastAt: latest(known.lastAt, finishedAt),
    });
  }

  /** The largest first. */
  list(): readonly FailureGroup[] {
    return [...this.#groups.values()].sort((a, b) => b.count - a.count || (a.group < b.group ? -1 : 1));
  }
}

const emptyGroup = (group: string, failure: Failure, pattern: string): FailureGroup => ({
  group,
  code: failure.code,
  exitCode: failure.exitCode ?? null,
  signal: failure.signal ?? null,
  pattern,
  count: 0,
  message: failure.message.slice(0, MAX_MESSAGE_CHARACTERS),
  examples: [],
  firstAt: null,
  lastAt: null,
});

/** Times are written alike, so that they compare as text. */
const earliest = (a: string | null, b: string | null): string | null => (a === null || (b !== null && b < a) ? b : a);
const latest = (a: string | null, b: string | null): string | null => (a === null || (b !== null && b > a) ? b : a);
