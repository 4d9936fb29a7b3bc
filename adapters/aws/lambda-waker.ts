/** Wakes the scaler: an asynchronous invocation, answered before the function runs. */
import { InvokeCommand, type LambdaClient } from '@aws-sdk/client-lambda';
import type { Waker } from '../../core/ports.ts';

export class LambdaWaker implements Waker {
  readonly #client: LambdaClient;
  readonly #functionName: string;

  constructor(options: { client: LambdaClient; functionName: string }) {
    this.#client = options.client;
    this.#functionName = options.functionName;
  }

  async wake(): Promise<void> {
    await this.#client.send(
      new InvokeCommand({ FunctionName: this.#functionName, InvocationType: 'Event', Payload: '{"source":"wake"}' }),
    );
  }
}
