/**
 * A job's tasks in order, those without a row included: such a task is PENDING, or CANCELLED once its job is closed.
 * Chunk by chunk, so that a page of a million tasks costs no more than one of ten.
 */
import { CHUNK_SIZE, chunkOf } from '../../core/ids.ts';
import type { Job } from '../../core/job.ts';
import type { Page, TaskStore } from '../../core/ports.ts';
import type { TaskRecord, TaskStatus } from '../../core/task.ts';
import { taskAsSeen } from '../../core/task-as-seen.ts';

/** With a filter a chunk may hold no match: so many are read before the cursor is handed out. */
const MAX_CHUNKS_PER_PAGE = 20;

export interface TaskPageQuery {
  readonly status?: TaskStatus | undefined;
  readonly limit: number;
  readonly fromIndex: number;
}

/** At most `limit` tasks from `fromIndex` on; the cursor is the index to go on from. */
export async function taskPage(job: Job, tasks: TaskStore, query: TaskPageQuery): Promise<Page<TaskRecord>> {
  const { status, limit } = query;
  // Failed tasks are few among many, and carry an index of their own.
  if (status === 'FAILED') {
    const rows = await tasks.listByStatus(job.jobId, status, query.fromIndex, limit);
    const last = rows.at(-1);
    return last && rows.length === limit ? { items: rows, cursor: String(last.index + 1) } : { items: rows };
  }
  const items: TaskRecord[] = [];
  let index = query.fromIndex;
  for (let chunks = 0; chunks < MAX_CHUNKS_PER_PAGE && index < job.taskCount; chunks += 1) {
    const end = Math.min(job.taskCount, (chunkOf(index) + 1) * CHUNK_SIZE);
    // Without a filter every task of the range matches, and no row beyond the page is needed.
    const most = status ? end - index : Math.min(end - index, limit - items.length);
    const rows = await tasks.listChunk(job.jobId, chunkOf(index), index, most);
    const byIndex = new Map(rows.map((row) => [row.index, row]));
    for (; index < end && items.length < limit; index += 1) {
      const task = taskAsSeen(job, index, byIndex.get(index));
      if (!status || task.status === status) items.push(task);
    }
    if (items.length === limit) break;
  }
  return index < job.taskCount ? { items, cursor: String(index) } : { items };
}
