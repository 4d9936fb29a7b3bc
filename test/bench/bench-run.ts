/** One run of the bench: a job of no-op tasks through a pipeline of its own, counted from submission to its end. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { DescribeExecutionCommand, SFNClient } from '@aws-sdk/client-sfn';
import { COUNTS_PATH } from '../../local/emulators/protocol/request-counts.ts';
import { LOCAL_ACCOUNT, LOCAL_REGION } from '../../local/physical-names.ts';
import { type Pipeline, startPipeline } from '../../local/pipeline.ts';
import { RunDirectory } from '../../local/run-directory.ts';
import { ApiClient } from '../e2e/api-client.ts';
import { type TaskRepository, taskRepository } from '../e2e/task-repository.ts';
import { type BenchFigures, type Counts, countsBetween, perTaskOf } from './figures.ts';
import { functionFigures } from './function-figures.ts';
import { ProcessWatch } from './process-figures.ts';

export const PROTOCOLS = ['jsonl', 'process'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

export interface BenchOptions {
  readonly tasks: number;
  readonly machines: number;
  readonly slots: number;
  readonly protocol: Protocol;
  readonly onProgress: (line: string) => void;
  readonly signal: AbortSignal;
}

const LOOK_MS = 500;
/** Long enough that machines are there to be measured when the job has ended. */
const IDLE_SECONDS = 30;
/** As deployed: a schedule cannot tick more often, and each tick costs reads. */
const TICK_SECONDS = 60;
/**
 * V8 lets garbage lie as long as there is memory: what an agent *needs* shows only under a limit. An agent that holds on
 * to what it has done runs into this one.
 */
const AGENT_HEAP = '--max-old-space-size=64 --max-semi-space-size=8';
/** Known to be short: its start needs no message of its own. */
const TASK_TIMEOUT_SECONDS = 30;

const COMMANDS = {
  'answer.js': `
    require('node:readline').createInterface({ input: process.stdin }).on('line', () => console.log('null'));`,
};
const RUN: Readonly<Record<Protocol, readonly string[]>> = { jsonl: ['node', 'answer.js'], process: ['true'] };

/** @throws Error when the job does not end with every task completed, or the run is aborted */
export async function runBench(options: BenchOptions): Promise<BenchFigures> {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-bench-'));
  let repository: TaskRepository | undefined;
  let pipeline: Pipeline | undefined;
  try {
    repository = await taskRepository(COMMANDS);
    pipeline = await startPipeline({
      dataDirectory: folder,
      fleets: { default: { idleSeconds: IDLE_SECONDS, maxInstances: options.machines } },
      machineEnvironment: {
        SHOAL_VCPUS: String(options.slots),
        SHOAL_MEMORY_MIB: String(options.slots * 1_024),
        NODE_OPTIONS: AGENT_HEAP,
      },
      tickSeconds: TICK_SECONDS,
      signal: options.signal,
    });
    return await measure(pipeline, repository, folder, options);
  } finally {
    await pipeline?.stop();
    await repository?.remove();
    await rm(folder, { recursive: true, force: true });
  }
}

async function measure(
  { local, failure }: Pipeline,
  repository: TaskRepository,
  folder: string,
  { tasks, machines, protocol, onProgress, signal }: BenchOptions,
): Promise<BenchFigures> {
  const urls = [local.sqsUrl, local.dynamodbUrl, local.s3Url, local.statesUrl];
  const api = new ApiClient(local);
  const states = new SFNClient({
    endpoint: local.statesUrl,
    region: local.region,
    credentials: { accessKeyId: local.accessKeyId, secretAccessKey: local.secretAccessKey },
  });
  const watch = new ProcessWatch(folder);
  await watch.look();
  const before = await readCounts(urls);
  const startedAt = performance.now();
  const jobId = await api.submit({
    name: `bench of ${tasks} tasks`,
    code: { repository: repository.url, run: RUN[protocol], protocol },
    tasks: Array.from({ length: tasks }, (_, n) => ({ input: n })),
    timeoutSeconds: TASK_TIMEOUT_SECONDS,
    maxInstances: machines,
  });

  // Asking the API how the job stands would cost the reads that are to be measured. The execution tells its end.
  let asked = 0;
  const hasEnded = async (): Promise<boolean> => {
    asked += 1;
    const executionArn = `arn:aws:states:${LOCAL_REGION}:${LOCAL_ACCOUNT}:execution:shoal-job-dev:job-${jobId}`;
    return (await states.send(new DescribeExecutionCommand({ executionArn }))).status !== 'RUNNING';
  };
  while (!(await hasEnded())) {
    const broken = await Promise.race([failure, delay(LOOK_MS, undefined, { signal })]);
    if (broken) throw broken;
    await watch.look();
    onProgress(progressText(countsBetween(before, await readCounts(urls)), tasks, startedAt));
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  const operations = countsBetween(before, await readCounts(urls)).flatMap((each) => {
    const requests = each.operation === 'DescribeExecution' ? each.requests - asked : each.requests;
    return requests > 0 ? [{ ...each, requests }] : [];
  });
  await watch.look();
  states.destroy();

  const { status, counters } = await api.job(jobId);
  if (status !== 'COMPLETED' || counters.completed !== tasks) {
    throw new Error(`the job ended ${status} with ${counters.completed} of ${tasks} tasks completed`);
  }
  return {
    tasks,
    machines,
    seconds,
    tasksPerSecond: tasks / seconds,
    perTask: perTaskOf(operations, tasks),
    operations,
    processes: watch.figures(),
    functions: await functionFigures(join(local.logsDir, 'functions')),
    startCpuMs: await startsOf(new RunDirectory(folder).instances),
  };
}

/** As the agents tell it in the logs of their machines. */
async function startsOf(instances: string): Promise<number[]> {
  const machines = (await readdir(instances)).filter((name) => !name.startsWith('.'));
  const logs = await Promise.all(machines.map((machine) => readFile(join(instances, machine, 'log'), 'utf8')));
  return logs.flatMap((log) => [...log.matchAll(/"cpuMs":(\d+)/g)].map(([, cpuMs]) => Number(cpuMs)));
}

async function readCounts(urls: readonly string[]): Promise<Counts> {
  const told = await Promise.all(
    urls.map(async (url) => {
      const { service, operations } = (await (await fetch(url + COUNTS_PATH)).json()) as {
        service: string;
        operations: Counts[string];
      }; // as the emulators tell it (loopback-server.ts)
      return [service, operations] as const;
    }),
  );
  return Object.fromEntries(told);
}

/** A row is two write units of a transaction: near enough to see that something moves. */
function progressText(operations: ReturnType<typeof countsBetween>, tasks: number, startedAt: number): string {
  const units = operations.find((each) => each.operation === 'TransactWriteItems')?.writeUnits ?? 0;
  const done = Math.min(tasks, Math.round(units / 2.05));
  const seconds = (performance.now() - startedAt) / 1_000;
  return `about ${done.toLocaleString('en')} of ${tasks.toLocaleString('en')} tasks counted after ${seconds.toFixed(0)} s`;
}
