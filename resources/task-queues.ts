/**
 * The task queues of the fleets, as CloudFormation: one a fleet and priority, generated from `fleets.yml`.
 *
 * Every fleet gets them, whatever its provider: an empty queue costs nothing, and the local run maps every fleet to this machine.
 */
import { PRIORITIES, type Priority, taskQueueName } from '../core/ids.ts';
import type { CloudFormationResource, CloudFormationResources } from './cloudformation.ts';

/** As long as SQS keeps anything. The sweep sends a task again before its message gets that old. */
const RETENTION_SECONDS = 14 * 24 * 3600;
/** Agents ask for each task's own lease in the receive call: this is for a person who peeks into a queue. */
const VISIBILITY_TIMEOUT_SECONDS = 60;
/**
 * It bounds how many machines a task can kill. A lease that is given back counts too, so it is no verdict: the function
 * `dead-letter` sends what was not lost often enough again. One more than core/retry-policy.ts needs for poison, and one
 * for the first start, which a short task does not announce.
 */
const MAX_RECEIVE_COUNT = 6;

const capitalised = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/**
 * A fleet's name as part of a logical id, which may only have letters and digits: `gpu-large` → `GpuLarge`.
 * No two names give the same: a hyphen that capitals cannot show is written `Z` (`gpu-4` → `GpuZ4`, while `gpu4` → `Gpu4`),
 * and `-z` is written `Zz`, so that it is not taken for one.
 */
export function fleetLogicalName(fleet: string): string {
  return capitalised(fleet.replace(/-([a-z]?)/g, (_, letter: string) => escapedHyphen(letter)));
}

function escapedHyphen(letter: string): string {
  if (letter === '') return 'Z';
  return letter === 'z' ? 'Zz' : letter.toUpperCase();
}

/** `TaskQueueDefaultNormal`: the logical id of the queue of a fleet and priority. */
export const taskQueueLogicalId = (fleet: string, priority: Priority): string =>
  `TaskQueue${fleetLogicalName(fleet)}${capitalised(priority)}`;

/** All task queues, and one policy that refuses to serve them without TLS. */
export function taskQueueResources(fleets: readonly string[], stage: string): CloudFormationResources {
  const queues = fleets.flatMap((fleet) =>
    PRIORITIES.map((priority) => [taskQueueLogicalId(fleet, priority), taskQueue(fleet, priority, stage)] as const),
  );
  return {
    ...Object.fromEntries(queues),
    TaskQueuesTlsOnly: tlsOnlyPolicy(queues.map(([logicalId]) => logicalId)),
  };
}

function taskQueue(fleet: string, priority: Priority, stage: string): CloudFormationResource {
  return {
    Type: 'AWS::SQS::Queue',
    Properties: {
      QueueName: taskQueueName(fleet, priority, stage),
      MessageRetentionPeriod: RETENTION_SECONDS,
      VisibilityTimeout: VISIBILITY_TIMEOUT_SECONDS,
      SqsManagedSseEnabled: true,
      RedrivePolicy: {
        deadLetterTargetArn: { 'Fn::GetAtt': ['DeadLetterQueue', 'Arn'] },
        maxReceiveCount: MAX_RECEIVE_COUNT,
      },
    },
  };
}

function tlsOnlyPolicy(queueLogicalIds: readonly string[]): CloudFormationResource {
  return {
    Type: 'AWS::SQS::QueuePolicy',
    Properties: {
      Queues: queueLogicalIds.map((logicalId) => ({ Ref: logicalId })),
      PolicyDocument: {
        Version: '2012-10-17',
        Statement: [
          {
            Sid: 'TlsOnly',
            Effect: 'Deny',
            Principal: '*',
            Action: 'sqs:*',
            // In a queue's own policy: the queue it is attached to.
            Resource: '*',
            Condition: { Bool: { 'aws:SecureTransport': 'false' } },
          },
        ],
      },
    },
  };
}
