/** A project of GCP as the doctor sees it, at one address: everything in order until a test takes something away. */
import { GCP_CLOUD } from '../../factories/clouds.ts';
import { systemClock } from '../../factories/manual-clock.ts';
import { googleExchange, googleFailure } from '../identity/google-servers.ts';
import { type Recorded, type Reply, recordingServer } from '../recording-server.ts';

export interface GoogleProject {
  /** By the last part of their paths: `topics/shoal-status-dev`, the bucket's name, the region's. */
  readonly missing: Set<string>;
  readonly closed: Set<string>;
  computeIsEnabled: boolean;
  /** The region's, by metric. */
  readonly quotas: Map<string, number>;
}

export async function googleProject() {
  const project: GoogleProject = {
    missing: new Set(),
    closed: new Set(),
    computeIsEnabled: true,
    quotas: new Map([
      ['CPUS', 24],
      ['T2D_CPUS', 24],
      ['PREEMPTIBLE_CPUS', 64],
    ]),
  };
  const exchange = googleExchange(systemClock);
  const server = await recordingServer((request) => {
    const isClosed = [...project.closed].some((name) => request.path.includes(`${name}:generateAccessToken`));
    if (isClosed) return googleFailure(403, 'PERMISSION_DENIED', 'as told');
    return exchange(request) ?? answer(project, request);
  });
  const { url } = server;
  const endpoints = { pubsub: url, storage: url, compute: url, sts: url, iamCredentials: url };
  return { ...server, project, cloud: { ...GCP_CLOUD, endpoints } };
}

const PERMISSIONS = { topics: 'pubsub.topics.publish', subscriptions: 'pubsub.subscriptions.consume' } as const;

function answer(project: GoogleProject, { method, path, body }: Recorded): Reply | undefined {
  const queue = /^\/v1\/projects\/acme-batch\/((topics|subscriptions)\/[^:]+)(:testIamPermissions)?$/.exec(path);
  if (queue) {
    const [, name = '', kind, isTest] = queue;
    const isOpen = !project.missing.has(name) && !project.closed.has(name);
    // "topics.testIamPermissions": an empty set, not 404, for what does not exist.
    if (isTest) {
      const permission = PERMISSIONS[kind === 'topics' ? 'topics' : 'subscriptions'];
      const asked: string[] = JSON.parse(body).permissions;
      return { body: isOpen && asked.includes(permission) ? { permissions: [permission] } : {} };
    }
    return read(project, name, method);
  }
  if (path === `/storage/v1/b/${GCP_CLOUD.bucket}/o`) return read(project, GCP_CLOUD.bucket, method);
  if (path !== `/compute/v1/projects/acme-batch/regions/${GCP_CLOUD.region}`) return undefined;
  if (project.computeIsEnabled) return read(project, GCP_CLOUD.region, method, { quotas: quotasOf(project) });
  const errors = [{ reason: 'accessNotConfigured', message: 'as told' }];
  return { status: 403, body: { error: { code: 403, message: 'as told', errors } } };
}

const quotasOf = ({ quotas }: GoogleProject) => [...quotas].map(([metric, limit]) => ({ metric, limit, usage: 2 }));

function read({ missing, closed }: GoogleProject, name: string, method: string, more = {}): Reply | undefined {
  if (method !== 'GET') return undefined;
  if (missing.has(name)) return googleFailure(404, 'NOT_FOUND', 'as told');
  return closed.has(name) ? googleFailure(403, 'PERMISSION_DENIED', 'as told') : { body: { name, ...more } };
}
