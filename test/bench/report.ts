/** The figures as tables for people. */

import { type BenchFigures, BUDGETS, requestsOf, trendsOf } from './figures.ts';
import { chargesOf } from './list-prices.ts';

/** Columns aligned; the first to the left, numbers to the right. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) =>
          /^[-\d.,]*$/.test(cell) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

const count = (n: number): string => Math.round(n).toLocaleString('en');

const totalUsd = (figures: BenchFigures): number => chargesOf(figures).reduce((sum, { usd }) => sum + usd, 0);
const dollarsAMillion = (usd: number, tasks: number): string => ((usd / tasks) * 1_000_000).toFixed(2);

export function reportOf(figures: BenchFigures): string {
  const { tasks, seconds, tasksPerSecond, perTask, operations, processes, functions, startCpuMs } = figures;
  const charges = chargesOf(figures);
  const asked = operations.toSorted((one, other) => other.requests - one.requests);
  return [
    `${count(tasks)} tasks in ${seconds.toFixed(1)} s: ${tasksPerSecond.toFixed(0)} tasks a second`,
    table([
      ['a task', 'figure', 'budget'],
      ['SQS requests', perTask.sqsRequests.toFixed(4), String(BUDGETS.sqsRequests)],
      ['SQS requests billed', perTask.sqsBilled.toFixed(4), ''],
      ['DynamoDB requests', perTask.dynamodbRequests.toFixed(4), String(BUDGETS.dynamodbRequests)],
      ['DynamoDB write units', perTask.writeUnits.toFixed(4), String(BUDGETS.writeUnits)],
      ['DynamoDB read units', perTask.readUnits.toFixed(4), ''],
      ['S3 requests', perTask.s3Requests.toFixed(4), ''],
      ['Step Functions requests', perTask.statesRequests.toFixed(4), ''],
    ]),
    table([
      ['service', 'operation', 'requests', 'billed', 'KB in', 'KB out', 'write units', 'read units'],
      ...asked.map((each) => [
        each.service,
        each.operation,
        count(each.requests),
        each.service === 'SQS' ? count(each.billedChunks) : '',
        count(each.requestBytes / 1_024),
        count(each.responseBytes / 1_024),
        each.writeUnits > 0 ? count(each.writeUnits) : '',
        each.readUnits > 0 ? count(each.readUnits) : '',
      ]),
    ]),
    table([
      ['process', 'CPU s', 'peak MiB'],
      ...processes.map((each) => [each.name, each.cpuSeconds.toFixed(1), each.peakMiB.toFixed(0)]),
    ]),
    table([
      ['function', 'invocations', 'billed s', 'peak MiB', 'of MiB'],
      ...functions.map((each) => [
        each.name,
        count(each.invocations),
        each.billedSeconds.toFixed(1),
        each.peakMiB.toFixed(0),
        count(each.memorySizeMiB),
      ]),
    ]),
    table([
      ['AWS would charge', '$ a million tasks'],
      ...charges.map(({ what, usd }) => [what, dollarsAMillion(usd, tasks)]),
      ['together', dollarsAMillion(totalUsd(figures), tasks)],
    ]),
    `CPU of an agent until it asked for its first tasks: ${startCpuMs.toSorted((a, b) => a - b).join(', ')} ms`,
  ].join('\n\n');
}

/** How the figures of several sizes compare. */
export function comparisonOf(runs: readonly BenchFigures[]): string {
  const measuredOf = (run: BenchFigures) => [...run.processes, ...run.functions];
  const names = [...new Set(runs.flatMap((run) => measuredOf(run).map((each) => each.name)))];
  const figures = table([
    ['', ...runs.map(({ tasks }) => `${count(tasks)}`)],
    ['tasks a second', ...runs.map((run) => run.tasksPerSecond.toFixed(0))],
    ['requests a task', ...runs.map((run) => requestsOf(run).toFixed(4))],
    ['SQS requests a task', ...runs.map((run) => run.perTask.sqsRequests.toFixed(4))],
    ['DynamoDB requests a task', ...runs.map((run) => run.perTask.dynamodbRequests.toFixed(4))],
    ['write units a task', ...runs.map((run) => run.perTask.writeUnits.toFixed(4))],
    ['$ a million tasks', ...runs.map((run) => dollarsAMillion(totalUsd(run), run.tasks))],
    ...names.map((name) => [
      `peak MiB of ${name}`,
      ...runs.map(
        (run) =>
          measuredOf(run)
            .find((each) => each.name === name)
            ?.peakMiB.toFixed(0) ?? '',
      ),
    ]),
  ]);
  return [figures, '', ...trendsOf(runs)].join('\n');
}
