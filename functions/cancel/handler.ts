/** `DELETE /v1/jobs/{jobId}`: wiring only; `cancel-job.ts` is the use case. */
import { createDynamoClient, createS3Client, createSfnClient } from '../../adapters/aws/clients.ts';
import { DynamoJobStore } from '../../adapters/aws/dynamodb-job-store.ts';
import { DynamoKeyStore } from '../../adapters/aws/dynamodb-key-store.ts';
import { S3ControlChannel } from '../../adapters/aws/s3-control-channel.ts';
import { StepFunctionsJobMachine } from '../../adapters/aws/step-functions-job-machine.ts';
import { apiHandler } from '../http/api-handler.ts';
import { jobIdOf } from '../http/path-parameters.ts';
import { cancelJob } from './cancel-job.ts';
import { config } from './config.ts';

const dynamo = createDynamoClient();

const ports = {
  jobs: new DynamoJobStore({ client: dynamo, table: config.JOBS_TABLE }),
  control: new S3ControlChannel({ client: createS3Client(), bucket: config.BUCKET }),
  machine: new StepFunctionsJobMachine({ client: createSfnClient() }),
  clock: { now: () => new Date() },
};

export const handler = apiHandler({
  keys: new DynamoKeyStore({ client: dynamo, table: config.KEYS_TABLE }),
  routes: {
    'DELETE /v1/jobs/{jobId}': async (request) => ({ status: 202, body: await cancelJob(jobIdOf(request), ports) }),
  },
});
