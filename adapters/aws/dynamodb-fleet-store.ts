/**
 * A fleet's state and machines on DynamoDB. Under one fleet lie `day#{date}`, `ended#{id}`, `live#{id}`, `readiness` and
 * `state`, in this order: one query from `live#` on reads what matters now, and never what is over.
 */
import { type DynamoDBDocumentClient, GetCommand, QueryCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { TransientError } from '../../core/errors.ts';
import {
  dayOf,
  type FleetDay,
  fleetDaySchema,
  hasEnded,
  INSTANCE_STATES,
  type Instance,
  mayBecome,
} from '../../core/instance.ts';
import { NO_BOOTS } from '../../core/launch-breaker.ts';
import type { FleetRead, FleetState, FleetStore, InstanceChange } from '../../core/ports.ts';
import { chunked, inParallel } from '../in-parallel.ts';
import { batchGet } from './dynamodb-batch-get.ts';
import {
  bootRecordSchema,
  endedItem,
  fleetStateSchema,
  instanceFromItem,
  unrecordedItem,
} from './dynamodb-fleet-items.ts';
import { type TransactionItems, transact } from './dynamodb-transaction.ts';
import { pastConflicts, putIf, updateIf } from './dynamodb-write.ts';

const LIVE = 'live#';
const ENDED = 'ended#';
const DAY = 'day#';
const BOOTS = 'readiness';
const STATE = 'state';
const NO_STATE = 'NONE';
const MAX_TRIES = 8;
/** A transaction has 100 items at most, and a machine takes two. */
const MAX_ADDED_AT_ONCE = 50;

export class DynamoFleetStore implements FleetStore {
  readonly #client: DynamoDBDocumentClient;
  readonly #table: string;

  constructor(options: { client: DynamoDBDocumentClient; table: string }) {
    this.#client = options.client;
    this.#table = options.table;
  }

  async read(fleet: string): Promise<FleetRead> {
    const instances: Instance[] = [];
    let state: FleetState = { intents: [], lastPlan: null, version: 0 };
    let boots = NO_BOOTS;
    let ExclusiveStartKey: Record<string, unknown> | undefined;
    do {
      const answer = await this.#client.send(
        new QueryCommand({
          TableName: this.#table,
          KeyConditionExpression: 'fleet = :fleet AND #item >= :live',
          ExpressionAttributeNames: { '#item': 'item' },
          ExpressionAttributeValues: { ':fleet': fleet, ':live': LIVE },
          ConsistentRead: true,
          ExclusiveStartKey,
        }),
      );
      for (const item of answer.Items ?? []) {
        if (item['item'] === STATE) state = fleetStateSchema.parse(item);
        else if (item['item'] === BOOTS) boots = bootRecordSchema.parse(item);
        else instances.push(instanceFromItem(item));
      }
      ExclusiveStartKey = answer.LastEvaluatedKey;
    } while (ExclusiveStartKey);
    return { state, instances, boots };
  }

  /**
   * After a lost response the state is recognised as this call's own: a scaler that took itself for the loser would
   * launch nothing, and its recorded intent would stand for machines until it expires.
   */
  async writeState(fleet: string, next: Omit<FleetState, 'version'>, expectedVersion: number): Promise<boolean> {
    const unwritten = expectedVersion === 0;
    const outcome = await putIf(this.#client, {
      TableName: this.#table,
      Item: { fleet, item: STATE, ...next, version: expectedVersion + 1 },
      ConditionExpression: unwritten ? 'attribute_not_exists(fleet)' : 'version = :expected',
      ...(unwritten ? {} : { ExpressionAttributeValues: { ':expected': expectedVersion } }),
    });
    return outcome.kind === 'written';
  }

  async addInstances(instances: readonly Instance[]): Promise<void> {
    await inParallel(chunked(instances, MAX_ADDED_AT_ONCE), 8, async (batch) => {
      for (let left = batch; left.length > 0; ) {
        const outcome = await transact(
          this.#client,
          left.flatMap((instance) => [
            this.#notEnded(instance.fleet, instance.instanceId),
            this.#launchOf(instance, LIVE),
          ]),
        );
        if (outcome.kind === 'done') return;
        // Some even ended before this: they must not come to life again.
        const ended = left.filter((_, place) => outcome.refused.has(2 * place));
        await inParallel(ended, 8, async (instance) => {
          const { Update } = this.#launchOf(instance, ENDED);
          await pastConflicts(() => this.#client.send(new UpdateCommand(Update)));
        });
        left = left.filter((instance) => !ended.includes(instance));
      }
    });
  }

  #launchOf({ fleet, instanceId, state, stateReason, readyAt, endedAt, ...launch }: Instance, prefix: string) {
    // A machine may have reported before this: what it said of itself stays.
    const own = { state, stateReason, readyAt, endedAt };
    const all = { ...launch, ...own };
    const sets = [
      ...Object.keys(launch).map((name) => `#${name} = :${name}`),
      ...Object.keys(own).map((name) => `#${name} = if_not_exists(#${name}, :${name})`),
    ];
    return {
      Update: {
        TableName: this.#table,
        Key: { fleet, item: prefix + instanceId },
        UpdateExpression: `SET ${sets.join(', ')}`,
        ExpressionAttributeNames: Object.fromEntries(Object.keys(all).map((name) => [`#${name}`, name])),
        ExpressionAttributeValues: Object.fromEntries(Object.entries(all).map(([name, value]) => [`:${name}`, value])),
      },
    };
  }

  #notEnded(fleet: string, instanceId: string): TransactionItems[number] {
    return {
      ConditionCheck: {
        TableName: this.#table,
        Key: { fleet, item: ENDED + instanceId },
        ConditionExpression: 'attribute_not_exists(fleet)',
      },
    };
  }

  async updateInstance(fleet: string, instanceId: string, change: InstanceChange): Promise<void> {
    for (let tries = 1; tries <= MAX_TRIES; tries += 1) {
      const isDone = await (hasEnded(change.state)
        ? this.#end(fleet, instanceId, change)
        : this.#advance(fleet, instanceId, change));
      if (isDone) return;
    }
    throw new TransientError('the instance is contended', { context: { fleet, instanceId } });
  }

  /** After the machine's own row: a crash between the two loses one count, which matters little. */
  async #countBoot(
    { fleet, instanceId, readyAt }: Pick<Instance, 'fleet' | 'instanceId' | 'readyAt'>,
    { state, reason, at }: InstanceChange,
  ): Promise<void> {
    if (readyAt !== null || (state !== 'READY' && state !== 'FAILED')) return;
    const Key = { fleet, item: BOOTS };
    const update =
      state === 'READY'
        ? {
            UpdateExpression: 'SET failedInARow = :none',
            // Nearly always there is nothing to end.
            ConditionExpression: 'failedInARow > :none',
            ExpressionAttributeValues: { ':none': 0 },
          }
        : {
            UpdateExpression: 'SET lastFailure = :failure ADD failedInARow :one',
            // A lost answer is asked again, and must not count twice.
            ConditionExpression: 'attribute_not_exists(lastFailure) OR lastFailure.instanceId <> :id',
            ExpressionAttributeValues: {
              ':failure': { instanceId, reason: reason ?? '', at },
              ':id': instanceId,
              ':one': 1,
            },
          };
    await updateIf(this.#client, { TableName: this.#table, Key, ...update });
  }

  /** In one write where the machine is known: states only go forward, and which come before this one is known. */
  async #advance(fleet: string, instanceId: string, change: InstanceChange): Promise<boolean> {
    const Key = { fleet, item: LIVE + instanceId };
    const isReady = change.state === 'READY';
    const earlier = INSTANCE_STATES.filter((state) => mayBecome(state, change.state));
    // The first state has none before it, but the expression must name one.
    const from = [NO_STATE, ...earlier].map((state, n) => [`:from${n}`, state] as const);
    const outcome = await updateIf(this.#client, {
      TableName: this.#table,
      Key,
      UpdateExpression: `SET #state = :next, stateReason = :reason${isReady ? ', readyAt = :at' : ''}`,
      ConditionExpression: `#state IN (${from.map(([name]) => name).join(', ')})`,
      ExpressionAttributeNames: { '#state': 'state' },
      ExpressionAttributeValues: {
        ...Object.fromEntries(from),
        ':next': change.state,
        ':reason': change.reason,
        ...(isReady ? { ':at': change.at } : {}),
      },
    });
    const isFirst = { fleet, instanceId, readyAt: null };
    if (outcome.kind === 'written') await this.#countBoot(isFirst, change);
    if (outcome.kind === 'written' || outcome.exists) return true;

    const taken = {
      TableName: this.#table,
      Item: { ...Key, ...unrecordedItem(change) },
      ConditionExpression: 'attribute_not_exists(fleet)',
    };
    const taking = await transact(this.#client, [this.#notEnded(fleet, instanceId), { Put: taken }]);
    if (taking.kind === 'done') await this.#countBoot(isFirst, change);
    return taking.kind === 'done' || taking.refused.has(0);
  }

  #addToDay(fleet: string, { day, machines, machineSeconds, costUsd }: FleetDay): TransactionItems[number] {
    return {
      Update: {
        TableName: this.#table,
        Key: { fleet, item: DAY + day },
        UpdateExpression: 'ADD machines :machines, machineSeconds :seconds, costUsd :cost',
        ExpressionAttributeValues: { ':machines': machines, ':seconds': machineSeconds, ':cost': costUsd },
      },
    };
  }

  /** An ended machine leaves the live ones in the same moment as it enters the ended ones, and its day's sum. */
  async #end(fleet: string, instanceId: string, change: InstanceChange): Promise<boolean> {
    const Key = { fleet, item: LIVE + instanceId };
    const { Item } = await this.#client.send(new GetCommand({ TableName: this.#table, Key, ConsistentRead: true }));
    if (!Item) return true;
    const before = instanceFromItem(Item);
    const outcome = await transact(this.#client, [
      {
        Delete: {
          TableName: this.#table,
          Key,
          ConditionExpression: '#state = :before',
          ExpressionAttributeNames: { '#state': 'state' },
          ExpressionAttributeValues: { ':before': before.state },
        },
      },
      { Put: { TableName: this.#table, Item: { ...endedItem(before, change), item: ENDED + instanceId } } },
      this.#addToDay(fleet, dayOf(before, change.at)),
    ]);
    if (outcome.kind === 'done') await this.#countBoot(before, change);
    return outcome.kind === 'done';
  }

  async findMany(fleets: readonly string[], instanceIds: readonly string[]): Promise<ReadonlyMap<string, Instance>> {
    const found = new Map<string, Instance>();
    // Nearly all that are asked for run.
    for (const prefix of [LIVE, ENDED]) {
      const missing = [...new Set(instanceIds)].filter((instanceId) => !found.has(instanceId));
      const keys = fleets.flatMap((fleet) => missing.map((instanceId) => ({ fleet, item: prefix + instanceId })));
      const items = await batchGet(this.#client, { table: this.#table, keys });
      for (const instance of items.map(instanceFromItem)) found.set(instance.instanceId, instance);
    }
    return found;
  }

  async listDays(fleet: string, limit: number): Promise<readonly FleetDay[]> {
    const { Items = [] } = await this.#client.send(
      new QueryCommand({
        TableName: this.#table,
        KeyConditionExpression: 'fleet = :fleet AND begins_with(#item, :day)',
        ExpressionAttributeNames: { '#item': 'item' },
        ExpressionAttributeValues: { ':fleet': fleet, ':day': DAY },
        ScanIndexForward: false,
        Limit: limit,
      }),
    );
    return Items.map((item) => fleetDaySchema.parse({ ...item, day: String(item['item']).slice(DAY.length) }));
  }

  async listEnded(fleet: string, limit: number): Promise<readonly Instance[]> {
    const { Items = [] } = await this.#client.send(
      new QueryCommand({
        TableName: this.#table,
        KeyConditionExpression: 'fleet = :fleet AND begins_with(#item, :ended)',
        ExpressionAttributeNames: { '#item': 'item' },
        ExpressionAttributeValues: { ':fleet': fleet, ':ended': ENDED },
      }),
    );
    return Items.map(instanceFromItem)
      .sort((a, b) => ((a.endedAt ?? '') < (b.endedAt ?? '') ? 1 : -1))
      .slice(0, limit);
  }
}
