import { addCounters, type CounterDelta } from '../../core/counters.ts';
import { PermanentError } from '../../core/errors.ts';
import { chunkOf } from '../../core/ids.ts';
import { type CommitOutcome, MAX_TASKS_PER_COMMIT, type TaskStore, type TaskWrite } from '../../core/ports.ts';
import type { TaskRecord } from '../../core/task.ts';
import { copy } from './copy.ts';
import type { InMemoryTables } from './in-memory-tables.ts';

export class InMemoryTaskStore implements TaskStore {
  readonly #tables: InMemoryTables;

  constructor(tables: InMemoryTables) {
    this.#tables = tables;
  }

  async getMany(taskIds: readonly string[]): Promise<ReadonlyMap<string, TaskRecord>> {
    const found = taskIds.flatMap((taskId) => this.#tables.tasks.get(taskId) ?? []);
    return new Map(found.map((task) => [task.taskId, copy(task)]));
  }

  async listChunk(jobId: string, chunk: number, fromIndex: number, limit: number): Promise<readonly TaskRecord[]> {
    return this.#list((task) => task.jobId === jobId && chunkOf(task.index) === chunk, fromIndex, limit);
  }

  async listByStatus(
    jobId: string,
    status: 'FAILED' | 'RUNNING',
    fromIndex: number,
    limit: number,
  ): Promise<readonly TaskRecord[]> {
    return this.#list((task) => task.jobId === jobId && task.status === status, fromIndex, limit);
  }

  async listByInstance(instanceId: string): Promise<readonly TaskRecord[]> {
    const runsThere = (task: TaskRecord): boolean => task.instanceId === instanceId && task.status === 'RUNNING';
    return this.#list(runsThere, 0, Number.POSITIVE_INFINITY);
  }

  async commit(jobId: string, writes: readonly TaskWrite[], delta: CounterDelta | null): Promise<CommitOutcome> {
    refuseWhatNoTransactionTakes(jobId, writes);
    const row = this.#tables.jobs.get(jobId);
    if (!row || (delta && row.fenced)) return { kind: 'closed' };
    const inTheWay = writes.filter(
      ({ task, previousVersion }) => (this.#tables.tasks.get(task.taskId)?.version ?? null) !== previousVersion,
    );
    if (inTheWay.length) {
      const current = await this.getMany(inTheWay.map(({ task }) => task.taskId));
      return { kind: 'conflict', current: [...current.values()] };
    }
    for (const { task } of writes) this.#tables.tasks.set(task.taskId, copy(task));
    if (delta) row.counters = addCounters(row.counters, delta);
    return { kind: 'committed' };
  }

  #list(matches: (task: TaskRecord) => boolean, fromIndex: number, limit: number): TaskRecord[] {
    return [...this.#tables.tasks.values()]
      .filter((task) => matches(task) && task.index >= fromIndex)
      .sort((a, b) => a.index - b.index)
      .slice(0, limit)
      .map((task) => copy(task));
  }
}

function refuseWhatNoTransactionTakes(jobId: string, writes: readonly TaskWrite[]): void {
  if (writes.length > MAX_TASKS_PER_COMMIT)
    throw new PermanentError(`${writes.length} tasks are too many for a commit`);
  if (new Set(writes.map(({ task }) => task.taskId)).size < writes.length) {
    throw new PermanentError('a commit writes each task once');
  }
  if (writes.some(({ task }) => task.jobId !== jobId)) throw new PermanentError('a commit is about one job');
}
