/**
 * The other clouds of this deployment, as `fleets.yml` declares them under `clouds`: names and addresses, nothing secret.
 * Identities are federated, so there is no key to name. A fleet of a cloud that is declared has its queues, its status
 * channel and its bucket there; any other fleet has them on AWS.
 */
import { z } from 'zod';
import type { Fleet } from './fleet.ts';
import type { Services } from './ids.ts';

const matching = (pattern: RegExp, message: string) => z.string().regex(pattern, message);
const uuid = z.guid('must be a UUID');
/** Instead of the provider's own address. Over plain HTTP, which is for emulators on this machine, no token is sent. */
const endpoint = z.url({ protocol: /^https?$/, error: 'must be a URL' }).optional();

const serviceAccount = matching(
  /^[a-z0-9-]{6,30}@[a-z0-9.:-]+\.iam\.gserviceaccount\.com$/,
  'must be the address of a service account',
);

export const gcpCloudSchema = z.strictObject({
  project: matching(/^[a-z][a-z0-9-]{4,28}[a-z0-9]$/, 'must be the id of a project'),
  region: matching(/^[a-z]+-[a-z]+\d+$/, 'must be a region, such as europe-west4'),
  /** Holds inputs, results, the control documents and what machines run. */
  bucket: matching(/^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$/, 'must be the name of a bucket'),
  /** Where AWS exchanges its token for one of this project. */
  workloadIdentityProvider: matching(
    /^projects\/\d+\/locations\/global\/workloadIdentityPools\/[a-z0-9-]+\/providers\/[a-z0-9-]+$/,
    'must be projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER',
  ),
  /** Whom the control plane acts as. */
  controlServiceAccount: serviceAccount,
  /** Whom machines run as. */
  workerServiceAccount: serviceAccount,
  /** Of the bridge's service account, its unique id: AWS takes reports from nobody else there. */
  bridgeServiceAccountId: matching(/^\d{15,25}$/, 'must be the unique id of a service account, a number'),
  /** Of the region; machines get no inbound traffic there. */
  subnetwork: z.string().min(1).default('shoal'),
  images: z.strictObject({ x86_64: z.string().min(1), arm64: z.string().min(1) }).default({
    x86_64: 'projects/debian-cloud/global/images/family/debian-12',
    arm64: 'projects/debian-cloud/global/images/family/debian-12-arm64',
  }),
  endpoints: z
    .strictObject({
      pubsub: endpoint,
      storage: endpoint,
      compute: endpoint,
      billing: endpoint,
      sts: endpoint,
      iamCredentials: endpoint,
    })
    .default({}),
});
export type GcpCloud = z.infer<typeof gcpCloudSchema>;

export const azureCloudSchema = z.strictObject({
  tenantId: uuid,
  subscriptionId: uuid,
  /** Of the application, or user-assigned identity, that the control plane acts as. */
  controlClientId: uuid,
  resourceGroup: matching(/^[\w().-]{1,89}[\w()-]$/, 'must be the name of a resource group'),
  region: matching(/^[a-z0-9]+$/, 'must be a region, such as westeurope'),
  /** Of Service Bus. */
  namespace: matching(/^[A-Za-z][A-Za-z0-9-]{4,48}[A-Za-z0-9]$/, 'must be the name of a Service Bus namespace'),
  storageAccount: matching(/^[a-z0-9]{3,24}$/, 'must be the name of a storage account'),
  /** Of the storage account: holds inputs, results, the control documents and what machines run. */
  container: matching(/^[a-z0-9](?:-?[a-z0-9]){2,62}$/, 'must be the name of a container').default('shoal'),
  /** The user-assigned identity that machines have: its resource id. */
  workerIdentityId: z.string().startsWith('/subscriptions/', 'must be the id of a resource'),
  /** Of the bridge's managed identity, its object id: AWS takes reports from nobody else there. */
  bridgePrincipalId: uuid,
  /** The URI of the application that the bridge's tokens are for. It stands for this deployment, and for nothing else. */
  bridgeAudience: z.string().startsWith('api://', 'must be the URI of an application, such as api://shoal-dev'),
  /** The tenant as an OIDC provider of the AWS account, where that is there already: an account takes one alone. */
  awsOidcProviderArn: matching(
    /^arn:aws[a-z-]*:iam::\d{12}:oidc-provider\/sts\.windows\.net\/[0-9a-f-]{36}\/$/,
    'must be the ARN of an OIDC provider for sts.windows.net',
  ).optional(),
  subnetId: z.string().startsWith('/subscriptions/', 'must be the id of a resource'),
  images: z
    .strictObject({ x86_64: z.string().min(1), arm64: z.string().min(1) })
    .default({ x86_64: 'Debian:debian-12:12-gen2:latest', arm64: 'Debian:debian-12:12-arm64:latest' }),
  endpoints: z
    .strictObject({ serviceBus: endpoint, storage: endpoint, management: endpoint, prices: endpoint, login: endpoint })
    .default({}),
});
export type AzureCloud = z.infer<typeof azureCloudSchema>;

export const cloudsSchema = z.strictObject({ gcp: gcpCloudSchema.optional(), azure: azureCloudSchema.optional() });
export type Clouds = z.infer<typeof cloudsSchema>;

export const servicesOf = ({ provider }: Pick<Fleet, 'provider'>, clouds: Clouds): Services =>
  (provider === 'gcp' || provider === 'azure') && clouds[provider] ? provider : 'aws';

/** @returns `undefined` for AWS, whose addresses are in each function's environment */
export function addressesIn(services: Services, { gcp, azure }: Clouds, stage: string): CloudAddresses | undefined {
  if (services === 'gcp' && gcp) return gcpAddresses(gcp, stage);
  return services === 'azure' && azure ? azureAddresses(azure, stage) : undefined;
}

/** Where a cloud's queues, status channel and bucket are: what machines and control plane are told of them. */
export interface CloudAddresses {
  /** A queue's address begins with it. */
  readonly queueUrlPrefix: string;
  readonly statusQueueUrl: string;
  readonly bucketUrl: string;
}

export function gcpAddresses({ project, bucket, endpoints }: GcpCloud, stage: string): CloudAddresses {
  const topics = `${endpoints.pubsub ?? 'https://pubsub.googleapis.com'}/v1/projects/${project}`;
  return {
    queueUrlPrefix: `${topics}/`,
    statusQueueUrl: `${topics}/topics/${statusQueueName(stage)}`,
    bucketUrl: `${endpoints.storage ?? 'https://storage.googleapis.com'}/${bucket}`,
  };
}

export function azureAddresses(
  { namespace, storageAccount, container, endpoints }: AzureCloud,
  stage: string,
): CloudAddresses {
  const bus = endpoints.serviceBus ?? `https://${namespace}.servicebus.windows.net`;
  return {
    queueUrlPrefix: `${bus}/`,
    statusQueueUrl: `${bus}/${statusQueueName(stage)}`,
    bucketUrl: `${endpoints.storage ?? `https://${storageAccount}.blob.core.windows.net`}/${container}`,
  };
}

/** Whom the bridge on GCP tells AWS's token is for: `accounts.google.com:oaud` of its role. */
export const gcpBridgeAudience = (stage: string): string => `shoal-bridge-${stage}`;

/** The role that a cloud's bridge takes on AWS. */
export const bridgeRoleName = (cloud: Exclude<Services, 'aws'>, stage: string): string =>
  `shoal-bridge-${cloud}-${stage}`;

/** The same name in every cloud. */
const statusQueueName = (stage: string): string => `shoal-status-${stage}`;
