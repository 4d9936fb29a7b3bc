/** `npm run demo`: a real job through the whole pipeline on this machine, from submission until the last process is gone. */

import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { hasEnded, INSTANCE_STATES } from '../core/instance.ts';
import { argumentsOrExit } from './arguments-or-exit.ts';
import { DemoApi, type InstanceState } from './demo/demo-api.ts';
import { instancesText, ProgressLine, progressText } from './demo/progress.ts';
import { faultsOf, resultsTable } from './demo/results.ts';
import { type FirstJob, makeFirstJob } from './first-job.ts';
import { type Pipeline, startPipeline } from './pipeline.ts';
import { PROJECT_ROOT } from './project-root.ts';
import { onStopSignals } from './stop-signals.ts';

const HELP = `Runs a job through the whole pipeline on this machine: 24 tasks on two machines, which are processes. Shows the results.

  npm run demo

It takes no options but --help, and less than a minute. Nothing is left of it, unless it fails: then its logs are, and it
says where. npm start keeps the pipeline running, for jobs of your own.

Ends with 0 if every task was completed once, with 1 saying what is wrong, with 2 for a wrong option, with 130 if it was
interrupted.`;

const TIME_LIMIT_MS = 180_000;
const LOOK_MS = 250;
/** Machines end themselves this soon after the last task, so that the demo can show it. */
const IDLE_SECONDS = 3;

const CLOSED: ReadonlySet<string> = new Set(['COMPLETED', 'FAILED', 'CANCELLED']);

/** What the demo is doing, and whose logs tell more when that fails. */
interface Phase {
  readonly doing: string;
  readonly logs: readonly string[];
}

const PHASES = {
  starting: { doing: 'starting the pipeline', logs: ['function-host.log', 'emulators.log'] },
  submitting: { doing: 'submitting the job', logs: ['functions/submit.log'] },
  running: {
    doing: 'running the job',
    logs: ['functions/scaler.log', 'functions/job-steps.log', 'functions/status-consumer.log', '../instances/*/log'],
  },
  checking: { doing: 'checking the results', logs: ['functions/status-consumer.log', 'functions/query.log'] },
  ending: { doing: 'waiting for the machines to end by themselves', logs: ['../instances/*/log'] },
  stopping: { doing: 'stopping', logs: ['function-host.log', 'emulators.log'] },
} as const satisfies Record<string, Phase>;

const line = new ProgressLine(process.stdout);
const say = (text: string): void => {
  line.end();
  console.log(text);
};
const seconds = (since: number): string => `${((performance.now() - since) / 1_000).toFixed(1)} s`;

class Demo {
  readonly #directory: string;
  readonly #signal: AbortSignal;
  phase: Phase = PHASES.starting;
  #pipeline: Pipeline | undefined;
  #firstJob: FirstJob | undefined;

  constructor(directory: string, signal: AbortSignal) {
    this.#directory = directory;
    this.#signal = signal;
  }

  /** @throws Error when anything is not as it should be; call `cleanUp` in any case */
  async run(): Promise<void> {
    const startedAt = performance.now();
    const { document } = await this.#makeJob();
    const pipeline = await this.#start();
    say(`started in ${seconds(startedAt)}: ${pipeline.local.apiUrl}`);
    const signal = this.#signal;
    const api = new DemoApi({ url: pipeline.local.apiUrl, key: pipeline.local.apiKey, signal });

    this.phase = PHASES.submitting;
    const submittedAt = performance.now();
    const { jobId, taskCount } = await api.submit(document, randomUUID());
    say(`submitted ${jobId}: ${taskCount} tasks`);

    this.phase = PHASES.running;
    const job = await this.#follow(api, jobId);
    const took = seconds(submittedAt);
    this.phase = PHASES.checking;
    const results = await api.results(jobId);
    say(`\n${resultsTable(results)}\n`);
    const { completed, failed, cancelled } = job.counters;
    say(`${job.status}: ${completed} completed, ${failed} failed, ${cancelled} cancelled in ${took}`);
    const keys = document.tasks.map((task) => task.key);
    const faults = faultsOf(job, results, keys);
    if (faults.length > 0) throw new Error(faults.join('; '));

    this.phase = PHASES.ending;
    await this.#untilMachinesEnded(api);
    this.phase = PHASES.stopping;
    await this.cleanUp();
    const left = await pipeline.processesLeft();
    if (left.length > 0) throw new Error(`processes are left: ${left.join(', ')}`);
    say(`everything is stopped, no process is left; ${seconds(startedAt)} in all`);
  }

  /** Ends whatever was started. May be called again. */
  async cleanUp(): Promise<void> {
    line.end();
    await this.#pipeline?.stop();
    await this.#firstJob?.remove();
  }

  /** Ends everything at once, without order. */
  async kill(): Promise<void> {
    await Promise.allSettled([this.#pipeline?.kill(), this.#firstJob?.remove()]);
  }

  async #makeJob(): Promise<FirstJob> {
    this.#firstJob = await makeFirstJob();
    return this.#firstJob;
  }

  async #start(): Promise<Pipeline> {
    this.#pipeline = await startPipeline({
      dataDirectory: this.#directory,
      fleets: { default: { idleSeconds: IDLE_SECONDS } },
      signal: this.#signal,
      onProgress: (text) => say(`${text} …`),
    });
    return this.#pipeline;
  }

  async #follow(api: DemoApi, jobId: string) {
    for (;;) {
      const [job, instances] = await this.#safely(Promise.all([api.job(jobId), api.instances()]));
      line.show(progressText(job, instances));
      if (CLOSED.has(job.status)) return job;
      await this.#safely(delay(LOOK_MS, undefined, { signal: this.#signal }));
    }
  }

  async #untilMachinesEnded(api: DemoApi): Promise<void> {
    for (;;) {
      const instances = await this.#safely(api.instances());
      line.show(`idle machines end by themselves: ${instancesText(instances)}`);
      if (instances.every(isOver)) return;
      await this.#safely(delay(LOOK_MS, undefined, { signal: this.#signal }));
    }
  }

  /** A part that dies is told as that, and not as the connection that it no longer answers. */
  async #safely<Result>(work: Promise<Result>): Promise<Result> {
    const failure =
      this.#pipeline?.failure.then((error) => Promise.reject(error)) ?? new Promise<never>(() => undefined);
    return Promise.race([work, failure]);
  }
}

const isOver = ({ state }: InstanceState): boolean => INSTANCE_STATES.some((each) => each === state && hasEnded(each));

function readArguments(): 'help' | undefined {
  const { values } = parseArgs({ options: { help: { type: 'boolean', short: 'h', default: false } } });
  return values.help ? 'help' : undefined;
}

async function main(): Promise<number> {
  await argumentsOrExit(HELP, readArguments);
  await mkdir(join(PROJECT_ROOT, '.shoal'), { recursive: true });
  const directory = await mkdtemp(join(PROJECT_ROOT, '.shoal', 'demo-'));
  const abort = new AbortController();
  const limit = setTimeout(() => abort.abort(new Error(`not done after ${TIME_LIMIT_MS / 1_000} s`)), TIME_LIMIT_MS);
  let interrupted = false;
  const demo = new Demo(directory, abort.signal);
  onStopSignals(
    () => {
      interrupted = true;
      abort.abort(new Error('interrupted'));
    },
    () => void demo.kill().finally(() => process.exit(1)),
  );
  try {
    await demo.run();
    await rm(directory, { recursive: true, force: true });
    return 0;
  } catch (error) {
    const { doing, logs } = demo.phase;
    line.end();
    if (!interrupted) {
      const reason = abort.signal.aborted ? abort.signal.reason : error;
      console.error(`\nThe demo failed while ${doing}: ${reason instanceof Error ? reason.message : String(reason)}`);
      console.error(`See ${logs.map((log) => join(directory, 'logs', log)).join('\n    ')}`);
    }
    await demo.cleanUp();
    if (interrupted) {
      await rm(directory, { recursive: true, force: true });
      console.error('interrupted; everything is stopped');
      return 130;
    }
    return 1;
  } finally {
    clearTimeout(limit);
  }
}

process.exit(await main());
