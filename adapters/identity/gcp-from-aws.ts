/**
 * The control plane's identity on GCP: AWS says who the function is, Google's STS exchanges that for a token of the pool,
 * and with it the function acts as the service account ("Obtain short-lived credentials for Workload Identity Federation").
 * Two requests to send: the library for them is larger than most of our functions (docs/adr/0019).
 */
import { z } from 'zod';
import type { GcpCloud } from '../../core/clouds.ts';
import { PermanentError, TransientError } from '../../core/errors.ts';
import type { Clock } from '../../core/ports.ts';
import type { AccessToken } from './access-token.ts';
import { awsWebIdentity, type WebIdentity } from './aws-web-identity.ts';
import { cachedToken, type Expiring } from './cached-token.ts';
import { askForToken, type TokenAnswer } from './token-request.ts';

export interface GcpFromAwsOptions {
  readonly clock: Clock;
  readonly webIdentity?: WebIdentity;
}

type Target = Pick<GcpCloud, 'workloadIdentityProvider' | 'controlServiceAccount' | 'endpoints'>;

/** Of GCP's services, which of them is decided by the roles that the service account has. */
const SCOPE = 'https://www.googleapis.com/auth/cloud-platform';
const VALID_SECONDS = 3_600;

/** What a provider expects that names none of its own. A role's policy is narrowed to it. */
export const gcpAudience = ({ workloadIdentityProvider }: Pick<GcpCloud, 'workloadIdentityProvider'>): string =>
  `https://iam.googleapis.com/${workloadIdentityProvider}`;

/** @throws PermanentError that says what to set up, TransientError when somebody on the way does not answer */
export function gcpTokenFromAws(cloud: Target, options: GcpFromAwsOptions): AccessToken {
  const { clock, webIdentity = awsWebIdentity() } = options;
  return cachedToken(async () => asServiceAccount(cloud, await ofPool(cloud, await webIdentity(gcpAudience(cloud)))), {
    clock,
  });
}

const poolSchema = z.object({ access_token: z.string().min(1) });

/** "Method: token", Security Token Service API. */
async function ofPool(cloud: Target, subjectToken: string): Promise<string> {
  const { sts = 'https://sts.googleapis.com' } = cloud.endpoints;
  const body = new URLSearchParams({
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    audience: `//iam.googleapis.com/${cloud.workloadIdentityProvider}`,
    scope: SCOPE,
    requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    subject_token: subjectToken,
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
  });
  const answer = await askForToken('Google', `${sts}/v1/token`, { body });
  if (answer.status !== 200) throw exchangeRefused(answer, cloud);
  const exchanged = poolSchema.safeParse(answer.body);
  if (!exchanged.success) throw new TransientError('Google gave no token in its answer');
  return exchanged.data.access_token;
}

const accountSchema = z.object({ accessToken: z.string().min(1), expireTime: z.iso.datetime({ offset: true }) });

/** "Method: projects.serviceAccounts.generateAccessToken", IAM Service Account Credentials API. */
async function asServiceAccount(cloud: Target, token: string): Promise<Expiring<string>> {
  const { iamCredentials = 'https://iamcredentials.googleapis.com' } = cloud.endpoints;
  const url = `${iamCredentials}/v1/projects/-/serviceAccounts/${cloud.controlServiceAccount}:generateAccessToken`;
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const body = JSON.stringify({ scope: [SCOPE], lifetime: `${VALID_SECONDS}s` });
  const { status, body: answered } = await askForToken('Google', url, { body, headers });
  if (status !== 200) throw impersonationRefused(status, cloud);
  const generated = accountSchema.safeParse(answered);
  if (!generated.success) throw new TransientError('Google gave no token in its answer');
  return { value: generated.data.accessToken, expiresAt: new Date(generated.data.expireTime) };
}

/** Its text may quote the token; its word cannot (RFC 6749, 5.2). */
const refusalSchema = z.object({ error: z.string() });

function exchangeRefused({ status, body }: TokenAnswer, { workloadIdentityProvider }: Target): PermanentError {
  const refusal = refusalSchema.safeParse(body);
  const code = refusal.success && Object.hasOwn(MEANING, refusal.data.error) ? refusal.data.error : `status ${status}`;
  const advice = MEANING[code] ?? 'compare it with docs/guide/clouds.md';
  return new PermanentError(`Google refuses AWS's token (${code}) at ${workloadIdentityProvider}: ${advice}`, {
    context: { status, code, workloadIdentityProvider },
  });
}

/** "Troubleshoot Workload Identity Federation", and the errors that RFC 8693, 2.2.2 takes over. */
const MEANING: Readonly<Record<string, string>> = {
  invalid_grant:
    "its issuer must be this AWS account's (`aws iam get-outbound-web-identity-federation-info`), its audiences the default",
  invalid_target: 'the pool or the provider does not exist, or is disabled',
  invalid_request: 'its issuer, audience and attribute mapping must fit this token',
  unauthorized_client: 'its attribute condition does not admit this role',
};

function impersonationRefused(status: number, { controlServiceAccount }: Target): PermanentError {
  return new PermanentError(
    `Google refuses with ${status} to let the control plane act as ${controlServiceAccount}: it must exist, and grant roles/iam.workloadIdentityUser to the pool's identities of this stage`,
    { context: { status, controlServiceAccount } },
  );
}
