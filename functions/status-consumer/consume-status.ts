/**
 * One batch of the status queue. Each job is handled by itself: what goes wrong for one returns only the records that
 * speak of it. Failing closed: a record counts as done only when everything in it is.
 */
import { inParallel } from '../../adapters/in-parallel.ts';
import { parseTaskId } from '../../core/ids.ts';
import type { InstanceEvent, TaskEvent } from '../../core/messages.ts';
import type { DeadLetterChannel, FleetStore, Waker } from '../../core/ports.ts';
import { type ApplyPorts, applyReports } from '../accounting/apply-reports.ts';
import type { Delivered, FoldedTask } from '../accounting/fold-reports.ts';
import type { QueueRecord } from '../queue-batch.ts';
import { type Malformed, readMessages } from './read-messages.ts';

const JOBS_AT_ONCE = 4;
const INSTANCES_AT_ONCE = 8;

export interface ConsumePorts extends ApplyPorts {
  readonly fleets: FleetStore;
  readonly deadLetters: DeadLetterChannel;
  readonly waker: Waker;
}

/** What happened to a batch; `failed` says which records must come back, and why. */
export interface Consumed {
  readonly failed: ReadonlyMap<string, unknown>;
  readonly applied: readonly FoldedTask[];
  readonly malformed: readonly Malformed[];
}

export async function consumeStatus(records: readonly QueueRecord[], ports: ConsumePorts): Promise<Consumed> {
  const { tasks, instances, malformed } = readMessages(records);
  const failed = new Map<string, unknown>();
  const applied: FoldedTask[] = [];
  const unplaceable: Malformed[] = [];
  const guarded = async (messageIds: readonly string[], work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      for (const messageId of messageIds) failed.set(messageId, error);
    }
  };

  const jobs = [...Map.groupBy(tasks, ({ event }) => event.jobId)];
  await inParallel(jobs, JOBS_AT_ONCE, ([jobId, events]) =>
    guarded(messageIdsOf(events), async () => {
      const progress = await ports.jobs.progress(jobId);
      const taskCount = progress?.job.taskCount ?? 0;
      const exists = ({ event }: Delivered<TaskEvent>): boolean => (parseTaskId(event.taskId)?.index ?? 0) < taskCount;
      const known = events.filter(exists);
      unplaceable.push(...events.filter((each) => !exists(each)).map(asUnplaceable));
      if (!progress || known.length === 0) return;
      const outcome = await applyReports(progress, known, ports);
      applied.push(...outcome.applied);
      for (const messageId of outcome.returned) failed.set(messageId, 'speaks of an attempt that is not known yet');
      if (outcome.sent > 0) await ports.waker.wake();
    }),
  );

  const machines = [...Map.groupBy(instances, ({ event }) => event.instanceId)];
  await inParallel(machines, INSTANCES_AT_ONCE, ([, events]) =>
    guarded(messageIdsOf(events), async () => {
      for (const { event } of events) await applyInstanceEvent(event, ports.fleets);
    }),
  );

  const letters = [...malformed, ...unplaceable];
  await guarded(
    letters.map((letter) => letter.messageId),
    () => ports.deadLetters.put(letters.map(({ body, reason }) => ({ body, reason, source: 'status' }))),
  );
  return { failed, applied, malformed: letters };
}

const messageIdsOf = (events: readonly Delivered<unknown>[]): string[] => [
  ...new Set(events.map(({ messageId }) => messageId)),
];

const asUnplaceable = ({ event, messageId }: Delivered<TaskEvent>): Malformed => ({
  messageId,
  body: JSON.stringify(event),
  reason: 'there is no such task',
});

const applyInstanceEvent = (event: InstanceEvent, fleets: FleetStore): Promise<void> =>
  fleets.updateInstance(event.fleet, event.instanceId, {
    state: event.state,
    reason: event.reason,
    at: event.at,
    slots: event.slots,
    expiresAt: event.expiresAt,
  });
