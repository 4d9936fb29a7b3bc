import { createHash } from 'node:crypto';
import type { SQSEvent, SQSRecord } from 'aws-lambda';
import { toAsciiJson } from '../../core/ascii-json.ts';
import { START } from './manual-clock.ts';

/** One record as Lambda's event source mapping hands it over; a body that is no text is serialised. */
function sqsRecordFactory(body: unknown, overrides: Partial<SQSRecord> = {}): SQSRecord {
  const text = typeof body === 'string' ? body : toAsciiJson(body);
  const md5OfBody = createHash('md5').update(text).digest('hex');
  return {
    messageId: `message-${md5OfBody.slice(0, 8)}`,
    receiptHandle: `receipt-${md5OfBody.slice(0, 8)}`,
    body: text,
    attributes: {
      ApproximateReceiveCount: '1',
      SentTimestamp: String(Date.parse(START)),
      SenderId: 'AIDAEXAMPLE',
      ApproximateFirstReceiveTimestamp: String(Date.parse(START)),
    },
    messageAttributes: {},
    md5OfBody,
    eventSource: 'aws:sqs',
    eventSourceARN: 'arn:aws:sqs:eu-central-1:000000000000:shoal-status-dev',
    awsRegion: 'eu-central-1',
    ...overrides,
  };
}

/** A batch of records, each with an id of its own. */
export const sqsEventFactory = (bodies: readonly unknown[]): SQSEvent => ({
  Records: bodies.map((body, index) => sqsRecordFactory(body, { messageId: `message-${index}` })),
});
