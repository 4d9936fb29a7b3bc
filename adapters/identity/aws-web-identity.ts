/**
 * Who this account's code is, said to others: a token that AWS signs for the role that asks, for one audience ("Outbound
 * identity federation", IAM). The account has to allow it once; a role's policy says for which audience.
 */
import { PermanentError, TransientError } from '../../core/errors.ts';
import { awsCodeOf, withShoalErrors } from '../aws/aws-errors.ts';
import { type ClientOverrides, clientSettings, REQUEST_MS } from '../aws/client-settings.ts';

/** It is exchanged at once. */
const VALID_SECONDS = 300;

/** A signed token for an audience. */
export type WebIdentity = (audience: string) => Promise<string>;

/**
 * The client is loaded with the first question: only who talks to another cloud needs it.
 * @throws PermanentError when the account or the role does not allow it, TransientError when STS does not answer
 */
export function awsWebIdentity(overrides: ClientOverrides = {}): WebIdentity {
  const load = async () => {
    const { GetWebIdentityTokenCommand, STSClient } = await import('@aws-sdk/client-sts');
    const client = withShoalErrors(new STSClient(clientSettings(REQUEST_MS, overrides)));
    return (audience: string) =>
      client.send(
        // RS256 is what both Google and Entra understand.
        new GetWebIdentityTokenCommand({
          Audience: [audience],
          SigningAlgorithm: 'RS256',
          DurationSeconds: VALID_SECONDS,
        }),
      );
  };
  let loaded: ReturnType<typeof load> | undefined;
  return async (audience) => {
    loaded ??= load();
    const ask = await loaded;
    const { WebIdentityToken: token } = await ask(audience).catch((error: unknown) => {
      throw explained(error, audience);
    });
    if (!token) throw new TransientError('STS gave no token in its answer', { context: { audience } });
    return token;
  };
}

function explained(cause: unknown, audience: string): unknown {
  const refused = (message: string) => new PermanentError(message, { cause, context: { audience } });
  switch (awsCodeOf(cause)) {
    case 'OutboundWebIdentityFederationDisabledException':
      return refused(
        'this AWS account does not tell others who it is: allow it with `aws iam enable-outbound-web-identity-federation`',
      );
    case 'AccessDenied':
    case 'AccessDeniedException':
      return refused(`the role may not call sts:GetWebIdentityToken for ${audience}: allow it in its policy`);
    default:
      return cause;
  }
}
