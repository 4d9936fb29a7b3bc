import * as sfn from '@aws-sdk/client-sfn';
import { describe, expect, it } from 'vitest';
import { client, createMachine, describeExecution, start, useStepFunctions } from './step-functions-fixture.ts';

useStepFunctions();

describe('Step Functions machines', () => {
  it('are made once for one definition, changed, described and listed', async () => {
    const definition = (Comment: string) =>
      JSON.stringify({ Comment, StartAt: 'End', States: { End: { Type: 'Succeed' } } });
    const create = (text: string) =>
      client.send(
        new sfn.CreateStateMachineCommand({ name: 'jobs', definition: text, roleArn: 'arn:aws:iam::0:role/r' }),
      );
    const { stateMachineArn } = await create(definition('one'));
    expect((await create(definition('one'))).stateMachineArn).toBe(stateMachineArn);
    await expect(create(definition('two'))).rejects.toBeInstanceOf(sfn.StateMachineAlreadyExists);
    await client.send(new sfn.UpdateStateMachineCommand({ stateMachineArn, definition: definition('two') }));
    const described = await client.send(new sfn.DescribeStateMachineCommand({ stateMachineArn }));
    expect(described).toMatchObject({ definition: definition('two'), name: 'jobs', type: 'STANDARD' });
    const { stateMachines } = await client.send(new sfn.ListStateMachinesCommand({}));
    expect(stateMachines?.map((machine) => machine.name)).toContain('jobs');
    await client.send(new sfn.DeleteStateMachineCommand({ stateMachineArn }));
    await expect(start(stateMachineArn!)).rejects.toBeInstanceOf(sfn.StateMachineDoesNotExist);
  });

  it('are refused when they cannot run, or use what is not emulated', async () => {
    const pass = { Type: 'Pass', End: true };
    const broken: [Record<string, unknown>, RegExp][] = [
      [{ Bad: { Type: 'Nonsense', End: true } }, /State Bad: there is no type Nonsense/],
      [{ Lost: { Type: 'Pass', Next: 'Nowhere' } }, /there is no state Nowhere/],
      [{ Stuck: { Type: 'Pass' } }, /neither ends nor goes on/],
      [{ Both: { Type: 'Parallel', Branches: [{ StartAt: 'x', States: { y: pass } }], End: true } }, /StartAt/],
      [{ Each: { Type: 'Map', End: true } }, /ItemProcessor/],
    ];
    for (const [states, message] of broken) await expect(createMachine(states)).rejects.toThrow(message);
    await expect(createMachine(broken[0]![0])).rejects.toBeInstanceOf(sfn.InvalidDefinition);
    const foreign = { Type: 'Task', Resource: 'arn:aws:states:::sqs:sendMessage', Parameters: {}, End: true };
    await expect(createMachine({ Foreign: foreign })).rejects.toThrow(/not emulated/);
    await expect(describeExecution('arn:aws:states:us-east-1:0:execution:a:b')).rejects.toBeInstanceOf(
      sfn.ExecutionDoesNotExist,
    );
  });
});
