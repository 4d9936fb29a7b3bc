/** Google's answers on identity: the metadata server's, the token exchange's, and those of service account credentials. */
import type { Clock } from '../../../core/ports.ts';
import type { Recorded, Reply } from '../recording-server.ts';

const ACCOUNT = '/computeMetadata/v1/instance/service-accounts/default';

/** "About VM metadata" (the header) and "Authenticate workloads using service accounts" (the answer), Compute Engine. */
export function googleMetadata({ lifeSeconds = 3_600 }: { lifeSeconds?: number } = {}) {
  let tokens = 0;
  return ({ path, query, headers }: Recorded): Reply | undefined => {
    if (headers['metadata-flavor'] !== 'Google') return { status: 403 };
    if (path === `${ACCOUNT}/token`) {
      tokens += 1;
      return { body: { access_token: `ya29.machine-${tokens}`, expires_in: lifeSeconds, token_type: 'Bearer' } };
    }
    // "Verify the identity of VMs": the token alone, as text.
    if (path === `${ACCOUNT}/identity`) return { body: `google.${query['audience']}.signature\n` };
    return undefined;
  };
}

/** "Method: token", Security Token Service; "Method: projects.serviceAccounts.generateAccessToken", IAM Service Account Credentials. */
export function googleExchange(clock: Clock, { lifeSeconds = 3_600 }: { lifeSeconds?: number } = {}) {
  let tokens = 0;
  return ({ method, path }: Recorded): Reply | undefined => {
    if (method !== 'POST') return undefined;
    if (path === '/v1/token') {
      const issued_token_type = 'urn:ietf:params:oauth:token-type:access_token';
      return { body: { access_token: 'ya29.federated', issued_token_type, token_type: 'Bearer', expires_in: 3_600 } };
    }
    if (!path.endsWith(':generateAccessToken')) return undefined;
    tokens += 1;
    const expireTime = new Date(clock.now().getTime() + lifeSeconds * 1_000).toISOString();
    return { body: { accessToken: `ya29.control-${tokens}`, expireTime } };
  };
}

/** RFC 6749, 5.2, with Google's words ("Troubleshoot Workload Identity Federation"). */
export const exchangeFailure = (error: string, error_description: string, status = 400): Reply => ({
  status,
  body: { error, error_description },
});

/** How Google's other APIs tell an error ("Errors", Google Cloud APIs). */
export const googleFailure = (status: number, name: string, message: string): Reply => ({
  status,
  body: { error: { code: status, message, status: name } },
});
