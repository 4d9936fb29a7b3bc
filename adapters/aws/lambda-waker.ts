/** Wakes the scaler: an asynchronous invocation, answered before the function runs. */
import { InvokeCommand, type LambdaClient } from '@aws-sdk/client-lambda';
import type { Waker } from '../../core/ports.ts';

export class LambdaWaker implements Waker {
  readonly #client: LambdaClient;
  readonly #functionName: string;
  readonly #onFailure: (error: unknown) => void;

  constructor(options: { client: LambdaClient; functionName: string; onFailure?: (error: unknown) => void }) {
    this.#client = options.client;
    this.#functionName = options.functionName;
    this.#onFailure = options.onFailure ?? (() => undefined);
  }

  async wake(): Promise<void> {
    try {
      await this.#client.send(
        new InvokeCommand({ FunctionName: this.#functionName, InvocationType: 'Event', Payload: '{"source":"wake"}' }),
      );
    } catch (error) {
      this.#onFailure(error);
    }
  }
}
