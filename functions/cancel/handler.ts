/** `DELETE /v1/jobs/{jobId}` and `DELETE /v1/tasks/{taskId}`: wiring only. */
import { createDynamoClient, createS3Client, createSfnClient, createSqsClient } from '../../adapters/aws/clients.ts';
import { DynamoFleetStore } from '../../adapters/aws/dynamodb-fleet-store.ts';
import { DynamoJobStore } from '../../adapters/aws/dynamodb-job-store.ts';
import { DynamoKeyStore } from '../../adapters/aws/dynamodb-key-store.ts';
import { DynamoTaskStore } from '../../adapters/aws/dynamodb-task-store.ts';
import { S3ControlChannel } from '../../adapters/aws/s3-control-channel.ts';
import { SqsDelayedQueue } from '../../adapters/aws/sqs-delayed-queue.ts';
import { sqsTaskQueues } from '../../adapters/aws/sqs-task-queue.ts';
import { StepFunctionsJobMachine } from '../../adapters/aws/step-functions-job-machine.ts';
import { MachinePrices } from '../accounting/machine-prices.ts';
import { apiHandler } from '../http/api-handler.ts';
import { jobIdOf, taskPositionOf } from '../http/path-parameters.ts';
import { cancelJob } from './cancel-job.ts';
import { type CancelTaskPorts, cancelTask } from './cancel-task.ts';
import { config } from './config.ts';

const dynamo = createDynamoClient();
const sqs = createSqsClient();
const clock = { now: () => new Date() };

const ports: CancelTaskPorts = {
  jobs: new DynamoJobStore({ client: dynamo, table: config.JOBS_TABLE }),
  tasks: new DynamoTaskStore({ client: dynamo, tasksTable: config.TASKS_TABLE, jobsTable: config.JOBS_TABLE }),
  prices: new MachinePrices(new DynamoFleetStore({ client: dynamo, table: config.FLEETS_TABLE })),
  control: new S3ControlChannel({ client: createS3Client(), bucket: config.BUCKET }),
  queues: sqsTaskQueues({ client: sqs, queueUrlPrefix: config.QUEUE_URL_PREFIX, stage: config.STAGE }),
  delayed: new SqsDelayedQueue({ client: sqs, queueUrl: config.DELAYED_QUEUE_URL, clock }),
  machine: new StepFunctionsJobMachine({ client: createSfnClient() }),
  clock,
  random: Math.random,
};

export const handler = apiHandler({
  keys: new DynamoKeyStore({ client: dynamo, table: config.KEYS_TABLE }),
  routes: {
    'DELETE /v1/jobs/{jobId}': async (request) => ({ status: 202, body: await cancelJob(jobIdOf(request), ports) }),
    'DELETE /v1/tasks/{taskId}': async (request) => {
      const { task, hadEnded } = await cancelTask(taskPositionOf(request), ports);
      return { status: hadEnded ? 200 : 202, body: task };
    },
  },
});
