/** Consumes the dead letters of all task queues: wiring only; `judge-dead-letters.ts` is the use case. */
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import { MetricUnit } from '@aws-lambda-powertools/metrics';
import { logMetrics } from '@aws-lambda-powertools/metrics/middleware';
import middy from '@middy/core';
import type { Context, SQSBatchResponse, SQSEvent } from 'aws-lambda';
import { createDynamoClient, createS3Client, createSfnClient, createSqsClient } from '../../adapters/aws/clients.ts';
import { DynamoFleetStore } from '../../adapters/aws/dynamodb-fleet-store.ts';
import { DynamoJobStore } from '../../adapters/aws/dynamodb-job-store.ts';
import { DynamoTaskStore } from '../../adapters/aws/dynamodb-task-store.ts';
import { S3BlobStore } from '../../adapters/aws/s3-blob-store.ts';
import { SqsDelayedQueue } from '../../adapters/aws/sqs-delayed-queue.ts';
import { sqsTaskQueues } from '../../adapters/aws/sqs-task-queue.ts';
import { StepFunctionsJobMachine } from '../../adapters/aws/step-functions-job-machine.ts';
import { BlobDeadLetters } from '../../adapters/blob-dead-letters.ts';
import { MachinePrices } from '../accounting/machine-prices.ts';
import { acknowledgeBatch, toQueueRecord } from '../queue-batch.ts';
import { logger, metrics } from '../telemetry.ts';
import { config } from './config.ts';
import { type JudgePorts, judgeDeadLetters } from './judge-dead-letters.ts';

const client = createDynamoClient();
const sqs = createSqsClient();
const clock = { now: () => new Date() };

const ports: JudgePorts = {
  jobs: new DynamoJobStore({ client, table: config.JOBS_TABLE }),
  tasks: new DynamoTaskStore({ client, tasksTable: config.TASKS_TABLE, jobsTable: config.JOBS_TABLE }),
  prices: new MachinePrices(new DynamoFleetStore({ client, table: config.FLEETS_TABLE })),
  queues: sqsTaskQueues({ client: sqs, queueUrlPrefix: config.QUEUE_URL_PREFIX, stage: config.STAGE }),
  delayed: new SqsDelayedQueue({ client: sqs, queueUrl: config.DELAYED_QUEUE_URL, clock }),
  machine: new StepFunctionsJobMachine({ client: createSfnClient() }),
  deadLetters: new BlobDeadLetters({
    blobs: new S3BlobStore({ client: createS3Client(), bucket: config.BUCKET }),
    clock,
  }),
  clock,
  random: Math.random,
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
