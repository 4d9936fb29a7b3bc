/** Looks at the project on GCP: whether the token exchange works, and whether what fleets need there is there. */
import { z } from 'zod';
import { type AccessToken, tokenFor } from '../../adapters/identity/access-token.ts';
import type { WebIdentity } from '../../adapters/identity/aws-web-identity.ts';
import { gcpTokenFromAws } from '../../adapters/identity/gcp-from-aws.ts';
import { type GcpCloud, gcpAddresses } from '../../core/clouds.ts';
import type { Fleet } from '../../core/fleet.ts';
import { PRIORITIES, taskQueueName } from '../../core/ids.ts';
import type { Clock } from '../../core/ports.ts';
import { presence } from './aws-checks.ts';
import { exchangeFinding, type Look, unlessStranger } from './exchange.ts';
import { type Finding, failed, skipped } from './finding.ts';
import { gcpQuotaFindings } from './gcp-quotas.ts';
import { judged, probe } from './probe.ts';
import type { Check } from './run-checks.ts';

export interface GcpChecksOptions {
  readonly cloud: GcpCloud;
  readonly stage: string;
  readonly fleets: readonly Fleet[];
  readonly clock: Clock;
  readonly webIdentity: WebIdentity;
}

export function gcpChecks(options: GcpChecksOptions): readonly Check[] {
  const { cloud, clock, webIdentity } = options;
  const exchanged = gcpTokenFromAws(cloud, { clock, webIdentity });
  const isEmulated = gcpAddresses(cloud, options.stage).queueUrlPrefix.startsWith('http://') && !cloud.endpoints.sts;
  // Everybody waits for the one exchange, and says nothing of it: that is its own finding's.
  const after = (what: string, look: Look): Check => ({
    what,
    run: () => unlessStranger(what, isEmulated ? null : exchanged, look),
  });
  return [
    {
      what: 'AWS → GCP',
      run: async () =>
        isEmulated
          ? skipped('AWS → GCP', 'emulated: no token is needed')
          : exchangeFinding('AWS → GCP', exchanged, {
              message: `acts as ${cloud.controlServiceAccount}`,
              mend: admit(cloud),
            }),
    },
    after('GCP: queues', () => checkQueues(options, exchanged)),
    after('GCP: bucket', () => checkBucket(options, exchanged)),
    after('GCP: compute', () => checkCompute(options, exchanged)),
  ];
}

/** The whole pool: whom it takes in is decided by the condition of its provider. */
function admit({ project, controlServiceAccount, workloadIdentityProvider }: GcpCloud): string {
  const [pool] = workloadIdentityProvider.split('/providers/');
  const binding = `gcloud iam service-accounts add-iam-policy-binding ${controlServiceAccount} --project ${project}`;
  return `${binding} --role roles/iam.workloadIdentityUser --member "principalSet://iam.googleapis.com/${pool}/*"`;
}

const grant = ({ project, controlServiceAccount }: GcpCloud, role: string): string =>
  `gcloud projects add-iam-policy-binding ${project} --member serviceAccount:${controlServiceAccount} --role ${role}`;

/** Topic and subscription have the same name. */
async function checkQueues({ cloud, stage, fleets }: GcpChecksOptions, token: AccessToken): Promise<Finding> {
  const what = 'GCP: queues';
  const { queueUrlPrefix } = gcpAddresses(cloud, stage);
  const ofFleets = fleets.flatMap(({ name }) => PRIORITIES.map((priority) => taskQueueName(name, priority, stage)));
  const names = [`shoal-status-${stage}`, `shoal-dead-letters-${stage}`, ...ofFleets].flatMap((name) => [
    { path: `topics/${name}`, permission: 'pubsub.topics.publish' },
    { path: `subscriptions/${name}`, permission: 'pubsub.subscriptions.consume' },
  ]);
  const states = await Promise.all(
    names.map(async ({ path, permission }) => ({
      path,
      state: await stateOf(`${queueUrlPrefix}${path}`, permission, tokenFor(queueUrlPrefix, token)),
    })),
  );
  const inState = (wanted: string) => states.filter(({ state }) => state === wanted).map(({ path }) => path);
  const forbidden = inState('forbidden');
  if (forbidden.length > 0) {
    const role = forbidden.some((path) => path.startsWith('topics/'))
      ? 'roles/pubsub.publisher'
      : 'roles/pubsub.subscriber';
    return failed(what, `${forbidden.length} are closed to the control plane: ${forbidden[0]} …`, grant(cloud, role));
  }
  const all = names.map(({ path }) => path);
  return presence(what, all, inState('absent'), 'terraform apply, in the folder that sets up this project');
}

const permissionsSchema = z.object({ permissions: z.array(z.string()) });

/**
 * Asking for one's permissions needs none ("topics.testIamPermissions"), but gives the same for what is not there as for
 * what is closed. An emulator may know nothing of permissions.
 */
async function stateOf(
  url: string,
  permission: string,
  token: AccessToken | null,
): Promise<'open' | 'absent' | 'forbidden'> {
  const tested = await probe(`${url}:testIamPermissions`, token, {
    method: 'POST',
    body: { permissions: [permission] },
  });
  const held = permissionsSchema.safeParse(tested.json);
  if (tested.status === 200 && held.success && held.data.permissions.includes(permission)) return 'open';
  const { status } = await probe(url, token);
  if (status === 404) return 'absent';
  return status === 200 && token === null ? 'open' : 'forbidden';
}

async function checkBucket({ cloud }: GcpChecksOptions, token: AccessToken): Promise<Finding> {
  const origin = cloud.endpoints.storage ?? 'https://storage.googleapis.com';
  const url = `${origin}/storage/v1/b/${cloud.bucket}/o?maxResults=1`;
  const { status } = await probe(url, tokenFor(origin, token));
  const create = `gcloud storage buckets create gs://${cloud.bucket} --location ${cloud.region} --uniform-bucket-level-access`;
  return judged('GCP: bucket', status, `gs://${cloud.bucket}`, grant(cloud, 'roles/storage.objectUser'), create);
}

async function checkCompute({ cloud, fleets }: GcpChecksOptions, token: AccessToken): Promise<Finding[]> {
  const origin = cloud.endpoints.compute ?? 'https://compute.googleapis.com';
  const region = `${origin}/compute/v1/projects/${cloud.project}/regions/${cloud.region}`;
  const { status, text, json } = await probe(region, tokenFor(origin, token));
  if (/accessNotConfigured|SERVICE_DISABLED/.test(text)) {
    const enable = `gcloud services enable compute.googleapis.com --project ${cloud.project}`;
    return [failed('GCP: compute', 'the API is not enabled', enable)];
  }
  const compute = judged(
    'GCP: compute',
    status,
    `${cloud.region} of ${cloud.project}`,
    grant(cloud, 'roles/compute.instanceAdmin.v1'),
    'correct `project` and `region` in fleets.yml',
  );
  return compute.status === 'ok' ? [compute, ...(await gcpQuotaFindings(cloud, fleets, json))] : [compute];
}
