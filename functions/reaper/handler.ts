/** The reaper, woken by a schedule of its own: wiring only; `end-outlived.ts` is the use case. */
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import middy from '@middy/core';
import { createEc2Client } from '../../adapters/aws/ec2-clients.ts';
import { Ec2InstanceProvider } from '../../adapters/aws/ec2-instance-provider.ts';
import { logger } from '../telemetry.ts';
import { config } from './config.ts';
import { endOutlived } from './end-outlived.ts';

const provider = config.LOCAL_INSTANCES_DIR
  ? undefined
  : new Ec2InstanceProvider({
      client: createEc2Client(),
      stage: config.STAGE,
      // It launches nothing.
      subnetIds: [],
      images: { arm64: '', x86_64: '' },
    });

export const handler = middy()
  .use(injectLambdaContext(logger, { resetKeys: true }))
  .handler(async () => {
    const ended = provider ? await endOutlived(provider, { now: () => new Date() }) : [];
    if (ended.length > 0) logger.warn('machines outlived their lifetime and were ended', { instanceIds: ended });
    return { ended: ended.length };
  });
