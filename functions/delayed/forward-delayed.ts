/**
 * Forwards what is due to the queue of its fleet. A queue holds a message back for at most 15 minutes: what is to wait
 * longer takes another hop. Sent before acknowledged: a crash between the two makes a duplicate of the same attempt.
 */
import { NotFoundError } from '../../core/errors.ts';
import { delayedMessageSchema } from '../../core/messages.ts';
import type { Clock, DeadLetterChannel, DelayedQueue, TaskQueues } from '../../core/ports.ts';
import { guardedBy, type QueueRecord, readBody } from '../queue-batch.ts';

export interface ForwardPorts {
  readonly queues: TaskQueues;
  readonly delayed: DelayedQueue;
  readonly deadLetters: DeadLetterChannel;
  readonly clock: Clock;
}

export interface Forwarded {
  /** Which records must come back, and why. */
  readonly failed: ReadonlyMap<string, unknown>;
  readonly forwarded: number;
  /** What nobody can read, or no fleet can take: dead letters. */
  readonly kept: number;
}

/** What comes so much too early is forwarded all the same: another hop would make it late. */
const EARLY_MS = 1_000;

export async function forwardDelayed(records: readonly QueueRecord[], ports: ForwardPorts): Promise<Forwarded> {
  const failed = new Map<string, unknown>();
  const guarded = guardedBy(failed);
  let forwarded = 0;
  const read = records.map((record) => ({ ...record, ...readBody(delayedMessageSchema, record.body) }));
  const useless = read.flatMap(({ reason, ...record }) => (reason === undefined ? [] : [{ ...record, reason }]));
  const readable = read.flatMap(({ value, ...record }) => (value ? [{ ...record, ...value }] : []));

  const dueBy = ports.clock.now().getTime() + EARLY_MS;
  const early = readable.filter(({ dueAt }) => Date.parse(dueAt) > dueBy);
  const due = readable.filter(({ dueAt }) => Date.parse(dueAt) <= dueBy);
  await guarded(early, () => ports.delayed.send(early.map(({ message, dueAt }) => ({ message, dueAt }))));
  for (const group of Map.groupBy(due, ({ message }) => `${message.fleet}/${message.priority}`).values()) {
    const [first] = group;
    if (!first) continue;
    const { fleet, priority } = first.message;
    await guarded(group, async () => {
      try {
        await ports.queues(fleet, priority).send(group.map(({ message }) => message));
        forwarded += group.length;
      } catch (error) {
        if (!(error instanceof NotFoundError)) throw error;
        useless.push(...group.map((record) => ({ ...record, reason: `there is no fleet ${fleet}` })));
      }
    });
  }
  await guarded(useless, () =>
    ports.deadLetters.put(useless.map(({ body, reason }) => ({ body, reason, source: 'delayed' }))),
  );
  return { failed, forwarded, kept: useless.length };
}
