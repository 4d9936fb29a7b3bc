/** The failed tasks of a job, in order, from the sparse index: a job of a million tasks with 21 failures costs 21 rows. */
import type { TaskStore } from '../core/ports.ts';
import type { TaskRecord } from '../core/task.ts';

const PAGE = 1_000;

/** Eventually consistent: a failure of the last second may be missing. */
export async function* failedTasks(
  jobId: string,
  fromIndex: number,
  tasks: Pick<TaskStore, 'listByStatus'>,
): AsyncGenerator<TaskRecord, void> {
  let from = fromIndex;
  for (;;) {
    const rows = await tasks.listByStatus(jobId, 'FAILED', from, PAGE);
    yield* rows;
    const last = rows.at(-1);
    if (!last || rows.length < PAGE) return;
    from = last.index + 1;
  }
}
