/** What a caller is told while AWS does not answer, and of what no retry can mend (lesson 47, lesson 49). */
import { PutObjectCommand } from '@aws-sdk/client-s3';
import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2, Context } from 'aws-lambda';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createSqsClient } from '../../../adapters/aws/clients.ts';
import { DynamoJobStore } from '../../../adapters/aws/dynamodb-job-store.ts';
import { DynamoKeyStore } from '../../../adapters/aws/dynamodb-key-store.ts';
import { DynamoTaskStore } from '../../../adapters/aws/dynamodb-task-store.ts';
import { S3BlobStore } from '../../../adapters/aws/s3-blob-store.ts';
import { SqsTaskQueue } from '../../../adapters/aws/sqs-task-queue.ts';
import { StepFunctionsJobMachine } from '../../../adapters/aws/step-functions-job-machine.ts';
import { zeroCounters } from '../../../core/counters.ts';
import { PermanentError, TransientError } from '../../../core/errors.ts';
import { apiHandler } from '../../../functions/http/api-handler.ts';
import { logger } from '../../../functions/telemetry.ts';
import { FAULTED_SERVICES, type FaultKind } from '../../../local/emulators/faults/fault-rule.ts';
import { access } from '../../contracts/aws-world.ts';
import { jobIdFactory } from '../../factories/ids.ts';
import { taskRecordFactory } from '../../factories/task-record.ts';
import { quickRetries, troubledClients, useTroubledWorld } from './troubled-world.ts';

const troubled = useTroubledWorld([]);
const everywhere = (kind: FaultKind) =>
  troubled().world.emulators.faults.set(FAULTED_SERVICES.map((service) => ({ service, kind })));
afterEach(() => troubled().world.emulators.faults.clear());

describe.each(['throttle', 'unavailable', 'lost-response'] as const)('while everything meets %s', (kind) => {
  it('every service’s failure is one that may pass, after few tries', async () => {
    const { world } = troubled();
    const clients = troubledClients(world, 2);
    const [queueUrl, bucket, table] = await Promise.all([world.queue(), world.bucket(), world.jobsTable()]);
    const stateMachineArn = 'arn:aws:states:us-east-1:000000000000:stateMachine:none';
    await world.s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'key', Body: 'text' }));
    everywhere(kind);

    const queue = new SqsTaskQueue({ client: clients.sqs, queueUrl });
    const jobs = new DynamoJobStore({ client: clients.dynamodb, table });
    const blobs = new S3BlobStore({ client: clients.s3, bucket });
    const machine = new StepFunctionsJobMachine({ client: clients.states, stateMachineArn });
    const calls = [
      queue.depth(),
      jobs.progress('job'),
      jobs.fence('job', new Date()),
      blobs.get('key'),
      blobs.put('other', 'text', 'text/plain'),
      ...(kind === 'lost-response'
        ? []
        : [machine.start({ jobId: jobIdFactory(), taskCount: 1, maxDurationSeconds: 60 })]),
    ];

    for (const outcome of await Promise.allSettled(calls)) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: expect.any(TransientError) });
    }
  });
});

it('a conflict that never ends is one that may pass', async () => {
  const { world, clients } = troubled();
  const [jobsTable, tasksTable] = await Promise.all([world.jobsTable(), world.tasksTable()]);
  const tasks = new DynamoTaskStore({ client: clients.dynamodb, tasksTable, jobsTable });
  everywhere('conflict');

  const write = { task: taskRecordFactory(), previousVersion: null };

  await expect(tasks.commit(jobIdFactory(), [write], zeroCounters)).rejects.toThrow(TransientError);
});

it('what is not there is permanent: no retry makes a table or a queue', async () => {
  const { world, clients } = troubled();
  const jobs = new DynamoJobStore({ client: clients.dynamodb, table: 'none' });
  const queue = new SqsTaskQueue({ client: clients.sqs, queueUrl: `${world.emulators.sqsUrl}/000000000000/none` });
  const blobs = new S3BlobStore({ client: clients.s3, bucket: 'none' });
  const stateMachineArn = 'arn:aws:states:us-east-1:000000000000:stateMachine:none';
  const machine = new StepFunctionsJobMachine({ client: clients.states, stateMachineArn });

  await expect(jobs.progress('job')).rejects.toThrow(PermanentError);
  await expect(queue.depth()).rejects.toThrow(PermanentError);
  await expect(blobs.put('key', 'text', 'text/plain')).rejects.toThrow(PermanentError);
  await expect(machine.start({ jobId: jobIdFactory(), taskCount: 1, maxDurationSeconds: 60 })).rejects.toThrow(
    PermanentError,
  );
});

it('a service that nobody reaches may come back', async () => {
  const client = createSqsClient({ ...access, endpoint: 'http://127.0.0.1:9', retryStrategy: quickRetries(2) });
  const queue = new SqsTaskQueue({ client, queueUrl: 'http://127.0.0.1:9/000000000000/queue' });

  await expect(queue.depth()).rejects.toThrow(TransientError);
});

it('the API answers 503 with Retry-After, not 500', async () => {
  const logged = vi.spyOn(logger, 'error').mockImplementation(() => undefined);
  const { world } = troubled();
  const keys = new DynamoKeyStore({ client: troubledClients(world, 2).dynamodb, table: await world.keysTable() });
  const handler = apiHandler({ keys, routes: { 'GET /v1/jobs': async () => ({ status: 200, body: {} }) } });
  everywhere('throttle');

  const result = await handler(
    // What the handler reads of an event.
    {
      routeKey: 'GET /v1/jobs',
      rawPath: '/v1/jobs',
      headers: { authorization: 'Bearer key' },
      requestContext: { http: { method: 'GET' } },
    } as unknown as APIGatewayProxyEventV2,
    {} as Context,
  );

  expect(result as APIGatewayProxyStructuredResultV2).toMatchObject({
    statusCode: 503,
    headers: { 'retry-after': expect.stringMatching(/^\d+$/), 'content-type': 'application/problem+json' },
  });
  expect(logged).toHaveBeenCalledOnce();
  logged.mockRestore();
});
