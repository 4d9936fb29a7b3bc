/** The results of the demo's job: as a table for people, and held against what was submitted. */
import type { JobState, ResultLine } from './demo-api.ts';

const COLUMNS = ['key', 'words', 'unique', 'top', 'seconds', 'instance'] as const;
const NUMBERS: ReadonlySet<string> = new Set(['words', 'unique', 'seconds']);

/** A line a task, columns aligned. */
export function resultsTable(results: readonly ResultLine[]): string {
  const rows = results.map((line) => [
    line.key ?? String(line.index),
    String(line.result?.words ?? '–'),
    String(line.result?.unique ?? '–'),
    line.result?.top.map(([word, count]) => `${word} ${count}`).join(', ') ?? line.failure?.message ?? line.status,
    line.seconds?.toFixed(2) ?? '–',
    line.instanceId ?? '–',
  ]);
  const table = [COLUMNS, ...rows];
  const widths = COLUMNS.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  const cell = (text: string, column: number): string => {
    const width = widths[column] ?? 0;
    return NUMBERS.has(COLUMNS[column] ?? '') ? text.padStart(width) : text.padEnd(width);
  };
  return table.map((row) => row.map(cell).join('  ').trimEnd()).join('\n');
}

/** What is wrong with a job that should have completed every task exactly once: nothing, or a line a fault. */
export function faultsOf(job: JobState, results: readonly ResultLine[], keys: readonly string[]): string[] {
  const { completed, pending, running, failed, cancelled } = job.counters;
  const completedKeys = results.filter((line) => line.status === 'COMPLETED' && line.result).map((line) => line.key);
  const faults: (string | false)[] = [
    job.status !== 'COMPLETED' && `the job ended ${job.status}${job.statusReason ? `: ${job.statusReason}` : ''}`,
    completed !== keys.length && `${completed} tasks are counted as completed, not ${keys.length}`,
    pending + running + failed + cancelled > 0 &&
      `${pending + running + failed + cancelled} tasks are counted elsewhere`,
    completedKeys.join() !== keys.join() && 'the results are not those of the submitted tasks, each once and in order',
  ];
  return faults.filter((fault) => fault !== false);
}
