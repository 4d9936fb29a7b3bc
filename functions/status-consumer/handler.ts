/** Consumes the status queue: wiring only; `consume-status.ts` is the use case. */
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import { MetricUnit } from '@aws-lambda-powertools/metrics';
import { logMetrics } from '@aws-lambda-powertools/metrics/middleware';
import middy from '@middy/core';
import type { Context, SQSBatchResponse, SQSEvent } from 'aws-lambda';
import { createDynamoClient, createS3Client, createSqsClient } from '../../adapters/aws/clients.ts';
import { SqsDeadLetterChannel } from '../../adapters/aws/sqs-dead-letter-channel.ts';
import { DynamoStatusNotes } from '../../adapters/aws/sqs-status-flow.ts';
import { TransientError } from '../../core/errors.ts';
import { accountingPorts } from '../accounting-ports.ts';
import { deploymentServices } from '../clouds/deployment-services.ts';
import { acknowledgeBatch, toQueueRecord } from '../queue-batch.ts';
import { scalerWaker } from '../scaler-waker.ts';
import { logger, metrics } from '../telemetry.ts';
import { config } from './config.ts';
import { type Consumed, type ConsumePorts, consumeStatus } from './consume-status.ts';

const dynamodb = createDynamoClient();
const sqs = createSqsClient();
const { queues } = deploymentServices(config, { sqs, s3: createS3Client() });
const accounting = accountingPorts(config, { dynamodb, sqs, queues });
const { clock } = accounting;

const ports: ConsumePorts = {
  ...accounting,
  deadLetters: new SqsDeadLetterChannel({ client: sqs, queueUrl: config.STATUS_DEAD_QUEUE_URL }),
  statusFlow: new DynamoStatusNotes({ dynamodb, table: config.FLEETS_TABLE, clock }),
  waker: scalerWaker(config.SCALER_FUNCTION_NAME),
  giveUpSeconds: config.GIVE_UP_SECONDS,
};

function report({ applied, malformed, failed }: Consumed, records: number): void {
  const ended = (status: string): number => applied.filter(({ write }) => write?.task.status === status).length;
  const stale = applied.flatMap((task) => task.stale);
  metrics.addMetric('TasksCompleted', MetricUnit.Count, ended('COMPLETED'));
  metrics.addMetric('TasksFailed', MetricUnit.Count, ended('FAILED'));
  metrics.addMetric('StaleReports', MetricUnit.Count, stale.length);
  metrics.addMetric('MalformedReports', MetricUnit.Count, malformed.length);
  for (const { event, reason } of stale) {
    const { kind, taskId } = event;
    const lease = 'leaseId' in event ? { attempt: event.attempt, leaseId: event.leaseId } : {};
    logger.info('stale report', { kind, taskId, ...lease, reason });
  }
  for (const { messageId, reason } of malformed) logger.warn('malformed report', { messageId, reason });
  for (const [messageId, error] of failed) {
    logger.warn('report comes back', {
      messageId,
      error: error instanceof Error ? error : new TransientError(String(error)),
    });
  }
  logger.info('batch done', { records, tasks: applied.length, stale: stale.length, returned: failed.size });
}

export const handler = middy<SQSEvent, SQSBatchResponse, Error, Context>()
  .use(injectLambdaContext(logger, { resetKeys: true }))
  .use(logMetrics(metrics))
  .handler(async (event, context) => {
    const outcome = await consumeStatus(event.Records.map(toQueueRecord), ports);
    report(outcome, event.Records.length);
    return acknowledgeBatch(event, context, outcome.failed);
  });
