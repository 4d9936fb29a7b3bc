/** Every question about jobs, tasks, fleets and instances; changes nothing. Wiring only. */
import { createDynamoClient, createS3Client, createSqsClient } from '../../adapters/aws/clients.ts';
import { DynamoFleetStore } from '../../adapters/aws/dynamodb-fleet-store.ts';
import { DynamoJobStore } from '../../adapters/aws/dynamodb-job-store.ts';
import { DynamoKeyStore } from '../../adapters/aws/dynamodb-key-store.ts';
import { DynamoTaskStore } from '../../adapters/aws/dynamodb-task-store.ts';
import { S3BlobLinks } from '../../adapters/aws/s3-blob-links.ts';
import { deploymentServices } from '../clouds/deployment-services.ts';
import { readDeployment } from '../fleets-file.ts';
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

const { fleets, clouds } = readDeployment(config.LAMBDA_TASK_ROOT);
const client = createDynamoClient();
const jobs = new DynamoJobStore({ client, table: config.JOBS_TABLE });
const tasks = new DynamoTaskStore({ client, tasksTable: config.TASKS_TABLE, jobsTable: config.JOBS_TABLE });
const s3 = createS3Client();
const { queues, blobs, linksOf } = deploymentServices(config, { sqs: createSqsClient(), s3 });
const offers = offerSource(blobs, clouds);
const clock = { now: () => new Date() };
const links = linksOf(new S3BlobLinks({ client: s3, bucket: config.BUCKET }));

export const handler = apiHandler({
  keys: new DynamoKeyStore({ client, table: config.KEYS_TABLE }),
  open: { 'GET /health': async () => ({ status: 200, body: { status: 'ok', stage: config.STAGE } }) },
  routes: {
    ...jobRoutes({ jobs, clock, fleets, offers }),
    ...taskRoutes({ jobs, tasks, blobs, links }),
    ...resultRoutes({ jobs, tasks, blobs, links }),
    ...failureRoutes({ jobs, tasks, blobs }),
    ...auditRoutes({ jobs, tasks }),
    ...priceRoutes({ offers, clock }),
    ...fleetRoutes({
      fleets,
      store: new DynamoFleetStore({ client, table: config.FLEETS_TABLE }),
      queues,
    }),
  },
});
