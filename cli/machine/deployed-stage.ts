/** A deployed stage as a machine of somebody's own needs to know it: the scaler's environment says where everything is. */
import type { LambdaClient } from '@aws-sdk/client-lambda';
import { z } from 'zod';
import { NotFoundError } from '../../core/errors.ts';
import type { Fleet } from '../../core/fleet.ts';
import { READY_DEADLINE_SECONDS } from '../../core/machine-environment.ts';
import { parseDocument } from '../../core/validation.ts';
import { deployedFunction } from '../doctor/stack.ts';
import type { Joining } from './environment.ts';

const environmentSchema = z.object({
  BUCKET: z.string().min(1),
  QUEUE_URL_PREFIX: z.url(),
  STATUS_QUEUE_URL: z.url(),
  AGENT_SHA256: z.hash('sha256'),
  BOOTSTRAP_SHA256: z.hash('sha256'),
});

/** Commands run as a user of their own, wherever the agent may see to that. */
const TASK_USER = 'shoal-task';

/**
 * @param fleets those that are deployed
 * @throws NotFoundError when the stage is not deployed there; ValidationError when it is one of an earlier version
 */
export async function deployedStage(lambda: LambdaClient, stage: string, fleets: readonly Fleet[]): Promise<Joining> {
  const region = await lambda.config.region();
  const scaler = await deployedFunction(lambda, stage, 'scaler');
  if (!scaler) throw new NotFoundError(`nothing is deployed as stage ${stage} in ${region}`);
  const known = parseDocument(environmentSchema, scaler.environment, `what is deployed as stage ${stage}`);
  const artifact = (sha256: string, name: string): string => `s3://${known.BUCKET}/artifacts/${sha256}/${name}`;
  return {
    fleets,
    bootstrapUrl: artifact(known.BOOTSTRAP_SHA256, 'bootstrap.sh'),
    surroundings: { SHOAL_TASK_USER: TASK_USER },
    settings: {
      stage,
      region,
      bucket: known.BUCKET,
      queueUrlPrefix: known.QUEUE_URL_PREFIX,
      statusQueueUrl: known.STATUS_QUEUE_URL,
      agentUrl: artifact(known.AGENT_SHA256, 'agent.mjs'),
      agentSha256: known.AGENT_SHA256,
      readyDeadlineSeconds: READY_DEADLINE_SECONDS,
    },
  };
}
