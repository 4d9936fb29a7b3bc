import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FLEET_NAME, PRIORITIES } from '../core/ids.ts';
import { fleetLogicalName, taskQueueLogicalId, taskQueueResources } from './task-queues.ts';

/** Few letters, so that names which differ by a hyphen only come up often. */
const fleetName = fc.stringMatching(/^[az][az1-]{0,5}$/);

describe('fleetLogicalName', () => {
  it.each([
    ['default', 'Default'],
    ['gpu-large', 'GpuLarge'],
    ['gpu4', 'Gpu4'],
    ['gpu-4', 'GpuZ4'],
    ['eu-z1', 'EuZz1'],
    ['a-', 'AZ'],
    ['a--b', 'AZB'],
  ])('writes %s as %s', (fleet, expected) => {
    expect(fleetLogicalName(fleet)).toBe(expected);
  });

  it('never gives two fleets one name, nor one that CloudFormation refuses', () => {
    fc.assert(
      fc.property(fleetName, fleetName, (one, other) => {
        expect(one).toMatch(FLEET_NAME);
        expect(fleetLogicalName(one)).toMatch(/^[A-Za-z0-9]+$/);
        expect(fleetLogicalName(one) === fleetLogicalName(other)).toBe(one === other);
      }),
      { numRuns: 5_000 },
    );
  });
});

describe('taskQueueLogicalId', () => {
  it('never gives two queues one id', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fleetName, { minLength: 1 }), (fleets) => {
        const ids = fleets.flatMap((fleet) => PRIORITIES.map((priority) => taskQueueLogicalId(fleet, priority)));
        expect(new Set(ids).size).toBe(ids.length);
      }),
    );
  });
});

describe('taskQueueResources', () => {
  it('makes one queue a fleet and priority, each handing poison to the dead letters', () => {
    const resources = taskQueueResources(['default'], 'dev');

    expect(resources['TaskQueueDefaultNormal']).toEqual({
      Type: 'AWS::SQS::Queue',
      Properties: {
        QueueName: 'shoal-tasks-default-normal-dev',
        MessageRetentionPeriod: 1_209_600,
        VisibilityTimeout: 60,
        SqsManagedSseEnabled: true,
        RedrivePolicy: { deadLetterTargetArn: { 'Fn::GetAtt': ['DeadLetterQueue', 'Arn'] }, maxReceiveCount: 6 },
      },
    });
  });

  it('lets none of them be reached without TLS', () => {
    const resources = taskQueueResources(['default', 'gpu'], 'dev');

    const queues = Object.keys(resources).filter((id) => resources[id]?.Type === 'AWS::SQS::Queue');
    expect(queues).toHaveLength(6);
    expect(resources['TaskQueuesTlsOnly']?.Properties['Queues']).toEqual(queues.map((Ref) => ({ Ref })));
  });
});
