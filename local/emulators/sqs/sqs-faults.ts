/** The faults of SQS in its own words ("Common errors", `BatchResultErrorEntry`, "At-least-once delivery"). */
import { z } from 'zod';
import { type JsonInjection, lostResponse, staleReads, unavailable } from '../faults/json-injections.ts';
import { type Injections, refusal } from '../faults/with-faults.ts';
import { AwsError } from '../protocol/aws-error.ts';
import type { JsonCall } from '../protocol/json-protocol.ts';
import type { QueueRegistry } from './queue-registry.ts';
import * as requests from './requests.ts';

const INTERNAL_ERROR = 'InternalError';

export function sqsInjections(queues: QueueRegistry, now: () => number): Injections<JsonCall, object> {
  return {
    throttle: refusal(() => new AwsError('RequestThrottled', 'The request was denied due to request throttling.')),
    unavailable: unavailable(INTERNAL_ERROR),
    'lost-response': lostResponse(INTERNAL_ERROR),
    partial: failedEntries,
    duplicate: secondDelivery(queues),
    // "The Approximate… metrics may not achieve consistency until at least 1 minute after the producers stop".
    stale: staleReads(({ operation }) => operation === 'GetQueueAttributes', now),
  };
}

const batchAnswerSchema = z.looseObject({ Failed: z.array(z.unknown()).default([]) });

/** About half of the entries, at least one, are not carried out; it is not the sender's fault. */
const failedEntries: JsonInjection = {
  applies: ({ operation }) => operation.endsWith('Batch'),
  inject: async (call, next, { random }) => {
    const input = requests.parseSqs(requests.batchSchema, call.input);
    const failing = input.Entries.filter((_, place) => place === 0 || random() < 0.5);
    const rest = input.Entries.filter((entry) => !failing.includes(entry));
    const done = rest.length > 0 ? await next({ ...call, input: { ...input, Entries: rest } }) : { Successful: [] };
    const answer = batchAnswerSchema.parse(done);
    const Message = 'We encountered an internal error. Please try again.';
    const failed = failing.map(({ Id }) => ({ Id, SenderFault: false, Code: INTERNAL_ERROR, Message }));
    return { ...answer, Failed: [...answer.Failed, ...failed] };
  },
};

const receivedSchema = z.object({ Messages: z.array(z.object({ ReceiptHandle: z.string() })).default([]) });

/** A second copy of the first message is visible at once: deleting the one does not delete the other. */
const secondDelivery = (queues: QueueRegistry): JsonInjection => ({
  applies: ({ operation }) => operation === 'ReceiveMessage',
  inject: async (call, next, { giveBack }) => {
    const answer = await next(call);
    const [first] = receivedSchema.parse(answer).Messages;
    if (first)
      queues.byUrl(requests.parseSqs(requests.queueSchema, call.input).QueueUrl).duplicate(first.ReceiptHandle);
    else giveBack();
    return answer;
  },
});
