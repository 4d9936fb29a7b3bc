/** A task row, kept small: a row under 1 KB costs one write unit. What still has its first value is left out. */

import { taskIdOf } from '../../core/ids.ts';
import { type TaskRecord, taskRecordSchema, untouchedTask } from '../../core/task.ts';
import { taskKey } from './dynamodb-keys.ts';

/** Only these are looked for by status; every other row stays out of the indexes, and costs no second write. */
const INDEXED: ReadonlySet<TaskRecord['status']> = new Set(['FAILED', 'RUNNING']);

export function taskToItem(task: TaskRecord): Record<string, unknown> {
  const { taskId: _id, jobId, index, ...rest } = task;
  const untouched: Readonly<Record<string, unknown>> = { ...untouchedTask(task) };
  const told = Object.entries(rest).filter(
    ([name, value]) =>
      name === 'status' || name === 'version' || JSON.stringify(value) !== JSON.stringify(untouched[name]),
  );
  return {
    ...taskKey(jobId, index),
    ...(INDEXED.has(task.status) ? { statusKey: `${jobId}#${task.status}` } : {}),
    ...(task.status === 'RUNNING' && task.instanceId ? { machineKey: task.instanceId } : {}),
    ...Object.fromEntries(told),
  };
}

export function taskFromItem(item: Record<string, unknown>): TaskRecord {
  const jobId = String(item['chunkId']).split('#')[0] ?? '';
  const taskId = taskIdOf(jobId, Number(item['index']));
  return taskRecordSchema.parse({ ...untouchedTask({ taskId }), ...item });
}
