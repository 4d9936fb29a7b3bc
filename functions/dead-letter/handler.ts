/** Consumes the dead letters of all task queues: wiring only; `judge-dead-letters.ts` is the use case. */
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import { MetricUnit } from '@aws-lambda-powertools/metrics';
import { logMetrics } from '@aws-lambda-powertools/metrics/middleware';
import middy from '@middy/core';
import type { Context, SQSBatchResponse, SQSEvent } from 'aws-lambda';
import { createDynamoClient, createS3Client, createSqsClient } from '../../adapters/aws/clients.ts';
import { BlobDeadLetters } from '../../adapters/blob-dead-letters.ts';
import { accountingPorts } from '../accounting-ports.ts';
import { deploymentServices } from '../clouds/deployment-services.ts';
import { acknowledgeBatch, toQueueRecord } from '../queue-batch.ts';
import { logger, metrics } from '../telemetry.ts';
import { config } from './config.ts';
import { type JudgePorts, judgeDeadLetters } from './judge-dead-letters.ts';

const sqs = createSqsClient();
const { queues, blobs } = deploymentServices(config, { sqs, s3: createS3Client() });
const accounting = accountingPorts(config, { dynamodb: createDynamoClient(), sqs, queues });

const ports: JudgePorts = {
  ...accounting,
  deadLetters: new BlobDeadLetters({ blobs, clock: accounting.clock }),
};

export const handler = middy<SQSEvent, SQSBatchResponse, Error, Context>()
  .use(injectLambdaContext(logger, { resetKeys: true }))
  .use(logMetrics(metrics))
  .handler(async (event, context) => {
    const { failed, sentAgain, kept } = await judgeDeadLetters(event.Records.map(toQueueRecord), ports);
    metrics.addMetric('TasksSentAgain', MetricUnit.Count, sentAgain);
    metrics.addMetric('DeadLettersKept', MetricUnit.Count, kept.length);
    for (const { messageId, reason } of kept) logger.warn('a dead letter is kept', { messageId, reason });
    logger.info('batch done', { records: event.Records.length, sentAgain, kept: kept.length, returned: failed.size });
    return acknowledgeBatch(event, context, failed);
  });
