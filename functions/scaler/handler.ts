/** The scaler, ticked by a schedule and woken by others: wiring only; `scale.ts` is the use case. */
import { randomUUID } from 'node:crypto';
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import { MetricUnit } from '@aws-lambda-powertools/metrics';
import { logMetrics } from '@aws-lambda-powertools/metrics/middleware';
import middy from '@middy/core';
import { createDynamoClient, createS3Client, createSqsClient } from '../../adapters/aws/clients.ts';
import { createEc2Client, createPricingClient } from '../../adapters/aws/ec2-clients.ts';
import { Ec2OfferSource } from '../../adapters/aws/ec2-offer-source.ts';
import { S3BlobStore } from '../../adapters/aws/s3-blob-store.ts';
import { SqsStatusFlow } from '../../adapters/aws/sqs-status-flow.ts';
import { realPatience } from '../../adapters/patience.ts';
import { LEAVE_AFTER_SECONDS } from '../../core/fleet-trouble.ts';
import { accountingPorts } from '../accounting-ports.ts';
import { deploymentServices } from '../clouds/deployment-services.ts';
import { readDeployment } from '../fleets-file.ts';
import { logger, metrics } from '../telemetry.ts';
import { azureMachines } from './azure-machines.ts';
import { config } from './config.ts';
import { gcpMachines } from './gcp-machines.ts';
import { type CloudMachinesOptions, providersFor } from './providers.ts';
import { scale, type TickPorts } from './scale.ts';
import { takeBackTasks } from './take-back-tasks.ts';

const { QUEUE_URL_PREFIX: queueUrlPrefix, STAGE: stage } = config;
const { fleets, clouds } = readDeployment(config.LAMBDA_TASK_ROOT);

const settings = {
  stage,
  clouds,
  queueUrlPrefix,
  region: config.AWS_REGION,
  bucket: config.BUCKET,
  statusQueueUrl: config.STATUS_QUEUE_URL,
  agentUrl: config.AGENT_URL ?? '',
  agentSha256: config.AGENT_SHA256 ?? '',
  // Local machines cost nothing and start in a moment.
  drainTargetSeconds: config.DRAIN_TARGET_SECONDS ?? (config.LOCAL_INSTANCES_DIR ? 60 : null),
  bootSeconds: config.LOCAL_INSTANCES_DIR ? 2 : config.BOOT_SECONDS,
  unknownSecondsPerTask: 60,
  readyDeadlineSeconds: config.READY_DEADLINE_SECONDS,
  slotsPerInstance: config.LOCAL_INSTANCES_DIR ? config.LOCAL_SLOTS : 1,
  ...(config.LEAVE_CLOUD_SECONDS === undefined
    ? {}
    : { leaveAfterSeconds: { ...LEAVE_AFTER_SECONDS, cloud: config.LEAVE_CLOUD_SECONDS } }),
  intentSeconds: 120,
  listGraceSeconds: 60,
  sweep: { leaseAllowanceSeconds: config.LEASE_ALLOWANCE_SECONDS, settleSeconds: config.SETTLE_SECONDS },
};

const dynamodb = createDynamoClient();
const sqs = createSqsClient();
/** What it takes to give a lost machine's tasks to others, too. */
const { queues, control } = deploymentServices(config, { sqs, s3: createS3Client() });
const accounting = accountingPorts(config, { dynamodb, sqs, queues });
const { clock } = accounting;

function localMachines() {
  const { LOCAL_INSTANCES_DIR: instancesDir, LOCAL_BOOTSTRAP: bootstrap } = config;
  if (!instancesDir || !bootstrap) return undefined;
  return { instancesDir, bootstrap, environment: config.LOCAL_MACHINE_ENVIRONMENT };
}

const blobs = new S3BlobStore({ client: createS3Client(), bucket: config.BUCKET });

function ec2Machines() {
  if (config.LOCAL_INSTANCES_DIR) return undefined;
  const ec2 = createEc2Client();
  const { AWS_REGION: region, SUBNET_IDS: subnetIds } = config;
  return {
    client: ec2,
    subnetIds,
    images: { arm64: config.IMAGE_ARM64, x86_64: config.IMAGE_X86_64 },
    offers: new Ec2OfferSource({ ec2, pricing: createPricingClient(), blobs, region, subnetIds, clock }),
  };
}

function machinesOfOtherClouds() {
  if (config.LOCAL_INSTANCES_DIR) return {};
  const options: CloudMachinesOptions = { stage, clock, blobs, bootstrapSha256: config.BOOTSTRAP_SHA256 };
  return {
    ...(clouds.gcp ? { gcp: gcpMachines(clouds.gcp, options) } : {}),
    ...(clouds.azure ? { azure: azureMachines(clouds.azure, options) } : {}),
  };
}

const ports: TickPorts = {
  control,
  ...accounting,
  statusFlow: new SqsStatusFlow({
    sqs,
    queueUrl: config.STATUS_QUEUE_URL,
    dynamodb,
    table: config.FLEETS_TABLE,
    clock,
    settleSeconds: config.STATUS_SETTLE_SECONDS,
  }),
  ...providersFor({ stage, local: localMachines(), ec2: ec2Machines(), clouds: machinesOfOtherClouds() }),
  newIntentId: randomUUID,
  patience: realPatience,
  takeBackTasks: async (machines) => {
    const taken = await takeBackTasks(machines, accounting);
    if (machines.length > 0) logger.warn('machines are gone', { machines: machines.length, tasksTakenBack: taken });
    return taken;
  },
  onSweepFailed: (jobId, error) => {
    metrics.addMetric('SweepsFailed', MetricUnit.Count, 1);
    logger.error('the job could not be swept', { jobId, error: error as Error });
  },
  onJobFailed: (jobId, error) => {
    metrics.addMetric('JobsNotServed', MetricUnit.Count, 1);
    logger.error('something could not be done for the job', { jobId, error: error as Error });
  },
  onFleetFailed: (fleet, error) => {
    metrics.addMetric('FleetsFailed', MetricUnit.Count, 1);
    logger.error('the fleet could not be scaled', { fleet, error: error as Error });
  },
};

export const handler = middy()
  .use(injectLambdaContext(logger, { resetKeys: true }))
  .use(logMetrics(metrics))
  .handler(async () => {
    const { fleets: scaled, sentAgain, moved } = await scale(fleets, ports, settings);
    for (const { fleet, plan, launched, terminated } of scaled) {
      logger.info('fleet planned', { fleet, launched, terminated, reasons: plan.reasons });
    }
    const launched = scaled.reduce((sum, fleet) => sum + fleet.launched, 0);
    metrics.addMetric('InstancesLaunched', MetricUnit.Count, launched);
    const stopped = scaled.filter((fleet) => fleet.breaker !== 'closed').length;
    // A metric costs by the month in which it was sent at all.
    if (stopped > 0) metrics.addMetric('FleetsNotBooting', MetricUnit.Count, stopped);
    metrics.addMetric('TasksSentAgain', MetricUnit.Count, sentAgain);
    if (moved > 0) logger.warn('tasks were sent to other fleets', { tasks: moved });
    if (sentAgain > 0) logger.warn('lost tasks were sent again', { tasks: sentAgain });
    return { fleets: scaled.length, launched, sentAgain };
  });
