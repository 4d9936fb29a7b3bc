/**
 * The control plane's identity on Azure: AWS says who the function is, and Entra takes that as proof of being the
 * application or user-assigned identity that trusts it ("Microsoft identity platform and the OAuth 2.0 client credentials
 * flow", third case: a federated credential). One form to send: the library for it is larger than most of our functions
 * (docs/adr/0019).
 */
import { z } from 'zod';
import type { AzureCloud } from '../../core/clouds.ts';
import { PermanentError, TransientError } from '../../core/errors.ts';
import type { Clock } from '../../core/ports.ts';
import type { AccessToken } from './access-token.ts';
import { awsWebIdentity, type WebIdentity } from './aws-web-identity.ts';
import { cachedToken } from './cached-token.ts';
import { askForToken, type TokenAnswer } from './token-request.ts';

export interface AzureFromAwsOptions {
  /** One of `AZURE_RESOURCES`. */
  readonly resource: string;
  readonly clock: Clock;
  readonly webIdentity?: WebIdentity;
}

type Target = Pick<AzureCloud, 'tenantId' | 'controlClientId' | 'endpoints'>;

/** The audience that Entra recommends for federated credentials, whatever they are for. */
export const AZURE_AUDIENCE = 'api://AzureADTokenExchange';

const answerSchema = z.object({ access_token: z.string().min(1), expires_in: z.number().nonnegative() });

/** @throws PermanentError that says what to set up, TransientError when somebody on the way does not answer */
export function azureTokenFromAws(cloud: Target, options: AzureFromAwsOptions): AccessToken {
  const { resource, clock, webIdentity = awsWebIdentity() } = options;
  const { login = 'https://login.microsoftonline.com' } = cloud.endpoints;
  return cachedToken(
    async () => {
      const body = new URLSearchParams({
        client_id: cloud.controlClientId,
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: await webIdentity(AZURE_AUDIENCE),
        grant_type: 'client_credentials',
        scope: `${resource}/.default`,
      });
      const answer = await askForToken('Entra', `${login}/${cloud.tenantId}/oauth2/v2.0/token`, { body });
      if (answer.status !== 200) throw refused(answer, cloud);
      const granted = answerSchema.safeParse(answer.body);
      if (!granted.success) throw new TransientError('Entra gave no token in its answer');
      const { access_token: value, expires_in: seconds } = granted.data;
      return { value, expiresAt: new Date(clock.now().getTime() + seconds * 1_000) };
    },
    { clock },
  );
}

/** The numbers of "Microsoft Entra authentication and authorization error codes": for people, who can look them up. */
const refusalSchema = z.object({ error_codes: z.array(z.int()) });

function refused({ status, body }: TokenAnswer, { tenantId, controlClientId }: Target): PermanentError {
  const refusal = refusalSchema.safeParse(body);
  const errorCodes = refusal.success ? refusal.data.error_codes : [];
  const names = errorCodes.map((code) => `AADSTS${code}`).join(', ') || `status ${status}`;
  return new PermanentError(
    `Entra refuses AWS's token for ${controlClientId} in ${tenantId} (${names}): it needs a federated credential with this AWS account's issuer, this role's ARN as its subject and ${AZURE_AUDIENCE} as its audience`,
    { context: { status, errorCodes, tenantId, controlClientId } },
  );
}
