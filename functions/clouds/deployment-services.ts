/** The services of every fleet of this deployment, as functions use them. */
import type { S3Client } from '@aws-sdk/client-s3';
import type { SQSClient } from '@aws-sdk/client-sqs';
import { S3BlobStore } from '../../adapters/aws/s3-blob-store.ts';
import { S3ControlChannel } from '../../adapters/aws/s3-control-channel.ts';
import { sqsTaskQueues } from '../../adapters/aws/sqs-task-queue.ts';
import type { Clouds } from '../../core/clouds.ts';
import { NotFoundError } from '../../core/errors.ts';
import { readDeployment } from '../fleets-file.ts';
import { type CloudServices, type FleetServices, fleetServices } from './fleet-services.ts';

/** What a function's environment says of them. */
export interface ServicesConfig {
  readonly STAGE: string;
  readonly BUCKET: string;
  readonly QUEUE_URL_PREFIX: string;
  readonly LAMBDA_TASK_ROOT: string;
}

export function deploymentServices(
  { STAGE: stage, BUCKET: bucket, QUEUE_URL_PREFIX: queueUrlPrefix, LAMBDA_TASK_ROOT: taskRoot }: ServicesConfig,
  { sqs, s3 }: { readonly sqs: SQSClient; readonly s3: S3Client },
): FleetServices {
  const deployment = readDeployment(taskRoot);
  const home: CloudServices = {
    queues: sqsTaskQueues({ client: sqs, queueUrlPrefix, stage }),
    control: new S3ControlChannel({ client: s3, bucket }),
    blobs: new S3BlobStore({ client: s3, bucket }),
  };
  return fleetServices(deployment, home, (cloud) => openCloud(cloud, deployment.clouds, stage));
}

const clock = { now: () => new Date() };

async function openCloud(name: keyof Clouds, { gcp, azure }: Clouds, stage: string): Promise<CloudServices> {
  if (name === 'gcp' && gcp) return (await import('./gcp-services.ts')).gcpServices(gcp, stage, clock);
  if (name === 'azure' && azure) return (await import('./azure-services.ts')).azureServices(azure, stage, clock);
  throw new NotFoundError(`fleets.yml declares no clouds.${name}`);
}
