/** The executions of the state machine: started once a job, each told apart by its name, waiting by tokens. */

import { chunksOf } from '../../core/ids.ts';
import type { Job } from '../../core/job.ts';
import type { CompletionSignal } from '../../core/ports.ts';
import { InMemoryJobMachine } from '../fakes/in-memory-job-machine.ts';
import { readDefinition, runExecution } from './state-machine.ts';
import type { World } from './world.ts';

const definition = readDefinition();

export class Executions extends InMemoryJobMachine {
  readonly #world: World;
  readonly #waiters = new Map<string, (output: unknown) => void>();
  running = 0;

  constructor(world: World) {
    super();
    this.#world = world;
  }

  override async start(job: Pick<Job, 'jobId' | 'taskCount' | 'maxDurationSeconds'>): Promise<void> {
    const isNew = !this.started.has(job.jobId);
    await super.start(job);
    if (isNew) void this.#run(job);
  }

  override async signal(taskToken: string, signal: CompletionSignal): Promise<'accepted' | 'spent'> {
    const outcome = await super.signal(taskToken, signal);
    if (outcome === 'accepted') this.#waiters.get(taskToken)?.({ outcome: signal });
    return outcome;
  }

  async #run({ jobId, taskCount, maxDurationSeconds }: Pick<Job, 'jobId' | 'taskCount' | 'maxDurationSeconds'>) {
    const { scheduler, lambdas, random, trace, newId, erred } = this.#world;
    this.running += 1;
    const done = await runExecution(
      definition,
      { jobId, chunks: chunksOf(taskCount), maxDurationSeconds },
      {
        sleep: (milliseconds) => scheduler.sleep(milliseconds),
        random: () => random.next(),
        invoke: (payload) => lambdas.step(payload),
        newToken: newId,
        waitFor: (token) => {
          this.waitFor(token);
          return new Promise((resolve) => this.#waiters.set(token, resolve));
        },
        forget: (token) => {
          this.timeOut(token);
          this.#waiters.delete(token);
        },
        onError: (state, error) => {
          trace.add('execution', `${jobId} ${state}: ${error}`);
          if (!error.endsWith(', again') && !error.startsWith('States.Timeout')) erred.add(jobId);
        },
      },
    );
    if (!done) trace.add('execution', `${jobId} failed`);
    this.running -= 1;
  }
}
