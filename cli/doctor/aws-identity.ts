/** Who asks: whoever is nobody on AWS need not be asked anything else. */
import { GetCallerIdentityCommand } from '@aws-sdk/client-sts';
import { type Asking, signInTo, whyUnheard } from '../asking-aws.ts';
import type { AwsClients } from './aws-clients.ts';
import { type Finding, failed, ok, told } from './finding.ts';

export async function checkIdentity({ sts }: AwsClients, asking: Asking): Promise<Finding> {
  const what = 'AWS identity';
  try {
    const { Arn = 'unknown' } = await sts.send(new GetCallerIdentityCommand({}));
    return ok(what, `${Arn}, in ${asking.region}`);
  } catch (error) {
    const [message, mend] = whyUnheard(error, asking) ?? [told(error), signInTo(asking.region)];
    return failed(what, message, mend);
  }
}
