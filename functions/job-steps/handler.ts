/** The steps of a job's state machine: wiring only; each step is a file of its own. */
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import { MetricUnit } from '@aws-lambda-powertools/metrics';
import { logMetrics } from '@aws-lambda-powertools/metrics/middleware';
import middy from '@middy/core';
import { z } from 'zod';
import { createDynamoClient, createS3Client, createSfnClient, createSqsClient } from '../../adapters/aws/clients.ts';
import { DynamoJobStore } from '../../adapters/aws/dynamodb-job-store.ts';
import { DynamoTaskStore } from '../../adapters/aws/dynamodb-task-store.ts';
import { SqsDelayedQueue } from '../../adapters/aws/sqs-delayed-queue.ts';
import { StepFunctionsJobMachine } from '../../adapters/aws/step-functions-job-machine.ts';
import { parseDocument } from '../../core/validation.ts';
import { deploymentServices } from '../clouds/deployment-services.ts';
import { logger, metrics } from '../telemetry.ts';
import { awaitCompletion } from './await-completion.ts';
import { config } from './config.ts';
import { enqueueChunk } from './enqueue-chunk.ts';
import { finishJob } from './finish-job.ts';

const client = createDynamoClient();
const sqs = createSqsClient();
const clock = { now: () => new Date() };

const ports = {
  jobs: new DynamoJobStore({ client, table: config.JOBS_TABLE }),
  tasks: new DynamoTaskStore({ client, tasksTable: config.TASKS_TABLE, jobsTable: config.JOBS_TABLE }),
  ...deploymentServices(config, { sqs, s3: createS3Client() }),
  delayed: new SqsDelayedQueue({ client: sqs, queueUrl: config.DELAYED_QUEUE_URL, clock }),
  machine: new StepFunctionsJobMachine({ client: createSfnClient() }),
  clock,
};

/** What `statemachine/job.asl.yml` passes. */
const stepSchema = z.discriminatedUnion('step', [
  z.object({ step: z.literal('enqueue'), jobId: z.string(), chunk: z.int().nonnegative() }),
  z.object({ step: z.literal('await'), jobId: z.string(), taskToken: z.string() }),
  z.object({ step: z.literal('await-cancelled'), jobId: z.string(), taskToken: z.string() }),
  z.object({
    step: z.literal('finish'),
    jobId: z.string(),
    cause: z.enum(['settled', 'cancelled', 'timed-out', 'error']),
    error: z.string().optional(),
  }),
]);

async function runStep(event: unknown): Promise<object> {
  const input = parseDocument(stepSchema, event, 'the step');
  logger.appendKeys({ jobId: input.jobId, step: input.step });
  switch (input.step) {
    case 'enqueue':
      return enqueueChunk(input.jobId, input.chunk, ports);
    case 'await':
    case 'await-cancelled':
      return awaitCompletion(input.jobId, input.taskToken, input.step === 'await-cancelled', ports);
    case 'finish': {
      const finished = await finishJob(input.jobId, input.cause, input.error, ports);
      if (finished.closedNow) countOutcome(finished.status);
      return finished;
    }
  }
}

/** The alarm on failed jobs looks at this metric (resources/alarms.yml). */
function countOutcome(status: string): void {
  metrics.addMetric('JobsFinished', MetricUnit.Count, 1);
  if (status === 'FAILED') metrics.addMetric('JobsFailed', MetricUnit.Count, 1);
}

export const handler = middy()
  .use(injectLambdaContext(logger, { resetKeys: true }))
  .use(logMetrics(metrics))
  .handler(async (event: unknown) => {
    const outcome = await runStep(event);
    metrics.addMetric('StepsDone', MetricUnit.Count, 1);
    logger.info('step done', { ...outcome });
    return outcome;
  });
