/** What EC2 says of our machines, found by their tags: one call for each 1,000 of them, whatever their fleets. */
import { DescribeInstancesCommand, type EC2Client, type Filter, type Instance } from '@aws-sdk/client-ec2';
import type { ObservedInstance } from '../../core/reconcile-instances.ts';
import { TAGS } from './ec2-fleet-request.ts';

/** The most that `DescribeInstances` gives a page ("DescribeInstances", MaxResults). */
const PAGE = 1_000;
const RUNNING = new Set(['pending', 'running']);
const STOPPED = new Set(['stopping', 'stopped']);
/** `StateReason` of a machine that EC2 took back ("StateReason"). */
const TAKEN_BACK = /^Server\.Spot/;

export async function listInstances(
  client: EC2Client,
  stage: string,
  fleets: readonly string[],
): Promise<readonly ObservedInstance[]> {
  const Filters: Filter[] = [
    { Name: `tag:${TAGS.stage}`, Values: [stage] },
    ...(fleets.length > 0 ? [{ Name: `tag:${TAGS.fleet}`, Values: [...fleets] }] : []),
  ];
  const observed: ObservedInstance[] = [];
  let NextToken: string | undefined;
  do {
    const answer = await client.send(new DescribeInstancesCommand({ Filters, MaxResults: PAGE, NextToken }));
    for (const { Instances = [] } of answer.Reservations ?? []) {
      for (const instance of Instances) observed.push(...observedInstance(instance));
    }
    NextToken = answer.NextToken;
  } while (NextToken);
  return observed;
}

function observedInstance(instance: Instance): ObservedInstance[] {
  const { InstanceId, InstanceType, State, StateReason, LaunchTime, Tags = [] } = instance;
  const tag = (name: string): string | null => Tags.find(({ Key }) => Key === name)?.Value ?? null;
  const fleet = tag(TAGS.fleet);
  if (!InstanceId || !LaunchTime || fleet === null) return [];
  const running = RUNNING.has(State?.Name ?? '');
  const expiresAt = tag(TAGS.expiresAt);
  const reason = running ? undefined : StateReason?.Message;
  return [
    {
      instanceId: InstanceId,
      fleet,
      intentId: tag(TAGS.intent),
      running,
      launchedAt: LaunchTime.toISOString(),
      ...(InstanceType ? { instanceType: InstanceType } : {}),
      ...(expiresAt ? { expiresAt } : {}),
      ...(STOPPED.has(State?.Name ?? '') ? { stopped: true } : {}),
      ...(reason ? { endReason: reason } : {}),
      ...(running ? {} : { interrupted: TAKEN_BACK.test(StateReason?.Code ?? '') }),
    },
  ];
}
