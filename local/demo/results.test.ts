import { describe, expect, it } from 'vitest';
import type { JobState, ResultLine } from './demo-api.ts';
import { faultsOf, resultsTable } from './results.ts';

const lineOf = (key: string, index: number): ResultLine => ({
  key,
  index,
  status: 'COMPLETED',
  seconds: 1.234,
  instanceId: 'local-1',
  failure: null,
  result: {
    words: 25,
    unique: 9,
    top: [
      ['the', 3],
      ['to', 2],
    ],
  },
});
const failedLine: ResultLine = {
  ...lineOf('long-key', 1),
  status: 'FAILED',
  failure: { message: 'exit code 1' },
  result: null,
};
const counters = { pending: 0, running: 0, completed: 2, failed: 0, cancelled: 0 };
const job: JobState = { status: 'COMPLETED', counters };

describe('the table of results', () => {
  it('aligns its columns and tells why a task has no result', () => {
    expect(resultsTable([lineOf('a', 0), failedLine])).toBe(
      [
        'key       words  unique  top          seconds  instance',
        'a            25       9  the 3, to 2     1.23  local-1',
        'long-key      –       –  exit code 1     1.23  local-1',
      ].join('\n'),
    );
  });
});

describe('a finished job', () => {
  const results = [lineOf('a', 0), lineOf('b', 1)];

  it('is faultless when every task completed once', () => {
    expect(faultsOf(job, results, ['a', 'b'])).toEqual([]);
  });

  it.each<[string, JobState, ResultLine[]]>([
    ['the job ended FAILED: 1 failed', { ...job, status: 'FAILED', statusReason: '1 failed' }, results],
    ['1 tasks are counted as completed, not 2', { ...job, counters: { ...counters, completed: 1 } }, results],
    ['1 tasks are counted elsewhere', { ...job, counters: { ...counters, failed: 1 } }, results],
    ['the results are not those of the submitted tasks, each once and in order', job, [...results, lineOf('b', 1)]],
    ['the results are not those of the submitted tasks, each once and in order', job, [lineOf('a', 0), failedLine]],
  ])('has its faults told: %s', (fault, ended, lines) => {
    expect(faultsOf(ended, lines, ['a', 'b'])).toEqual([fault]);
  });
});
