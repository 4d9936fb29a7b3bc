import { Faults } from '../faults/faults.ts';
import { serveJsonProtocol } from '../protocol/json-protocol.ts';
import type { LoopbackServer } from '../protocol/loopback-server.ts';
import { RequestCounts } from '../protocol/request-counts.ts';
import { Executions } from './executions.ts';
import { LambdaInvoker } from './lambda-invoker.ts';
import { StateMachines } from './state-machines.ts';
import { stepFunctionsInjections } from './step-functions-faults.ts';
import { createStepFunctionsHandler } from './step-functions-service.ts';
import { TaskTokens } from './task-tokens.ts';

export interface StepFunctionsOptions {
  readonly port: number;
  readonly region: string;
  /** Where Task states invoke their functions, by Lambda's own HTTP API. */
  readonly lambdaEndpoint: string;
  readonly faults?: Faults;
}

/** Starts Step Functions on the loopback address: standard workflows in JSONPath, in memory, gone when it stops. */
export async function startStepFunctions(options: StepFunctionsOptions): Promise<LoopbackServer> {
  const tokens = new TaskTokens();
  const lambda = new LambdaInvoker({
    endpoint: options.lambdaEndpoint,
    region: options.region,
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
  const executions = new Executions(lambda, tokens);
  const server = await serveJsonProtocol({
    name: 'Step Functions',
    errorNamespace: 'com.amazonaws.states',
    port: options.port,
    handle: createStepFunctionsHandler({ machines: new StateMachines(options.region), executions, tokens }),
    counts: new RequestCounts(),
    faults: options.faults ?? new Faults(),
    faultedAs: 'states',
    injections: stepFunctionsInjections,
  });
  const stop = async () => {
    executions.close();
    lambda.close();
    await server.stop();
  };
  return { ...server, stop };
}
