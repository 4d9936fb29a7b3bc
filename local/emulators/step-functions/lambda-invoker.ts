import { InvokeCommand, LambdaClient, type LambdaClientConfig } from '@aws-sdk/client-lambda';
import type { JsonValue } from './json-value.ts';
import { StateError } from './state-error.ts';

export interface InvocationResult {
  readonly statusCode: number;
  readonly executedVersion: string;
  readonly payload: JsonValue;
}

/** Invokes functions synchronously and turns what goes wrong into errors that ASL can match. */
export class LambdaInvoker {
  readonly #client: LambdaClient;

  constructor(config: LambdaClientConfig) {
    // Retrying is the state's business, and a function may take as long as its state allows.
    this.#client = new LambdaClient({ ...config, maxAttempts: 1, requestHandler: { httpAgent: { maxSockets: 500 } } });
  }

  /**
   * Invokes a function and waits for its result. Nothing takes an invocation back: AWS does not either.
   *
   * @throws {StateError} named after the function's own error, or `Lambda.…` when the call itself failed
   */
  async invoke(functionName: string, payload: JsonValue): Promise<InvocationResult> {
    const command = new InvokeCommand({ FunctionName: bareName(functionName), Payload: JSON.stringify(payload) });
    const response = await this.#client.send(command).catch((error: unknown) => {
      throw new StateError(errorNameOf(error), error instanceof Error ? error.message : String(error));
    });
    const text = response.Payload?.transformToString() ?? '';
    if (response.FunctionError !== undefined) throw new StateError(errorTypeIn(text), text);
    return {
      statusCode: response.StatusCode ?? 200,
      executedVersion: response.ExecutedVersion ?? '$LATEST',
      payload: text === '' ? null : JSON.parse(text),
    };
  }

  close(): void {
    this.#client.destroy();
  }
}

/** A function's name from its name, its ARN or either with a version: there is one version of each here. */
function bareName(nameOrArn: string): string {
  const name = nameOrArn.split(':function:').at(-1) ?? nameOrArn;
  return name.split(':', 1)[0] ?? name;
}

function errorTypeIn(payload: string): string {
  try {
    const parsed: unknown = JSON.parse(payload);
    if (typeof parsed === 'object' && parsed !== null && 'errorType' in parsed) return String(parsed.errorType);
  } catch {
    // A crashed runtime leaves no document behind.
  }
  return 'Lambda.Unknown';
}

/** Lambda's own exceptions keep their names; an HTTP error without one is the service's, and no answer the client's. */
function errorNameOf(error: unknown): string {
  if (!(error instanceof Error)) return 'Lambda.SdkClientException';
  if (/^[A-Z]\w+Exception$/.test(error.name)) return `Lambda.${error.name}`;
  const metadata = '$metadata' in error ? error.$metadata : undefined;
  const hasAnswer = typeof metadata === 'object' && metadata !== null && 'httpStatusCode' in metadata;
  return hasAnswer && metadata.httpStatusCode !== undefined ? 'Lambda.ServiceException' : 'Lambda.SdkClientException';
}
