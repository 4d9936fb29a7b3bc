/**
 * Decides on task messages that were received too often without an outcome. That is evidence, not a verdict: by the
 * task's row `applyStatus` sends it again, or ends the task as poison. Nothing is thrown away: what nobody can read, and
 * the messages of poisonous tasks, are kept before they are acknowledged.
 */
import { inParallel } from '../../adapters/in-parallel.ts';
import { parseTaskId } from '../../core/ids.ts';
import { type TaskMessage, taskMessageSchema } from '../../core/messages.ts';
import type { DeadLetterChannel } from '../../core/ports.ts';
import type { TaskReport } from '../../core/task-report.ts';
import { type ApplyPorts, applyReports } from '../accounting/apply-reports.ts';
import type { Delivered } from '../accounting/fold-reports.ts';
import { guardedBy, type QueueRecord, type ReadBody, readBody } from '../queue-batch.ts';

const JOBS_AT_ONCE = 4;
/** What speaks of an attempt that nobody made is not waited for any longer. */
const LAST_TRY = 9;
const UNKNOWN_ATTEMPT = 'speaks of an attempt that is not known';

export interface JudgePorts extends ApplyPorts {
  readonly deadLetters: DeadLetterChannel;
}

export interface Judged {
  /** Which records must come back, and why. */
  readonly failed: ReadonlyMap<string, unknown>;
  readonly sentAgain: number;
  readonly kept: readonly { readonly messageId: string; readonly reason: string }[];
}

interface Letter extends QueueRecord {
  readonly message: TaskMessage;
}

export async function judgeDeadLetters(records: readonly QueueRecord[], ports: JudgePorts): Promise<Judged> {
  const failed = new Map<string, unknown>();
  const kept: { messageId: string; reason: string }[] = [];
  let sentAgain = 0;
  const keep = async (
    entries: readonly { readonly messageId: string; readonly body: string; readonly reason: string }[],
  ): Promise<void> => {
    if (entries.length === 0) return;
    await ports.deadLetters.put(entries.map(({ body, reason }) => ({ body, reason, source: 'tasks' })));
    kept.push(...entries.map(({ messageId, reason }) => ({ messageId, reason })));
  };
  const guarded = guardedBy(failed);

  const read = records.map((record) => ({ ...record, ...readTaskMessage(record.body) }));
  const unreadable = read.flatMap(({ reason, ...record }) => (reason === undefined ? [] : [{ ...record, reason }]));
  await guarded(unreadable, () => keep(unreadable));

  const letters = read.flatMap(({ value, ...record }): Letter[] => (value ? [{ ...record, message: value }] : []));
  const jobs = [...Map.groupBy(letters, ({ message }) => message.jobId)];
  await inParallel(jobs, JOBS_AT_ONCE, ([jobId, ofJob]) =>
    guarded(ofJob, async () => {
      const progress = await ports.jobs.progress(jobId);
      const taskCount = progress?.job.taskCount ?? 0;
      const [known, unknown] = partition(ofJob, ({ message }) => (parseTaskId(message.taskId)?.index ?? 0) < taskCount);
      await keep(unknown.map((letter) => ({ ...letter, reason: 'there is no such task' })));
      if (!progress || known.length === 0) return;
      const { applied, returned, sent } = await applyReports(progress, known.map(asReport(ports)), ports);
      sentAgain += sent;
      const early = new Set(returned.map(({ messageId }) => messageId));
      const [late, waiting] = partition(
        known.filter(({ messageId }) => early.has(messageId)),
        ({ receiveCount }) => receiveCount >= LAST_TRY,
      );
      for (const { messageId } of waiting) failed.set(messageId, UNKNOWN_ATTEMPT);
      await keep(late.map((letter) => ({ ...letter, reason: UNKNOWN_ATTEMPT })));
      const ended = new Set(applied.flatMap(({ write, taskId }) => (write && isPoison(write.task) ? [taskId] : [])));
      const before = await poisonedBefore(known, ports);
      await keep(
        known
          .filter(({ message }) => ended.has(message.taskId) || before.has(message.taskId))
          .map((letter) => ({ ...letter, reason: 'the task killed its machines' })),
      );
    }),
  );
  return { failed, sentAgain, kept };
}

const partition = <Each>(all: readonly Each[], matches: (each: Each) => boolean): [Each[], Each[]] => [
  all.filter(matches),
  all.filter((each) => !matches(each)),
];

const isPoison = (task: { readonly failure: { readonly code: string } | null }): boolean =>
  task.failure?.code === 'poison';

/** A run before this one may have died between the verdict and keeping its evidence. */
async function poisonedBefore(letters: readonly Letter[], { tasks }: JudgePorts): Promise<ReadonlySet<string>> {
  const again = letters.filter(({ receiveCount }) => receiveCount > 1).map(({ message }) => message.taskId);
  if (again.length === 0) return new Set();
  const rows = await tasks.getMany(again);
  return new Set([...rows.values()].filter(isPoison).map(({ taskId }) => taskId));
}

const asReport =
  ({ clock }: JudgePorts) =>
  ({ messageId, message }: Letter): Delivered<TaskReport> => ({
    event: {
      kind: 'dead-lettered',
      taskId: message.taskId,
      jobId: message.jobId,
      attempt: message.attempt,
      at: clock.now().toISOString(),
    },
    messageId,
    redelivered: true,
  });

function readTaskMessage(body: string): ReadBody<TaskMessage> {
  const read = readBody(taskMessageSchema, body);
  if (read.value && parseTaskId(read.value.taskId)?.jobId !== read.value.jobId) {
    return { reason: 'taskId is not one of jobId' };
  }
  return read;
}
