/** Looks at the subscription on Azure: whether the token exchange works, and whether what fleets need there is there. */
import { type AccessToken, tokenFor } from '../../adapters/identity/access-token.ts';
import type { WebIdentity } from '../../adapters/identity/aws-web-identity.ts';
import { azureTokenFromAws } from '../../adapters/identity/azure-from-aws.ts';
import { AZURE_RESOURCES } from '../../adapters/identity/azure-metadata-token.ts';
import { type AzureCloud, azureAddresses } from '../../core/clouds.ts';
import type { Fleet } from '../../core/fleet.ts';
import { PRIORITIES, taskQueueName } from '../../core/ids.ts';
import type { Clock } from '../../core/ports.ts';
import { presence } from './aws-checks.ts';
import { checkAzureQuotas } from './azure-quotas.ts';
import { exchangeFinding, type Look, unlessStranger } from './exchange.ts';
import { type Finding, failed, ok, skipped } from './finding.ts';
import { judged, probe } from './probe.ts';
import type { Check } from './run-checks.ts';

export interface AzureChecksOptions {
  readonly cloud: AzureCloud;
  readonly stage: string;
  readonly fleets: readonly Fleet[];
  readonly clock: Clock;
  readonly webIdentity: WebIdentity;
}

export function azureChecks(options: AzureChecksOptions): readonly Check[] {
  const { cloud, clock, webIdentity } = options;
  const isEmulated = azureAddresses(cloud, '').queueUrlPrefix.startsWith('http://') && !cloud.endpoints.login;
  const tokenOf = (resource: string): AccessToken => azureTokenFromAws(cloud, { resource, clock, webIdentity });
  const after = (what: string, resource: string, look: (token: AccessToken) => ReturnType<Look>): Check => {
    const token = tokenOf(resource);
    return { what, run: () => unlessStranger(what, isEmulated ? null : token, () => look(token)) };
  };
  const { management, serviceBus, storage } = AZURE_RESOURCES;
  return [
    {
      what: 'AWS → Azure',
      run: async () =>
        isEmulated
          ? skipped('AWS → Azure', 'emulated: no token is needed')
          : exchangeFinding('AWS → Azure', tokenOf(management), {
              message: `acts as ${cloud.controlClientId}`,
              mend: APPLY,
            }),
    },
    after('Azure: queues', serviceBus, (token) => checkQueues(options, token)),
    after('Azure: container', storage, (token) => checkContainer(options, token)),
    after('Azure: compute', management, (token) => checkCompute(options, token)),
    after('Azure: quotas', management, (token) => checkAzureQuotas(options, token)),
  ];
}

const group = ({ subscriptionId, resourceGroup }: AzureCloud): string =>
  `/subscriptions/${subscriptionId}/resourceGroups/${resourceGroup}`;

const APPLY = 'terraform apply, in the folder that sets up this subscription';

const grant = (cloud: AzureCloud, role: string): string =>
  `az role assignment create --assignee ${cloud.controlClientId} --role "${role}" --scope ${group(cloud)}`;

const SERVICE_BUS_VERSION = '2021-05';

async function checkQueues({ cloud, stage, fleets }: AzureChecksOptions, token: AccessToken): Promise<Finding> {
  const what = 'Azure: queues';
  const { queueUrlPrefix } = azureAddresses(cloud, stage);
  const ofFleets = fleets.flatMap(({ name }) => PRIORITIES.map((priority) => taskQueueName(name, priority, stage)));
  const names = [`shoal-status-${stage}`, `shoal-dead-letters-${stage}`, ...ofFleets];
  const answers = await Promise.all(
    names.map(async (name) => ({
      name,
      ...(await probe(`${queueUrlPrefix}${name}?api-version=${SERVICE_BUS_VERSION}`, tokenFor(queueUrlPrefix, token))),
    })),
  );
  if (answers.some(({ status }) => status === 401 || status === 403)) {
    return failed(what, 'are closed to the control plane', grant(cloud, 'Azure Service Bus Data Owner'));
  }
  const broken = answers.find(({ status }) => status !== 200 && status !== 404 && status !== 410);
  if (broken) throw new Error(`${broken.name} answers ${broken.status}`);
  // Of a queue that is not there, an empty feed may be shown.
  const missing = answers.filter(({ status, text }) => status !== 200 || !text.includes('<QueueDescription'));
  return presence(
    what,
    names,
    missing.map(({ name }) => name),
    APPLY,
  );
}

/** A blob that is not there tells most: its container is, and may be read ("Get Blob", "Blob service error codes"). */
async function checkContainer({ cloud, stage }: AzureChecksOptions, token: AccessToken): Promise<Finding> {
  const what = 'Azure: container';
  const { bucketUrl } = azureAddresses(cloud, stage);
  const question = { headers: { 'x-ms-version': '2023-11-03' } };
  const { status, headers } = await probe(`${bucketUrl}/control/doctor`, tokenFor(bucketUrl, token), question);
  if (status === 404 && headers.get('x-ms-error-code') === 'BlobNotFound') return ok(what, bucketUrl);
  const create = `az storage container create --auth-mode login --account-name ${cloud.storageAccount} --name ${cloud.container}`;
  return judged(what, status, bucketUrl, grant(cloud, 'Storage Blob Data Contributor'), create);
}

/** "Resource Groups - Get", Azure Resource Manager. */
async function checkCompute({ cloud }: AzureChecksOptions, token: AccessToken): Promise<Finding> {
  const origin = cloud.endpoints.management ?? 'https://management.azure.com';
  const { status } = await probe(`${origin}${group(cloud)}?api-version=2021-04-01`, tokenFor(origin, token));
  const create = `az group create --name ${cloud.resourceGroup} --location ${cloud.region}`;
  return judged('Azure: compute', status, cloud.resourceGroup, grant(cloud, 'Virtual Machine Contributor'), create);
}
