/** Credentials of AWS for a program of another cloud: its own cloud's token, exchanged at STS ("AssumeRoleWithWebIdentity"). */
import { fromWebToken } from '@aws-sdk/credential-provider-web-identity';
import { TransientError } from '../../core/errors.ts';
import type { Clock } from '../../core/ports.ts';
import { type ClientOverrides, clientSettings, REQUEST_MS } from '../aws/client-settings.ts';
import { cachedToken } from './cached-token.ts';
import { stsFailure } from './sts-failure.ts';

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
        throw stsFailure(error, { refused: `AWS does not let this program be ${roleArn}`, meaning: MEANING });
      });
      if (!credentials.expiration) throw new TransientError('STS gave credentials without an end');
      return { value: credentials, expiresAt: credentials.expiration };
    },
    { clock, renewSeconds: RENEW_SECONDS },
  );
}

/** How the program is called in AWS's audit log. */
const SESSION = 'shoal-bridge';

const MEANING: Readonly<Record<string, string>> = {
  AccessDenied: "the role's trust policy must name this program's subject and audience, as fleets.yml has them",
  InvalidIdentityTokenException: "the audience must be one of the provider's, and the provider be known to the account",
  IDPRejectedClaimException: 'its own cloud does not stand by its token',
};
