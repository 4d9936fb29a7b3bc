/**
 * DynamoDB's faults in its own words ("Error handling with DynamoDB", "TransactionCanceledException", "BatchGetItem").
 */
import { z } from 'zod';
import type { Fault } from '../faults/faults.ts';
import { inTurns, type JsonInjection, lostResponse, staleReads, unavailable } from '../faults/json-injections.ts';
import { type Injections, refusal } from '../faults/with-faults.ts';
import { AwsError } from '../protocol/aws-error.ts';
import type { JsonCall } from '../protocol/json-protocol.ts';
import { canceled } from './transact-write.ts';

const SINGLE_WRITES: ReadonlySet<string> = new Set(['PutItem', 'UpdateItem', 'DeleteItem']);
const TRANSACTIONS: ReadonlySet<string> = new Set(['TransactWriteItems', 'TransactGetItems']);
const EVENTUAL_READS: ReadonlySet<string> = new Set(['GetItem', 'Query', 'Scan']);
const INTERNAL_ERROR = 'InternalServerError';
const ONGOING = 'Transaction is ongoing for the item';
const TOO_MUCH = 'Throughput exceeds the current capacity of your table or index.';

type Worded = readonly [code: string, message: string];

const THROTTLES: readonly [Worded, ...Worded[]] = [
  ['ProvisionedThroughputExceededException', 'The level of configured provisioned throughput was exceeded.'],
  ['ThrottlingException', TOO_MUCH],
  ['RequestLimitExceeded', 'Throughput exceeds the current throughput limit for your account.'],
];

/** @param now epoch milliseconds */
export function dynamoDbInjections(now: () => number): Injections<JsonCall, object> {
  return {
    throttle: refusal(throttled),
    conflict: refusal(conflicting, ({ operation }) => SINGLE_WRITES.has(operation) || TRANSACTIONS.has(operation)),
    unavailable: unavailable(INTERNAL_ERROR),
    'lost-response': lostResponse(INTERNAL_ERROR),
    partial: unprocessedKeys,
    stale: staleReads(isEventualRead, now),
  };
}

/** A transaction is throttled as a whole or, every second time, for one of its items. */
function throttled(call: JsonCall, fault: Fault): AwsError {
  if (TRANSACTIONS.has(call.operation) && fault.nth % 2 === 1)
    return canceledFor('ThrottlingError', TOO_MUCH, call, fault);
  return new AwsError(...inTurns(THROTTLES, fault.nth));
}

function conflicting(call: JsonCall, fault: Fault): AwsError {
  if (SINGLE_WRITES.has(call.operation)) return new AwsError('TransactionConflictException', ONGOING);
  return canceledFor('TransactionConflict', ONGOING, call, fault);
}

const transactionSchema = z.looseObject({ TransactItems: z.array(z.unknown()).default([]) });

/** One item is in the way, and says why; the others say `None`. */
function canceledFor(Code: string, Message: string, { input }: JsonCall, { random }: Fault): AwsError {
  const { TransactItems } = transactionSchema.parse(input);
  const inTheWay = Math.floor(random() * TransactItems.length);
  return canceled(TransactItems.map((_, place) => (place === inTheWay ? { Code, Message } : { Code: 'None' })));
}

const isEventualRead = ({ operation, input }: JsonCall): boolean =>
  EVENTUAL_READS.has(operation) &&
  z.looseObject({ ConsistentRead: z.literal(true) }).safeParse(input).success === false;

const batchGetSchema = z.looseObject({
  RequestItems: z.record(z.string(), z.looseObject({ Keys: z.array(z.unknown()) })),
});

/** About half of the keys, at least one, come back as `UnprocessedKeys`. */
const unprocessedKeys: JsonInjection = {
  applies: ({ operation }) => operation === 'BatchGetItem',
  inject: async (call, next, { random }) => {
    const input = batchGetSchema.parse(call.input);
    const processed: Record<string, object> = {};
    const UnprocessedKeys: Record<string, object> = {};
    for (const [table, request] of Object.entries(input.RequestItems)) {
      const left = request.Keys.filter((_, place) => place === 0 || random() < 0.5);
      const done = request.Keys.filter((key) => !left.includes(key));
      UnprocessedKeys[table] = { ...request, Keys: left };
      if (done.length > 0) processed[table] = { ...request, Keys: done };
    }
    if (Object.keys(processed).length === 0) return { Responses: {}, UnprocessedKeys };
    return { ...(await next({ ...call, input: { ...input, RequestItems: processed } })), UnprocessedKeys };
  },
};
