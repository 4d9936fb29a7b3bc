/** Credentials of AWS for a program of another cloud: its own cloud's token, exchanged at STS ("AssumeRoleWithWebIdentity"). */
import { fromWebToken } from '@aws-sdk/credential-provider-web-identity';
import { PermanentError, ShoalError, TransientError } from '../../core/errors.ts';
import type { Clock } from '../../core/ports.ts';
import { isTransientCode } from '../aws/aws-errors.ts';
import { type ClientOverrides, clientSettings, REQUEST_MS } from '../aws/client-settings.ts';
import { cachedToken } from './cached-token.ts';

export interface RoleOptions {
  readonly roleArn: string;
  /** Of AWS: that of the stack. */
  readonly region: string;
  readonly clock: Clock;
  readonly stsEndpoint?: string;
}

/** Short-lived credentials, as the clients of AWS's SDK take them. */
export type AwsCredentials = () => Promise<{
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  readonly expiration?: Date;
}>;

/** The SDK's clients ask again when less than five minutes are left, and are to get new ones then. */
const RENEW_SECONDS = 360;

/** @param webIdentityToken what the other cloud says of this program */
export function assumedRole(webIdentityToken: () => Promise<string>, options: RoleOptions): AwsCredentials {
  const { roleArn, region, clock, stsEndpoint } = options;
  const overrides: ClientOverrides = stsEndpoint ? { region, endpoint: stsEndpoint } : { region };
  const clientConfig = clientSettings(REQUEST_MS, { maxAttempts: 3, ...overrides });
  return cachedToken(
    async () => {
      const token = await webIdentityToken();
      const provide = fromWebToken({
        roleArn,
        roleSessionName: SESSION,
        webIdentityToken: token,
        clientConfig,
      });
      const credentials = await provide().catch((error: unknown) => {
        throw explained(error, roleArn);
      });
      if (!credentials.expiration) throw new TransientError('STS gave credentials without an end');
      return { value: credentials, expiresAt: credentials.expiration };
    },
    { clock, renewSeconds: RENEW_SECONDS },
  );
}

/** How the program is called in AWS's audit log. */
const SESSION = 'shoal-bridge';

/** Only the name of an error is kept: its text may quote the token. */
function explained(error: unknown, roleArn: string): ShoalError {
  if (error instanceof ShoalError) return error;
  const { name, status } = named(error);
  const context = { roleArn, code: name };
  const meaning = MEANING[name];
  if (meaning)
    return new PermanentError(`AWS does not let this program be ${roleArn} (${name}): ${meaning}`, { context });
  if (isTransientCode(name) || PASSING.has(name) || status === 0 || status === 429 || status >= 500) {
    return new TransientError(`STS gives out no credentials at the moment (${name})`, { context });
  }
  return new PermanentError(`AWS does not let this program be ${roleArn} (${name})`, { context });
}

function named(error: unknown): { readonly name: string; readonly status: number } {
  if (!(error instanceof Error)) return { name: 'unknown', status: 0 };
  const metadata = '$metadata' in error ? error.$metadata : undefined;
  const status =
    typeof metadata === 'object' && metadata !== null && 'httpStatusCode' in metadata ? metadata.httpStatusCode : 0;
  return { name: error.name, status: typeof status === 'number' ? status : 0 };
}

/** AWS could not read the other cloud's keys, or this program was slow ("AssumeRoleWithWebIdentity", Errors). */
const PASSING: ReadonlySet<string> = new Set(['IDPCommunicationErrorException', 'ExpiredTokenException']);

const MEANING: Readonly<Record<string, string>> = {
  AccessDenied: "the role's trust policy must name this program's subject and audience, as fleets.yml has them",
  InvalidIdentityTokenException: 'the audience must be one of the provider’s, and the provider be known to the account',
  IDPRejectedClaimException: 'its own cloud does not stand by its token',
};
