/**
 * A fleet's state and machines on DynamoDB. Under one fleet lie `day#{date}`, `ended#{id}`, `live#{id}`, `readiness` and
 * `state`, in this order: one query from `live#` on reads what matters now, and never what is over.
 */
import { type DynamoDBDocumentClient, GetCommand, QueryCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { TransientError } from '../../core/errors.ts';
import { dayOf, type FleetDay, fleetDaySchema, hasEnded, type Instance, mayBecome } from '../../core/instance.ts';
import { NO_BOOTS } from '../../core/launch-breaker.ts';
import type { FleetRead, FleetState, FleetStore, InstanceChange } from '../../core/ports.ts';
import { inParallel } from '../in-parallel.ts';
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
const MAX_TRIES = 8;

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
    await inParallel(instances, 8, async (instance) => {
      const { fleet, instanceId, state, stateReason, readyAt, endedAt, ...launch } = instance;
      const names = Object.keys(launch);
      // A machine may have reported before this: what it said of itself stays.
      const own = { state, stateReason, readyAt, endedAt };
      const sets = [
        ...names.map((name) => `#${name} = :${name}`),
        ...Object.keys(own).map((name) => `#${name} = if_not_exists(#${name}, :${name})`),
      ];
      const all = { ...launch, ...own };
      const update = {
        TableName: this.#table,
        UpdateExpression: `SET ${sets.join(', ')}`,
        ExpressionAttributeNames: Object.fromEntries(Object.keys(all).map((name) => [`#${name}`, name])),
        ExpressionAttributeValues: Object.fromEntries(Object.entries(all).map(([name, value]) => [`:${name}`, value])),
      };
      const live = { Update: { ...update, Key: { fleet, item: LIVE + instanceId } } };
      const outcome = await transact(this.#client, [this.#notEnded(fleet, instanceId), live]);
      // It even ended before this: it must not come to life again.
      if (outcome.kind === 'refused') {
        const ended = new UpdateCommand({ ...update, Key: { fleet, item: ENDED + instanceId } });
        await pastConflicts(() => this.#client.send(ended));
      }
    });
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
      const Key = { fleet, item: LIVE + instanceId };
      const { Item } = await this.#client.send(new GetCommand({ TableName: this.#table, Key, ConsistentRead: true }));
      if (!Item) {
        if (hasEnded(change.state)) return;
        const taken = {
          TableName: this.#table,
          Item: { ...Key, ...unrecordedItem(change) },
          ConditionExpression: 'attribute_not_exists(fleet)',
        };
        const outcome = await transact(this.#client, [this.#notEnded(fleet, instanceId), { Put: taken }]);
        if (outcome.kind === 'done') return this.#countBoot({ fleet, instanceId, readyAt: null }, change);
        if (outcome.refused.has(0)) return;
        continue;
      }
      const before = instanceFromItem(Item);
      if (!mayBecome(before.state, change.state)) return;
      const written = hasEnded(change.state) ? this.#end(before, change) : this.#advance(before, change);
      if (await written) return this.#countBoot(before, change);
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

  /** A refusal is looked into by reading again: whoever was first, states only go forward. */
  async #advance(before: Instance, change: InstanceChange): Promise<boolean> {
    const outcome = await updateIf(this.#client, {
      TableName: this.#table,
      Key: { fleet: before.fleet, item: LIVE + before.instanceId },
      UpdateExpression: 'SET #state = :next, stateReason = :reason, readyAt = :readyAt',
      ConditionExpression: '#state = :before',
      ExpressionAttributeNames: { '#state': 'state' },
      ExpressionAttributeValues: {
        ':before': before.state,
        ':next': change.state,
        ':reason': change.reason,
        ':readyAt': before.readyAt ?? (change.state === 'READY' ? change.at : null),
      },
    });
    return outcome.kind === 'written';
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
  async #end(before: Instance, change: InstanceChange): Promise<boolean> {
    const { fleet, instanceId } = before;
    const outcome = await transact(this.#client, [
      {
        Delete: {
          TableName: this.#table,
          Key: { fleet, item: LIVE + instanceId },
          ConditionExpression: '#state = :before',
          ExpressionAttributeNames: { '#state': 'state' },
          ExpressionAttributeValues: { ':before': before.state },
        },
      },
      { Put: { TableName: this.#table, Item: { ...endedItem(before, change), item: ENDED + instanceId } } },
      this.#addToDay(fleet, dayOf(before, change.at)),
    ]);
    return outcome.kind === 'done';
  }

  async find(fleet: string, instanceId: string): Promise<Instance | undefined> {
    for (const item of [LIVE + instanceId, ENDED + instanceId]) {
      const { Item } = await this.#client.send(new GetCommand({ TableName: this.#table, Key: { fleet, item } }));
      if (Item) return instanceFromItem(Item);
    }
    return undefined;
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
