/**
 * The control plane's identity on GCP: AWS says who the function is, Google's STS exchanges that for a token of the pool,
 * and with it the function acts as the service account ("Workload Identity Federation with other clouds", "Obtain
 * short-lived credentials for Workload Identity Federation").
 */
import { z } from 'zod';
import type { GcpCloud } from '../../core/clouds.ts';
import { PermanentError, ShoalError, TransientError } from '../../core/errors.ts';
import type { Clock } from '../../core/ports.ts';
import type { AccessToken } from './access-token.ts';
import { awsWebIdentity, type WebIdentity } from './aws-web-identity.ts';
import { cachedToken } from './cached-token.ts';

export interface GcpFromAwsOptions {
  readonly clock: Clock;
  readonly webIdentity?: WebIdentity;
}

type Target = Pick<GcpCloud, 'workloadIdentityProvider' | 'controlServiceAccount' | 'endpoints'>;

const TIMEOUT_MS = 10_000;

/** What a provider expects that names none of its own. A role's policy is narrowed to it. */
export const gcpAudience = ({ workloadIdentityProvider }: Pick<GcpCloud, 'workloadIdentityProvider'>): string =>
  `https://iam.googleapis.com/${workloadIdentityProvider}`;

/** @throws PermanentError that says what to set up, TransientError when somebody on the way does not answer */
export function gcpTokenFromAws(cloud: Target, options: GcpFromAwsOptions): AccessToken {
  const { clock, webIdentity = awsWebIdentity() } = options;
  const { sts = 'https://sts.googleapis.com', iamCredentials = 'https://iamcredentials.googleapis.com' } =
    cloud.endpoints;
  const account = `projects/-/serviceAccounts/${cloud.controlServiceAccount}`;
  return cachedToken(
    async () => {
      const { IdentityPoolClient } = await import('google-auth-library');
      // Made anew each time: it would keep tokens of its own.
      const client = new IdentityPoolClient({
        type: 'external_account',
        audience: `//iam.googleapis.com/${cloud.workloadIdentityProvider}`,
        subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
        token_url: `${sts}/v1/token`,
        service_account_impersonation_url: `${iamCredentials}/v1/${account}:generateAccessToken`,
        subject_token_supplier: { getSubjectToken: () => webIdentity(gcpAudience(cloud)) },
        transporterOptions: { timeout: TIMEOUT_MS },
      });
      const { token } = await client.getAccessToken().catch((error: unknown) => {
        throw explained(error, cloud);
      });
      const endsAt = client.credentials.expiry_date;
      if (!token || !endsAt) throw new TransientError('Google gave no token in its answer');
      return { value: token, expiresAt: new Date(endsAt) };
    },
    { clock },
  );
}

/** What the library throws holds the request, and with it the token: nothing of it is kept but these. */
const failureSchema = z.object({ response: z.object({ status: z.number(), data: z.unknown() }) });
const exchangeSchema = z.object({ error: z.string().regex(/^[a-z_]{1,50}$/) });

function explained(error: unknown, { workloadIdentityProvider, controlServiceAccount }: Target): ShoalError {
  if (error instanceof ShoalError) return error;
  const failure = failureSchema.safeParse(error);
  if (!failure.success) return new TransientError('Google cannot be reached for a token');
  const { status, data } = failure.data.response;
  if (status >= 500 || status === 429 || status === 408) {
    return new TransientError('Google gives out no tokens at the moment', { context: { status } });
  }
  // The exchange names its error in a word (RFC 6749, 5.2); the service account's API in an object.
  const exchange = exchangeSchema.safeParse(data);
  if (!exchange.success) {
    return new PermanentError(
      `Google refuses with ${status} to let the control plane act as ${controlServiceAccount}: it must exist, and grant roles/iam.workloadIdentityUser to the pool's identities of this stage`,
      { context: { status, controlServiceAccount } },
    );
  }
  const { error: code } = exchange.data;
  const meaning = MEANING[code] ?? 'see the settings of the provider';
  return new PermanentError(`Google refuses AWS's token (${code}) at ${workloadIdentityProvider}: ${meaning}`, {
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
