/** `POST /v1/jobs`: wiring only; `submit-job.ts` is the use case. */
import { ulid } from 'ulid';
import { createDynamoClient, createS3Client, createSfnClient } from '../../adapters/aws/clients.ts';
import { DynamoJobStore } from '../../adapters/aws/dynamodb-job-store.ts';
import { DynamoKeyStore } from '../../adapters/aws/dynamodb-key-store.ts';
import { S3BlobStore } from '../../adapters/aws/s3-blob-store.ts';
import { StepFunctionsJobMachine } from '../../adapters/aws/step-functions-job-machine.ts';
import { codeResolver } from '../../adapters/git/code-resolver.ts';
import { MAX_INLINE_BYTES } from '../../core/job-submission.ts';
import { readFleets } from '../fleets-file.ts';
import { apiHandler } from '../http/api-handler.ts';
import { readJsonBody } from '../http/json-body.ts';
import { scalerWaker } from '../scaler-waker.ts';
import { logger } from '../telemetry.ts';
import { config } from './config.ts';
import { type SubmitPorts, submitJob } from './submit-job.ts';

const dynamo = createDynamoClient();

const ports: SubmitPorts = {
  jobs: new DynamoJobStore({ client: dynamo, table: config.JOBS_TABLE }),
  blobs: new S3BlobStore({ client: createS3Client(), bucket: config.BUCKET }),
  machine: new StepFunctionsJobMachine({ client: createSfnClient(), stateMachineArn: config.STATE_MACHINE_ARN }),
  waker: scalerWaker(config.SCALER_FUNCTION_NAME),
  clock: { now: () => new Date() },
  ulid,
};

const rules = {
  fleets: readFleets(config.LAMBDA_TASK_ROOT),
  repositoryHosts: config.REPOSITORY_HOSTS,
  allowLocalRepositories: config.ALLOW_LOCAL_REPOSITORIES === 'true',
  resolver: codeResolver(),
};

export const handler = apiHandler({
  keys: new DynamoKeyStore({ client: dynamo, table: config.KEYS_TABLE }),
  routes: {
    'POST /v1/jobs': async (request, caller) => {
      const document = readJsonBody(request, MAX_INLINE_BYTES);
      const idempotencyKey = request.headers['idempotency-key'];
      const answer = await submitJob({ document, keyId: caller.keyId, idempotencyKey }, rules, ports);
      logger.info('job accepted', { jobId: answer.jobId, taskCount: answer.taskCount });
      return { status: 202, body: answer, headers: { location: answer.links.self } };
    },
  },
});
