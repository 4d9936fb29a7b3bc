/** From queue records to events. What nobody can understand is set apart with its reason; its neighbours go on. */
import { z } from 'zod';
import { parseTaskId } from '../../core/ids.ts';
import { type InstanceEvent, statusEventSchema, type TaskEvent } from '../../core/messages.ts';
import type { Delivered } from '../accounting/fold-reports.ts';
import { type QueueRecord, readBody, unreadableBecause } from '../queue-batch.ts';

export interface Malformed {
  readonly messageId: string;
  readonly body: string;
  readonly reason: string;
}

export interface ReadMessages {
  readonly tasks: readonly Delivered<TaskEvent>[];
  readonly instances: readonly Delivered<InstanceEvent>[];
  readonly malformed: readonly Malformed[];
}

const envelopeSchema = z.object({ v: z.literal(1), source: z.string(), events: z.array(z.unknown()).min(1) });

export function readMessages(records: readonly QueueRecord[]): ReadMessages {
  const tasks: Delivered<TaskEvent>[] = [];
  const instances: Delivered<InstanceEvent>[] = [];
  const malformed: Malformed[] = [];
  for (const { messageId, body, receiveCount } of records) {
    const envelope = readBody(envelopeSchema, body);
    if (!envelope.value) {
      malformed.push({ messageId, body, reason: envelope.reason });
      continue;
    }
    const redelivered = receiveCount > 1;
    for (const candidate of envelope.value.events) {
      const parsed = statusEventSchema.safeParse(candidate);
      const reason = parsed.success ? contradiction(parsed.data) : unreadableBecause(parsed.error);
      if (!parsed.success || reason) {
        malformed.push({ messageId, body: JSON.stringify(candidate), reason: reason ?? 'unreadable' });
      } else if (parsed.data.kind === 'instance') {
        instances.push({ event: parsed.data, messageId, redelivered });
      } else {
        tasks.push({ event: parsed.data, messageId, redelivered });
      }
    }
  }
  return { tasks, instances, malformed };
}

/** What a well-formed event may still say wrongly of itself. */
function contradiction(event: TaskEvent | InstanceEvent): string | undefined {
  if (event.kind === 'instance') return undefined;
  const position = parseTaskId(event.taskId);
  if (!position || position.jobId !== event.jobId) return 'taskId is not one of jobId';
  return undefined;
}
