import type { Job } from '../../core/job.ts';
import type { CompletionSignal, JobMachine } from '../../core/ports.ts';

type StartedJob = Pick<Job, 'jobId' | 'taskCount' | 'maxDurationSeconds'>;

/** Remembers which executions were started and which tokens wait; a simulator runs their steps. */
export class InMemoryJobMachine implements JobMachine {
  readonly started = new Map<string, StartedJob>();
  /** What each answered token was answered with. */
  readonly answers = new Map<string, CompletionSignal>();
  readonly #waiting = new Set<string>();

  async start({ jobId, taskCount, maxDurationSeconds }: StartedJob): Promise<void> {
    if (!this.started.has(jobId)) this.started.set(jobId, { jobId, taskCount, maxDurationSeconds });
  }

  /** An execution begins to wait for this token. */
  waitFor(taskToken: string): void {
    this.#waiting.add(taskToken);
  }

  /** The wait ended without an answer. */
  timeOut(taskToken: string): void {
    this.#waiting.delete(taskToken);
  }

  async signal(taskToken: string, signal: CompletionSignal): Promise<'accepted' | 'spent'> {
    if (!this.#waiting.delete(taskToken)) return 'spent';
    this.answers.set(taskToken, signal);
    return 'accepted';
  }
}
