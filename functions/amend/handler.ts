/** `PATCH /v1/jobs/{jobId}`: wiring only. */
import { createDynamoClient, createS3Client, createSqsClient } from '../../adapters/aws/clients.ts';
import { DynamoJobStore } from '../../adapters/aws/dynamodb-job-store.ts';
import { DynamoKeyStore } from '../../adapters/aws/dynamodb-key-store.ts';
import { deploymentServices } from '../clouds/deployment-services.ts';
import { apiHandler } from '../http/api-handler.ts';
import { readJsonBody } from '../http/json-body.ts';
import { jobIdOf } from '../http/path-parameters.ts';
import { jobView } from '../query/job-view.ts';
import { scalerWaker } from '../scaler-waker.ts';
import { type AmendPorts, amendJob } from './amend-job.ts';
import { config } from './config.ts';

const MAX_BODY_BYTES = 16_384;

const client = createDynamoClient();
const clock = { now: () => new Date() };

const ports: AmendPorts = {
  jobs: new DynamoJobStore({ client, table: config.JOBS_TABLE }),
  control: deploymentServices(config, { sqs: createSqsClient(), s3: createS3Client() }).control,
  waker: scalerWaker(config.SCALER_FUNCTION_NAME),
  clock,
};

export const handler = apiHandler({
  keys: new DynamoKeyStore({ client, table: config.KEYS_TABLE }),
  routes: {
    'PATCH /v1/jobs/{jobId}': async (request) => {
      const progress = await amendJob(jobIdOf(request), readJsonBody(request, MAX_BODY_BYTES), ports);
      return { status: 200, body: jobView(progress, clock.now()) };
    },
  },
});
