/**
 * The control plane's identity on Azure: AWS says who the function is, and Entra takes that as proof of being the
 * application or user-assigned identity that trusts it ("Microsoft identity platform and the OAuth 2.0 client credentials
 * flow", third case: a federated credential). One form to send: the library for it costs more than all else that a function
 * loads (docs/adr/0017).
 */
import { z } from 'zod';
import type { AzureCloud } from '../../core/clouds.ts';
import { PermanentError, type ShoalError, TransientError } from '../../core/errors.ts';
import type { Clock } from '../../core/ports.ts';
import { backoff } from '../backoff.ts';
import type { AccessToken } from './access-token.ts';
import { awsWebIdentity, type WebIdentity } from './aws-web-identity.ts';
import { cachedToken } from './cached-token.ts';

export interface AzureFromAwsOptions {
  /** One of `AZURE_RESOURCES`. */
  readonly resource: string;
  readonly clock: Clock;
  readonly webIdentity?: WebIdentity;
}

type Target = Pick<AzureCloud, 'tenantId' | 'controlClientId' | 'endpoints'>;

/** The audience that Entra recommends for federated credentials, whatever they are for. */
export const AZURE_AUDIENCE = 'api://AzureADTokenExchange';

const TIMEOUT_MS = 10_000;
const TRIES = 3;

const answerSchema = z.object({ access_token: z.string().min(1), expires_in: z.number().nonnegative() });
/** `error_codes` are the numbers of "Microsoft Entra authentication and authorization error codes": for people alone. */
const failureSchema = z.object({
  error: z.string().regex(/^[a-z_]{1,50}$/),
  error_codes: z.array(z.int()).default([]),
});

/** @throws PermanentError that says what to set up, TransientError when somebody on the way does not answer */
export function azureTokenFromAws(cloud: Target, options: AzureFromAwsOptions): AccessToken {
  const { resource, clock, webIdentity = awsWebIdentity() } = options;
  const { login = 'https://login.microsoftonline.com' } = cloud.endpoints;
  const url = `${login}/${cloud.tenantId}/oauth2/v2.0/token`;
  return cachedToken(
    async () => {
      const form = new URLSearchParams({
        client_id: cloud.controlClientId,
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: await webIdentity(AZURE_AUDIENCE),
        grant_type: 'client_credentials',
        scope: `${resource}/.default`,
      });
      const response = await posted(url, form);
      const body = await response.json().catch(() => undefined);
      if (response.status !== 200) throw explained(response.status, body, cloud);
      const answer = answerSchema.safeParse(body);
      if (!answer.success) throw new TransientError('Entra gave no token in its answer');
      const { access_token: value, expires_in: seconds } = answer.data;
      return { value, expiresAt: new Date(clock.now().getTime() + seconds * 1_000) };
    },
    { clock },
  );
}

async function posted(url: string, form: URLSearchParams): Promise<Response> {
  for (let tries = 1; ; tries += 1) {
    const response = await fetch(url, {
      method: 'POST',
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
      body: form,
      // No cause: who knows what a client quotes of a request that failed.
    }).catch(() => undefined);
    if (response && response.status < 500) return response;
    if (tries === TRIES) {
      if (response) return response;
      throw new TransientError('Entra cannot be reached for a token');
    }
    await response?.arrayBuffer().catch(() => undefined);
    await backoff(tries);
  }
}

function explained(status: number, body: unknown, { tenantId, controlClientId }: Target): ShoalError {
  if (status >= 500 || status === 429 || status === 408) {
    return new TransientError('Entra gives out no tokens at the moment', { context: { status } });
  }
  const failure = failureSchema.safeParse(body);
  const { error, error_codes } = failure.success ? failure.data : { error: `status ${status}`, error_codes: [] };
  const numbers = error_codes.map((code) => `AADSTS${code}`).join(', ');
  const names = numbers ? `${error}, ${numbers}` : error;
  return new PermanentError(
    `Entra refuses AWS's token for ${controlClientId} in ${tenantId} (${names}): it needs a federated credential with this AWS account's issuer, this role's ARN as its subject and ${AZURE_AUDIENCE} as its audience`,
    { context: { status, error, errorCodes: error_codes, tenantId, controlClientId } },
  );
}
