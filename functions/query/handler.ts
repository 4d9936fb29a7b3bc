/** Every question about jobs, tasks, fleets and instances; changes nothing. Wiring only. */
import { createDynamoClient, createS3Client, createSqsClient } from '../../adapters/aws/clients.ts';
import { DynamoFleetStore } from '../../adapters/aws/dynamodb-fleet-store.ts';
import { DynamoJobStore } from '../../adapters/aws/dynamodb-job-store.ts';
import { DynamoKeyStore } from '../../adapters/aws/dynamodb-key-store.ts';
import { DynamoTaskStore } from '../../adapters/aws/dynamodb-task-store.ts';
import { S3BlobLinks } from '../../adapters/aws/s3-blob-links.ts';
import { S3BlobStore } from '../../adapters/aws/s3-blob-store.ts';
import { sqsTaskQueues } from '../../adapters/aws/sqs-task-queue.ts';
import { readFleets } from '../fleets-file.ts';
import { apiHandler } from '../http/api-handler.ts';
import { offerSource } from '../offer-source.ts';
import { auditRoutes } from './audit.ts';
import { config } from './config.ts';
import { failureRoutes } from './failures.ts';
import { fleetRoutes } from './fleets.ts';
import { jobRoutes } from './jobs.ts';
import { priceRoutes } from './prices.ts';
import { resultRoutes } from './results.ts';
import { taskRoutes } from './tasks.ts';

const client = createDynamoClient();
const jobs = new DynamoJobStore({ client, table: config.JOBS_TABLE });
const tasks = new DynamoTaskStore({ client, tasksTable: config.TASKS_TABLE, jobsTable: config.JOBS_TABLE });
const bucket = { client: createS3Client(), bucket: config.BUCKET };
const blobs = new S3BlobStore(bucket);
const links = new S3BlobLinks(bucket);
const queues = sqsTaskQueues({
  client: createSqsClient(),
  queueUrlPrefix: config.QUEUE_URL_PREFIX,
  stage: config.STAGE,
});

export const handler = apiHandler({
  keys: new DynamoKeyStore({ client, table: config.KEYS_TABLE }),
  open: { 'GET /health': async () => ({ status: 200, body: { status: 'ok', stage: config.STAGE } }) },
  routes: {
    ...jobRoutes({ jobs, clock: { now: () => new Date() } }),
    ...taskRoutes({ jobs, tasks, blobs, links }),
    ...resultRoutes({ jobs, tasks, blobs, links }),
    ...failureRoutes({ jobs, tasks, blobs }),
    ...auditRoutes({ jobs, tasks }),
    ...priceRoutes({ offers: offerSource(blobs), clock: { now: () => new Date() } }),
    ...fleetRoutes({
      fleets: readFleets(config.LAMBDA_TASK_ROOT),
      store: new DynamoFleetStore({ client, table: config.FLEETS_TABLE }),
      queues,
    }),
  },
});
