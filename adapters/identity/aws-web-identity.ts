/**
 * Who this account's code is, said to others: a token that AWS signs for the role that asks, for one audience ("Outbound
 * identity federation", IAM). The account has to allow it once; a role's policy says for which audience.
 */
import { TransientError } from '../../core/errors.ts';
import { type ClientOverrides, clientSettings, REQUEST_MS } from '../aws/client-settings.ts';
import { stsFailure } from './sts-failure.ts';

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
    const client = new STSClient(clientSettings(REQUEST_MS, overrides));
    // RS256 is what both Google and Entra understand.
    const SigningAlgorithm = 'RS256';
    return (audience: string) =>
      client.send(
        new GetWebIdentityTokenCommand({ Audience: [audience], SigningAlgorithm, DurationSeconds: VALID_SECONDS }),
      );
  };
  let loaded: ReturnType<typeof load> | undefined;
  return async (audience) => {
    loaded ??= load();
    const ask = await loaded;
    const { WebIdentityToken: token } = await ask(audience).catch((error: unknown) => {
      throw stsFailure(error, { refused: `AWS does not tell ${audience} who this is`, meaning: MEANING });
    });
    if (!token) throw new TransientError('STS gave no token in its answer', { context: { audience } });
    return token;
  };
}

const mayNot = "the role's policy must allow sts:GetWebIdentityToken for this audience";
const MEANING: Readonly<Record<string, string>> = {
  OutboundWebIdentityFederationDisabledException:
    'allow it to the account with `aws iam enable-outbound-web-identity-federation`',
  AccessDenied: mayNot,
  AccessDeniedException: mayNot,
  SessionDurationEscalationException: 'the session that asks ends within five minutes',
};
