/** A subscription of Azure as the doctor sees it, at one address: everything in order until a test takes something away. */
import { AZURE_CLOUD } from '../../factories/clouds.ts';
import { entra } from '../identity/azure-servers.ts';
import { type Recorded, type Reply, recordingServer } from '../recording-server.ts';

export interface AzureSubscription {
  /** Queues by name, `container`, `group`. */
  readonly missing: Set<string>;
  readonly closed: Set<'queues' | 'container' | 'group' | 'quotas'>;
  /** Of the region, by name. */
  readonly quotas: Map<string, number>;
}

export async function azureSubscription() {
  const subscription: AzureSubscription = {
    missing: new Set(),
    closed: new Set(),
    quotas: new Map([
      ['cores', 100],
      ['lowPriorityCores', 100],
      ['standardDLSv5Family', 50],
    ]),
  };
  const login = entra(AZURE_CLOUD.tenantId);
  const server = await recordingServer((request) => login(request) ?? answer(subscription, request));
  const { url } = server;
  const endpoints = { serviceBus: url, storage: url, management: url, login: url };
  return { ...server, subscription, cloud: { ...AZURE_CLOUD, endpoints } };
}

const GROUP = `/subscriptions/${AZURE_CLOUD.subscriptionId}/resourceGroups/${AZURE_CLOUD.resourceGroup}`;

const USAGES = `/subscriptions/${AZURE_CLOUD.subscriptionId}/providers/Microsoft.Compute/locations/${AZURE_CLOUD.region}/usages`;

function answer({ missing, closed, quotas }: AzureSubscription, { path, query }: Recorded): Reply | undefined {
  if (path === GROUP) return status(missing.has('group') ? 404 : closed.has('group') ? 403 : 200);
  if (path === USAGES) return closed.has('quotas') ? status(403) : { body: { value: [...quotas].map(usage) } };
  if (path === '/shoal/control/doctor') return blob(missing.has('container'), closed.has('container'));
  if (query['api-version'] !== '2021-05') return undefined;
  if (closed.has('queues')) return status(401);
  // "Get Queue": an Atom entry; an empty feed for what is not there.
  const entry =
    '<entry><content><QueueDescription><LockDuration>PT1M</LockDuration></QueueDescription></content></entry>';
  return { headers: { 'content-type': 'application/atom+xml' }, body: missing.has(path.slice(1)) ? '<feed/>' : entry };
}

/** "Blob service error codes". Permissions are looked at first. */
function blob(isMissing: boolean, isClosed: boolean): Reply {
  if (isClosed) return { status: 403, headers: { 'x-ms-error-code': 'AuthorizationPermissionMismatch' } };
  return { status: 404, headers: { 'x-ms-error-code': isMissing ? 'ContainerNotFound' : 'BlobNotFound' } };
}

/** "Usage - List". */
const usage = ([value, limit]: readonly [string, number]) => ({
  unit: 'Count',
  currentValue: 4,
  limit,
  name: { value, localizedValue: value },
});

const status = (code: number): Reply => ({ status: code, body: {} });
