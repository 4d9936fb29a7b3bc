/** Whoever asks AWS by hand: where, as whom, and what to tell people when nobody is answered. */
import { STSClient } from '@aws-sdk/client-sts';
import { awsCodeOf } from '../adapters/aws/aws-errors.ts';
import { TransientError } from '../core/errors.ts';

/** As the SDK finds it, in the environment or in a profile; `undefined` where nobody has said. */
export const regionOfSdk = (): Promise<string | undefined> => new STSClient({}).config.region().catch(() => undefined);

export interface Asking {
  readonly region: string;
  /** Whose credentials the SDK looks for, where somebody has said. */
  readonly profile: string | undefined;
}

const SIGN_IN = 'aws sso login, or aws configure: then try `aws sts get-caller-identity`';

/** What is wrong with who asks, and what mends it; `undefined` when the error is about something else. */
export function whyUnheard(error: unknown, { region, profile }: Asking): readonly [string, string] | undefined {
  const code = awsCodeOf(error);
  if (code === 'CredentialsProviderError') {
    const whose = profile ? ` of profile ${profile}` : '';
    return [`no credentials${whose}: ${sdkWords(error)}`, SIGN_IN];
  }
  if (/Expired/.test(code)) return [`the credentials have run out (${code})`, SIGN_IN];
  if (error instanceof TransientError) {
    return [
      `in ${region}, ${error.message}`,
      `look at the network; is ${region} a region of AWS? --region names another`,
    ];
  }
  return undefined;
}

/** A region that is not enabled knows nobody ("Enable or disable AWS Regions in your account"). */
export const signInTo = (region: string): string =>
  `${SIGN_IN}; is ${region} enabled for the account? --region names another`;

/** The SDK says more than the name of its error: that a session has run out, and the command that begins another. */
function sdkWords(error: unknown): string {
  const said = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return said instanceof Error ? said.message : String(said);
}

/**
 * Asks in the region that is named, or in the SDK's own.
 * @throws Error in words for people when no region is named, or whoever asks is not heard; whatever `ask` throws
 */
export async function asOperator<Answer>(
  named: string | undefined,
  ask: (region: string) => Promise<Answer>,
): Promise<Answer> {
  const region = named ?? (await regionOfSdk());
  if (region === undefined)
    throw new Error('no region is named\n→ --region us-east-1, or where the deployment is; or set AWS_REGION');
  try {
    return await ask(region);
  } catch (error) {
    const unheard = whyUnheard(error, { region, profile: process.env['AWS_PROFILE'] });
    throw unheard ? new Error(unheard.join('\n→ ')) : error;
  }
}
