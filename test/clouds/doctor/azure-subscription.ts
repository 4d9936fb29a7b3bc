/** A subscription of Azure as the doctor sees it, at one address: everything in order until a test takes something away. */
import { AZURE_CLOUD } from '../../factories/clouds.ts';
import { entra } from '../identity/azure-servers.ts';
import { type Recorded, type Reply, recordingServer } from '../recording-server.ts';

export interface AzureSubscription {
  /** Queues by name, `container`, `group`. */
  readonly missing: Set<string>;
  readonly closed: Set<'queues' | 'container' | 'group'>;
}

export async function azureSubscription() {
  const subscription: AzureSubscription = { missing: new Set(), closed: new Set() };
  const login = entra(AZURE_CLOUD.tenantId);
  const server = await recordingServer((request) => login(request) ?? answer(subscription, request));
  const { url } = server;
  const endpoints = { serviceBus: url, storage: url, management: url, login: url };
  return { ...server, subscription, cloud: { ...AZURE_CLOUD, endpoints } };
}

const GROUP = `/subscriptions/${AZURE_CLOUD.subscriptionId}/resourceGroups/${AZURE_CLOUD.resourceGroup}`;

function answer({ missing, closed }: AzureSubscription, { path, query }: Recorded): Reply | undefined {
  if (path === GROUP) return status(missing.has('group') ? 404 : closed.has('group') ? 403 : 200);
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

const status = (code: number): Reply => ({ status: code, body: {} });
