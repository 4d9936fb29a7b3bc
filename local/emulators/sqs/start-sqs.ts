import { serveJsonProtocol } from '../protocol/json-protocol.ts';
import type { LoopbackServer } from '../protocol/loopback-server.ts';
import { RequestCounts } from '../protocol/request-counts.ts';
import { QueueRegistry } from './queue-registry.ts';
import { createSqsHandler } from './sqs-service.ts';

/** Codes that the older query protocol wrote with a prefix; the SDK shows them as `Code`. */
const prefixed =
  /^(EmptyBatch|TooManyEntries|BatchEntryIds|InvalidBatchEntry|BatchRequestTooLong|UnsupportedOperation)/;

/** Starts SQS on the loopback address: standard queues, in memory, gone when it stops. */
export async function startSqs(options: { port: number; region: string }): Promise<LoopbackServer> {
  const queues = new QueueRegistry(options.region, Date.now);
  const server = await serveJsonProtocol({
    name: 'SQS',
    errorNamespace: 'com.amazonaws.sqs',
    port: options.port,
    handle: createSqsHandler(queues),
    counts: new RequestCounts(),
    queryErrorCode,
  });
  const stop = async () => {
    queues.close();
    await server.stop();
  };
  return { ...server, stop };
}

function queryErrorCode(code: string): string {
  if (code === 'QueueDoesNotExist') return 'AWS.SimpleQueueService.NonExistentQueue';
  if (code === 'QueueNameExists') return 'QueueAlreadyExists';
  return prefixed.test(code) ? `AWS.SimpleQueueService.${code}` : code;
}
