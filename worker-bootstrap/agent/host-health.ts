/**
 * Whether this machine is fit for work, told by how tasks end on it. A command that dies may be broken itself; when those
 * of several jobs die one after the other, and none comes to an end of its own between, it is the machine: bad memory, a
 * failing disk, another process that takes all there is. It then quarantines itself, so that it does not eat the attempts of
 * everybody's tasks.
 *
 * - **died**: by a signal (the kernel's, when memory is short), or of trouble that the machine had with it.
 * - **fit**: it completed, or failed by a word of its own; a machine that can do that can do work.
 * - Neither: what we ended (time limit, cancelled, interrupted), and code that could not be prepared, which is counted where
 *   it is prepared.
 */
import type { Failure } from '../../core/task.ts';
import type { TaskOutcome } from './task-runner.ts';

const MAX_DEATHS_IN_A_ROW = 3;
const MIN_JOBS = 2;
/** A shell says by 128 + n that its command died by signal n. */
const SIGNALLED = { above: 128, upTo: 128 + 31 } as const;

export class HostHealth {
  #deaths: { readonly jobId: string; readonly how: string }[] = [];

  /**
   * Takes in how a task ended. @returns why the machine must take no more, `null` if it may
   * @param wasPrepared whether its code was there to be run
   */
  observe(jobId: string, outcome: TaskOutcome, wasPrepared: boolean): string | null {
    if (outcome.kind === 'completed') this.#deaths = [];
    else if (outcome.kind === 'failed') this.#onFailure(jobId, outcome.failure);
    else if (outcome.kind === 'released' && outcome.cause === 'machine' && wasPrepared) {
      this.#deaths.push({ jobId, how: outcome.reason });
    }
    const jobs = new Set(this.#deaths.map((death) => death.jobId)).size;
    const last = this.#deaths.at(-1);
    if (!last || this.#deaths.length < MAX_DEATHS_IN_A_ROW || jobs < MIN_JOBS) return null;
    return `quarantined: ${this.#deaths.length} tasks of ${jobs} jobs died in a row; the last: ${last.how}`;
  }

  #onFailure(jobId: string, failure: Failure): void {
    if (failure.code === 'timeout') return;
    if (isDeath(failure)) this.#deaths.push({ jobId, how: failure.message });
    else this.#deaths = [];
  }
}

const isDeath = ({ code, exitCode = 0 }: Failure): boolean =>
  code === 'signal' || (code === 'exit' && exitCode > SIGNALLED.above && exitCode <= SIGNALLED.upTo);
