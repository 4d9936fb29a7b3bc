/** What runs on Azure Functions: wiring only. */
import { app, type InvocationContext } from '@azure/functions';
import { SqsCarrier } from '../../adapters/aws/sqs-carrier.ts';
import { createSqsClient } from '../../adapters/aws/sqs-client.ts';
import { AzureInstanceProvider } from '../../adapters/azure/azure-instance-provider.ts';
import { tokenFor } from '../../adapters/identity/access-token.ts';
import { awsFromAzure } from '../../adapters/identity/aws-from-azure.ts';
import { AZURE_RESOURCES, azureFunctionAppToken } from '../../adapters/identity/azure-metadata-token.ts';
import { azureAddresses } from '../../core/clouds.ts';
import { endOutlived } from '../../functions/reaper/end-outlived.ts';
import { carryBatch } from './bridge.ts';
import { functionsConfig } from './config.ts';

const config = functionsConfig();
const { STAGE: stage, CLOUD: cloud, AWS_REGION: region, AWS_ROLE_ARN: roleArn } = config;
const clock = { now: () => new Date() };

const tokenOf = (resource: string) =>
  azureFunctionAppToken({
    endpoint: config.IDENTITY_ENDPOINT,
    header: config.IDENTITY_HEADER,
    clientId: config.CLIENT_ID,
    resource,
    clock,
  });

/** An emulator over plain HTTP takes any, unless there is an STS to ask. */
const isEmulated = config.SQS_ENDPOINT?.startsWith('http://') && !config.STS_ENDPOINT;
const sqs = createSqsClient({
  region,
  credentials: isEmulated
    ? { accessKeyId: 'local', secretAccessKey: 'local' }
    : awsFromAzure({
        token: tokenOf(cloud.bridgeAudience),
        roleArn,
        region,
        clock,
        ...(config.STS_ENDPOINT ? { stsEndpoint: config.STS_ENDPOINT } : {}),
      }),
  ...(config.SQS_ENDPOINT ? { endpoint: config.SQS_ENDPOINT } : {}),
});
const reports = new SqsCarrier({ client: sqs, queueUrl: config.STATUS_QUEUE_URL });
const deadLetters = new SqsCarrier({ client: sqs, queueUrl: config.DEAD_LETTERS_QUEUE_URL });

const management = cloud.endpoints.management ?? AZURE_RESOURCES.management;
const machines = new AzureInstanceProvider({
  cloud,
  stage,
  token: tokenFor(management, tokenOf(AZURE_RESOURCES.management)),
});

/** As bytes: the host would make text of it, and parse what looks like JSON. */
const AS_BYTES = { dataType: 'binary' };

function carryFrom(name: string, queueName: string, carrier: SqsCarrier): void {
  app.serviceBusQueue(name, {
    connection: 'SERVICE_BUS',
    queueName,
    cardinality: 'many',
    ...AS_BYTES,
    handler: async (messages: unknown, context: InvocationContext) => {
      const batch = Array.isArray(messages) ? messages : [messages];
      try {
        await carryBatch(batch, carrier, config.PAUSE_SECONDS);
      } catch (error) {
        context.error('messages were not carried, and come again', { queueName, messages: batch.length });
        throw error;
      }
    },
  });
}

const statusQueue = new URL(azureAddresses(cloud, stage).statusQueueUrl).pathname.slice(1);
carryFrom('status', statusQueue, reports);
// Reports that came too often because AWS was out of reach: there they wait until it is back.
carryFrom('status-again', `${statusQueue}/$deadletterqueue`, reports);
for (const queue of config.TASK_QUEUES) carryFrom(`dead-${queue}`, `${queue}/$deadletterqueue`, deadLetters);

app.timer('reap', {
  schedule: '0 */5 * * * *',
  handler: async (_timer, context) => {
    const ended = await endOutlived(machines, clock);
    if (ended.length > 0) context.warn('machines outlived their lifetime, or were stopped', { instanceIds: ended });
  },
});
