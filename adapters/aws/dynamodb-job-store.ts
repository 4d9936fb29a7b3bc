/**
 * Jobs on DynamoDB. Under one `jobId` lie the job (`item` = `job`) and its counter shards (`counter#0` …), so that one
 * consistent query reads both. The index `by-state` (open │ closed) serves the scaler and the list.
 */
import { type DynamoDBDocumentClient, GetCommand, QueryCommand, type UpdateCommandInput } from '@aws-sdk/lib-dynamodb';
import { addCounters, COUNTER_SHARDS, zeroCounters } from '../../core/counters.ts';
import { NotFoundError, PermanentError } from '../../core/errors.ts';
import {
  isClosed,
  type Job,
  type JobProblem,
  type JobStatus,
  type JobSummary,
  type SweepMark,
} from '../../core/job.ts';
import type { JobOutcome } from '../../core/job-outcome.ts';
import type { MoveMark, Placement } from '../../core/placement.ts';
import type { IdempotencyRecord, JobAmendment, JobProgress, JobStore, Page } from '../../core/ports.ts';
import {
  countersFromItem,
  idempotencyItem,
  idempotencySchema,
  jobFromItem,
  summarySchema,
} from './dynamodb-job-items.ts';
import { counterKey, jobKey } from './dynamodb-keys.ts';
import { type TransactionItems, transact } from './dynamodb-transaction.ts';
import { putIf, updateIf, type WriteOutcome } from './dynamodb-write.ts';

const BY_STATE = 'by-state';
/** With a filter, a page of the index may hold no match: so many pages are read before the cursor is handed out. */
const MAX_FILTERED_PAGES = 20;
const FILTERED_PAGE = 500;

export class DynamoJobStore implements JobStore {
  readonly #client: DynamoDBDocumentClient;
  readonly #table: string;

  constructor(options: { client: DynamoDBDocumentClient; table: string }) {
    this.#client = options.client;
    this.#table = options.table;
  }

  async create(job: Job, idempotency: IdempotencyRecord | null): Promise<boolean> {
    // Kept as sets, which come into being with their first element.
    const { retries: _none, priorities: _same, ...row } = job;
    const putJob = {
      TableName: this.#table,
      Item: { ...jobKey(job.jobId), state: 'open', ...row },
      ConditionExpression: 'attribute_not_exists(jobId)',
    };
    const noted = job.rootJobId ? [this.#noteRetry(job.rootJobId, job.jobId)] : [];
    if (!idempotency) {
      // A job whose row is there but whose creation is told as failed would never be started.
      const created = noted.length
        ? (await transact(this.#client, [{ Put: putJob }, ...noted])).kind === 'done'
        : (await putIf(this.#client, putJob)).kind === 'written';
      if (created) return true;
      throw new PermanentError('there is a job of this id already', { context: { jobId: job.jobId } });
    }
    const putRecord = {
      TableName: this.#table,
      Item: idempotencyItem(idempotency),
      // A record past its time no longer counts: TTL deletes late, and never decides.
      ConditionExpression: 'attribute_not_exists(jobId) OR expiresAt < :now',
      ExpressionAttributeValues: { ':now': job.createdAt },
    };
    const outcome = await transact(this.#client, [{ Put: putRecord }, { Put: putJob }, ...noted]);
    return outcome.kind === 'done';
  }

  #noteRetry(rootJobId: string, jobId: string): TransactionItems[number] {
    return {
      Update: {
        TableName: this.#table,
        Key: jobKey(rootJobId),
        UpdateExpression: 'ADD retries :retry',
        ConditionExpression: 'attribute_exists(jobId)',
        ExpressionAttributeValues: { ':retry': new Set([jobId]) },
      },
    };
  }

  async findIdempotency(id: string, now: Date): Promise<IdempotencyRecord | undefined> {
    const { Item } = await this.#client.send(
      new GetCommand({
        TableName: this.#table,
        Key: { jobId: `idempotency#${id}`, item: 'record' },
        ConsistentRead: true,
      }),
    );
    if (!Item) return undefined;
    const record = idempotencySchema.parse(Item);
    return Date.parse(record.expiresAt) > now.getTime() ? record : undefined;
  }

  async progress(jobId: string): Promise<JobProgress | undefined> {
    const { Items = [] } = await this.#client.send(
      new QueryCommand({
        TableName: this.#table,
        KeyConditionExpression: 'jobId = :jobId',
        ExpressionAttributeValues: { ':jobId': jobId },
        ConsistentRead: true,
      }),
    );
    const item = Items.find((each) => each['item'] === 'job');
    if (!item) return undefined;
    const shards = Items.filter((each) => each !== item).map(countersFromItem);
    return { job: jobFromItem(item), counters: shards.reduce(addCounters, zeroCounters) };
  }

  async list(query: { status?: JobStatus; limit: number; cursor?: string }): Promise<Page<JobSummary>> {
    const { status, limit, cursor } = query;
    const states = status ? [isClosed(status) ? 'closed' : 'open'] : ['open', 'closed'];
    const parts = await Promise.all(states.map((state) => this.#listState(state, limit, cursor, status)));
    const items = parts
      .flatMap((part) => part.items)
      .sort((a, b) => (a.jobId < b.jobId ? 1 : -1))
      .slice(0, limit);
    const more = parts.some((part) => part.cursor !== undefined) || parts.flatMap((part) => part.items).length > limit;
    const next = items.length === limit ? items.at(-1)?.jobId : parts.find((part) => part.cursor)?.cursor;
    return more && next ? { items, cursor: next } : { items };
  }

  /** Newest first within one state, from before `cursor` (a job id) on. */
  async #listState(
    state: string,
    limit: number,
    cursor: string | undefined,
    status: JobStatus | undefined,
  ): Promise<Page<JobSummary>> {
    const items: JobSummary[] = [];
    let before = cursor;
    for (let page = 0; page < MAX_FILTERED_PAGES; page += 1) {
      const { Items = [], LastEvaluatedKey } = await this.#client.send(
        new QueryCommand({
          TableName: this.#table,
          IndexName: BY_STATE,
          KeyConditionExpression: before ? '#state = :state AND jobId < :before' : '#state = :state',
          ...(status ? { FilterExpression: '#status = :status' } : {}),
          ExpressionAttributeNames: { '#state': 'state', ...(status ? { '#status': 'status' } : {}) },
          ExpressionAttributeValues: {
            ':state': state,
            ...(before ? { ':before': before } : {}),
            ...(status ? { ':status': status } : {}),
          },
          ScanIndexForward: false,
          Limit: status ? FILTERED_PAGE : limit,
        }),
      );
      items.push(...Items.map((item) => summarySchema.parse(item)));
      before = LastEvaluatedKey ? String(LastEvaluatedKey['jobId']) : undefined;
      if (!before || items.length >= limit) break;
    }
    return before ? { items, cursor: before } : { items };
  }

  async listOpen(): Promise<readonly string[]> {
    const ids: string[] = [];
    let ExclusiveStartKey: Record<string, unknown> | undefined;
    do {
      const answer = await this.#client.send(
        new QueryCommand({
          TableName: this.#table,
          IndexName: BY_STATE,
          KeyConditionExpression: '#state = :open',
          ExpressionAttributeNames: { '#state': 'state' },
          ExpressionAttributeValues: { ':open': 'open' },
          ProjectionExpression: 'jobId',
          ExclusiveStartKey,
        }),
      );
      ids.push(...(answer.Items ?? []).map((item) => String(item['jobId'])));
      ExclusiveStartKey = answer.LastEvaluatedKey;
    } while (ExclusiveStartKey);
    return ids;
  }

  async awaitCompletion(jobId: string, taskToken: string, awaits: Job['awaits'], at: Date): Promise<void> {
    const values = { ':token': taskToken, ':awaits': awaits, ':at': at.toISOString(), ':unknown': null };
    const enqueued = await this.#update(jobId, {
      UpdateExpression: 'SET taskToken = :token, awaits = :awaits, enqueuedAt = :at, #status = :enqueued',
      ConditionExpression: '#status = :pending AND enqueuedAt = :unknown',
      ExpressionAttributeNames: { '#status': 'status' },
      ExpressionAttributeValues: { ...values, ':enqueued': 'ENQUEUED', ':pending': 'PENDING' },
    });
    if (enqueued.kind === 'written') return;
    const first = await this.#update(jobId, {
      UpdateExpression: 'SET taskToken = :token, awaits = :awaits, enqueuedAt = :at',
      ConditionExpression: '#state = :open AND enqueuedAt = :unknown',
      ExpressionAttributeNames: { '#state': 'state' },
      ExpressionAttributeValues: { ...values, ':open': 'open' },
    });
    if (first.kind === 'written') return;
    // Enqueued before, perhaps by this very call (its response lost, and then another write): the token is set anyhow.
    await this.#update(jobId, {
      UpdateExpression: 'SET taskToken = :token, awaits = :awaits',
      ConditionExpression: '#state = :open',
      ExpressionAttributeNames: { '#state': 'state' },
      ExpressionAttributeValues: { ':token': taskToken, ':awaits': awaits, ':open': 'open' },
    });
  }

  /** Each placement has one fleet left more than the one before. */
  async place(jobId: string, placement: Placement): Promise<boolean> {
    const placed = await this.#update(jobId, {
      UpdateExpression: 'SET placement = :placement',
      ConditionExpression: '#state = :open AND size(placement.#left) = :before',
      ExpressionAttributeNames: { '#state': 'state', '#left': 'left' },
      ExpressionAttributeValues: { ':placement': placement, ':before': placement.left.length - 1, ':open': 'open' },
    });
    return placed.kind === 'written';
  }

  async markMoved(jobId: string, mark: MoveMark): Promise<void> {
    await this.#update(jobId, {
      UpdateExpression: 'SET moved = :mark',
      ConditionExpression: '#state = :open',
      ExpressionAttributeNames: { '#state': 'state' },
      ExpressionAttributeValues: { ':mark': mark, ':open': 'open' },
    });
  }

  async markSweep(jobId: string, mark: SweepMark): Promise<void> {
    await this.#update(jobId, {
      UpdateExpression: 'SET sweep = :mark',
      ConditionExpression: '#state = :open',
      ExpressionAttributeNames: { '#state': 'state' },
      ExpressionAttributeValues: { ':mark': mark, ':open': 'open' },
    });
  }

  /** A refusal says nothing: told before, perhaps by this very call, or closed. */
  async markRunning(jobId: string, at: Date): Promise<void> {
    const running = await this.#update(jobId, {
      UpdateExpression: 'SET #status = :running, startedAt = :at',
      ConditionExpression: '#status IN (:pending, :enqueued)',
      ExpressionAttributeNames: { '#status': 'status' },
      ExpressionAttributeValues: {
        ':running': 'RUNNING',
        ':pending': 'PENDING',
        ':enqueued': 'ENQUEUED',
        ':at': at.toISOString(),
      },
    });
    if (running.kind === 'written') return;
    // It was paused before it ran.
    await this.#update(jobId, {
      UpdateExpression: 'SET startedAt = :at',
      ConditionExpression: '#state = :open AND startedAt = :unknown',
      ExpressionAttributeNames: { '#state': 'state' },
      ExpressionAttributeValues: { ':at': at.toISOString(), ':open': 'open', ':unknown': null },
    });
  }

  /** After a lost response it is `true` for the run that paused the job; nobody relies on it. */
  async pause(jobId: string, pausedFor: NonNullable<Job['pausedFor']>, reason: string): Promise<boolean> {
    const paused = await this.#update(jobId, {
      UpdateExpression: 'SET #status = :paused, pausedFor = :for, statusReason = :reason',
      ConditionExpression: '#status IN (:pending, :enqueued, :running)',
      ExpressionAttributeNames: { '#status': 'status' },
      ExpressionAttributeValues: {
        ':paused': 'PAUSED',
        ':for': pausedFor,
        ':reason': reason,
        ':pending': 'PENDING',
        ':enqueued': 'ENQUEUED',
        ':running': 'RUNNING',
      },
    });
    return paused.kind === 'written';
  }

  async resume(jobId: string): Promise<boolean> {
    const resumed = await this.#update(jobId, {
      UpdateExpression: 'SET #status = :running, pausedFor = :nothing, statusReason = :nothing',
      ConditionExpression: '#status = :paused',
      ExpressionAttributeNames: { '#status': 'status' },
      ExpressionAttributeValues: { ':running': 'RUNNING', ':paused': 'PAUSED', ':nothing': null },
    });
    return resumed.kind === 'written';
  }

  /** However changes cross: each adds what it writes, and the first of them had read what was there before. */
  async amend(job: Pick<Job, 'jobId' | 'priority'>, settings: JobAmendment): Promise<boolean> {
    const changes = Object.entries(settings).filter(([, value]) => value !== undefined);
    if (changes.length === 0) return true;
    const had = settings.priority && new Set([job.priority, settings.priority]);
    const sets = `SET ${changes.map(([name]) => `#${name} = :${name}`).join(', ')}`;
    const amended = await this.#update(job.jobId, {
      UpdateExpression: had ? `${sets} ADD priorities :had` : sets,
      ConditionExpression: '#state = :open',
      ExpressionAttributeNames: {
        '#state': 'state',
        ...Object.fromEntries(changes.map(([name]) => [`#${name}`, name])),
      },
      ExpressionAttributeValues: {
        ':open': 'open',
        ...Object.fromEntries(changes.map(([name, value]) => [`:${name}`, value])),
        ...(had ? { ':had': had } : {}),
      },
    });
    return amended.kind === 'written';
  }

  /** After a lost response it is `true`, as it should be; a caller does the same on `false`: it reads the job again. */
  async requestCancel(jobId: string): Promise<boolean> {
    const outcome = await this.#update(jobId, {
      UpdateExpression: 'SET #status = :cancelling, pausedFor = :nothing, statusReason = :nothing',
      ConditionExpression: '#status IN (:pending, :enqueued, :running, :paused)',
      ExpressionAttributeNames: { '#status': 'status' },
      ExpressionAttributeValues: {
        ':cancelling': 'CANCELLING',
        ':nothing': null,
        ':pending': 'PENDING',
        ':enqueued': 'ENQUEUED',
        ':running': 'RUNNING',
        ':paused': 'PAUSED',
      },
    });
    if (outcome.kind === 'written') return true;
    if (!outcome.exists) throw new NotFoundError('no such job', { context: { jobId } });
    return false;
  }

  async reportProblem(jobId: string, problem: JobProblem): Promise<void> {
    await this.#update(jobId, {
      UpdateExpression: 'SET problem = :problem',
      ConditionExpression: '#state = :open',
      ExpressionAttributeNames: { '#state': 'state' },
      ExpressionAttributeValues: { ':problem': problem, ':open': 'open' },
    });
  }

  async fence(jobId: string, at: Date): Promise<void> {
    const fence: TransactionItems = Array.from({ length: COUNTER_SHARDS }, (_, shard) => ({
      Update: {
        TableName: this.#table,
        Key: counterKey(jobId, shard),
        UpdateExpression: 'SET closedAt = :at',
        ExpressionAttributeValues: { ':at': at.toISOString() },
      },
    }));
    await transact(this.#client, fence);
  }

  /** After a lost response it is `true` for the run that closed the job: exactly one says so, however often it tried. */
  async close(jobId: string, outcome: JobOutcome, at: Date): Promise<boolean> {
    const closed = await this.#update(jobId, {
      UpdateExpression:
        'SET #status = :status, statusReason = :reason, finishedAt = :at, #state = :closed, taskToken = :none, pausedFor = :none',
      ConditionExpression: '#state = :open',
      ExpressionAttributeNames: { '#status': 'status', '#state': 'state' },
      ExpressionAttributeValues: {
        ':status': outcome.status,
        ':reason': outcome.reason,
        ':at': at.toISOString(),
        ':closed': 'closed',
        ':open': 'open',
        ':none': null,
      },
    });
    return closed.kind === 'written';
  }

  /** A conditional update of the job itself; the condition implies that it exists. */
  #update(
    jobId: string,
    update: Pick<UpdateCommandInput, 'ExpressionAttributeNames' | 'ExpressionAttributeValues'> & {
      readonly UpdateExpression: string;
      readonly ConditionExpression: string;
    },
  ): Promise<WriteOutcome> {
    return updateIf(this.#client, { TableName: this.#table, Key: jobKey(jobId), ...update });
  }
}
