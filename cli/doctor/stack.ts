/** What is deployed of a stage: asked of its functions, which know by their environment where the rest is. */
import { GetFunctionConfigurationCommand, type LambdaClient } from '@aws-sdk/client-lambda';
import { awsCodeOf } from '../../adapters/aws/aws-errors.ts';
import { REACHING_FUNCTIONS } from '../../resources/other-clouds.ts';

export const FUNCTIONS = [...REACHING_FUNCTIONS, 'reaper'] as const;

export interface DeployedFunction {
  readonly name: string;
  readonly environment: Readonly<Record<string, string>>;
}

/** @returns `undefined` for a function that is not there */
export async function deployedFunction(
  client: LambdaClient,
  stage: string,
  name: string,
): Promise<DeployedFunction | undefined> {
  const FunctionName = `shoal-${stage}-${name}`;
  try {
    const { Environment } = await client.send(new GetFunctionConfigurationCommand({ FunctionName }));
    return { name, environment: Environment?.Variables ?? {} };
  } catch (error) {
    if (awsCodeOf(error) === 'ResourceNotFoundException') return undefined;
    throw error;
  }
}
