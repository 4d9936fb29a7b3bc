/** What runs on Cloud Run functions, each deployed with a service account of its own: wiring only. */
import { type HttpFunction, http } from '@google-cloud/functions-framework';
import { SqsCarrier } from '../../adapters/aws/sqs-carrier.ts';
import { createSqsClient } from '../../adapters/aws/sqs-client.ts';
import { GceInstanceProvider } from '../../adapters/gcp/gce-instance-provider.ts';
import { tokenFor } from '../../adapters/identity/access-token.ts';
import { awsFromGcp } from '../../adapters/identity/aws-from-gcp.ts';
import { gcpMetadataToken } from '../../adapters/identity/gcp-metadata-token.ts';
import { gcpBridgeAudience } from '../../core/clouds.ts';
import { endOutlived } from '../../functions/reaper/end-outlived.ts';
import { type Carriers, carryPush } from './bridge.ts';
import { type BridgeConfig, bridgeConfig, reaperConfig } from './config.ts';

const clock = { now: () => new Date() };
/** The platform reads a line of JSON as one log entry ("Structured logging"). */
const log = (severity: 'ERROR' | 'WARNING', message: string, more: Readonly<Record<string, unknown>>): void =>
  console.log(JSON.stringify({ severity, message, ...more }));

const bridge = (): HttpFunction => {
  const config = bridgeConfig();
  const carriers = carriersFor(config);
  return async (request, response) => {
    try {
      const { status, text } = await carryPush(request.path, request.body, carriers);
      response.status(status).send(text);
    } catch (error) {
      log('ERROR', 'a message was not carried, and comes again', { path: request.path, error: textOf(error) });
      response.status(503).send('it was not carried');
    }
  };
};

function carriersFor(config: BridgeConfig): Carriers {
  const { AWS_REGION: region, AWS_ROLE_ARN: roleArn, STAGE, METADATA_URL, SQS_ENDPOINT, STS_ENDPOINT } = config;
  const emulated = SQS_ENDPOINT?.startsWith('http://') && !STS_ENDPOINT;
  const credentials = emulated
    ? { accessKeyId: 'local', secretAccessKey: 'local' }
    : awsFromGcp({
        roleArn,
        region,
        clock,
        audience: gcpBridgeAudience(STAGE),
        ...(METADATA_URL ? { metadataUrl: METADATA_URL } : {}),
        ...(STS_ENDPOINT ? { stsEndpoint: STS_ENDPOINT } : {}),
      });
  const client = createSqsClient({ region, credentials, ...(SQS_ENDPOINT ? { endpoint: SQS_ENDPOINT } : {}) });
  return {
    status: new SqsCarrier({ client, queueUrl: config.STATUS_QUEUE_URL }),
    'dead-letters': new SqsCarrier({ client, queueUrl: config.DEAD_LETTERS_QUEUE_URL }),
  };
}

const reap = (): HttpFunction => {
  const { STAGE: stage, CLOUD: cloud, METADATA_URL: url } = reaperConfig();
  const token = gcpMetadataToken({ clock, ...(url ? { url } : {}) });
  const compute = cloud.endpoints.compute ?? 'https://compute.googleapis.com';
  const provider = new GceInstanceProvider({ cloud, stage, token: tokenFor(compute, token) });
  return async (_request, response) => {
    try {
      const ended = await endOutlived(provider, clock);
      if (ended.length > 0) log('WARNING', 'machines outlived their lifetime, or were stopped', { instanceIds: ended });
      response.json({ ended });
    } catch (error) {
      log('ERROR', 'machines could not be looked after', { error: textOf(error) });
      response.status(500).send('not this time');
    }
  };
};

/** Each of the two is told other things: what it needs is read when it is first asked. */
function late(make: () => HttpFunction): HttpFunction {
  let made: HttpFunction | undefined;
  return (request, response) => {
    made ??= make();
    return made(request, response);
  };
}

const textOf = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error));

http('bridge', late(bridge));
http('reap', late(reap));
