/** Consumes the delayed queue: wiring only; `forward-delayed.ts` is the use case. */
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import { MetricUnit } from '@aws-lambda-powertools/metrics';
import { logMetrics } from '@aws-lambda-powertools/metrics/middleware';
import middy from '@middy/core';
import type { Context, SQSBatchResponse, SQSEvent } from 'aws-lambda';
import { createS3Client, createSqsClient } from '../../adapters/aws/clients.ts';
import { SqsDelayedQueue } from '../../adapters/aws/sqs-delayed-queue.ts';
import { BlobDeadLetters } from '../../adapters/blob-dead-letters.ts';
import { deploymentServices } from '../clouds/deployment-services.ts';
import { acknowledgeBatch, toQueueRecord } from '../queue-batch.ts';
import { logger, metrics } from '../telemetry.ts';
import { config } from './config.ts';
import { type ForwardPorts, forwardDelayed } from './forward-delayed.ts';

const sqs = createSqsClient();
const clock = { now: () => new Date() };

const { queues, blobs } = deploymentServices(config, { sqs, s3: createS3Client() });

const ports: ForwardPorts = {
  queues,
  delayed: new SqsDelayedQueue({ client: sqs, queueUrl: config.DELAYED_QUEUE_URL, clock }),
  deadLetters: new BlobDeadLetters({ blobs, clock }),
  clock,
};

export const handler = middy<SQSEvent, SQSBatchResponse, Error, Context>()
  .use(injectLambdaContext(logger, { resetKeys: true }))
  .use(logMetrics(metrics))
  .handler(async (event, context) => {
    const { failed, forwarded, kept } = await forwardDelayed(event.Records.map(toQueueRecord), ports);
    metrics.addMetric('DelayedTasksForwarded', MetricUnit.Count, forwarded);
    metrics.addMetric('DeadLettersKept', MetricUnit.Count, kept);
    logger.info('batch done', { records: event.Records.length, forwarded, kept, returned: failed.size });
    return acknowledgeBatch(event, context, failed);
  });
