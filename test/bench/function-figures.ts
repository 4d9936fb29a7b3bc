/** What the functions of a run have used, as the host reports it in their logs after every invocation. */
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type ReportLine, reportLineSchema } from '../../local/function-host/report-line.ts';

export interface FunctionFigures {
  readonly name: string;
  readonly invocations: number;
  /** As Lambda bills them: every invocation's time, rounded up to milliseconds. */
  readonly billedSeconds: number;
  readonly memorySizeMiB: number;
  /** The most that any of its environments had taken. */
  readonly peakMiB: number;
}

/** @param logsDirectory one log a function */
export async function functionFigures(logsDirectory: string): Promise<FunctionFigures[]> {
  const logs = (await readdir(logsDirectory)).filter((name) => name.endsWith('.log')).toSorted();
  const figures = logs.map(async (log) => {
    const text = await readFile(join(logsDirectory, log), 'utf8');
    return figuresOf(basename(log, '.log'), text.split('\n').flatMap(readReport));
  });
  return (await Promise.all(figures)).filter(({ invocations }) => invocations > 0);
}

function readReport(line: string): ReportLine[] {
  // Nearly all other lines are the function's own.
  if (!line.includes('platform.report')) return [];
  const read = reportLineSchema.safeParse(JSON.parse(line));
  return read.success ? [read.data] : [];
}

function figuresOf(name: string, reports: readonly ReportLine[]): FunctionFigures {
  const metrics = reports.map(({ record }) => record.metrics);
  return {
    name,
    invocations: reports.length,
    billedSeconds: metrics.reduce((sum, each) => sum + each.billedDurationMs, 0) / 1_000,
    memorySizeMiB: metrics.at(-1)?.memorySizeMB ?? 0,
    peakMiB: Math.max(0, ...metrics.map((each) => each.maxMemoryUsedMB)),
  };
}
