/**
 * The job machine holds its contract while Step Functions throttles, fails and loses the answers to starts (lesson 47). A
 * lost answer to a signal cannot be hidden: see `lost-responses.test.ts`.
 */
import { afterAll } from 'vitest';
import { AwsWorld } from '../../contracts/aws-world.ts';
import { describeJobMachineContract } from '../../contracts/job-machine.ts';
import { LambdaStub } from '../../contracts/lambda-stub.ts';
import { waitingMachineSetup } from '../../contracts/waiting-machines.ts';
import { useTroubledWorld } from './troubled-world.ts';

const lambda = new LambdaStub();
const troubled = useTroubledWorld(
  [
    { service: 'states', kind: 'throttle', probability: 0.2, seed: 1 },
    { service: 'states', kind: 'unavailable', probability: 0.2, seed: 2 },
    { service: 'states', operation: 'StartExecution', kind: 'lost-response', probability: 0.4, seed: 3 },
  ],
  async () => AwsWorld.start({ lambdaEndpoint: await lambda.start() }),
);
afterAll(() => lambda.stop());

describeJobMachineContract('Step Functions under faults', () =>
  waitingMachineSetup(troubled().world.states, troubled().clients.states, lambda),
);
