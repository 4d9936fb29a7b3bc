/** Ends instances in batches. EC2 refuses a whole batch for one id that it does not know: then each half goes by itself. */
import { type EC2Client, EC2ServiceException, TerminateInstancesCommand } from '@aws-sdk/client-ec2';
import { chunked } from '../in-parallel.ts';

const BATCH = 100;
/** What EC2 would call malformed can be no machine of ours. */
const INSTANCE_ID = /^i-[0-9a-f]{8,17}$/;
const UNKNOWN = new Set(['InvalidInstanceID.NotFound', 'InvalidInstanceID.Malformed', 'InvalidInstanceID']);

export async function terminateInstances(client: EC2Client, instanceIds: readonly string[]): Promise<void> {
  for (const batch of chunked(
    [...new Set(instanceIds)].filter((id) => INSTANCE_ID.test(id)),
    BATCH,
  )) {
    await terminateKnown(client, batch);
  }
}

async function terminateKnown(client: EC2Client, instanceIds: readonly string[]): Promise<void> {
  try {
    await client.send(new TerminateInstancesCommand({ InstanceIds: [...instanceIds] }));
  } catch (error) {
    if (!(error instanceof EC2ServiceException) || !UNKNOWN.has(error.name)) throw error;
    if (instanceIds.length === 1) return;
    for (const half of chunked(instanceIds, Math.ceil(instanceIds.length / 2))) await terminateKnown(client, half);
  }
}
