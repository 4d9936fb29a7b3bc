import type { Counters } from '../../core/counters.ts';
import type { Job } from '../../core/job.ts';
import type { IdempotencyRecord } from '../../core/ports.ts';
import type { TaskRecord } from '../../core/task.ts';

/** What job store and task store have in common: tasks are committed against counters that may be fenced. */
export class InMemoryTables {
  readonly jobs = new Map<string, { job: Job; counters: Counters; fenced?: boolean }>();
  readonly idempotency = new Map<string, IdempotencyRecord>();
  readonly tasks = new Map<string, TaskRecord>();
}
