/** The functions of the stack, invoked as AWS invokes them: each run is an actor that may die, hang or be lost. */
import { z } from 'zod';
import type { TaskPosition } from '../../core/ids.ts';
import { amendJob } from '../../functions/amend/amend-job.ts';
import { cancelJob } from '../../functions/cancel/cancel-job.ts';
import { cancelTask } from '../../functions/cancel/cancel-task.ts';
import { judgeDeadLetters } from '../../functions/dead-letter/judge-dead-letters.ts';
import { forwardDelayed } from '../../functions/delayed/forward-delayed.ts';
import { awaitCompletion } from '../../functions/job-steps/await-completion.ts';
import { enqueueChunk } from '../../functions/job-steps/enqueue-chunk.ts';
import { finishJob } from '../../functions/job-steps/finish-job.ts';
import type { QueueRecord } from '../../functions/queue-batch.ts';
import { scale } from '../../functions/scaler/scale.ts';
import { takeBackTasks } from '../../functions/scaler/take-back-tasks.ts';
import { consumeStatus } from '../../functions/status-consumer/consume-status.ts';
import { retryJob } from '../../functions/submit/retry-job.ts';
import { submitJob } from '../../functions/submit/submit-job.ts';
import { Actor } from './scheduler.ts';
import type { World } from './world.ts';

/** As in `serverless.yml`. */
export const TIMEOUT_SECONDS = {
  submit: 29,
  cancel: 29,
  amend: 29,
  'job-steps': 120,
  'status-consumer': 60,
  delayed: 30,
  'dead-letter': 30,
  scaler: 55,
} as const;
type FunctionName = keyof typeof TIMEOUT_SECONDS;

/** How a run that died looks to whoever invoked it. */
class LambdaError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'Lambda.Unknown';
  }
}

/** What a function that reads a queue answers: the records that must come again. */
export interface Handled {
  readonly failed: ReadonlyMap<string, unknown>;
}

const stepSchema = z.object({
  step: z.enum(['enqueue', 'await', 'await-cancelled', 'finish']),
  jobId: z.string(),
  chunk: z.int().optional(),
  taskToken: z.string().optional(),
  cause: z.enum(['settled', 'cancelled', 'timed-out', 'error']).optional(),
  error: z.string().optional(),
});

export class Lambdas {
  readonly #world: World;
  #runs = 0;
  /** Runs that have not come to an end. */
  running = 0;

  constructor(world: World) {
    this.#world = world;
  }

  submit(document: unknown, idempotencyKey: string): Promise<{ jobId: string }> {
    return this.#invoke('submit', (actor) => {
      const { rules, ...ports } = this.#world.portsOf(actor);
      const request = { document, keyId: 'key', idempotencyKey };
      return submitJob(request, rules, ports);
    });
  }

  retry(jobId: string, idempotencyKey: string): Promise<{ jobId: string }> {
    return this.#invoke('submit', (actor) => {
      const { rules, ...ports } = this.#world.portsOf(actor);
      return retryJob({ jobId, document: {}, keyId: 'key', idempotencyKey }, rules, ports);
    });
  }

  amend(jobId: string, change: unknown): Promise<unknown> {
    return this.#invoke('amend', (actor) => amendJob(jobId, change, this.#world.portsOf(actor)));
  }

  cancel(jobId: string): Promise<unknown> {
    return this.#invoke('cancel', (actor) => cancelJob(jobId, this.#world.portsOf(actor)));
  }

  cancelTask(task: TaskPosition): Promise<unknown> {
    return this.#invoke('cancel', (actor) => cancelTask(task, this.#world.portsOf(actor)));
  }

  step(payload: unknown): Promise<unknown> {
    const { step, jobId, chunk = 0, taskToken = '', cause = 'settled', error } = stepSchema.parse(payload);
    return this.#invoke('job-steps', async (actor): Promise<unknown> => {
      const ports = this.#world.portsOf(actor);
      switch (step) {
        case 'enqueue':
          return enqueueChunk(jobId, chunk, ports);
        case 'await':
        case 'await-cancelled':
          return awaitCompletion(jobId, taskToken, step === 'await-cancelled', ports);
        case 'finish':
          return finishJob(jobId, cause, error, ports);
      }
    });
  }

  async scale(): Promise<void> {
    const { fleets, mutant, trace } = this.#world;
    const run = (actor: Actor) => {
      const ports = this.#world.portsOf(actor);
      const tick = {
        ...ports,
        newIntentId: this.#world.newId,
        takeBackTasks: (machines: Parameters<typeof takeBackTasks>[0]) => takeBackTasks(machines, ports),
        onSweepFailed: (jobId: string, error: unknown) =>
          trace.add(actor.name, `cannot sweep ${jobId}: ${String(error)}`),
        onJobFailed: (jobId: string, error: unknown) => trace.add(actor.name, `fails ${jobId}: ${String(error)}`),
        onFleetFailed: (_: string, error: unknown) => trace.add(actor.name, `gives up: ${String(error)}`),
      };
      return scale(fleets, mutant?.scaler?.(tick) ?? tick, this.#world.scaleSettings);
    };
    // Nobody waits for it: the next tick looks again.
    await this.#invoke('scaler', run).catch(() => undefined);
  }

  consume(records: readonly QueueRecord[]): Promise<Handled> {
    const { mutant, tables } = this.#world;
    return this.#invoke('status-consumer', (actor) => {
      const ports = this.#world.portsOf(actor);
      const read = mutant?.records?.(records, tables) ?? records;
      return consumeStatus(read, mutant?.consumer?.(ports, tables) ?? ports);
    });
  }

  forward(records: readonly QueueRecord[]): Promise<Handled> {
    return this.#invoke('delayed', (actor) => forwardDelayed(records, this.#world.portsOf(actor)));
  }

  judge(records: readonly QueueRecord[]): Promise<Handled> {
    return this.#invoke('dead-letter', (actor) => judgeDeadLetters(records, this.#world.portsOf(actor)));
  }

  #invoke<Result>(name: FunctionName, body: (actor: Actor) => Promise<Result>): Promise<Result> {
    const { scheduler, faults, random, trace } = this.#world;
    this.#runs += 1;
    const run = this.#runs;
    return new Promise((resolve, reject) => {
      const die = (why: string): void => {
        trace.add(actor.name, `dies ${why}`);
        this.running -= 1;
        scheduler.after(random.int(10, 500), null, () => reject(new LambdaError(why)));
      };
      const actor = new Actor('lambda', `${name}#${run}`, die);
      this.running += 1;
      const start = (): void => {
        const cancel = scheduler.after(TIMEOUT_SECONDS[name] * 1_000, null, () => actor.kill('of its timeout'));
        const end = (deliver: () => void): void => {
          if (!actor.alive) return;
          cancel();
          actor.retire();
          this.running -= 1;
          if (faults.happens('lost')) reject(new LambdaError('the answer was lost'));
          else deliver();
        };
        body(actor).then(
          (result) => end(() => resolve(result)),
          (error: unknown) => {
            trace.add(actor.name, `fails: ${String(error)}`);
            end(() => reject(error));
          },
        );
      };
      scheduler.after(faults.requestMs() + (random.chance(0.1) ? 2_000 : 10), null, start);
    });
  }
}
