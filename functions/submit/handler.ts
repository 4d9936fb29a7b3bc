/** `POST /v1/jobs`, `POST /v1/jobs/{jobId}/retry` and `POST /v1/estimates`: wiring only. */
import { ulid } from 'ulid';
import { createDynamoClient, createS3Client, createSfnClient, createSsmClient } from '../../adapters/aws/clients.ts';
import { DynamoFleetStore } from '../../adapters/aws/dynamodb-fleet-store.ts';
import { DynamoJobStore } from '../../adapters/aws/dynamodb-job-store.ts';
import { DynamoKeyStore } from '../../adapters/aws/dynamodb-key-store.ts';
import { DynamoTaskStore } from '../../adapters/aws/dynamodb-task-store.ts';
import { S3BlobStore } from '../../adapters/aws/s3-blob-store.ts';
import { SsmSecretSource } from '../../adapters/aws/secret-source.ts';
import { StepFunctionsJobMachine } from '../../adapters/aws/step-functions-job-machine.ts';
import { codeResolver } from '../../adapters/git/code-resolver.ts';
import { RepositoryCredentials } from '../../adapters/git/repository-credentials.ts';
import { FileSecretSource } from '../../adapters/local/file-secret-source.ts';
import { readDeployment } from '../fleets-file.ts';
import { apiHandler } from '../http/api-handler.ts';
import { offerSource } from '../offer-source.ts';
import { scalerWaker } from '../scaler-waker.ts';
import { logger } from '../telemetry.ts';
import { config } from './config.ts';
import { estimatesRoute } from './estimates-route.ts';
import type { RetryPorts } from './retry-job.ts';
import { retryRoute } from './retry-route.ts';
import { submitRoute } from './submit-route.ts';

const { fleets, clouds } = readDeployment(config.LAMBDA_TASK_ROOT);
const dynamo = createDynamoClient();
const clock = { now: () => new Date() };

const blobs = new S3BlobStore({ client: createS3Client(), bucket: config.BUCKET });

const ports: RetryPorts = {
  jobs: new DynamoJobStore({ client: dynamo, table: config.JOBS_TABLE }),
  tasks: new DynamoTaskStore({ client: dynamo, tasksTable: config.TASKS_TABLE, jobsTable: config.JOBS_TABLE }),
  blobs,
  machine: new StepFunctionsJobMachine({ client: createSfnClient(), stateMachineArn: config.STATE_MACHINE_ARN }),
  waker: scalerWaker(config.SCALER_FUNCTION_NAME),
  clock,
  ulid,
  offers: offerSource(blobs, clouds),
  fleetStates: new DynamoFleetStore({ client: dynamo, table: config.FLEETS_TABLE }),
  onNotEstimated: (error) => logger.warn('no estimate could be made', { error: error as Error }),
};

const secrets = config.LOCAL_CREDENTIALS_DIR
  ? new FileSecretSource(config.LOCAL_CREDENTIALS_DIR)
  : new SsmSecretSource({ client: createSsmClient(), stage: config.STAGE });

const rules = {
  fleets,
  clouds,
  repositoryHosts: config.REPOSITORY_HOSTS,
  allowLocalRepositories: config.ALLOW_LOCAL_REPOSITORIES === 'true',
  resolver: codeResolver(new RepositoryCredentials({ secrets, clock })),
};

export const handler = apiHandler({
  keys: new DynamoKeyStore({ client: dynamo, table: config.KEYS_TABLE }),
  routes: {
    'POST /v1/jobs': submitRoute(rules, ports),
    'POST /v1/jobs/{jobId}/retry': retryRoute(rules, ports),
    'POST /v1/estimates': estimatesRoute(rules, ports),
  },
});
