/**
 * One batch of the status queue. Each job is handled by itself: what goes wrong for one returns only the records that
 * speak of it. Failing closed: a record counts as done only when everything in it is.
 */
import { inParallel } from '../../adapters/in-parallel.ts';
import { TransientError } from '../../core/errors.ts';
import { parseTaskId } from '../../core/ids.ts';
import type { InstanceEvent, TaskEvent } from '../../core/messages.ts';
import { fleetsNamed } from '../../core/placement.ts';
import type { DeadLetterChannel, FleetStore, StatusFlow, Waker } from '../../core/ports.ts';
import type { TaskReport } from '../../core/task-report.ts';
import { type AppliedJob, type ApplyPorts, applyReports } from '../accounting/apply-reports.ts';
import type { Delivered, FoldedTask } from '../accounting/fold-reports.ts';
import { guardedBy, type QueueRecord } from '../queue-batch.ts';
import { type Malformed, readMessages } from './read-messages.ts';

const JOBS_AT_ONCE = 4;
const INSTANCES_AT_ONCE = 8;
/** One before the queue itself gives a record up, without a reason (resources/queues.yml). */
const LAST_TRY = 9;
const UNKNOWN_ATTEMPT = 'speaks of an attempt that is not known yet';
const NOTHING_APPLIED: AppliedJob = { applied: [], returned: [], sent: 0 };

export interface ConsumePorts extends ApplyPorts {
  readonly fleets: FleetStore;
  readonly deadLetters: DeadLetterChannel;
  readonly waker: Waker;
  /** Told how far reports are read, for whoever waits for one. */
  readonly statusFlow?: Pick<StatusFlow, 'noteApplied'>;
}

/** What happened to a batch; `failed` says which records must come back, and why. */
export interface Consumed {
  readonly failed: ReadonlyMap<string, unknown>;
  readonly applied: readonly FoldedTask[];
  readonly malformed: readonly Malformed[];
}

export async function consumeStatus(records: readonly QueueRecord[], ports: ConsumePorts): Promise<Consumed> {
  const { tasks, instances, malformed } = readMessages(records);
  const receiveCounts = new Map(records.map(({ messageId, receiveCount }) => [messageId, receiveCount]));
  const failed = new Map<string, unknown>();
  const applied: FoldedTask[] = [];
  const unplaceable: Malformed[] = [];
  const guarded = guardedBy(failed);

  const applyToJob = async (jobId: string, events: readonly Delivered<TaskEvent>[]): Promise<void> => {
    const progress = await ports.jobs.progress(jobId);
    const taskCount = progress?.job.taskCount ?? 0;
    const exists = ({ event }: Delivered<TaskEvent>): boolean => (parseTaskId(event.taskId)?.index ?? 0) < taskCount;
    const known = events.filter(exists);
    const outcome = progress && known.length > 0 ? await applyReports(progress, known, ports) : NOTHING_APPLIED;
    applied.push(...outcome.applied);
    unplaceable.push(...events.filter((each) => !exists(each)).map((each) => asLetter(each, 'there is no such task')));
    for (const { event, messageId } of outcome.returned) {
      if ((receiveCounts.get(messageId) ?? 1) < LAST_TRY) failed.set(messageId, UNKNOWN_ATTEMPT);
      else unplaceable.push(asLetter({ event, messageId }, UNKNOWN_ATTEMPT));
    }
    if (outcome.sent > 0) await ports.waker.wake();
    const reporting = known.map(({ event }) => event);
    if (progress) await ports.reporting.noteHeard(fleetsNamed(progress.job), reporting);
  };

  // Before the tasks, whose machines are then known to be ready.
  const machines = [...Map.groupBy(instances, ({ event }) => event.instanceId)];
  await inParallel(machines, INSTANCES_AT_ONCE, ([, events]) =>
    guarded(events, async () => {
      for (const { event } of events) await applyInstanceEvent(event, ports.fleets);
    }),
  );

  const jobs = [...Map.groupBy(tasks, ({ event }) => event.jobId)];
  await inParallel(jobs, JOBS_AT_ONCE, async ([jobId, events]) => {
    const records = [...Map.groupBy(events, ({ messageId }) => messageId)];
    try {
      await applyToJob(jobId, events);
    } catch (error) {
      // What no retry can help may be the fault of one record: its neighbours must not fail with it, time and again.
      const alone = error instanceof TransientError || records.length === 1 ? [] : records;
      if (alone.length === 0) for (const [messageId] of records) failed.set(messageId, error);
      for (const [messageId, ofRecord] of alone) await guarded([{ messageId }], () => applyToJob(jobId, ofRecord));
    }
  });

  const letters = [...malformed, ...unplaceable];
  await guarded(letters, () =>
    ports.deadLetters.put(letters.map(({ body, reason }) => ({ body, reason, source: 'status' }))),
  );
  if (failed.size === 0) await noteApplied(records, ports);
  return { failed, applied, malformed: letters };
}

/** The oldest of the batch: what was sent before it may still be on its way. A hint only, it returns nothing that is done. */
async function noteApplied(records: readonly QueueRecord[], { statusFlow }: ConsumePorts): Promise<void> {
  const sent = records.flatMap(({ sentAt }) => (sentAt ? [sentAt.getTime()] : []));
  if (sent.length === 0) return;
  await statusFlow?.noteApplied(new Date(Math.min(...sent))).catch(() => undefined);
}

const asLetter = (
  { event, messageId }: Pick<Delivered<TaskReport>, 'event' | 'messageId'>,
  reason: string,
): Malformed => ({ messageId, body: JSON.stringify(event), reason });

const applyInstanceEvent = (event: InstanceEvent, fleets: FleetStore): Promise<void> =>
  fleets.updateInstance(event.fleet, event.instanceId, {
    state: event.state,
    reason: event.reason,
    at: event.at,
    slots: event.slots,
    expiresAt: event.expiresAt,
  });
