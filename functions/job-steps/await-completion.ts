/**
 * Stores the token that the state machine waits for, then looks once more whether it need not wait: the last report
 * may have come before there was a token to answer.
 */
import { PermanentError } from '../../core/errors.ts';
import { isClosed } from '../../core/job.ts';
import { isSettled } from '../../core/job-outcome.ts';
import type { Clock, CompletionSignal, JobMachine, JobStore } from '../../core/ports.ts';

export interface AwaitPorts {
  readonly jobs: JobStore;
  readonly machine: JobMachine;
  readonly clock: Clock;
}

/**
 * @param cancelling the second wait: the cancellation is known, only the machines' reports are waited for
 * @throws PermanentError when there is no such job
 */
export async function awaitCompletion(
  jobId: string,
  taskToken: string,
  cancelling: boolean,
  ports: AwaitPorts,
): Promise<{ signalled: CompletionSignal | null }> {
  await ports.jobs.awaitCompletion(jobId, taskToken, cancelling ? 'machines' : 'completion', ports.clock.now());
  const progress = await ports.jobs.progress(jobId);
  if (!progress) throw new PermanentError('the job does not exist', { context: { jobId } });
  const { job, counters } = progress;
  const settled = isClosed(job.status) || isSettled(job, counters);
  const signal = job.status === 'CANCELLING' && !cancelling ? 'cancelling' : settled ? 'settled' : null;
  if (signal) await ports.machine.signal(taskToken, signal);
  return { signalled: signal };
}
