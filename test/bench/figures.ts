/** From counts to figures a task, and whether they keep to the budgets. Pure. */
import type { OperationCount } from '../../local/emulators/protocol/request-counts.ts';
import type { FunctionFigures } from './function-figures.ts';
import type { ProcessFigures } from './process-figures.ts';

/** By service, then by operation. */
export type Counts = Readonly<Record<string, Readonly<Record<string, OperationCount>>>>;

export interface OperationFigures extends OperationCount {
  readonly service: string;
  readonly operation: string;
}

export interface PerTask {
  readonly sqsRequests: number;
  /** A request a 64 KB begun, as SQS bills them. */
  readonly sqsBilled: number;
  readonly dynamodbRequests: number;
  readonly writeUnits: number;
  readonly readUnits: number;
  readonly s3Requests: number;
  readonly statesRequests: number;
}

export interface BenchFigures {
  readonly tasks: number;
  readonly machines: number;
  /** From submission to the end of the job, machines' start included. */
  readonly seconds: number;
  readonly tasksPerSecond: number;
  readonly perTask: PerTask;
  readonly operations: readonly OperationFigures[];
  readonly processes: readonly ProcessFigures[];
  readonly functions: readonly FunctionFigures[];
  /** What each agent used of the CPU until it asked for its first tasks, in milliseconds. */
  readonly startCpuMs: readonly number[];
}

/** A smaller job is not held to the budgets: what it costs once is shared by too few. */
export const MIN_BUDGETED_TASKS = 1_000;

/** At most so many a task. */
export const BUDGETS = {
  sqsRequests: 0.5,
  dynamodbRequests: 0.06,
  writeUnits: 2.2,
} as const satisfies Partial<PerTask>;

/** A larger job may cost so much more a task than a smaller one. */
export const MAX_GROWTH = 0.05;
/** V8 lets garbage lie as long as there is room: so much more memory says nothing. What holds a job's tasks takes far more. */
const GARBAGE_MIB = 32;

const NAMES = {
  sqsRequests: 'SQS requests a task',
  dynamodbRequests: 'DynamoDB requests a task',
  writeUnits: 'DynamoDB write units a task',
} as const satisfies Record<keyof typeof BUDGETS, string>;

/** What happened between two countings. */
export function countsBetween(before: Counts, after: Counts): OperationFigures[] {
  return Object.entries(after).flatMap(([service, operations]) =>
    Object.entries(operations).flatMap(([operation, count]) => {
      const earlier = before[service]?.[operation];
      const since = (of: keyof OperationCount): number => count[of] - (earlier?.[of] ?? 0);
      if (since('requests') === 0) return [];
      return [
        {
          service,
          operation,
          requests: since('requests'),
          requestBytes: since('requestBytes'),
          responseBytes: since('responseBytes'),
          billedChunks: since('billedChunks'),
          writeUnits: since('writeUnits'),
          readUnits: since('readUnits'),
        },
      ];
    }),
  );
}

export function perTaskOf(operations: readonly OperationFigures[], tasks: number): PerTask {
  const sum = (service: string, of: keyof OperationCount): number =>
    operations.filter((each) => each.service === service).reduce((total, each) => total + each[of], 0) / tasks;
  return {
    sqsRequests: sum('SQS', 'requests'),
    sqsBilled: sum('SQS', 'billedChunks'),
    dynamodbRequests: sum('DynamoDB', 'requests'),
    writeUnits: sum('DynamoDB', 'writeUnits'),
    readUnits: sum('DynamoDB', 'readUnits'),
    s3Requests: sum('S3', 'requests'),
    statesRequests: sum('Step Functions', 'requests'),
  };
}

/** What is over its budget, a sentence each; nothing if all is well. */
export function faultsOfRun({ tasks, machines, perTask, processes }: BenchFigures): string[] {
  const over = Object.entries(BUDGETS).flatMap(([name, budget]) => {
    const key = name as keyof typeof BUDGETS; // entries of it
    const figure = perTask[key];
    return figure > budget && tasks >= MIN_BUDGETED_TASKS
      ? [`${NAMES[key]}: ${figure.toFixed(3)} of at most ${budget} (${tasks} tasks)`]
      : [];
  });
  // Another takes its place when one dies, of a lack of memory for instance; the job does not show it.
  const agents = processes.filter(({ name }) => name.startsWith('agent')).length;
  return agents > machines ? [...over, `${agents} agents were needed for ${machines} machines (${tasks} tasks)`] : over;
}

/**
 * What grows with the size of a job and should not. A larger job may cost less a task: fixed costs are shared by more.
 * The emulators stand for services that hold the job's data, and the host has all functions in one process: what each of
 * these takes is compared instead.
 */
export function faultsOfGrowth(runs: readonly BenchFigures[]): string[] {
  const bySize = runs.toSorted((one, other) => one.tasks - other.tasks);
  return bySize.slice(1).flatMap((larger, place) => {
    const smaller = bySize[place];
    if (!smaller) return [];
    const sizes = `${smaller.tasks} to ${larger.tasks} tasks`;
    const [few, many] = [requestsOf(smaller), requestsOf(larger)];
    const faults = many > few * (1 + MAX_GROWTH) ? [`requests a task grow ${change(few, many)} from ${sizes}`] : [];
    for (const { name, peakMiB } of boundedOf(larger)) {
      const before = boundedOf(smaller).find((each) => each.name === name)?.peakMiB ?? peakMiB;
      if (peakMiB > before + GARBAGE_MIB) {
        faults.push(`the memory of ${name} grows ${change(before, peakMiB)} from ${sizes}`);
      }
    }
    return faults;
  });
}

/** What must not need more memory for a larger job. */
const boundedOf = ({ processes, functions }: BenchFigures): readonly { name: string; peakMiB: number }[] => [
  ...processes.filter((each) => each.bounded),
  ...functions,
];

/** How what a task costs changes with the size of a job, in words. */
export function trendsOf(runs: readonly BenchFigures[]): string[] {
  const bySize = runs.toSorted((one, other) => one.tasks - other.tasks);
  return bySize.slice(1).flatMap((larger, place) => {
    const smaller = bySize[place];
    if (!smaller) return [];
    const trend = (name: string, of: (run: BenchFigures) => number): string => {
      const changed = of(larger) / of(smaller) - 1;
      const percent = `${changed < 0 ? '-' : '+'}${Math.abs(changed * 100).toFixed(1)} %`;
      return `${name} ${Math.abs(changed) <= MAX_GROWTH ? `flat within 5 % (${percent})` : percent}`;
    };
    const each = furtherTask(smaller, larger);
    const once = Math.max(0, (requestsOf(smaller) - each) * smaller.tasks);
    return [
      `From ${smaller.tasks.toLocaleString('en')} to ${larger.tasks.toLocaleString('en')} tasks, a task:`,
      `  ${trend('SQS requests', ({ perTask }) => perTask.sqsRequests)}`,
      `  ${trend('DynamoDB write units', ({ perTask }) => perTask.writeUnits)}`,
      `  ${trend('all requests', requestsOf)}: ${once.toFixed(0)} once a job, ${each.toFixed(3)} for each further task`,
    ];
  });
}

/** What is added by a larger job, without what any job costs once: its submission, ticks, machines. */
const furtherTask = (smaller: BenchFigures, larger: BenchFigures): number =>
  (requestsOf(larger) * larger.tasks - requestsOf(smaller) * smaller.tasks) / (larger.tasks - smaller.tasks);

/** All requests a task. */
export const requestsOf = ({ perTask }: BenchFigures): number =>
  perTask.sqsRequests + perTask.dynamodbRequests + perTask.s3Requests + perTask.statesRequests;

const change = (before: number, after: number): string =>
  `by ${((after / before - 1) * 100).toFixed(0)} % (${Number(before.toPrecision(3))} → ${Number(after.toPrecision(3))})`;
