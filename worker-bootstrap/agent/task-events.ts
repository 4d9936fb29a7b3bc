/** What is reported of a task: from an outcome to an event. */
import type { TaskEvent } from '../../core/messages.ts';
import type { Lease } from '../../core/ports.ts';
import type { TaskOutcome } from './task-runner.ts';

/** A started task that may last longer is announced at once: so that its loss can be noticed before its lease ends. */
const LONG_SECONDS = 60;

/**
 * Whether a start is worth a message of its own. A redelivered task may have killed its last machine: that it was
 * started must be known before it can do so again. Any other start travels with the outcome.
 */
export const mustAnnounce = ({ message, receiveCount }: Lease): boolean =>
  message.timeoutSeconds > LONG_SECONDS || receiveCount >= 2;

const reportOf = (lease: Lease, instanceId: string, at: Date) => ({
  taskId: lease.message.taskId,
  jobId: lease.message.jobId,
  attempt: lease.message.attempt,
  receiveCount: lease.receiveCount,
  leaseId: lease.leaseId,
  instanceId,
  at: at.toISOString(),
});

export const startedEvent = (lease: Lease, instanceId: string, at: Date): TaskEvent => ({
  kind: 'started',
  ...reportOf(lease, instanceId, at),
  receiptHandle: lease.receiptHandle,
});

export function outcomeEvent(
  lease: Lease,
  outcome: Exclude<TaskOutcome, { kind: 'returned' }>,
  instanceId: string,
  at: Date,
): TaskEvent {
  return { ...reportOf(lease, instanceId, at), ...outcome };
}
