/** Who asks: whoever is nobody on AWS need not be asked anything else. */
import { GetCallerIdentityCommand } from '@aws-sdk/client-sts';
import { awsCodeOf } from '../../adapters/aws/aws-errors.ts';
import { TransientError } from '../../core/errors.ts';
import type { AwsClients } from './aws-clients.ts';
import { type Finding, failed, ok, told } from './finding.ts';

export interface Asking {
  readonly region: string;
  /** Whose credentials the SDK looks for, where somebody has said. */
  readonly profile: string | undefined;
}

export async function checkIdentity({ sts }: AwsClients, asking: Asking): Promise<Finding> {
  const what = 'AWS identity';
  try {
    const { Arn = 'unknown' } = await sts.send(new GetCallerIdentityCommand({}));
    return ok(what, `${Arn}, in ${asking.region}`);
  } catch (error) {
    const [message, mend] = whyUnknown(error, asking);
    return failed(what, message, mend);
  }
}

const SIGN_IN = 'aws sso login, or aws configure: then try `aws sts get-caller-identity`';

/** What is wrong, and what mends it. */
function whyUnknown(error: unknown, { region, profile }: Asking): readonly [string, string] {
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
  // A region that is not enabled knows nobody ("Enable or disable AWS Regions in your account").
  return [told(error), `${SIGN_IN}; is ${region} enabled for the account? --region names another`];
}

/** The SDK says more than the name of its error: that a session has run out, and the command that begins another. */
const sdkWords = (error: unknown): string =>
  error instanceof Error && error.cause instanceof Error ? error.cause.message : told(error);
