/**
 * Task rows on DynamoDB, in partitions of one chunk each, and the one transaction that changes rows and counter
 * together. A task without a row is PENDING: rows come into being with a task's first event.
 */
import { type DynamoDBDocumentClient, QueryCommand } from '@aws-sdk/lib-dynamodb';
import { COUNTER_SHARDS, type CounterDelta } from '../../core/counters.ts';
import { parseTaskId } from '../../core/ids.ts';
import { type CommitOutcome, MAX_TASKS_PER_COMMIT, type TaskStore, type TaskWrite } from '../../core/ports.ts';
import type { TaskRecord } from '../../core/task.ts';
import { batchGet } from './dynamodb-batch-get.ts';
import { ENDED_PREFIX } from './dynamodb-job-items.ts';
import { chunkId, counterKey, taskKey } from './dynamodb-keys.ts';
import { taskFromItem, taskToItem } from './dynamodb-task-items.ts';
import { type TransactionItems, transact } from './dynamodb-transaction.ts';

const BY_STATUS = 'by-status';
const BY_MACHINE = 'by-machine';
/** More than any machine runs at a time. */
const MAX_TASKS_OF_A_MACHINE = 10_000;

export class DynamoTaskStore implements TaskStore {
  readonly #client: DynamoDBDocumentClient;
  readonly #tasksTable: string;
  readonly #jobsTable: string;

  constructor(options: { client: DynamoDBDocumentClient; tasksTable: string; jobsTable: string }) {
    this.#client = options.client;
    this.#tasksTable = options.tasksTable;
    this.#jobsTable = options.jobsTable;
  }

  async getMany(taskIds: readonly string[]): Promise<ReadonlyMap<string, TaskRecord>> {
    // BatchGetItem refuses a key that is there twice.
    const keys = [...new Set(taskIds)].flatMap((taskId) => {
      const position = parseTaskId(taskId);
      return position ? [taskKey(position.jobId, position.index)] : [];
    });
    const items = await batchGet(this.#client, { table: this.#tasksTable, keys, consistent: true });
    return new Map(items.map(taskFromItem).map((task) => [task.taskId, task]));
  }

  async listChunk(jobId: string, chunk: number, fromIndex: number, limit: number): Promise<readonly TaskRecord[]> {
    return this.#query(
      {
        KeyConditionExpression: 'chunkId = :chunk AND #index >= :from',
        ExpressionAttributeValues: { ':chunk': chunkId(jobId, chunk), ':from': fromIndex },
        ConsistentRead: true,
      },
      limit,
    );
  }

  async listByStatus(
    jobId: string,
    status: 'FAILED' | 'RUNNING',
    fromIndex: number,
    limit: number,
  ): Promise<readonly TaskRecord[]> {
    return this.#query(
      {
        IndexName: BY_STATUS,
        KeyConditionExpression: 'statusKey = :key AND #index >= :from',
        ExpressionAttributeValues: { ':key': `${jobId}#${status}`, ':from': fromIndex },
      },
      limit,
    );
  }

  async listByInstance(instanceId: string): Promise<readonly TaskRecord[]> {
    return this.#query(
      {
        IndexName: BY_MACHINE,
        KeyConditionExpression: 'machineKey = :machine AND #index >= :first',
        ExpressionAttributeValues: { ':machine': instanceId, ':first': 0 },
      },
      MAX_TASKS_OF_A_MACHINE,
    );
  }

  async #query(
    query: Omit<ConstructorParameters<typeof QueryCommand>[0], 'TableName'>,
    limit: number,
  ): Promise<TaskRecord[]> {
    const rows: TaskRecord[] = [];
    let ExclusiveStartKey: Record<string, unknown> | undefined;
    do {
      const answer = await this.#client.send(
        new QueryCommand({
          ...query,
          TableName: this.#tasksTable,
          ExpressionAttributeNames: { '#index': 'index' },
          Limit: limit - rows.length,
          ExclusiveStartKey,
        }),
      );
      rows.push(...(answer.Items ?? []).map(taskFromItem));
      ExclusiveStartKey = answer.LastEvaluatedKey;
    } while (ExclusiveStartKey && rows.length < limit);
    return rows;
  }

  async commit(jobId: string, writes: readonly TaskWrite[], delta: CounterDelta | null): Promise<CommitOutcome> {
    const first = writes[0];
    if (!first) return { kind: 'committed' };
    if (writes.length > MAX_TASKS_PER_COMMIT) throw new RangeError(`more than ${MAX_TASKS_PER_COMMIT} tasks`);
    const shard = first.task.index % COUNTER_SHARDS;
    const counter = delta && counterChange(this.#jobsTable, jobId, shard, delta);
    const rows = writes.map((write) => this.#put(write));
    const outcome = await transact(this.#client, counter ? [counter, ...rows] : rows);
    if (outcome.kind === 'done') return { kind: 'committed' };
    if (counter && outcome.refused.has(0)) return { kind: 'closed' };
    return {
      kind: 'conflict',
      current: [...outcome.refused.values()].flatMap((item) => (item ? [taskFromItem(item)] : [])),
    };
  }

  #put({ task, previousVersion }: TaskWrite): TransactionItems[number] {
    const unwritten = previousVersion === null;
    return {
      Put: {
        TableName: this.#tasksTable,
        Item: taskToItem(task),
        ConditionExpression: unwritten ? 'attribute_not_exists(chunkId)' : 'version = :previous',
        ...(unwritten ? {} : { ExpressionAttributeValues: { ':previous': previousVersion } }),
        ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
      },
    };
  }
}

/**
 * The counter's part of a commit. It carries the fence: a shard with `closedAt` takes no change any more. A shard comes
 * into being with its first change.
 */
function counterChange(table: string, jobId: string, shard: number, delta: CounterDelta): TransactionItems[number] {
  const target = {
    TableName: table,
    Key: counterKey(jobId, shard),
    ConditionExpression: 'attribute_not_exists(closedAt)',
  };
  const { endedByFleet = {}, ...counts } = delta;
  const ended = Object.entries(endedByFleet).map(([fleet, by]) => [ENDED_PREFIX + fleet, by] as const);
  const changes = [...Object.entries(counts), ...ended].filter(([, by]) => by !== 0);
  if (changes.length === 0) return { ConditionCheck: target };
  return {
    Update: {
      ...target,
      UpdateExpression: `ADD ${changes.map((_, at) => `#c${at} :c${at}`).join(', ')}`,
      ExpressionAttributeNames: Object.fromEntries(changes.map(([name], at) => [`#c${at}`, name])),
      ExpressionAttributeValues: Object.fromEntries(changes.map(([, by], at) => [`:c${at}`, by])),
    },
  };
}
